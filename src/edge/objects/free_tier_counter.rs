//! A Durable Object that keeps an exact count of the free requests of one client on one route. It deletes its state a
//! minute after the end of the last window in which it granted a free request.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{Request, Response};

use crate::edge::platform::storage::{self, ValueStore};
use crate::policy::free_tier::exact_counter::{ExactCounter, FreeTierRequest, FreeTierResponse};

#[wasm_bindgen]
pub struct FreeTierCounter(ValueStore);

#[wasm_bindgen]
impl FreeTierCounter {
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        ValueStore::new(state).map(Self)
    }

    /// Answers a [`FreeTierRequest`] with a [`FreeTierResponse`].
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let request: FreeTierRequest = storage::read_request(request)?;
        let mut counter: ExactCounter = self.0.read()?.unwrap_or_default();
        let response = counter.take(request);
        if let FreeTierResponse::Granted { is_first, .. } = response {
            self.0.write(&counter)?;
            if is_first {
                self.0.delete_at(request.window_ends_ms.saturating_add(CLOCK_SKEW_MS))?;
            }
        }
        storage::respond(&response)
    }

    /// Deletes the state. The runtime calls `alarm` a minute after the window has ended, and again if the storage
    /// fails.
    pub fn alarm(&self) -> Result<Promise, JsValue> {
        self.0.delete_all()
    }
}

/// How long the state is kept after the window has ended. An isolate whose clock is behind may still count in this
/// window.
const CLOCK_SKEW_MS: u64 = 60_000;
