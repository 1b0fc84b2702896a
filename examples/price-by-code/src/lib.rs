//! A Worker that prices requests with Rust code. edgetoll does everything else.
#![cfg(target_arch = "wasm32")]

use edgetoll::edge::{Context, Env, Toll};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;

/// Answers a request.
#[wasm_bindgen]
pub fn fetch(request: Request, env: Env, context: Context) -> JsValue {
    Toll::from_env(&env)
        // One sat for each word of `text`, and at least one sat.
        .price("/api/echo", |request| {
            let text = request.query("text")?.unwrap_or_default();
            Ok(text.split_whitespace().count().max(1) as u64)
        })
        // Without `limit`, a request is free. With `limit`, it costs one sat for each result that `limit` allows, at
        // least 1 and at most 100 sats. If `limit` is not a number, it costs 100 sats.
        .price("/api/search", |request| match request.query("limit")? {
            None => Ok(0),
            Some(limit) => Ok(limit.parse::<u64>().unwrap_or(100).clamp(1, 100)),
        })
        .handle(request, env, context)
}
