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

/// Answers a request.
#[cfg(feature = "entry")]
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env, context: Context) -> Promise {
    Toll::from_env(&env).handle(request, env, context)
}

/// Synchronizes the ledger with the wallets. The cron trigger calls it every minute.
#[wasm_bindgen]
pub fn scheduled(env: Env) -> Promise {
    future_to_promise(async move {
        services::wallet_sync::run(&env).await;
        Ok(JsValue::UNDEFINED)
    })
}
