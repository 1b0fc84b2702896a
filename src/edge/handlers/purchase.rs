//! Serves a request with a valid credential: checks the payment, counts the use, and forwards the request.

use super::{Action, Answered, HandlerError, challenge, forward};
use crate::bolt11::Bolt11;
use crate::edge::context::RequestContext;
use crate::edge::services::settlement::{self, Requester, SettlementError};
use crate::edge::services::{ledger, meter};
use crate::forward::ForwardReason;
use crate::gate::{ChallengeDraft, Claim, CountedUses, Purchase};
use crate::policy::route::Route;
use crate::protocols::l402::verify::Grant;
use crate::wallet::PaymentStatus;

/// Serves a purchase whose payment is known to be settled.
pub async fn serve(ctx: &RequestContext<'_>, purchase: Purchase<'static>) -> Result<Answered, HandlerError> {
    ledger::record_purchase(ctx, &purchase);
    let Purchase { route, grant, counted, .. } = purchase;
    let payment_hash = grant.payment_hash;
    let answered = match counted {
        None => forward::answer(ctx, ForwardReason::Paid, Some(route), Some(&grant)).await,
        Some(counted) => serve_counted(ctx, route, &grant, counted).await,
    };
    match answered {
        Ok(answered) => Ok(answered.about(payment_hash)),
        Err(error) => Err(error.while_doing(Action::Paid).about(payment_hash)),
    }
}

/// Forwards the request if a use is left. Answers with a challenge if all uses are spent. If the origin responds with a
/// status below 500, the use is spent. Otherwise the use is returned.
async fn serve_counted(
    ctx: &RequestContext<'_>,
    route: &'static Route,
    grant: &Grant,
    CountedUses { bought, is_taken, when_spent }: CountedUses<'static>,
) -> Result<Answered, HandlerError> {
    if !is_taken {
        let Some(remaining) = meter::check(ctx, grant, bought).await? else {
            return challenge::answer(ctx, when_spent).await;
        };
        let answered = forward::answer(ctx, ForwardReason::Paid, Some(route), Some(grant)).await?;
        return with_remaining(answered, remaining);
    }
    let Some(taken) = meter::take(ctx, grant, bought).await? else {
        return challenge::answer(ctx, when_spent).await;
    };
    let (answered, remaining) =
        match forward::answer(ctx, ForwardReason::Paid, Some(route), Some(grant)).await {
            Ok(answered) if answered.response.status() < 500 => {
                let remaining = taken.remaining;
                ctx.context.wait_until(taken.spend(ctx.env.clone()));
                (answered, remaining)
            }
            Ok(answered) => (answered, taken.return_use(ctx.env).await),
            Err(error) => {
                taken.return_use(ctx.env).await;
                return Err(error);
            }
        };
    with_remaining(answered, remaining)
}

fn with_remaining(answered: Answered, remaining: u64) -> Result<Answered, HandlerError> {
    answered.response.headers().set("X-Toll-Uses-Remaining", &remaining.to_string())?;
    Ok(answered)
}

/// Serves the first claim whose payment has settled. If no payment has settled, repeats the challenge of a claim that
/// can still be paid, or answers with a new challenge.
pub async fn serve_settled(
    ctx: &RequestContext<'_>,
    claims: Vec<Claim<'static>>,
    otherwise: Box<ChallengeDraft<'static>>,
    requester: Requester,
) -> Result<Answered, HandlerError> {
    match check_claims(ctx, claims, requester).await? {
        ClaimStatus::Settled(purchase) => serve(ctx, purchase).await,
        ClaimStatus::Pending(claim, bolt11) => challenge::repeat(ctx, &claim, otherwise, bolt11, None).await,
        ClaimStatus::Unpaid => challenge::answer(ctx, otherwise).await,
    }
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
    claims: Vec<Claim<'static>>,
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
            Err(SettlementError { error, detail }) => {
                let error = HandlerError::from(error).with_detail(detail.map(|detail| detail.to_string()));
                failed = failed.or(Some(error.about(grant.payment_hash)));
            }
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
