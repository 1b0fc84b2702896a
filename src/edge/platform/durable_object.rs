//! Calls to Durable Objects.

use crate::edge::platform::runtime::Env;
use js_sys::Promise;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{Headers, RequestInit, Response};

use super::{clock, environment};
use crate::bindings::ObjectBinding;
use crate::strict_json::FromJson;

/// A call to a Durable Object whose response has not arrived yet.
pub struct PendingCall(Promise);

/// Sends a small request to the Durable Object of this name. Returns `None` if the binding is missing.
///
/// The request is sent in a header, which the object can read without an await. So two calls cannot interleave.
pub fn call(env: &Env, binding: &ObjectBinding, name: &str, request: &impl Serialize) -> Option<PendingCall> {
    send(env, binding, name, init(&serde_json::to_string(request).ok()?)?)
}

/// Sends a command to the Durable Object of this name. The name of the command is sent in a header. Its fields are sent
/// as the body, because they may be too long for a header. Returns `None` if the binding is missing.
pub fn post(
    env: &Env,
    binding: &ObjectBinding,
    name: &str,
    command: &str,
    body: &str,
) -> Option<PendingCall> {
    let init = init(command)?;
    init.set_method("POST");
    init.set_body(&body.into());
    send(env, binding, name, init)
}

fn init(request: &str) -> Option<RequestInit> {
    let headers = Headers::new().ok()?;
    headers.set(REQUEST_HEADER, request).ok()?;
    let init = RequestInit::new();
    init.set_headers(&headers);
    Some(init)
}

fn send(env: &Env, binding: &ObjectBinding, name: &str, init: RequestInit) -> Option<PendingCall> {
    let objects: ObjectNamespace = environment::binding(env, binding.name)?.unchecked_into();
    let name = name.to_owned();
    Some(PendingCall(future_to_promise(async move {
        let object = objects.get(&objects.id_from_name(&name)?)?;
        let response: Response = JsFuture::from(object.fetch(OBJECT_URL, &init)?).await?.unchecked_into();
        if response.ok() { JsFuture::from(response.text()?).await } else { Err(JsValue::NULL) }
    })))
}

impl PendingCall {
    /// Returns the response; `None` if the object fails, does not respond within `limit_ms`, or the response cannot be
    /// parsed.
    pub async fn response<T: FromJson>(&self, limit_ms: i32) -> Option<T> {
        T::parse(&self.text(limit_ms).await?)
    }

    /// Returns the response as text; `None` if the object fails or does not respond within `limit_ms`.
    pub async fn text(&self, limit_ms: i32) -> Option<String> {
        clock::with_timeout(&self.0, limit_ms).await.ok()?.as_string()
    }
}

#[wasm_bindgen]
extern "C" {
    type ObjectNamespace;
    type ObjectId;
    type ObjectStub;

    #[wasm_bindgen(method, catch, js_name = idFromName)]
    fn id_from_name(this: &ObjectNamespace, name: &str) -> Result<ObjectId, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn get(this: &ObjectNamespace, id: &ObjectId) -> Result<ObjectStub, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &ObjectStub, url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// The header that carries a small request as JSON, or the name of a command.
pub const REQUEST_HEADER: &str = "Toll-Request";
/// The object ignores the URL, but `fetch` requires one.
const OBJECT_URL: &str = "https://object.invalid/";
