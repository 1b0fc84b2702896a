//! Calls to Durable Objects.

use js_sys::Promise;
use serde::Serialize;
use wasm_bindgen::JsCast;
use web_sys::ReadableStream;

use super::runtime::Env;
use super::{clock, environment, shell};
use crate::bindings::ObjectBinding;
use crate::strict_json::FromJson;

/// A call to a Durable Object whose response has not arrived yet.
pub struct PendingCall(Promise);

/// Sends a small request to the Durable Object of this name. Returns `None` if the binding is missing.
///
/// The request is sent in a header, which the object can read without an await. So two calls cannot interleave.
pub fn call(env: &Env, binding: &ObjectBinding, name: &str, request: &impl Serialize) -> Option<PendingCall> {
    let objects = environment::binding(env, binding.name)?;
    Some(PendingCall(shell::call_object(&objects, name, &serde_json::to_string(request).ok()?, None)))
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
    let objects = environment::binding(env, binding.name)?;
    Some(PendingCall(shell::call_object(&objects, name, command, Some(body))))
}

/// Sends a command as [`post`] does. The response is read with [`PendingCall::stream`].
pub fn open(
    env: &Env,
    binding: &ObjectBinding,
    name: &str,
    command: &str,
    body: &str,
) -> Option<PendingCall> {
    let objects = environment::binding(env, binding.name)?;
    Some(PendingCall(shell::open_object(&objects, name, command, body)))
}

impl PendingCall {
    /// Returns the response; `None` if the object fails, does not respond within `limit_ms`, or the response cannot be
    /// parsed.
    pub async fn response<T: FromJson>(&self, limit_ms: i32) -> Option<T> {
        T::parse(&self.text(limit_ms).await?)
    }

    /// Returns the body of the response, which is `None` if the response has no body. Returns `None` if the object fails or does
    /// not begin to respond within `limit_ms`.
    pub async fn stream(&self, limit_ms: i32) -> Option<Option<ReadableStream>> {
        Some(clock::with_timeout(&self.0, limit_ms).await.ok()?.dyn_into().ok())
    }

    /// Returns the response as text; `None` if the object fails or does not respond within `limit_ms`.
    pub async fn text(&self, limit_ms: i32) -> Option<String> {
        clock::with_timeout(&self.0, limit_ms).await.ok()?.as_string()
    }
}
