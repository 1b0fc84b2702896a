//! The Worker: everything that touches JavaScript.
//!
//! This module turns a JavaScript request into plain values, lets the gate decide, and carries the decision out. The
//! bodies of forwarded requests stay in JavaScript. `docs/architecture.md` describes the phases of a request.

mod context;
mod handlers;
mod objects;
mod platform;
mod services;
mod toll;

pub use objects::{FreeTierCounter, InvoiceLimit, Ledger, Meter};
pub use platform::runtime::{Context, Env};
pub use toll::Toll;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;
use web_sys::Request;

/// Prepares for the first request, while the isolate starts.
#[wasm_bindgen]
pub fn prepare(env: &Env) {
    toll::prepare(env);
}

/// Answers a request.
#[cfg(feature = "entry")]
#[wasm_bindgen]
pub fn fetch(request: Request, env: Env, context: Context) -> JsValue {
    Toll::from_env(&env).handle(request, env, context)
}

/// Returns the changes of the headers of the origin's response.
#[wasm_bindgen(js_name = finishForward)]
pub fn finish_forward(env: &Env, context: &Context, plan: &str, headers: String) -> Result<String, JsValue> {
    toll::finish_forward(env, context, plan, headers)
}

/// Answers a request with an error: the origin did not respond, or the runtime threw an exception.
#[wasm_bindgen]
pub fn failed(
    request: Request,
    env: Env,
    context: Context,
    plan: String,
    fault: String,
    started_ms: f64,
) -> Promise {
    future_to_promise(async move {
        let response = toll::failed(request, &env, &context, &plan, &fault, started_ms as u64).await;
        response.map(JsValue::from)
    })
}

/// Synchronizes the ledger with the wallets. The cron trigger calls it every minute.
#[wasm_bindgen]
pub fn scheduled(env: Env) -> Promise {
    future_to_promise(async move {
        services::wallet_sync::run(&env).await;
        Ok(JsValue::UNDEFINED)
    })
}
