//! `/_toll/hook/<token>`: a wallet reports that an invoice was paid.
//!
//! The report is only a hint: everyone who knows the URL can send it, and LNbits sends it twice. The payment is
//! recorded only if a look-up at the wallet confirms it.

use std::sync::{LazyLock, Mutex};

use super::{Answered, HandlerError, response};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::{body, log};
use crate::edge::services::ledger;
use crate::endpoints::Endpoint;
use crate::error::RequestError;
use crate::ledger::webhook;
use crate::limits::rate_limit::ClientLimits;
use crate::payment::PaymentHash;
use crate::wallet::slots::Wallets;

/// Receives a report. Fails with 404 if this deployment did not create the token, or if the body has no payment hash.
pub async fn receive(ctx: &RequestContext<'_>, token: &str) -> Result<Answered, HandlerError> {
    if !ctx.settings.keys().is_some_and(|keys| webhook::is_valid_token(keys, token)) {
        return Err(RequestError::NotFound.into());
    }
    let endpoint = Endpoint::Webhook(token);
    endpoint.check_method(&ctx.request.method)?;
    let body = body::read_request(ctx.request.request.body(), MAX_BODY_BYTES).await?;
    let hash = body.as_deref().and_then(webhook::payment_hash).ok_or(RequestError::NotFound)?;
    if let Some((_, wallets)) = ctx.settings.keys_and_wallets()
        && !ledger::is_settled(&hash)
    {
        look_up(ctx, wallets, token, &hash).await?;
    }
    Ok(Answered::by_endpoint(endpoint, response::empty(204)?))
}

/// Looks the payment up in each wallet until one reports it as paid: the report does not say which wallet it is from.
async fn look_up(
    ctx: &RequestContext<'_>,
    wallets: &Wallets,
    token: &str,
    hash: &PaymentHash,
) -> Result<(), RequestError> {
    static REPORTS: LazyLock<Mutex<ClientLimits>> = LazyLock::new(Mutex::default);
    // Each invoice has its own token, so this limits the reports of one payment.
    with_lock(&REPORTS, |reports| reports.admit(token, REPORTS_PER_MINUTE, now_ms()))
        .map_err(|wait_ms| RequestError::TooManyTries { retry_after_s: wait_ms.div_ceil(1_000) })?;
    let mut result = Ok(());
    for slot in wallets.slots() {
        match ledger::look_up_and_record(ctx.env, ctx.settings, wallets, slot, hash, None).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                let problem = "has a payment, reported by a webhook, that could not be looked up or recorded";
                log::wallet(slot, &format!("{problem}: {error}"));
                result = Err(RequestError::LedgerUnavailable);
            }
        }
    }
    result
}

/// More than enough for a report of LNbits, which has about 2 KB.
const MAX_BODY_BYTES: usize = 16_384;
const REPORTS_PER_MINUTE: u64 = 10;
