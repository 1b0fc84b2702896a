//! The Durable Object that limits the invoices that the whole deployment creates per minute.

use std::cell::RefCell;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{Request, Response};

use crate::edge::platform::clock::now_ms;
use crate::edge::platform::storage::{self, ValueStore};
use crate::limits::invoice_limit::{InvoiceLimitRequest, InvoiceLimitResponse};
use crate::limits::rate_limit::{ClientLimits, SlidingWindow};

#[wasm_bindgen]
pub struct InvoiceLimit {
    /// Stores how many invoices were admitted in the last minute.
    store: ValueStore,
    /// The clients that had an invoice in the last minute. The list is only in memory. If the runtime removes the
    /// object from memory, these clients count as clients that had no invoice.
    clients: RefCell<ClientLimits>,
}

#[wasm_bindgen]
impl InvoiceLimit {
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        Ok(Self { store: ValueStore::new(state)?, clients: RefCell::default() })
    }

    /// Answers an [`InvoiceLimitRequest`] with an [`InvoiceLimitResponse`].
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let request: InvoiceLimitRequest = storage::read_request(request)?;
        let mut invoices: SlidingWindow = self.store.read()?.unwrap_or_default();
        let response = request.admit(&mut invoices, &mut self.clients.borrow_mut(), now_ms());
        if response == InvoiceLimitResponse::Admitted {
            self.store.write(&invoices)?;
        }
        storage::respond(&response)
    }
}
