//! The Durable Object that limits the invoices that the whole deployment creates per minute.

use web_sys::{Request, Response};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::platform::clock::now_ms;
use crate::edge::platform::storage::{self, ValueStore};
use crate::limits::rate_limit::{InvoiceLimitRequest, InvoiceLimitResponse, SlidingWindow};

#[wasm_bindgen]
pub struct InvoiceLimit(ValueStore);

#[wasm_bindgen]
impl InvoiceLimit {
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        ValueStore::new(state).map(Self)
    }

    /// Answers an [`InvoiceLimitRequest`] with an [`InvoiceLimitResponse`].
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let InvoiceLimitRequest { per_minute } = storage::read_request(request)?;
        let mut window: SlidingWindow = self.0.read()?.unwrap_or_default();
        storage::respond(&match window.admit(per_minute, now_ms()) {
            Ok(()) => {
                self.0.write(&window)?;
                InvoiceLimitResponse::Admitted
            }
            Err(wait_ms) => InvoiceLimitResponse::Wait(wait_ms),
        })
    }
}
