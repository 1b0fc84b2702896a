//! A Worker that prices requests with Rust code. edgetoll does everything else.
#![cfg(target_arch = "wasm32")]

use edgetoll::edge::{NoResponse, Toll};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event};

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> Result<web_sys::Response, NoResponse> {
    Toll::from_env(&env)?
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
        .await
}

#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    Toll::sync_ledger(&env).await;
}
