//! The functions of `shell.js`: each does several steps in JavaScript for one call from the wasm.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{ReadableStream, Request, Response};

use super::runtime::Env;

#[wasm_bindgen(raw_module = "./shell.js")]
extern "C" {
    /// Returns method, URL, whether there is a body (`1` or nothing), and the headers, each on a line of its own.
    #[wasm_bindgen(js_name = readRequest)]
    pub fn read_request(request: &Request) -> String;

    /// Sends a request to the origin. The value of the promise is the response, or the name of a fault.
    #[wasm_bindgen(js_name = sendForWasm)]
    pub fn send(request: &Request, env: &Env, plan: &str) -> Promise;

    /// Returns the headers of a response as lines, which [`HeaderList`](crate::http::header_list::HeaderList) parses.
    #[wasm_bindgen(js_name = readHeaders)]
    pub fn read_headers(response: &Response) -> String;

    /// Returns a response with changed headers: those of the plan, and `edits`.
    #[wasm_bindgen(catch, js_name = changeForWasm)]
    pub fn change(response: &Response, plan: &str, edits: &str) -> Result<Response, JsValue>;

    /// Changes headers.
    #[wasm_bindgen(catch, js_name = editHeadersByText)]
    pub fn edit_headers(headers: &web_sys::Headers, edits: &str) -> Result<(), JsValue>;

    /// Reads a body. The value of the promise is its text, or undefined if it has more than `max_bytes`.
    #[wasm_bindgen(js_name = readText)]
    pub fn read_text(stream: &ReadableStream, max_bytes: usize) -> Promise;

    /// Returns a promise with the result of another one. It fails after `ms` milliseconds.
    #[wasm_bindgen(catch)]
    pub fn within(promise: &Promise, ms: i32) -> Result<Promise, JsValue>;

    /// Calls the Durable Object of this name in a namespace. The value of the promise is the response as text.
    #[wasm_bindgen(js_name = callObject)]
    pub fn call_object(objects: &JsValue, name: &str, request: &str, body: Option<&str>) -> Promise;

    /// Calls the Durable Object of this name in a namespace. The value of the promise is the body of the response, or null.
    #[wasm_bindgen(js_name = openObject)]
    pub fn open_object(objects: &JsValue, name: &str, request: &str, body: &str) -> Promise;

    /// Counts the instances of the wasm, so that `entry.js` can replace the objects of an earlier instance.
    #[wasm_bindgen(js_name = instanceStarted)]
    pub fn instance_started();
}
