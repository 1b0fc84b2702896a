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
pub use error_page::show as show_error;
pub use forward::is_loop;
pub use health::without_context as health;

use wasm_bindgen::JsValue;

use super::context::RequestContext;
use super::services::settlement::Requester;
use crate::endpoints::Endpoint;
use crate::error::RequestError;
use crate::gate::{self, Decision, Refused};
use crate::policy::cors::Preflights;
use crate::policy::route::Route;
use crate::protocols::l402::cookie;
use forward::ForwardReason;
use free_tier::denied_without_count;

/// Answers with an error before a [`RequestContext`] exists.
pub fn refuse(error: RequestError) -> Result<Answered, JsValue> {
    Answered::from_error(error.into(), Action::Refuse, None)
}

/// Answers a request to one of edgetoll's own endpoints.
pub async fn endpoint(ctx: &RequestContext<'_>, endpoint: Endpoint<'_>) -> Result<Answered, JsValue> {
    let answered = match answer_endpoint(ctx, endpoint).await {
        Ok(answered) => answered,
        Err(error) => Answered::from_error(error, Action::Endpoint(endpoint.as_str()), None)?,
    };
    if endpoint.is_shared_by_cors() {
        cors::share(ctx, &answered.response.headers())?;
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

/// Carries out a decision of the gate.
pub async fn decision(ctx: &RequestContext<'_>, decision: Decision<'static>) -> Result<Answered, JsValue> {
    let (action, route) = describe(&decision);
    // If the path has no price, the origin alone sets CORS headers.
    let is_shared = !matches!(decision, Decision::Open { waived: None });
    // A paid request has a valid credential, so its cookies are not verified again.
    let has_no_grant =
        matches!(decision, Decision::Unsettled { .. } | Decision::FreeTier { .. } | Decision::Challenge(_));
    let answered = match carry_out(ctx, decision).await {
        Ok(answered) => answered,
        Err(error) => Answered::from_error(error, action, route)?,
    };
    let headers = answered.response.headers();
    if has_no_grant {
        delete_invalid_cookies(ctx, &headers)?;
    }
    if is_shared {
        cors::share(ctx, &headers)?;
    }
    Ok(answered)
}

async fn carry_out(ctx: &RequestContext<'_>, decision: Decision<'static>) -> Result<Answered, HandlerError> {
    match decision {
        Decision::Open { waived } => {
            let reason = if waived.is_some() { ForwardReason::Waived } else { ForwardReason::Open };
            forward::answer(ctx, &reason, waived).await
        }
        Decision::Paid(purchase) => purchase::serve(ctx, purchase).await,
        Decision::Unsettled { claims, otherwise } => {
            purchase::serve_settled(ctx, claims, otherwise, Requester::Client).await
        }
        Decision::FreeTier { tier, key, otherwise } => free_tier::serve(ctx, tier, key, otherwise).await,
        Decision::Challenge(draft) => {
            let denied = denied_without_count(&draft);
            challenge::answer(ctx, draft).await.map(|answered| answered.free_tier_denied(denied))
        }
        Decision::Preflight
            if ctx.policy().cors.is_none() && ctx.policy().preflights == Preflights::Origin =>
        {
            forward::answer(ctx, &ForwardReason::Preflight, None).await
        }
        Decision::Preflight => Ok(Answered::new(cors::preflight(ctx)?, Action::Preflight)),
        Decision::Redirect => Ok(Answered::new(response::redirect_to_https(&ctx.url)?, Action::Redirect)),
        Decision::Refuse(Refused { error, .. }) => Err(error.into()),
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

/// Deletes credential cookies that are malformed or forged, so that the browser does not send them again.
fn delete_invalid_cookies(ctx: &RequestContext<'_>, headers: &web_sys::Headers) -> Result<(), JsValue> {
    let (Some(keys), Some(sent)) = (ctx.settings.keys(), ctx.request.cookie.as_deref()) else {
        return Ok(());
    };
    for name in cookie::invalid_names(sent, keys) {
        headers.append("Set-Cookie", &cookie::delete(name, "/"))?;
        headers.append("Set-Cookie", &cookie::delete(name, ctx.url.path))?;
    }
    Ok(())
}
