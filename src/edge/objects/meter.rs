//! The Durable Object that counts the uses of one payment. The object deletes its state an hour after the credential of
//! the payment has expired.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::platform::clock::now_ms;
use crate::edge::platform::storage::StoredValue;
use crate::limits::uses::{MeterRequest, Uses};

#[wasm_bindgen]
pub struct Meter(StoredValue<Uses>);

#[wasm_bindgen]
impl Meter {
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        StoredValue::read(state).map(Self)
    }

    /// Answers a [`MeterRequest`] with a [`MeterResponse`](crate::limits::uses::MeterResponse).
    pub fn answer(&self, request: &str) -> Result<String, JsValue> {
        self.0.answer(request, |request: &MeterRequest, uses| {
            if let (true, Some(lease)) = (uses.is_unused(), request.take) {
                self.0.delete_at(lease.delete_at_ms);
            }
            uses.run(request, now_ms())
        })
    }

    #[wasm_bindgen(js_name = isChanged)]
    pub fn is_changed(&self) -> bool {
        self.0.is_changed()
    }

    pub fn write(&self) -> Result<(), JsValue> {
        self.0.write()
    }

    /// Deletes the state. The runtime calls `alarm` an hour after the credential of the payment has expired, and again
    /// if the storage fails.
    pub fn alarm(&self) -> Result<Promise, JsValue> {
        self.0.delete_all()
    }
}
