//! Reads the body of a request or response as text, up to a size limit.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader};

use super::clock::{now_ms, with_timeout};
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
    let until_ms = now_ms().saturating_add(REQUEST_BODY_MS);
    read_until(stream, max_bytes, Some(until_ms)).await.map_err(|_| RequestError::BodyTimeout)
}

/// Reads a body to its end. Returns `None` if it has more than `max_bytes`. Sets no time limit: the request that the
/// body belongs to must have one.
pub async fn read(stream: Option<ReadableStream>, max_bytes: usize) -> Result<Option<String>, JsValue> {
    read_until(stream, max_bytes, None).await
}

async fn read_until(
    stream: Option<ReadableStream>,
    max_bytes: usize,
    until_ms: Option<u64>,
) -> Result<Option<String>, JsValue> {
    let Some(stream) = stream else { return Ok(Some(String::new())) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    loop {
        let chunk = match until_ms {
            None => JsFuture::from(reader.read()).await?,
            Some(until_ms) => {
                let left_ms = until_ms.saturating_sub(now_ms());
                with_timeout(&reader.read(), i32::try_from(left_ms).unwrap_or_default()).await?
            }
        };
        if Reflect::get(&chunk, &"done".into())?.is_truthy() {
            return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
        }
        let chunk: Uint8Array = Reflect::get(&chunk, &"value".into())?.unchecked_into();
        if bytes.len().saturating_add(chunk.byte_length() as usize) > max_bytes {
            // The rest of the body is discarded. An error of `cancel` does not matter.
            let _ = JsFuture::from(reader.cancel()).await;
            return Ok(None);
        }
        bytes.extend(chunk.to_vec());
    }
}

/// How long the whole body of a client's request may take to arrive.
const REQUEST_BODY_MS: u64 = 10_000;
