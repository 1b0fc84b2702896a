//! The Durable Object that counts the uses of one payment. The object deletes its state an hour after the credential of
//! the payment has expired.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{Request, Response};

use crate::edge::platform::clock::now_ms;
use crate::edge::platform::storage::{self, ValueStore};
use crate::limits::uses::{MeterRequest, MeterResponse, Uses};

#[wasm_bindgen]
pub struct Meter(ValueStore);

#[wasm_bindgen]
impl Meter {
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        ValueStore::new(state).map(Self)
    }

    /// Answers a [`MeterRequest`] with a [`MeterResponse`].
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let request: MeterRequest = storage::read_request(request)?;
        let stored: Option<Uses> = self.0.read()?;
        let is_new = stored.is_none();
        let mut uses = stored.unwrap_or_default();
        let response = uses.run(&request, now_ms());
        let is_change = !matches!(request, MeterRequest::Check { .. })
            && !matches!(response, MeterResponse::InFlight | MeterResponse::Spent);
        if is_change {
            self.0.write(&uses)?;
            if let (true, MeterRequest::Take { delete_at_ms, .. }) = (is_new, request) {
                self.0.delete_at(delete_at_ms)?;
            }
        }
        storage::respond(&response)
    }

    /// Deletes the state. The runtime calls `alarm` an hour after the credential of the payment has expired, and again
    /// if the storage fails.
    pub fn alarm(&self) -> Result<Promise, JsValue> {
        self.0.delete_all()
    }
}
