//! Static assets: the files of `www/`. A client gets an asset only if a handler of the Worker opens it.

use crate::edge::platform::runtime::Env;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Response;

use super::fetch::Fetcher;
use super::{clock, environment};
use crate::bindings::ASSETS;

/// Opens a file. Returns `None` if the file is not deployed, or if the binding `ASSETS` is missing.
pub async fn open(env: &Env, file: &str) -> Result<Option<Response>, JsValue> {
    let Some(assets) = environment::binding(env, ASSETS) else { return Ok(None) };
    let pending = assets.unchecked_into::<Fetcher>().fetch_url(&format!("https://assets.invalid/{file}"))?;
    let response: Response = clock::with_timeout(&pending, TIMEOUT_MS).await?.unchecked_into();
    Ok(response.ok().then_some(response))
}

const TIMEOUT_MS: i32 = 2_000;
