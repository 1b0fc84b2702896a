//! The files of www/. The Worker alone serves them, each under a name that it knows.

use web_sys::Response;
use worker::Env;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::origin::Fetcher;
use super::{environment, time};

/// A file; `None` where none are deployed, or not this one.
pub async fn open(env: &Env, file: &str) -> Result<Option<Response>, JsValue> {
    let Some(assets) = environment::value(env, BINDING) else { return Ok(None) };
    let stored = assets.unchecked_into::<Fetcher>().fetch_url(&format!("https://assets.invalid/{file}"))?;
    let stored: Response = time::limit(&stored, TIMEOUT_MS).await?.unchecked_into();
    Ok(stored.ok().then_some(stored))
}

const BINDING: &str = "ASSETS";
const TIMEOUT_MS: i32 = 2_000;
