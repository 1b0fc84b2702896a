//! The admin endpoints: dashboard, statistics, metrics, and sessions.

use std::sync::{LazyLock, Mutex};

use web_sys::{ReadableStream, Response};

use super::{Answered, HandlerError, health, response};
use crate::admin::{self, AdminAccess, AdminRequest};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{now_ms, now_unix};
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::{assets, body};
use crate::edge::services::{ledger, rate_limits, wallets};
use crate::endpoints::{AdminEndpoint, CSS, Endpoint, HTML, JAVASCRIPT};
use crate::error::RequestError;
use crate::http::{cookie, form};
use crate::ledger::command::{LedgerCommand, Limits};
use crate::ledger::metrics::metrics;
use crate::limits::rate_limit::ClientLimits;
use crate::strict_json::Json;

/// Answers a request to an admin endpoint. If `ADMIN_TOKEN` is missing or not valid, the status is 404. If only
/// `TOLL_SECRET` is missing or not valid, the status is 503.
pub async fn answer(ctx: &RequestContext<'_>, endpoint: AdminEndpoint) -> Result<Answered, HandlerError> {
    let access = ctx.settings.admin_access()?;
    let response = match (endpoint, check_access(ctx, &access, endpoint)) {
        (AdminEndpoint::Dashboard, Err(RequestError::Unauthorized)) => page(ctx, "login", HTML, 401).await?,
        (_, Err(error)) => return Err(error.into()),
        (_, Ok(())) => run(ctx, &access, endpoint).await?,
    };
    Ok(Answered::by_endpoint(Endpoint::Admin(endpoint), response))
}

fn check_access(
    ctx: &RequestContext<'_>,
    access: &AdminAccess<'_>,
    endpoint: AdminEndpoint,
) -> Result<(), RequestError> {
    let header = |name: &str| ctx.request.header(name);
    let request = AdminRequest {
        method: &ctx.request.method,
        authorization: header("Authorization"),
        cookie: header("Cookie"),
        origin: header("Origin"),
        own_origin: ctx.url.origin,
        is_private: ctx.url.is_private(),
    };
    access.check(endpoint, &request, now_unix())
}

async fn run(
    ctx: &RequestContext<'_>,
    access: &AdminAccess<'_>,
    endpoint: AdminEndpoint,
) -> Result<Response, HandlerError> {
    let home = format!("{}/", ctx.policy().prefix);
    match endpoint {
        AdminEndpoint::Root => Ok(response::redirect(308, &home, None)?),
        AdminEndpoint::Dashboard => page(ctx, "dashboard", HTML, 200).await,
        AdminEndpoint::Script => page(ctx, "dashboard.js", JAVASCRIPT, 200).await,
        AdminEndpoint::Style => page(ctx, "operator.css", CSS, 200).await,
        AdminEndpoint::Stats => Ok(response::json(200, &[], &read_stats(ctx).await?)?),
        AdminEndpoint::Payments => Ok(response::json(200, &[], &list_payments(ctx).await?)?),
        AdminEndpoint::Export => Ok(response::csv(&export_payments(ctx).await?)?),
        AdminEndpoint::Status => Ok(health::status(ctx).await?),
        AdminEndpoint::Metrics => {
            let stats = Json::parse(read_stats(ctx).await?.as_bytes());
            let text = stats.as_ref().and_then(metrics).ok_or(RequestError::LedgerUnavailable)?;
            Ok(response::text("text/plain; version=0.0.4; charset=utf-8", &text)?)
        }
        AdminEndpoint::Login => log_in(ctx, access).await,
        AdminEndpoint::Logout => {
            let deleted = admin::close_session(&ctx.policy().prefix);
            Ok(response::redirect(303, &home, Some(&deleted))?)
        }
        AdminEndpoint::RetryCallbacks => {
            let command = LedgerCommand::RetryCallbacks { now_ms: now_ms() };
            ledger::run(ctx.env, &command).await.ok_or(RequestError::LedgerUnavailable)?;
            Ok(response::empty(204)?)
        }
    }
}

/// Writes the request counts of this isolate to the ledger. Then returns the ledger's numbers as JSON.
async fn read_stats(ctx: &RequestContext<'_>) -> Result<String, RequestError> {
    ledger::flush(ctx.env).await;
    let limits = read_limits(ctx).await;
    let stats =
        ledger::run(ctx.env, &LedgerCommand::ReadStats { now_ms: now_ms(), limits: Some(&limits) }).await;
    stats.ok_or(RequestError::LedgerUnavailable)
}

/// Returns how many invoices of `invoices_per_minute` are used, and which circuit breakers of this isolate are open.
async fn read_limits(ctx: &RequestContext<'_>) -> Limits {
    let slots = ctx.gate.seller.into_iter().flat_map(|seller| seller.wallets.slots());
    let open_ms = slots.map(|slot| (slot.as_str(), wallets::open_circuits_ms(slot)));
    Limits {
        invoices_used: rate_limits::invoices_used(ctx).await,
        invoices_per_minute: ctx.policy().invoices_per_minute,
        challenges_per_minute: ctx.policy().challenges_per_minute,
        open_ms: open_ms.collect(),
    }
}

/// Returns the payments whose hash begins with the parameter `hash`. Without this parameter, returns a page of all
/// settled payments.
async fn list_payments(ctx: &RequestContext<'_>) -> Result<String, RequestError> {
    let field = |name| form::field(ctx.url.query(), name);
    let [hash, before_hash] = ["hash", "before_hash"].map(|name| field(name).unwrap_or_default());
    let before_ms = field("before_ms").unwrap_or_else(|| AFTER_ALL_MS.to_owned());
    let command =
        LedgerCommand::ListPayments { hash: &hash, before_ms: &before_ms, before_hash: &before_hash };
    ledger::run(ctx.env, &command).await.ok_or(RequestError::LedgerUnavailable)
}

/// Returns the settled payments as CSV, which is read from the ledger while the client takes it.
async fn export_payments(ctx: &RequestContext<'_>) -> Result<ReadableStream, RequestError> {
    let day = |name| form::field(ctx.url.query(), name).unwrap_or_default();
    let (from, to) = (&day("from"), &day("to"));
    let command = LedgerCommand::ExportPayments { from, to, after_ms: None, after_hash: "" };
    let csv = ledger::open(ctx.env, &command).await.ok_or(RequestError::LedgerUnavailable)?;
    csv.ok_or(RequestError::InvalidDate)
}

async fn log_in(ctx: &RequestContext<'_>, access: &AdminAccess<'_>) -> Result<Response, HandlerError> {
    static FAILURES: LazyLock<Mutex<ClientLimits>> = LazyLock::new(Mutex::default);
    let prefix = &ctx.policy().prefix;
    let form = body::read_request(ctx.request.request.body(), MAX_FORM_BYTES).await?.unwrap_or_default();
    if admin::token_of_form(&form).is_some_and(|token| access.is_token(&token)) {
        let cookie = cookie::for_url(&access.open_session(prefix, now_unix()), &ctx.url);
        return Ok(response::redirect(303, &format!("{prefix}/"), Some(&cookie))?);
    }
    // Only wrong tokens are limited: the correct token was accepted above. Otherwise an attacker could lock the owner
    // out with wrong tokens, because many clients share a limit.
    let client = ctx.request.client.as_deref().unwrap_or_default();
    let failure = with_lock(&FAILURES, |failures| failures.admit(client, FAILURES_PER_MINUTE, now_ms()));
    let fragment = if failure.is_ok() { "wrong" } else { "slow" };
    Ok(response::redirect(303, &format!("{prefix}/#{fragment}"), None)?)
}

/// Returns a response with a file of `www/`.
async fn page(
    ctx: &RequestContext<'_>,
    file: &str,
    content_type: &str,
    status: u16,
) -> Result<Response, HandlerError> {
    let stored = assets::open(ctx.env, file).await?.ok_or(RequestError::NotFound)?;
    Ok(response::admin_file(status, content_type, stored.body().as_ref())?)
}

/// A time that is later than every payment.
const AFTER_ALL_MS: &str = "9999999999999";
const FAILURES_PER_MINUTE: u64 = 5;
/// A form may triple the length of a token, which has up to 5 KB.
const MAX_FORM_BYTES: usize = 16_384;
