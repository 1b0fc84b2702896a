//! One call to a wallet. What it answers may hold the preimage: it is read here, and dropped by whoever asked.

use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response};
use worker::wasm_bindgen::{JsCast, JsValue};

use crate::edge::{body, origin};
use crate::wallet::{Answer, Call, TRY_MS, WalletError};

/// Sends a call, and reads the answer to its end or to the limits of time and size.
pub async fn send(call: &Call, limit_ms: u32) -> Result<Answer, WalletError> {
    let signal = AbortSignal::timeout_with_u32(limit_ms);
    let failure = |_: JsValue| match signal.aborted() {
        true if u64::from(limit_ms) < TRY_MS => WalletError::Late,
        true => WalletError::Timeout,
        false => WalletError::Unreachable,
    };
    let request = request(call, &signal).map_err(failure)?;
    let response = JsFuture::from(origin::global().fetch_with_request(&request)).await.map_err(failure)?;
    let response: Response = response.unchecked_into();
    let body = body::read(response.body(), call.max_answer_bytes).await.map_err(failure)?;
    let body = body.ok_or(WalletError::TooLarge)?;
    let retry_after = response.headers().get("Retry-After").ok().flatten();
    let retry_after_s = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    Ok(Answer { status: response.status(), retry_after_s, body })
}

fn request(call: &Call, signal: &AbortSignal) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    if let Some(key) = &call.key {
        headers.set("X-Api-Key", key)?;
    }
    let init = RequestInit::new();
    if let Some(body) = &call.body {
        headers.set("Content-Type", "application/json")?;
        init.set_body(&body.into());
    }
    init.set_method(call.method);
    init.set_headers(&headers);
    // A redirect would carry the key to whoever LNbits' host names.
    init.set_redirect(RequestRedirect::Manual);
    // No cache may keep a preimage, or the word of yesterday.
    init.set_cache(web_sys::RequestCache::NoStore);
    init.set_signal(Some(signal));
    Request::new_with_str_and_init(&call.url, &init)
}
