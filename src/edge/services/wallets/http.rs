//! Sends a request to an LNbits. The response can contain a preimage, so the response is never logged.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response};

use crate::edge::platform::{body, fetch};
use crate::wallet::{HttpRequest, TRY_MS, WalletError, WalletResponse};

/// Sends a request and reads the response, within a time limit and a size limit.
pub async fn send(request: &HttpRequest, limit_ms: u32) -> Result<WalletResponse, WalletError> {
    let signal = AbortSignal::timeout_with_u32(limit_ms);
    let error = |_: JsValue| match signal.aborted() {
        true if u64::from(limit_ms) < TRY_MS => WalletError::DeadlineReached,
        true => WalletError::Timeout,
        false => WalletError::Unreachable,
    };
    let max_bytes = request.max_response_bytes;
    let request = to_js(request, &signal).map_err(error)?;
    let response = JsFuture::from(fetch::global().fetch_with_request(&request)).await.map_err(error)?;
    let response: Response = response.unchecked_into();
    let body = body::read(response.body(), max_bytes).await.map_err(error)?;
    let body = body.ok_or(WalletError::TooLarge)?;
    let retry_after = response.headers().get("Retry-After").ok().flatten();
    let retry_after_s = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    Ok(WalletResponse { status: response.status(), retry_after_s, body, is_listed: None })
}

fn to_js(request: &HttpRequest, signal: &AbortSignal) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    if let Some(key) = &request.key {
        headers.set("X-Api-Key", key)?;
    }
    let init = RequestInit::new();
    if let Some(body) = &request.body {
        headers.set("Content-Type", "application/json")?;
        init.set_body(&body.into());
    }
    init.set_method(request.method);
    init.set_headers(&headers);
    // Redirects are not followed: `fetch` would send the key of the wallet to the new host too.
    init.set_redirect(RequestRedirect::Manual);
    // No cache may store a preimage or return an old status.
    init.set_cache(web_sys::RequestCache::NoStore);
    init.set_signal(Some(signal));
    Request::new_with_str_and_init(&request.url, &init)
}
