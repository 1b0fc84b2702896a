//! Reads the body of a request or response as text, up to a size limit.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader};
use worker::wasm_bindgen::{JsCast, JsValue};

/// Reads a body to its end. Returns `None` if it has more than `max_bytes`.
pub async fn read(stream: Option<ReadableStream>, max_bytes: usize) -> Result<Option<String>, JsValue> {
    let Some(stream) = stream else { return Ok(Some(String::new())) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    loop {
        let chunk = JsFuture::from(reader.read()).await?;
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
