//! Reads the body of a request or response as text, up to a size limit.

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStream;

use super::clock::with_timeout;
use super::shell;
use crate::error::RequestError;

/// Reads the body of a client's request to its end. Returns `None` if it has more than `max_bytes`.
///
/// # Errors
/// Fails if the body does not arrive within ten seconds. Without this limit, a client could keep a request open
/// forever.
pub async fn read_request(
    stream: Option<ReadableStream>,
    max_bytes: usize,
) -> Result<Option<String>, RequestError> {
    let Some(stream) = stream else { return Ok(Some(String::new())) };
    let text = with_timeout(&shell::read_text(&stream, max_bytes), REQUEST_BODY_MS).await;
    text.map(|text| text.as_string()).map_err(|_| RequestError::BodyTimeout)
}

/// Reads a body to its end. Returns `None` if it has more than `max_bytes`. Sets no time limit: the request that the
/// body belongs to must have one.
pub async fn read(stream: Option<ReadableStream>, max_bytes: usize) -> Result<Option<String>, JsValue> {
    let Some(stream) = stream else { return Ok(Some(String::new())) };
    let text = JsFuture::from(shell::read_text(&stream, max_bytes)).await?;
    Ok(text.as_string())
}

/// How long the whole body of a client's request may take to arrive.
const REQUEST_BODY_MS: i32 = 10_000;
