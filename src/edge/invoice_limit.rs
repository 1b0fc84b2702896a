//! The Durable Object that counts the invoices of the whole deployment.

use web_sys::{Request, Response};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use super::object::{self, Store};
use super::time::now_ms;
use crate::flood::Minute;

/// The count; `wrangler.toml` names this class.
#[wasm_bindgen]
pub struct InvoiceLimit(Store);

#[wasm_bindgen]
impl InvoiceLimit {
    /// As the runtime makes it.
    ///
    /// # Errors
    /// Where it gives no storage.
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        Store::new(state).map(Self)
    }

    /// `/<invoices a minute>` answers `ok`, or in how many milliseconds one may be asked for again.
    ///
    /// # Errors
    /// Where the storage fails, or the path is none of ours.
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let names = object::names(&request.url());
        let per_minute = names.first().and_then(|name| name.parse().ok()).ok_or(JsValue::NULL)?;
        let mut minute = self.0.read()?.and_then(|text| Minute::parse(&text)).unwrap_or_default();
        match minute.take(per_minute, now_ms()) {
            Ok(()) => {
                self.0.write(&minute.to_text(), None)?;
                Response::new_with_opt_str(Some("ok"))
            }
            Err(wait_ms) => Response::new_with_opt_str(Some(&wait_ms.to_string())),
        }
    }
}
