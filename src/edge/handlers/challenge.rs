//! Answers with status 402: a new invoice, an earlier invoice that can still be paid, or the price alone.

use super::pay_page::{self, PageRequest};
use super::{Action, Answered, HandlerError, forward, response};
use crate::bolt11::Bolt11;
use crate::edge::context::RequestContext;
use crate::edge::platform::clock;
use crate::edge::services::rate_limits;
use crate::edge::services::wallets::{self, probe};
use crate::endpoints::webhook_url;
use crate::error::RequestError;
use crate::gate::{ChallengeDraft, Claim};
use crate::hex;
use crate::ledger::webhook;
use crate::payment::WalletSlot;
use crate::protocols::l402::caveat::{InvoiceTerms, Terms};
use crate::protocols::l402::challenge::Challenge;
use crate::protocols::l402::refusal::Refusal;
use crate::protocols::offered::Protocol;
use crate::protocols::record::InvoiceRecord;
use crate::protocols::x_preimage;
use crate::wallet::{Invoice, InvoiceRequest, WalletError};

/// Answers with a new invoice, or with the price alone.
pub async fn answer(
    ctx: &RequestContext<'_>,
    draft: Box<ChallengeDraft<'static>>,
) -> Result<Answered, HandlerError> {
    if draft.is_quote {
        return quote(&draft);
    }
    let failed = |error: HandlerError| error.while_doing(Action::Challenge);
    admit(ctx, &draft).await.map_err(failed)?;
    let (slot, invoice) = make_invoice(ctx, &draft).await.map_err(failed)?;
    let challenge = mint(ctx, &draft, slot, invoice).map_err(failed)?;
    let page = PageRequest { draft: &draft, path: ctx.url.path_and_query, is_retry: false };
    respond(ctx, &challenge, slot, &page).await
}

/// Answers a request with the macaroon of an earlier invoice that can still be paid. The response is the challenge of
/// that invoice. If the draft is a quote, the response is the price alone.
///
/// `page` is given if the form of a pay page sent the request. It is the path and query of the page that the person
/// wants, and the response is the pay page again.
pub async fn repeat(
    ctx: &RequestContext<'_>,
    claim: &Claim<'static>,
    draft: Box<ChallengeDraft<'static>>,
    bolt11: Bolt11,
    page: Option<&str>,
) -> Result<Answered, HandlerError> {
    if draft.is_quote {
        return quote(&draft);
    }
    let description = draft.description.clone();
    let challenge = Challenge::repeat(&claim.macaroon, &claim.purchase.grant, description, bolt11);
    let page = match page {
        Some(path) => PageRequest { draft: &draft, path, is_retry: true },
        None => PageRequest { draft: &draft, path: ctx.url.path_and_query, is_retry: false },
    };
    respond(ctx, &challenge, claim.purchase.grant.wallet, &page).await
}

/// Answers with the price alone.
pub fn quote(draft: &ChallengeDraft<'static>) -> Result<Answered, HandlerError> {
    let answered = Answered::new(response::quote(&draft.price)?, Action::Quote);
    Ok(answered.on_route(Some(draft.route)).with_code(refused_code(draft)))
}

/// Answers with a challenge: the bare invoice, the pay page or JSON. `slot` is that of the wallet that created the invoice.
async fn respond(
    ctx: &RequestContext<'_>,
    challenge: &Challenge,
    slot: WalletSlot,
    page: &PageRequest<'_>,
) -> Result<Answered, HandlerError> {
    let refused = page.draft.refused.as_ref();
    let response = match takes_invoice(ctx, page.draft) && probe::keeps_record(page.draft.seller, slot) {
        true => response::bare_invoice(challenge)?,
        false => match pay_page::render(ctx, challenge, page).await {
            Ok(Some(page)) => page,
            // A program gets JSON. If the pay page cannot be rendered, a browser gets JSON too: the invoice already
            // exists and must reach the client.
            Ok(None) | Err(_) => response::challenge(challenge, refused.filter(|_| !page.is_retry))?,
        },
    };
    let answered = Answered::new(response, Action::Challenge).on_route(Some(page.draft.route));
    Ok(answered.with_code(refused_code(page.draft)).about(challenge.payment_hash()))
}

/// Returns the code of the refused credential or preimage, for the log.
fn refused_code(draft: &ChallengeDraft<'_>) -> Option<&'static str> {
    draft.refused.as_ref().map(Refusal::code).or(draft.refused_preimage)
}

/// Whether the body of the response is the bare invoice. A client that sends a preimage, and states no preference, has
/// got such a body before.
fn takes_invoice(ctx: &RequestContext<'_>, draft: &ChallengeDraft<'_>) -> bool {
    let is_default = || {
        draft.route.protocols.begins_with(Protocol::XPreimage)
            || ctx.request.header(x_preimage::HEADER).is_some()
    };
    draft.offers_preimage && x_preimage::takes_invoice(ctx.request.header("Accept"), is_default())
}

/// Refuses the request, before a wallet is called, in these cases:
/// 1. A paid request could not be forwarded to the origin.
/// 2. This isolate knows that the key or the connection of a wallet may spend.
/// 3. The circuits of all wallets are open.
/// 4. A rate limit is reached.
async fn admit(ctx: &RequestContext<'_>, draft: &ChallengeDraft<'_>) -> Result<(), HandlerError> {
    let unusable =
        |reason: &str| HandlerError::from(RequestError::NotConfigured).with_detail(Some(reason.to_owned()));
    forward::check_origin(ctx).map_err(unusable)?;
    refuse_spending()?;
    wallets::check_invoice_circuits(&draft.seller.wallets).map_err(unavailable)?;
    rate_limits::check_invoices_left()?;
    rate_limits::admit_challenge(ctx).await?;
    Ok(rate_limits::admit_invoice(ctx).await?)
}

/// Creates the invoice, and probes each wallet whose probe is due. Fails if a probe finds that a wallet may spend.
async fn make_invoice(
    ctx: &RequestContext<'_>,
    draft: &ChallengeDraft<'_>,
) -> Result<(WalletSlot, Invoice), HandlerError> {
    let ChallengeDraft { seller, route, .. } = draft;
    let (client, webhook) = (ctx.client_pseudonym(), new_webhook(ctx, draft));
    let (keys, pattern, method) = (seller.keys.current(), route.pattern.as_str(), &ctx.request.method);
    let record = InvoiceRecord::new(keys, pattern, &draft.terms, method, client.as_deref());
    let request = InvoiceRequest {
        price: &draft.price,
        description: &draft.description,
        expiry_s: route.invoice_expiry_s,
        network: &ctx.policy().network,
        route: pattern,
        client: client.as_deref(),
        webhook: webhook.as_deref(),
        uses: draft.terms.uses,
        record: record.as_ref(),
    };
    let created =
        wallets::create_invoice(ctx.env, &seller.wallets, ctx.policy().wallet_order, &request, ctx.deadline);
    let (slot, invoice) = clock::complete(ctx.context, created).await.map_err(|error| match error {
        WalletError::MaySpend => HandlerError::from(RequestError::NotConfigured),
        error => unavailable(error),
    })?;
    probe::probe_unknown(ctx, seller, slot, &invoice.bolt11.payment_hash()).await;
    refuse_spending()?;
    Ok((slot, invoice))
}

fn mint(
    ctx: &RequestContext<'_>,
    draft: &ChallengeDraft<'_>,
    slot: WalletSlot,
    Invoice { bolt11, amount_sats }: Invoice,
) -> Result<Challenge, HandlerError> {
    // Some funding sources of LNbits let an invoice expire earlier than requested. `payable_until_unix` is then
    // earlier, too.
    let shorter_s = draft.route.invoice_expiry_s.saturating_sub(bolt11.expiry_s());
    let invoice = InvoiceTerms {
        amount_sats,
        wallet: slot,
        payable_until_unix: draft.terms.payable_until_unix.saturating_sub(shorter_s),
    };
    let mut nonce = [0; 28];
    getrandom::fill(&mut nonce).map_err(|_| unavailable(WalletError::NoRandomness))?;
    // Other funding sources let an invoice expire later. A credential that ended earlier would be worthless to a client that
    // pays late.
    let longer_s = bolt11.expiry_s().saturating_sub(draft.route.credential_expiry_s);
    let expires_at_unix = draft.terms.expires_at_unix.saturating_add(longer_s);
    let terms = Terms { expires_at_unix, ..draft.terms.clone() };
    let (keys, description) = (draft.seller.keys.current(), draft.description.clone());
    let encodings = ctx.policy().encodings;
    let challenge = Challenge::mint(keys, encodings, &terms, &invoice, description, bolt11, &nonce);
    challenge.map_err(|_| unavailable(WalletError::Unmintable))
}

/// Returns a webhook URL that only this deployment can create; `None` without `PUBLIC_URL`.
fn new_webhook(ctx: &RequestContext<'_>, draft: &ChallengeDraft<'_>) -> Option<String> {
    let public_url = ctx.settings.public_url.as_deref()?;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).ok()?;
    let token = webhook::token(&draft.seller.keys, &hex::encode(&nonce));
    Some(webhook_url(public_url, &ctx.policy().prefix, &token))
}

fn refuse_spending() -> Result<(), HandlerError> {
    if probe::may_spend() { Err(RequestError::NotConfigured.into()) } else { Ok(()) }
}

fn unavailable(error: WalletError) -> HandlerError {
    let unavailable = RequestError::InvoiceUnavailable { retry_after_s: error.retry_after_s() };
    HandlerError::from(unavailable).with_detail(Some(error.to_string()))
}
