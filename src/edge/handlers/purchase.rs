//! Serves a request with a valid credential: checks the payment, counts the use, and forwards the request.

use std::num::NonZeroU32;

use super::{Action, Answered, HandlerError, challenge, forward};
use crate::bolt11::Bolt11;
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::now_unix;
use crate::edge::services::meter::TakenUse;
use crate::edge::services::settlement::{self, Requester, SettlementError};
use crate::edge::services::{ledger, meter};
use crate::error::RequestError;
use crate::forward::ForwardReason;
use crate::gate::{ChallengeDraft, Claim, CountedUses, PreimageClaim, Purchase, WhenSpent};
use crate::payment::WalletSlot;
use crate::policy::route::Route;
use crate::protocols::l402::caveat::CredentialScope;
use crate::protocols::l402::cookie;
use crate::protocols::l402::refusal::Refusal;
use crate::protocols::l402::verify::Grant;
use crate::protocols::record::OwnInvoice;
use crate::protocols::x_preimage;
use crate::wallet::PaymentStatus;

/// Serves a purchase whose payment is known to be settled. If all of its uses are spent, serves the first other purchase
/// of the request that has a use left, or answers as the purchase says.
pub async fn serve(ctx: &RequestContext<'_>, purchase: Purchase<'static>) -> Result<Answered, HandlerError> {
    let mut purchase = purchase;
    let mut deleted_cookies = Vec::new();
    let answered = loop {
        let exhausted = match try_serve(ctx, purchase).await? {
            Tried::Answered(answered) => break answered,
            Tried::Exhausted(exhausted) => exhausted,
        };
        deleted_cookies.extend(exhausted.deleted_cookie);
        match *exhausted.when_spent {
            WhenSpent::Next(next) => purchase = next,
            WhenSpent::Unsettled { claims, otherwise } => {
                break serve_settled(ctx, claims, otherwise, Requester::Client).await?;
            }
            WhenSpent::Challenge(draft) => break challenge::answer(ctx, draft).await?,
            WhenSpent::Refuse(error) => return Err(HandlerError::from(error).while_doing(Action::Refuse)),
        }
    };
    let headers = answered.response.headers();
    deleted_cookies.iter().try_for_each(|cookie| headers.append("Set-Cookie", cookie))?;
    Ok(answered)
}

enum Tried {
    Answered(Answered),
    Exhausted(Exhausted),
}

/// A purchase that cannot be served, because none of its uses is left.
struct Exhausted {
    when_spent: Box<WhenSpent<'static>>,
    /// `Set-Cookie` that deletes the cookie of this purchase.
    deleted_cookie: Option<String>,
}

/// Serves a purchase if it has a use left.
async fn try_serve(ctx: &RequestContext<'_>, purchase: Purchase<'static>) -> Result<Tried, HandlerError> {
    ledger::record_purchase(ctx, &purchase);
    let Purchase { route, grant, counted, .. } = purchase;
    let payment_hash = grant.payment_hash;
    let served = match counted {
        None => {
            forward::answer(ctx, ForwardReason::Paid, Some(route), Some(&grant)).await.map(Tried::Answered)
        }
        Some(counted) => serve_counted(ctx, route, &grant, counted).await,
    };
    match served {
        Ok(Tried::Answered(answered)) => Ok(Tried::Answered(answered.about(payment_hash))),
        Ok(exhausted) => Ok(exhausted),
        Err(error) => Err(error.while_doing(Action::Paid).about(payment_hash)),
    }
}

/// Forwards the request if a use is left. If the origin responds with a status below 500, the use is spent. Otherwise
/// the use is returned.
async fn serve_counted(
    ctx: &RequestContext<'_>,
    route: &'static Route,
    grant: &Grant,
    CountedUses { bought, is_taken, when_spent }: CountedUses<'static>,
) -> Result<Tried, HandlerError> {
    let left = match is_taken {
        true => meter::take(ctx, grant, bought).await.map(|taken| taken.map(Left::Taken)),
        false => meter::check(ctx, grant, bought).await.map(|left| left.map(Left::Checked)),
    };
    let left = match left {
        Ok(Some(left)) => left,
        Ok(None) => {
            let deleted_cookie = delete_cookie(ctx, route, grant, bought);
            return Ok(Tried::Exhausted(Exhausted { when_spent, deleted_cookie }));
        }
        Err(RequestError::UsesInFlight) if matches!(*when_spent, WhenSpent::Next(_)) => {
            return Ok(Tried::Exhausted(Exhausted { when_spent, deleted_cookie: None }));
        }
        Err(error) => return Err(error.into()),
    };
    let answered = forward::answer(ctx, ForwardReason::Paid, Some(route), Some(grant)).await;
    let (answered, remaining) = match (left, answered) {
        (Left::Checked(remaining), answered) => (answered?, remaining),
        (Left::Taken(taken), Ok(answered)) if answered.response.status() < 500 => {
            let remaining = taken.remaining;
            taken.spend(ctx);
            (answered, remaining)
        }
        (Left::Taken(taken), Ok(answered)) => (answered, taken.return_use(ctx.env).await),
        (Left::Taken(taken), Err(error)) => {
            taken.return_use(ctx.env).await;
            return Err(error);
        }
    };
    answered.response.headers().set("X-Toll-Uses-Remaining", &remaining.to_string())?;
    Ok(Tried::Answered(answered))
}

/// The use for which a request is forwarded.
enum Left {
    Taken(TakenUse),
    /// The request takes no use, and this number of uses is left.
    Checked(u64),
}

/// Returns `Set-Cookie` that deletes the cookie of a grant whose uses are spent. Returns `None` if the client did not send
/// the cookie, or if another route may still accept it because that route sells more uses.
fn delete_cookie(
    ctx: &RequestContext<'_>,
    route: &Route,
    grant: &Grant,
    bought: NonZeroU32,
) -> Option<String> {
    let sent = ctx.request.header("Cookie").filter(|_| grant.uses == Some(bought))?;
    let scope = CredentialScope::new(&route.scope, ctx.url.path, &ctx.request.method);
    cookie::delete_spent(sent, grant, &scope, &route.kind())
}

/// Serves the first claim whose payment has settled and that has a use left. If there is none, repeats the challenge of a
/// claim that can still be paid, or answers with a new challenge.
pub async fn serve_settled(
    ctx: &RequestContext<'_>,
    claims: Vec<Claim<'static>>,
    mut otherwise: Box<ChallengeDraft<'static>>,
    requester: Requester,
) -> Result<Answered, HandlerError> {
    let mut claims = claims.into_iter();
    loop {
        match check_claims(ctx, &mut claims, requester).await? {
            ClaimStatus::Settled(purchase) => match try_serve(ctx, purchase).await? {
                Tried::Answered(answered) => return Ok(answered),
                Tried::Exhausted(_) => otherwise.refused = Some(Refusal::Spent),
            },
            ClaimStatus::Pending(claim, bolt11) => {
                return challenge::repeat(ctx, &claim, otherwise, bolt11, None).await;
            }
            ClaimStatus::Unpaid => return challenge::answer(ctx, otherwise).await,
        }
    }
}

/// Serves a request with a preimage: looks up its invoice, and serves the purchase of one request with it.
pub async fn serve_preimage(
    ctx: &RequestContext<'_>,
    claim: PreimageClaim<'static>,
) -> Result<Answered, HandlerError> {
    let payment_hash = claim.payment_hash;
    let method = ctx.request.method.as_str();
    let invoice = find_invoice(ctx, &claim).await.map_err(|error| error.about(payment_hash))?;
    match invoice.and_then(|(slot, invoice)| {
        x_preimage::check(&invoice, &claim.demand(method, ctx.url.path, now_unix()))?;
        Ok((slot, invoice))
    }) {
        Ok((slot, invoice)) => serve(ctx, claim.into_purchase(&invoice, slot, method)).await,
        Err(refusal) => match claim.otherwise.after_preimage(refusal) {
            Ok(draft) => challenge::answer(ctx, draft).await,
            Err(error) => Err(HandlerError::from(error).while_doing(Action::Refuse).about(payment_hash)),
        },
    }
}

/// Looks for the invoice of a preimage, unless this isolate knows that its payment is spent.
async fn find_invoice(
    ctx: &RequestContext<'_>,
    claim: &PreimageClaim<'static>,
) -> Result<Result<(WalletSlot, Box<OwnInvoice>), x_preimage::Refusal>, HandlerError> {
    if meter::is_known_as_spent(&claim.payment_hash) {
        return Ok(Err(x_preimage::Refusal::Spent));
    }
    let found = settlement::find_invoice(ctx, claim.otherwise.seller, &claim.payment_hash).await;
    Ok(found.map_err(unsettled)?.ok_or(x_preimage::Refusal::Unknown))
}

fn unsettled(SettlementError { error, detail }: SettlementError) -> HandlerError {
    HandlerError::from(error).with_detail(detail.map(|detail| detail.to_string()))
}

/// The result of the settlement checks of a request's claims.
pub enum ClaimStatus {
    Settled(Purchase<'static>),
    /// No claim has settled, and the invoice of this claim can still be paid.
    Pending(Claim<'static>, Bolt11),
    /// No claim has settled, and no invoice of a claim can still be paid.
    Unpaid,
}

/// Checks the claims in order, and stops at the first claim whose payment has settled. Fails if there is no such claim
/// and a check failed.
pub async fn check_claims(
    ctx: &RequestContext<'_>,
    claims: &mut impl Iterator<Item = Claim<'static>>,
    requester: Requester,
) -> Result<ClaimStatus, HandlerError> {
    let mut pending = None;
    let mut failed = None;
    for claim in claims {
        let Purchase { seller, grant, .. } = &claim.purchase;
        match settlement::check(ctx, seller, grant, requester).await {
            Ok(PaymentStatus::Paid) => return Ok(ClaimStatus::Settled(claim.purchase)),
            Ok(PaymentStatus::Pending(bolt11)) => pending = pending.or(Some((claim, bolt11))),
            Ok(PaymentStatus::Unpaid) => {}
            Err(error) => failed = failed.or(Some(unsettled(error).about(grant.payment_hash))),
        }
    }
    match (failed, pending) {
        // The payment of the claim whose check failed may have settled. So the response must not ask the client to pay
        // again.
        (Some(error), _) => Err(error),
        (None, Some((claim, bolt11))) => Ok(ClaimStatus::Pending(claim, bolt11)),
        (None, None) => Ok(ClaimStatus::Unpaid),
    }
}
