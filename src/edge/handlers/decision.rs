//! Carries out the decisions of the gate.

use wasm_bindgen::JsValue;

use super::forward::ForwardPlan;
use super::free_tier::{FreeRequest, denied_without_count};
use super::{Action, Answered, HandlerError, Later, Step, challenge, cors, purchase, response};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{now_ms, now_unix};
use crate::edge::services::settlement::Requester;
use crate::edge::services::{free_tier, ledger};
use crate::forward::ForwardReason;
use crate::gate::{ChallengeDraft, Claim, Decision, Observation, PreimageClaim, Purchase, Refused};
use crate::policy::cors::Preflights;
use crate::policy::route::Route;
use crate::protocols::l402::cookie;
use crate::protocols::l402::verify::Grant;

/// The rest of a decision: what may have to be awaited, and what follows.
pub struct Rest {
    work: Work,
    conclusion: Conclusion,
}

enum Work {
    Counted(Purchase<'static>),
    Unsettled { claims: Vec<Claim<'static>>, otherwise: Box<ChallengeDraft<'static>> },
    Preimage(PreimageClaim<'static>),
    FreeTier(FreeRequest),
    Challenge(Box<ChallengeDraft<'static>>),
}

/// Lets the gate decide, and carries the decision out, as far as nothing has to be awaited. Fails only if the runtime
/// cannot create a response.
pub fn begin(ctx: &RequestContext<'_>) -> Result<Step, JsValue> {
    let header = |name: &str| ctx.request.headers.joined(name);
    let edge = |fact| ctx.request.edge_fact(fact);
    let decision = ctx.gate.decide(&ctx.request.for_gate(ctx.url, &header, &edge), now_unix());
    let conclusion = Conclusion::of(&decision);
    match carry_out(ctx, decision, conclusion) {
        Ok(Step::Forward(mut plan)) => {
            for cookie in conclusion.deleted_cookies(ctx) {
                plan.response_edits.append("Set-Cookie", &cookie);
            }
            Ok(Step::Forward(plan))
        }
        Ok(Step::Answered(answered)) => conclusion.apply(ctx, Ok(answered)).map(Step::Answered),
        Ok(later) => Ok(later),
        Err(error) => conclusion.apply(ctx, Err(error)).map(Step::Answered),
    }
}

impl Rest {
    pub async fn complete(self, ctx: &RequestContext<'_>) -> Result<Answered, JsValue> {
        let answered = match self.work {
            Work::Counted(purchase) => purchase::serve(ctx, purchase).await,
            Work::Unsettled { claims, otherwise } => {
                purchase::serve_settled(ctx, claims, otherwise, Requester::Client).await
            }
            Work::Preimage(claim) => purchase::serve_preimage(ctx, claim).await,
            Work::FreeTier(request) => request.serve(ctx).await,
            Work::Challenge(draft) => {
                let denied = denied_without_count(&draft);
                challenge::answer(ctx, draft).await.map(|answered| answered.free_tier_denied(denied))
            }
        };
        self.conclusion.apply(ctx, answered)
    }
}

fn carry_out(
    ctx: &RequestContext<'_>,
    decision: Decision<'static>,
    conclusion: Conclusion,
) -> Result<Step, HandlerError> {
    let forward = |reason, route, grant: Option<&Grant>| {
        ForwardPlan::new(ctx, reason, route, grant, conclusion.is_shared, None)
            .map(Box::new)
            .map_err(HandlerError::from)
    };
    let later = |work| Step::Later(Later::Decision(Rest { work, conclusion }));
    Ok(match decision {
        Decision::Open { waived: None } => Step::Forward(forward(ForwardReason::Open, None, None)?),
        Decision::Open { waived } => Step::Forward(forward(ForwardReason::Waived, waived, None)?),
        Decision::Observed(observation) => {
            let seen = free_tier::observe(observation, now_ms());
            ledger::count_observed(ctx, &seen);
            let (reason, is_shared) = (ForwardReason::Observed, conclusion.is_shared);
            Step::Forward(Box::new(ForwardPlan::new(ctx, reason, seen.route, None, is_shared, Some(&seen))?))
        }
        Decision::Paid(purchase) if purchase.counted.is_some() => later(Work::Counted(purchase)),
        Decision::Paid(purchase) => {
            ledger::record_purchase(ctx, &purchase);
            let Purchase { route, grant, .. } = purchase;
            let plan = forward(ForwardReason::Paid, Some(route), Some(&grant));
            Step::Forward(plan.map_err(|error| error.about(grant.payment_hash))?)
        }
        Decision::Unsettled { claims, otherwise } => later(Work::Unsettled { claims, otherwise }),
        Decision::Preimage(claim) => later(Work::Preimage(claim)),
        Decision::FreeTier { tier, key, otherwise } => {
            let request = FreeRequest::new(ctx, tier, key, otherwise);
            match request.remaining() {
                None => later(Work::FreeTier(request)),
                Some(remaining) => {
                    let plan = forward(ForwardReason::Free, Some(request.route()), None);
                    let mut plan = plan.map_err(|error| error.while_doing(Action::Free))?;
                    for (name, value) in request.headers(remaining) {
                        plan.response_edits.append(name, &value);
                    }
                    Step::Forward(plan)
                }
            }
        }
        Decision::Challenge(draft) if draft.is_quote => {
            Step::Answered(challenge::quote(&draft)?.free_tier_denied(denied_without_count(&draft)))
        }
        Decision::Challenge(draft) => later(Work::Challenge(draft)),
        Decision::Preflight
            if ctx.policy().cors.is_none() && ctx.policy().preflights == Preflights::Origin =>
        {
            Step::Forward(forward(ForwardReason::Preflight, None, None)?)
        }
        Decision::Preflight => Step::Answered(Answered::new(cors::preflight(ctx)?, Action::Preflight)),
        Decision::Redirect => {
            Step::Answered(Answered::new(response::redirect_to_https(&ctx.url)?, Action::Redirect))
        }
        Decision::Refuse(Refused { error, .. }) => return Err(error.into()),
    })
}

/// What is done with the answer to every request for which the gate decided.
#[derive(Clone, Copy)]
struct Conclusion {
    /// The action and the route under which an error is logged.
    action: Action,
    route: Option<&'static Route>,
    /// Whether pages of other origins may read the response. If the path has no price, the origin alone decides.
    is_shared: bool,
    /// Whether cookies may be invalid. A paid request has a valid credential, so its cookies are not verified again.
    deletes_cookies: bool,
}

impl Conclusion {
    fn of(decision: &Decision<'static>) -> Self {
        let (action, route) = describe(decision);
        Self {
            action,
            route,
            is_shared: !matches!(
                decision,
                Decision::Open { waived: None } | Decision::Observed(Observation { route: None, .. })
            ),
            deletes_cookies: matches!(
                decision,
                Decision::Unsettled { .. }
                    | Decision::Preimage(_)
                    | Decision::FreeTier { .. }
                    | Decision::Challenge(_)
            ),
        }
    }

    fn apply(
        self,
        ctx: &RequestContext<'_>,
        answered: Result<Answered, HandlerError>,
    ) -> Result<Answered, JsValue> {
        let answered = match answered {
            Ok(answered) => answered,
            Err(error) => Answered::from_error(error, self.action, self.route)?,
        };
        let headers = answered.response.headers();
        self.deleted_cookies(ctx).iter().try_for_each(|cookie| headers.append("Set-Cookie", cookie))?;
        if self.is_shared {
            cors::share(ctx.policy(), ctx.request, &headers)?;
        }
        Ok(answered)
    }

    /// Returns the `Set-Cookie` headers that delete credential cookies that are malformed or forged, so that the browser
    /// does not send them again.
    fn deleted_cookies(&self, ctx: &RequestContext<'_>) -> Vec<String> {
        let (true, Some(keys), Some(sent)) =
            (self.deletes_cookies, ctx.settings.keys(), ctx.request.header("Cookie"))
        else {
            return Vec::new();
        };
        let names = cookie::invalid_names(sent, keys);
        names.flat_map(|name| ["/", ctx.url.path].map(|path| cookie::delete(name, path))).collect()
    }
}

/// Returns the action and the route under which an error is logged.
fn describe(decision: &Decision<'static>) -> (Action, Option<&'static Route>) {
    match decision {
        Decision::Open { waived: None } => (Action::Open, None),
        Decision::Open { waived } => (Action::Waived, *waived),
        Decision::Observed(observation) => (Action::Observed, observation.route),
        Decision::Paid(purchase) => (Action::Paid, Some(purchase.route)),
        Decision::Unsettled { otherwise, .. } => (Action::Unsettled, Some(otherwise.route)),
        Decision::Preimage(claim) => (Action::Unsettled, Some(claim.otherwise.route)),
        Decision::FreeTier { otherwise, .. } => (Action::Challenge, Some(otherwise.route)),
        Decision::Challenge(draft) if draft.is_quote => (Action::Quote, Some(draft.route)),
        Decision::Challenge(draft) => (Action::Challenge, Some(draft.route)),
        Decision::Preflight => (Action::Preflight, None),
        Decision::Redirect => (Action::Redirect, None),
        Decision::Refuse(Refused { route, .. }) => (Action::Refuse, *route),
    }
}
