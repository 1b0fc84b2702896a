//! CORS, where the owner asks for it: pages of other origins may read our answers.

use web_sys::{Headers, Response};
use worker::wasm_bindgen::JsValue;

use super::answer;
use super::facts::Arrival;
use crate::forward::with_members;
use crate::policy::cors::{Cors, EXPOSED};

/// Lets a page read an answer. What the origin says of itself stays; nothing is said twice.
pub fn share(headers: &Headers, cors: &Cors, page: Option<&str>) -> Result<(), JsValue> {
    if cors.varies() {
        headers.set("Vary", &with_members(headers.get("Vary")?.as_deref(), &["Origin"]))?;
    }
    if !headers.has(ALLOW_ORIGIN)? {
        let Some(origin) = cors.allow_origin(page) else { return Ok(()) };
        headers.set(ALLOW_ORIGIN, origin)?;
    }
    headers.set(EXPOSE, &with_members(headers.get(EXPOSE)?.as_deref(), &EXPOSED))
}

/// The answer to a preflight: whatever is asked for may be sent, since what it costs is said in the answer to it.
pub fn preflight(arrival: &Arrival) -> Result<Response, JsValue> {
    let response = answer::empty(204)?;
    let headers = response.headers();
    for (asked, allowed) in [
        ("Access-Control-Request-Method", "Access-Control-Allow-Methods"),
        ("Access-Control-Request-Headers", "Access-Control-Allow-Headers"),
    ] {
        if let Some(value) = arrival.header(asked) {
            headers.set(allowed, &value)?;
        }
    }
    headers.set("Access-Control-Max-Age", "600")?;
    headers.set("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")?;
    Ok(response)
}

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const EXPOSE: &str = "Access-Control-Expose-Headers";
