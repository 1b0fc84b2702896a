//! Loads the template of a page, and makes a nonce for the Content-Security-Policy of the page.

use crate::edge::platform::runtime::Env;
use wasm_bindgen::JsValue;

use crate::edge::platform::{assets, body};
use crate::hex;

/// Returns a template and a new nonce. Returns `None` if the template is missing or too large, or if the runtime
/// returned no random bytes.
pub async fn open(env: &Env, file: &str) -> Result<Option<(String, String)>, JsValue> {
    let Some(stored) = assets::open(env, file).await? else { return Ok(None) };
    let Some(html) = body::read(stored.body(), MAX_TEMPLATE_BYTES).await? else { return Ok(None) };
    let mut nonce = [0; 16];
    Ok(getrandom::fill(&mut nonce).ok().map(|()| (html, hex::encode(&nonce))))
}

const MAX_TEMPLATE_BYTES: usize = 65_536;
