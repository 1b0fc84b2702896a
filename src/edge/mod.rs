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

use std::fmt;

pub use objects::{FreeTierCounter, InvoiceLimit, Ledger, Meter};
pub use toll::Toll;

#[cfg(feature = "entry")]
#[worker::event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: worker::Env,
    context: worker::Context,
) -> Result<web_sys::Response, NoResponse> {
    Toll::from_env(&env)?.handle(request, env, context).await
}

#[cfg(feature = "entry")]
#[worker::event(scheduled)]
async fn scheduled(_: worker::ScheduledEvent, env: worker::Env, _: worker::ScheduleContext) {
    Toll::sync_ledger(&env).await;
}

/// The runtime provided no environment, or could not create a response.
#[derive(Debug)]
pub struct NoResponse;

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime provided no environment or could not create a response")
    }
}

impl std::error::Error for NoResponse {}
