//! CORS, if the price list has `cors`: pages of other origins may read the responses of priced routes and most of
//! edgetoll's own responses.

use wasm_bindgen::JsValue;
use web_sys::{Headers, Response};

use super::response;
use crate::edge::context::RequestContext;
use crate::http::cache_control::with_members;
use crate::policy::cors::EXPOSED;

/// Adds the CORS headers to a response, if the price list has `cors`. An `Access-Control-Allow-Origin` that the
/// response already has, such as that of the origin server, is kept.
pub fn share(ctx: &RequestContext<'_>, headers: &Headers) -> Result<(), JsValue> {
    let Some(cors) = &ctx.policy().cors else { return Ok(()) };
    if cors.varies() {
        headers.set("Vary", &with_members(headers.get("Vary")?.as_deref(), &["Origin"]))?;
    }
    if !headers.has(ALLOW_ORIGIN)? {
        let page = ctx.request.header("Origin");
        let Some(origin) = cors.allow_origin(page.as_deref()) else { return Ok(()) };
        headers.set(ALLOW_ORIGIN, origin)?;
    }
    headers.set(EXPOSE_HEADERS, &with_members(headers.get(EXPOSE_HEADERS)?.as_deref(), &EXPOSED))
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
            headers.set(allowed, &value)?;
        }
    }
    headers.set("Access-Control-Max-Age", "600")?;
    headers.set("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")?;
    Ok(response)
}

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const EXPOSE_HEADERS: &str = "Access-Control-Expose-Headers";
