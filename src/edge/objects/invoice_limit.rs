//! The Durable Object that limits the invoices that the whole deployment creates per minute.

use std::cell::RefCell;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::platform::clock::now_ms;
use crate::edge::platform::storage::StoredValue;
use crate::limits::invoice_limit::InvoiceLimitRequest;
use crate::limits::rate_limit::{ClientLimits, SlidingWindow};

#[wasm_bindgen]
pub struct InvoiceLimit {
    /// How many invoices were admitted in the last minute.
    invoices: StoredValue<SlidingWindow>,
    /// The clients that had an invoice in the last minute. The list is only in memory. If the runtime removes the
    /// object from memory, these clients count as clients that had no invoice.
    clients: RefCell<ClientLimits>,
}

#[wasm_bindgen]
impl InvoiceLimit {
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        Ok(Self { invoices: StoredValue::read(state)?, clients: RefCell::default() })
    }

    /// Answers an [`InvoiceLimitRequest`] with an
    /// [`InvoiceLimitResponse`](crate::limits::invoice_limit::InvoiceLimitResponse).
    pub fn answer(&self, request: &str) -> Result<String, JsValue> {
        self.invoices.answer(request, |request: &InvoiceLimitRequest, invoices| {
            request.admit(invoices, &mut self.clients.borrow_mut(), now_ms())
        })
    }

    #[wasm_bindgen(js_name = isChanged)]
    pub fn is_changed(&self) -> bool {
        self.invoices.is_changed()
    }

    pub fn write(&self) -> Result<(), JsValue> {
        self.invoices.write()
    }
}
