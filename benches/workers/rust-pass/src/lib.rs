//! A Worker that forwards each request as it is: what Rust in WebAssembly costs without any work.

#![cfg(target_arch = "wasm32")]

use js_sys::Promise;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = globalThis, js_name = fetch)]
    fn fetch_globally(request: &JsValue) -> Promise;
}

/// Sends the request on, and returns the promise of its response.
#[wasm_bindgen]
pub fn fetch(request: &JsValue) -> Promise {
    fetch_globally(request)
}
