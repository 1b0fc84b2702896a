//! Serves requests without a credential to a route with a free tier: forwards them while free requests are left.

use super::forward::{self, ForwardReason};
use super::{Action, Answered, HandlerError, challenge};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::now_ms;
use crate::edge::services::free_tier;
use crate::gate::ChallengeDraft;
use crate::policy::free_tier::{FreeTier, FreeTierDenied};

/// Forwards the request if a free request is left, otherwise answers with a challenge.
pub async fn serve(
    ctx: &RequestContext<'_>,
    tier: FreeTier,
    key: String,
    otherwise: Box<ChallengeDraft<'static>>,
) -> Result<Answered, HandlerError> {
    let now_ms = now_ms();
    let route = otherwise.route;
    let (answered, remaining) = match free_tier::take(ctx, route, tier, key, now_ms).await {
        Ok(remaining) => {
            let answered = forward::answer(ctx, &ForwardReason::Free, Some(route)).await;
            (answered.map_err(|error| error.while_doing(Action::Free))?, remaining)
        }
        Err(denied) => {
            let answered = challenge::answer(ctx, otherwise).await;
            let answered = answered.map_err(|error| error.free_tier_denied(denied))?;
            (answered.free_tier_denied(Some(denied)), 0)
        }
    };
    let headers = answered.response.headers();
    headers.append("RateLimit-Policy", &tier.policy_header())?;
    headers.append("RateLimit", &tier.state_header(remaining, now_ms))?;
    Ok(answered)
}

/// Returns why the free tier did not count a request that gets this challenge. The only possible reason is that the
/// client's address is not known. Returns `None` if the route has no free tier, or if the challenge refuses a
/// credential.
pub fn denied_without_count(draft: &ChallengeDraft<'_>) -> Option<FreeTierDenied> {
    (draft.route.free_tier.is_some() && draft.refused.is_none()).then_some(FreeTierDenied::UnknownClient)
}
