//! Says what a request to an observed route would have got if the route charged.
//!
//! The gate decides with the observed routes as free routes first. So an observed route is never a way around a route that
//! charges. Only if the request is forwarded as free, the gate decides again, with the price list of
//! [`Policy::if_charging`], and the result is told to the origin and to the owner. No wallet, Durable Object or store is
//! asked.

use super::{ChallengeDraft, Decision, Gate, Refused, Request};
use crate::http::url::without_slash;
use crate::policy::Policy;
use crate::policy::free_tier::FreeTier;
use crate::policy::route::{Route, Selection, Target};
use crate::protocols::price::Price;

/// What a request that is forwarded without payment would have got.
#[derive(Debug, PartialEq, Eq)]
pub struct Observation<'a> {
    /// The observed route of the path as it was sent; `None` if the path, or the method on it, has no route of its own.
    pub route: Option<&'a Route>,
    /// The status: 200 if the request would have been forwarded.
    pub status: u16,
    /// The code of the error, or of the refused credential.
    pub code: Option<&'static str>,
    /// The amount of the invoice; 0 if there would be no invoice.
    pub sats: u64,
    /// Present if the request has no credential and the route has a free tier: the client's free requests are counted
    /// under this key. While one is left, the request would have been forwarded.
    pub free_tier: Option<(FreeTier, String)>,
}

impl<'a> Gate<'a, '_> {
    /// Returns the decision for a request that is forwarded if the observed routes are free. `if_charging` is the price list
    /// in which they charge.
    pub(super) fn observe(
        &self,
        if_charging: &'a Policy,
        request: &Request<'_>,
        now_unix: u64,
    ) -> Decision<'a> {
        let gate = Gate { policy: if_charging, ..*self };
        let mut seen = Observation { route: None, status: 200, code: None, sats: 0, free_tier: None };
        match gate.decide(request, now_unix) {
            Decision::Open { waived: None } | Decision::Observed(_) => {
                return Decision::Open { waived: None };
            }
            // Without `cors`, the origin answers preflights as before. It may know pages that edgetoll does not know. The same
            // applies to preflights of requests for which the path has no observed route.
            Decision::Preflight => {
                let method = (request.header)("Access-Control-Request-Method").unwrap_or_default();
                let is_shared = self.policy.cors.is_some() && self.observed_route(request, &method).is_some();
                return if is_shared { Decision::Preflight } else { Decision::Open { waived: None } };
            }
            Decision::Open { waived: Some(_) } | Decision::Paid(_) => {}
            // A preimage that fits its invoice proves the payment in all but a few cases, which only the wallet knows.
            Decision::Unsettled { claims, .. }
                if claims.iter().any(|claim| claim.purchase.grant.is_proven) => {}
            Decision::Unsettled { otherwise, .. } | Decision::Challenge(otherwise) => {
                seen.is_challenged(&otherwise)
            }
            Decision::Preimage(claim) => seen.is_challenged(&claim.otherwise),
            Decision::FreeTier { tier, key, otherwise } => {
                seen.is_challenged(&otherwise);
                seen.free_tier = Some((tier, key));
            }
            Decision::Redirect => seen.status = 308,
            Decision::Refuse(Refused { error, .. }) => {
                (seen.status, seen.code) = (error.status(), Some(error.code()));
            }
        }
        seen.route = self.observed_route(request, request.method);
        Decision::Observed(seen)
    }

    /// Returns the observed route of the path of a request, as it was sent, for a method.
    fn observed_route(&self, request: &Request<'_>, method: &str) -> Option<&'a Route> {
        let target = Target { host: request.url.host, method };
        let selection = match self.policy.select(request.url.path, target) {
            Selection::Unmatched => self.policy.select(without_slash(request.url.path), target),
            selection => selection,
        };
        match selection {
            Selection::Route(route) => Some(route).filter(|route| route.is_observed()),
            _ => None,
        }
    }
}

impl Observation<'_> {
    fn is_challenged(&mut self, draft: &ChallengeDraft<'_>) {
        self.status = 402;
        self.code = draft.refused.as_ref().map(|refusal| refusal.code());
        self.sats = match &draft.price {
            _ if draft.is_quote => 0,
            Price::Sats(sats) => *sats,
            // Only a wallet can convert the price, so the least amount counts.
            Price::Fiat(price) => price.min_sats,
        };
    }
}
