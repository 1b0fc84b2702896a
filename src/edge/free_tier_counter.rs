//! The Durable Object that counts one client's free requests on one route, exactly. It forgets itself when the window ends.

use js_sys::Promise;
use web_sys::{Request, Response};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use super::object::{self, Store};
use crate::policy::free::exact;

/// A counter; `wrangler.toml` names this class.
#[wasm_bindgen]
pub struct FreeTierCounter(Store);

#[wasm_bindgen]
impl FreeTierCounter {
    /// As the runtime makes it.
    ///
    /// # Errors
    /// Where it gives no storage.
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        Store::new(state).map(Self)
    }

    /// Takes one request of `/<quota>/<end of the window in ms>`; answers how many remain, or `used_up`.
    ///
    /// # Errors
    /// Where the storage fails, or the path is none of ours.
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let (quota, ends_at_ms) = read_path(&request.url()).ok_or(JsValue::NULL)?;
        let stored = self.0.read()?;
        let Ok(step) = exact::take(stored.as_deref(), quota, ends_at_ms) else {
            return Response::new_with_opt_str(Some("used_up"));
        };
        let forget_at_ms = step.is_first.then(|| ends_at_ms.saturating_add(FORGET_AFTER_MS));
        self.0.write(&step.stored, forget_at_ms)?;
        Response::new_with_opt_str(Some(&step.remaining.to_string()))
    }

    /// The window is over.
    ///
    /// # Errors
    /// Where the storage fails; the runtime then tries again.
    pub fn alarm(&self) -> Result<Promise, JsValue> {
        self.0.forget()
    }
}

fn read_path(url: &str) -> Option<(u64, u64)> {
    match object::names(url).as_slice() {
        [quota, ends_at_ms] => Some((quota.parse().ok()?, ends_at_ms.parse().ok()?)),
        _ => None,
    }
}

/// Clocks differ.
const FORGET_AFTER_MS: u64 = 60_000;
