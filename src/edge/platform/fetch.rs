//! `fetch`: the global function, and the method of a binding.

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, RequestInit, WorkerGlobalScope};

/// Returns the global scope, whose `fetch` sends a request out of the Worker.
pub fn global() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

#[wasm_bindgen]
extern "C" {
    /// A binding that has the method `fetch`: a service binding, or the assets binding.
    pub type Fetcher;

    #[wasm_bindgen(method, catch)]
    pub fn fetch(this: &Fetcher, request: &Request, init: &RequestInit) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = fetch)]
    pub fn fetch_url(this: &Fetcher, url: &str) -> Result<Promise, JsValue>;
}
