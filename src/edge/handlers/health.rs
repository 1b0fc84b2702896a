//! Two endpoints: `/_toll/health` says whether the Worker can sell. `/_toll/status` tells the owner why the Worker
//! cannot sell.

use serde::Serialize;
use wasm_bindgen::JsValue;
use web_sys::Response;

use super::{Answered, forward, response};
use crate::config::Paywall;
use crate::edge::context::RequestContext;
use crate::edge::services::wallets::probe;
use crate::endpoints::Endpoint;
use crate::policy::route::Route;

/// Answers a request to `/_toll/health`: whether the Worker can sell.
pub async fn answer(ctx: &RequestContext<'_>) -> Result<Answered, JsValue> {
    health(obstacles(ctx).await.is_empty(), ctx.policy().if_charging.is_some())
}

/// Answers a request to `/_toll/health` for which no [`RequestContext`] can be made.
pub fn without_context() -> Result<Answered, JsValue> {
    health(false, false)
}

fn health(is_configured: bool, is_observed: bool) -> Result<Answered, JsValue> {
    let health = Health { status: "ok", configured: is_configured, observed: is_observed };
    let response = response::json(200, &[], &response::to_json(&health))?;
    Ok(Answered::by_endpoint(Endpoint::Health, response))
}

/// Answers a request to `/_toll/status`: with the reasons why nothing can be sold. If something can be sold, answers
/// with the mistakes in the settings.
pub async fn status(ctx: &RequestContext<'_>) -> Result<Response, JsValue> {
    let obstacles = obstacles(ctx).await;
    let is_selling = obstacles.is_empty();
    let problems = if is_selling { ctx.settings.faults.clone() } else { obstacles };
    let observed = ctx.policy().routes.iter().filter(|route| route.is_observed());
    let observed = observed.map(|route| route.pattern.as_str()).collect();
    response::json(200, &[], &response::to_json(&Status { configured: is_selling, problems, observed }))
}

/// Returns the reasons why nothing can be sold, each with its remedy. The list is empty if something can be sold.
async fn obstacles(ctx: &RequestContext<'_>) -> Vec<String> {
    let seller = match &ctx.settings.paywall {
        Paywall::Selling { seller, policy } if policy.routes.iter().any(Route::is_sold) => seller,
        _ => return ctx.settings.faults.clone(),
    };
    match forward::check_origin(ctx) {
        Err(reason) => vec![reason.to_owned()],
        Ok(()) => probe::problems(ctx, &seller.wallets).await,
    }
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    configured: bool,
    /// Whether a route is observed. The key is left out otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    observed: bool,
}

#[derive(Serialize)]
struct Status<'a> {
    configured: bool,
    problems: Vec<String>,
    /// The paths of the observed routes.
    observed: Vec<&'a str>,
}
