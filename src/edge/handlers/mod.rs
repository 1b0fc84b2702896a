//! The handlers of edgetoll's endpoints and of the gate's decisions. Each handler returns [`Answered`].

mod admin;
mod answered;
mod challenge;
mod cors;
mod decision;
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
use crate::endpoints::{self, Endpoint};
use crate::error::RequestError;
use crate::forward::ResponsePlan;
use crate::gate;
use crate::policy::Policy;
use decision::Rest;

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
    Decision(Rest),
}

/// Answers a request, as far as nothing has to be awaited. Fails only if the runtime cannot create a response.
pub fn begin(ctx: &RequestContext<'_>) -> Result<Step, JsValue> {
    match endpoints::find(Some(ctx.policy()), ctx.url.path) {
        Some(_) => Ok(Step::Later(Later::Endpoint)),
        None => decision::begin(ctx),
    }
}

/// Does what [`begin`] left.
pub async fn complete(ctx: &RequestContext<'_>, later: Later) -> Result<Answered, JsValue> {
    match (later, endpoints::find(Some(ctx.policy()), ctx.url.path)) {
        (Later::Decision(rest), _) => rest.complete(ctx).await,
        (Later::Endpoint, Some(found)) => endpoint(ctx, found).await,
        (Later::Endpoint, None) => refuse(RequestError::NotFound),
    }
}

/// Answers with an error before a [`RequestContext`] exists.
pub fn refuse(error: RequestError) -> Result<Answered, JsValue> {
    Answered::from_error(error.into(), Action::Refuse, None)
}

/// Whether a request is for `/_toll/health`, for which no [`RequestContext`] is needed.
pub fn is_health_check(request: &IncomingRequest) -> bool {
    let endpoint = request.url().and_then(|url| endpoints::find(None, url.path));
    endpoint == Some(Endpoint::Health)
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
