//! The Durable Object that counts one client's free requests on one route, exactly. It forgets itself when the window ends.

use js_sys::Promise;
use web_sys::{Request, Response};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use super::object::{self, Store};

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
        let used = stored.as_deref().and_then(|stored| read_count(stored, ends_at_ms));
        let left = quota.checked_sub(used.unwrap_or_default()).and_then(|left| left.checked_sub(1));
        let Some(left) = left else { return Response::new_with_opt_str(Some("used_up")) };
        let count = used.unwrap_or_default().saturating_add(1);
        let forget_at_ms = used.is_none().then_some(ends_at_ms);
        self.0.write(&format!("{ends_at_ms}/{count}"), forget_at_ms)?;
        Response::new_with_opt_str(Some(&left.to_string()))
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

/// What was counted, if it was in the same window.
fn read_count(stored: &str, ends_at_ms: u64) -> Option<u64> {
    let (window, count) = stored.split_once('/')?;
    (window.parse() == Ok(ends_at_ms)).then(|| count.parse().ok())?
}
