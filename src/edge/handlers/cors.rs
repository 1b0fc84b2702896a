//! CORS, if the price list has `cors`: pages of other origins may read the responses of priced routes and most of
//! edgetoll's own responses.

use wasm_bindgen::JsValue;
use web_sys::{Headers, Response};

use super::response;
use crate::edge::context::{IncomingRequest, RequestContext};
use crate::edge::platform::shell;
use crate::http::header_edits::HeaderEdits;
use crate::policy::Policy;

/// Adds the CORS headers to a response, if the price list has `cors`.
pub fn share(policy: &Policy, request: &IncomingRequest, headers: &Headers) -> Result<(), JsValue> {
    let Some(cors) = &policy.cors else { return Ok(()) };
    let get = |name: &str| headers.get(name).ok().flatten();
    let mut edits = HeaderEdits::default();
    cors.share(request.header("Origin"), get("Vary").as_deref(), get, &mut edits);
    shell::edit_headers(headers, edits.as_str())
}

/// Answers a preflight. Every requested method and header is allowed, because the request that follows is checked when
/// it arrives. Without `cors` in the price list, the response has no `Access-Control-Allow-Origin`, so browsers do not
/// send the request that would follow.
pub fn preflight(ctx: &RequestContext<'_>) -> Result<Response, JsValue> {
    let response = response::empty(204)?;
    let headers = response.headers();
    for (requested, allowed) in [
        ("Access-Control-Request-Method", "Access-Control-Allow-Methods"),
        ("Access-Control-Request-Headers", "Access-Control-Allow-Headers"),
    ] {
        if let Some(value) = ctx.request.header(requested) {
            headers.set(allowed, value)?;
        }
    }
    headers.set("Access-Control-Max-Age", "600")?;
    headers.set("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")?;
    Ok(response)
}
