//! The files of www/. The Worker alone serves them, each under a name that it knows.

use wasm_bindgen_futures::JsFuture;
use web_sys::Response;
use worker::Env;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::environment;
use super::origin::Fetcher;

/// A file; `None` where none are deployed, or not this one.
pub async fn open(env: &Env, file: &str) -> Result<Option<Response>, JsValue> {
    let Some(assets) = environment::value(env, BINDING) else { return Ok(None) };
    let stored = assets.unchecked_into::<Fetcher>().fetch_url(&format!("https://assets.invalid/{file}"))?;
    let stored: Response = JsFuture::from(stored).await?.unchecked_into();
    Ok(stored.ok().then_some(stored))
}

const BINDING: &str = "ASSETS";
