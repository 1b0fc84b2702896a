//! A Durable Object that keeps an exact count of the free requests of one client on one route. It deletes its state a
//! minute after the end of the last window in which it granted a free request.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::edge::platform::clock::now_ms;
use crate::edge::platform::storage::StoredValue;
use crate::policy::free_tier::exact_counter::{ExactCounter, FreeTierRequest, FreeTierResponse};

#[wasm_bindgen]
pub struct FreeTierCounter(StoredValue<ExactCounter>);

#[wasm_bindgen]
impl FreeTierCounter {
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        StoredValue::read(state).map(Self)
    }

    /// Answers a [`FreeTierRequest`] with a [`FreeTierResponse`].
    pub fn answer(&self, request: &str) -> Result<String, JsValue> {
        self.0.answer(request, |request: &FreeTierRequest, counter| {
            let response = counter.take(*request);
            if let FreeTierResponse::Granted { is_first: true, .. } = response {
                self.0.delete_at(request.window_ends_ms.saturating_add(CLOCK_SKEW_MS));
            }
            response
        })
    }

    #[wasm_bindgen(js_name = isChanged)]
    pub fn is_changed(&self) -> bool {
        self.0.is_changed()
    }

    pub fn write(&self) -> Result<(), JsValue> {
        self.0.write()
    }

    /// Deletes the state, unless a request has begun another window at this moment, which has a later alarm. The runtime
    /// calls `alarm` a minute after the window has ended, and again if the storage fails.
    pub fn alarm(&self) -> Result<Promise, JsValue> {
        self.0.delete_all_if(|counter| counter.has_ended(now_ms()))
    }
}

/// How long the state is kept after the window has ended. An isolate whose clock is behind may still count in this
/// window.
const CLOCK_SKEW_MS: u64 = 60_000;
