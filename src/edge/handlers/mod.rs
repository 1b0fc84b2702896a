//! The handlers of edgetoll's endpoints and of the gate's decisions. Each handler returns [`Answered`].

mod admin;
mod answered;
mod challenge;
mod cors;
mod endpoint_files;
mod error_page;
mod forward;
mod free_tier;
mod health;
mod page_template;
mod pay_page;
mod purchase;
mod response;
mod settle;
mod webhook;

pub use answered::{Action, Answered, HandlerError};
pub use error_page::{is_needed as needs_error_page, show as show_error};
pub use forward::{ForwardPlan, is_loop, response_edits};
pub use health::without_context as health;

use wasm_bindgen::JsValue;

use super::context::{IncomingRequest, RequestContext};
use super::platform::clock::now_unix;
use super::services::ledger;
use super::services::settlement::Requester;
use crate::endpoints::{self, Endpoint};
use crate::error::RequestError;
use crate::forward::{ForwardReason, ResponsePlan};
use crate::gate::{self, ChallengeDraft, Claim, Decision, Purchase, Refused};
use crate::policy::Policy;
use crate::policy::cors::Preflights;
use crate::policy::route::Route;
use crate::protocols::l402::cookie;
use crate::protocols::l402::verify::Grant;
use free_tier::{FreeRequest, denied_without_count};

/// Answers with an error before a [`RequestContext`] exists.
pub fn refuse(error: RequestError) -> Result<Answered, JsValue> {
    Answered::from_error(error.into(), Action::Refuse, None)
}

/// Whether a request is for `/_toll/health`, for which no [`RequestContext`] is needed.
pub fn is_health_check(request: &IncomingRequest) -> bool {
    let endpoint = request.url().and_then(|url| endpoints::find(None, url.path));
    endpoint == Some(Endpoint::Health)
}

/// Answers a request to one of edgetoll's own endpoints.
async fn endpoint(ctx: &RequestContext<'_>, endpoint: Endpoint<'_>) -> Result<Answered, JsValue> {
    let answered = match answer_endpoint(ctx, endpoint).await {
        Ok(answered) => answered,
        Err(error) => Answered::from_error(error, Action::Endpoint(endpoint.as_str()), None)?,
    };
    if endpoint.is_shared_by_cors() {
        cors::share(ctx.policy(), ctx.request, &answered.response.headers())?;
    }
    Ok(answered)
}

async fn answer_endpoint(ctx: &RequestContext<'_>, endpoint: Endpoint<'_>) -> Result<Answered, HandlerError> {
    gate::check_method(&ctx.request.method, ctx.request.is_upgrade())?;
    match endpoint {
        Endpoint::Health => Ok(health::answer(ctx).await?),
        Endpoint::Prices => endpoint_files::price_list(ctx),
        Endpoint::Settle => settle::answer(ctx).await,
        Endpoint::Webhook(token) => webhook::receive(ctx, token).await,
        Endpoint::Static(file) => endpoint_files::static_file(ctx, file).await,
        Endpoint::Admin(endpoint) => admin::answer(ctx, endpoint).await,
    }
}

/// What is done with a request.
pub enum Step {
    /// The request is forwarded. Nothing has to be awaited before that.
    Forward(Box<ForwardPlan>),
    Answered(Answered),
    /// Something has to be awaited. [`complete`] answers the request.
    Later(Later),
}

/// What may need a wallet, a Durable Object or Workers KV.
pub enum Later {
    /// The answer of one of edgetoll's own endpoints.
    Endpoint,
    /// The rest of a decision of the gate.
    Decision(Work, Conclusion),
}

pub enum Work {
    Counted(Purchase<'static>),
    Unsettled { claims: Vec<Claim<'static>>, otherwise: Box<ChallengeDraft<'static>> },
    FreeTier(FreeRequest),
    Challenge(Box<ChallengeDraft<'static>>),
}

/// How far a decision was carried out without an await.
enum Now {
    Forward(Box<ForwardPlan>),
    Answered(Answered),
    Later(Work),
}

/// Answers a request, as far as nothing has to be awaited. Fails only if the runtime cannot create a response.
pub fn begin(ctx: &RequestContext<'_>) -> Result<Step, JsValue> {
    if endpoints::find(Some(ctx.policy()), ctx.url.path).is_some() {
        return Ok(Step::Later(Later::Endpoint));
    }
    let decision = decide(ctx);
    let conclusion = Conclusion::of(&decision);
    let answered = match carry_out(ctx, decision, conclusion.is_shared) {
        Ok(Now::Forward(mut plan)) => {
            for cookie in conclusion.deleted_cookies(ctx) {
                plan.response_edits.append("Set-Cookie", &cookie);
            }
            return Ok(Step::Forward(plan));
        }
        Ok(Now::Later(work)) => return Ok(Step::Later(Later::Decision(work, conclusion))),
        Ok(Now::Answered(answered)) => Ok(answered),
        Err(error) => Err(error),
    };
    conclusion.apply(ctx, answered).map(Step::Answered)
}

/// Does what [`begin`] left.
pub async fn complete(ctx: &RequestContext<'_>, later: Later) -> Result<Answered, JsValue> {
    let (work, conclusion) = match (later, endpoints::find(Some(ctx.policy()), ctx.url.path)) {
        (Later::Decision(work, conclusion), _) => (work, conclusion),
        (Later::Endpoint, Some(found)) => return endpoint(ctx, found).await,
        (Later::Endpoint, None) => return refuse(RequestError::NotFound),
    };
    let answered = match work {
        Work::Counted(purchase) => purchase::serve(ctx, purchase).await,
        Work::Unsettled { claims, otherwise } => {
            purchase::serve_settled(ctx, claims, otherwise, Requester::Client).await
        }
        Work::FreeTier(request) => request.serve(ctx).await,
        Work::Challenge(draft) => {
            let denied = denied_without_count(&draft);
            challenge::answer(ctx, draft).await.map(|answered| answered.free_tier_denied(denied))
        }
    };
    conclusion.apply(ctx, answered)
}

/// Answers a forwarded request to which the origin did not respond. `plan` is the plan for its response.
pub fn origin_failed(
    policy: &'static Policy,
    request: &IncomingRequest,
    plan: &ResponsePlan<'_>,
    error: HandlerError,
) -> Result<Answered, JsValue> {
    let route = plan.route.and_then(|position| policy.routes.get(position));
    let mut answered = Answered::from_error(error, plan.reason.into(), route)?;
    if let Some(payment_hash) = plan.payment_hash {
        answered = answered.about(payment_hash);
    }
    if plan.is_shared {
        cors::share(policy, request, &answered.response.headers())?;
    }
    Ok(answered)
}

fn carry_out(
    ctx: &RequestContext<'_>,
    decision: Decision<'static>,
    is_shared: bool,
) -> Result<Now, HandlerError> {
    let forward = |reason, route, grant: Option<&Grant>| {
        ForwardPlan::new(ctx, reason, route, grant, is_shared).map(Box::new).map_err(HandlerError::from)
    };
    Ok(match decision {
        Decision::Open { waived: None } => Now::Forward(forward(ForwardReason::Open, None, None)?),
        Decision::Open { waived } => Now::Forward(forward(ForwardReason::Waived, waived, None)?),
        Decision::Paid(purchase) if purchase.counted.is_some() => Now::Later(Work::Counted(purchase)),
        Decision::Paid(purchase) => {
            ledger::record_purchase(ctx, &purchase);
            let Purchase { route, grant, .. } = purchase;
            let plan = forward(ForwardReason::Paid, Some(route), Some(&grant));
            Now::Forward(plan.map_err(|error| error.about(grant.payment_hash))?)
        }
        Decision::Unsettled { claims, otherwise } => Now::Later(Work::Unsettled { claims, otherwise }),
        Decision::FreeTier { tier, key, otherwise } => {
            let request = FreeRequest::new(ctx, tier, key, otherwise);
            match request.remaining() {
                None => Now::Later(Work::FreeTier(request)),
                Some(remaining) => {
                    let plan = forward(ForwardReason::Free, Some(request.route()), None);
                    let mut plan = plan.map_err(|error| error.while_doing(Action::Free))?;
                    for (name, value) in request.headers(remaining) {
                        plan.response_edits.append(name, &value);
                    }
                    Now::Forward(plan)
                }
            }
        }
        Decision::Challenge(draft) if draft.is_quote => {
            Now::Answered(challenge::quote(&draft)?.free_tier_denied(denied_without_count(&draft)))
        }
        Decision::Challenge(draft) => Now::Later(Work::Challenge(draft)),
        Decision::Preflight
            if ctx.policy().cors.is_none() && ctx.policy().preflights == Preflights::Origin =>
        {
            Now::Forward(forward(ForwardReason::Preflight, None, None)?)
        }
        Decision::Preflight => Now::Answered(Answered::new(cors::preflight(ctx)?, Action::Preflight)),
        Decision::Redirect => {
            Now::Answered(Answered::new(response::redirect_to_https(&ctx.url)?, Action::Redirect))
        }
        Decision::Refuse(Refused { error, .. }) => return Err(error.into()),
    })
}

fn decide(ctx: &RequestContext<'_>) -> Decision<'static> {
    let header = |name: &str| ctx.request.header(name).map(str::to_owned);
    let edge = |fact| ctx.request.edge_fact(fact);
    ctx.gate.decide(&ctx.request.for_gate(ctx.url, &header, &edge), now_unix())
}

/// What is done with the answer to every request for which the gate decided.
pub struct Conclusion {
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
            is_shared: !matches!(decision, Decision::Open { waived: None }),
            deletes_cookies: matches!(
                decision,
                Decision::Unsettled { .. } | Decision::FreeTier { .. } | Decision::Challenge(_)
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
        Decision::Paid(purchase) => (Action::Paid, Some(purchase.route)),
        Decision::Unsettled { otherwise, .. } => (Action::Unsettled, Some(otherwise.route)),
        Decision::FreeTier { otherwise, .. } => (Action::Challenge, Some(otherwise.route)),
        Decision::Challenge(draft) if draft.is_quote => (Action::Quote, Some(draft.route)),
        Decision::Challenge(draft) => (Action::Challenge, Some(draft.route)),
        Decision::Preflight => (Action::Preflight, None),
        Decision::Redirect => (Action::Redirect, None),
        Decision::Refuse(Refused { route, .. }) => (Action::Refuse, *route),
    }
}
