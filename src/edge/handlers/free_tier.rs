//! Serves requests without a credential to a route with a free tier: forwards them while free requests are left.

use super::{Action, Answered, HandlerError, challenge, forward};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::now_ms;
use crate::edge::services::free_tier;
use crate::forward::ForwardReason;
use crate::gate::ChallengeDraft;
use crate::policy::free_tier::{FreeTier, FreeTierDenied};
use crate::policy::route::Route;

/// A request without a credential to a route with a free tier.
pub struct FreeRequest {
    tier: FreeTier,
    key: String,
    now_ms: u64,
    /// How many free requests remain, if this isolate could count the request; `None` if a counter must be read first.
    taken: Option<Result<u64, FreeTierDenied>>,
    otherwise: Box<ChallengeDraft<'static>>,
}

impl FreeRequest {
    /// Takes a free request of the client, unless a counter must be read first. `key` identifies the client and the
    /// route. `otherwise` is the challenge that is sent if no free request is left.
    pub fn new(
        ctx: &RequestContext<'_>,
        tier: FreeTier,
        key: String,
        otherwise: Box<ChallengeDraft<'static>>,
    ) -> Self {
        let now_ms = now_ms();
        let taken = free_tier::take_now(ctx, otherwise.route, tier, &key, now_ms);
        Self { tier, key, now_ms, taken, otherwise }
    }

    pub fn route(&self) -> &'static Route {
        self.otherwise.route
    }

    /// Returns how many free requests remain. Returns `None` if the free request has not been taken.
    pub fn remaining(&self) -> Option<u64> {
        self.taken.and_then(Result::ok)
    }

    /// Returns the response headers that state the quota.
    pub fn headers(&self, remaining: u64) -> [(&'static str, String); 2] {
        [
            ("RateLimit-Policy", self.tier.policy_header()),
            ("RateLimit", self.tier.state_header(remaining, self.now_ms)),
        ]
    }

    /// Forwards the request if a free request is left, otherwise answers with a challenge.
    pub async fn serve(mut self, ctx: &RequestContext<'_>) -> Result<Answered, HandlerError> {
        let route = self.route();
        if self.taken.is_none() {
            let key = std::mem::take(&mut self.key);
            self.taken = Some(free_tier::take(ctx, route, self.tier, key, self.now_ms).await);
        }
        let headers = self.headers(self.remaining().unwrap_or_default());
        let answered = match self.taken {
            Some(Err(denied)) => {
                let answered = challenge::answer(ctx, self.otherwise).await;
                let answered = answered.map_err(|error| error.free_tier_denied(denied))?;
                answered.free_tier_denied(Some(denied))
            }
            _ => {
                let answered = forward::answer(ctx, ForwardReason::Free, Some(route), None).await;
                answered.map_err(|error| error.while_doing(Action::Free))?
            }
        };
        let response = answered.response.headers();
        headers.iter().try_for_each(|(name, value)| response.append(name, value))?;
        Ok(answered)
    }
}

/// Returns why the free tier did not count a request that gets this challenge. The only possible reason is that the
/// client's address is not known. Returns `None` if the route has no free tier, or if the challenge refuses a
/// credential.
pub fn denied_without_count(draft: &ChallengeDraft<'_>) -> Option<FreeTierDenied> {
    (draft.route.free_tier.is_some() && draft.refused.is_none()).then_some(FreeTierDenied::UnknownClient)
}
