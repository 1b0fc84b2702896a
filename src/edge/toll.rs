//! The paywall as a whole, for the Worker of this crate and for a Worker of your own that prices by code.

use std::sync::Once;

use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::future_to_promise;
use web_sys::{Request, Response};

use super::context::{IncomingRequest, RequestContext};
use super::handlers::{self, Action, Answered, HandlerError, Later, Step};
use super::platform::clock::{Deadline, now_ms, now_unix};
use super::platform::runtime::{Context, Env};
use super::platform::{environment, log};
use super::services::{ledger, settlement};
use crate::config::Settings;
use crate::error::RequestError;
use crate::forward::{ForwardReason, ResponsePlan};
use crate::gate::{Decision, Gate, PriceCode};
use crate::ledger::traffic::Outcome;
use crate::policy::Policy;
use crate::policy::facts::{Facts, PriceError};
use crate::policy::route::Pricing;

/// The paywall of an environment.
///
/// The following Worker prices two routes by code. CI compiles it as `examples/price-by-code`.
///
/// ```ignore
#[doc = include_str!("../../examples/price-by-code/src/lib.rs")]
/// ```
pub struct Toll {
    settings: &'static Settings,
    /// The paths of the routes that are priced by code.
    paths: Vec<&'static str>,
    code: Box<PriceCode<'static>>,
}

/// What has to be awaited before a request is answered.
enum Awaited {
    Later(Later),
    /// The page that shows an error to a person.
    ErrorPage(Answered),
}

impl Toll {
    /// Reads the price list, the secrets and the other settings, once per isolate. A wrong setting disables what
    /// depends on it, and the log names the setting.
    pub fn from_env(env: &Env) -> Self {
        Self { settings: environment::settings(env), paths: Vec::new(), code: Box::new(|_, _| None) }
    }

    /// Prices a route by code, in satoshis. The price list must have the route with `price = "code"`. A request whose
    /// price is 0 is forwarded without payment.
    #[must_use]
    pub fn price(
        mut self,
        path: &'static str,
        price: impl Fn(&Facts<'_>) -> Result<u64, PriceError> + 'static,
    ) -> Self {
        self.paths.push(path);
        let others = self.code;
        self.code =
            Box::new(
                move |route, facts| {
                    if route.pattern.as_str() == path { Some(price(facts)) } else { others(route, facts) }
                },
            );
        self
    }

    /// Answers a request. Returns one of these values, which `entry.js` completes:
    /// 1. a response, or a promise of a response;
    /// 2. a text that tells how to forward the request, if nothing has to be awaited before that.
    pub fn handle(self, request: Request, env: Env, context: Context) -> JsValue {
        let started_ms = now_ms();
        let deadline = Deadline::of_request(started_ms);
        let request = IncomingRequest::read(request, self.settings);
        let awaited = match self.begin(&request, &env, &context, deadline) {
            Ok(Step::Forward(plan)) => return plan.to_text(&request.method).into(),
            Ok(Step::Answered(answered)) if !handlers::needs_error_page(&request, &answered) => {
                return record(&env, &context, &request, answered, started_ms).into();
            }
            Ok(Step::Answered(answered)) => Awaited::ErrorPage(answered),
            Ok(Step::Later(later)) => Awaited::Later(later),
            Err(error) => return Promise::reject(&error).into(),
        };
        let answer = async move {
            let answered = match awaited {
                Awaited::ErrorPage(answered) => Ok(answered),
                Awaited::Later(later) => match self.context(&request, &env, &context, deadline) {
                    Ok(ctx) => handlers::complete(&ctx, later).await,
                    Err(error) => handlers::refuse(error),
                },
            };
            let answered = answered.or_else(|_| handlers::refuse(RequestError::Internal))?;
            let answered = handlers::show_error(&env, self.settings, &request, answered).await?;
            Ok(record(&env, &context, &request, answered, started_ms).into())
        };
        future_to_promise(answer).into()
    }

    /// Does what needs no await. Fails only if the runtime cannot create a response.
    fn begin(
        &self,
        request: &IncomingRequest,
        env: &Env,
        context: &Context,
        deadline: Deadline,
    ) -> Result<Step, JsValue> {
        let step = match self.context(request, env, context, deadline) {
            Ok(ctx) => handlers::begin(&ctx),
            Err(RequestError::NotConfigured) if handlers::is_health_check(request) => {
                handlers::health().map(Step::Answered)
            }
            Err(error) => handlers::refuse(error).map(Step::Answered),
        };
        step.or_else(|_| handlers::refuse(RequestError::Internal).map(Step::Answered))
    }

    fn context<'r>(
        &'r self,
        request: &'r IncomingRequest,
        env: &'r Env,
        context: &'r Context,
        deadline: Deadline,
    ) -> Result<RequestContext<'r>, RequestError> {
        if handlers::is_loop(request, self.settings) {
            return Err(RequestError::OriginLoop);
        }
        let url = request.url().ok_or(RequestError::AmbiguousPath)?;
        let policy = self.settings.policy().filter(|policy| self.is_listed(policy));
        let policy = policy.ok_or(RequestError::NotConfigured)?;
        let gate = self.settings.gate(policy, &*self.code, &settlement::is_known);
        let gate = Gate { has_meter: environment::bound(env).meter, ..gate };
        Ok(RequestContext { request, url, env, context, settings: self.settings, gate, deadline })
    }

    /// Whether the price list has every route whose price is set by code. If a route is missing, no request is forwarded,
    /// because the missing route would be served without payment.
    fn is_listed(&self, policy: &Policy) -> bool {
        static LOGGED: Once = Once::new();
        let is_listed = |path: &str| {
            let mut routes = policy.routes.iter();
            routes.any(|route| route.pattern.as_str() == path && route.pricing == Pricing::Code)
        };
        let Some(path) = self.paths.iter().find(|path| !is_listed(path)) else { return true };
        LOGGED.call_once(|| {
            log::config_fault(&format!(
                "the code prices {path}, but the price list has no route with this path and price = \"code\""
            ));
        });
        false
    }
}

/// Prepares for the first request, while the isolate starts: reads the settings, and prepares to forward a made-up request,
/// because V8 compiles a function when it is called for the first time. Nothing is sent, counted or logged.
pub fn prepare(env: &Env) {
    let settings = environment::prepare(env);
    let Ok(request) = Request::new_with_str("https://edgetoll.invalid/") else { return };
    let request = IncomingRequest::read(request, settings);
    let toll = Toll { settings, paths: Vec::new(), code: Box::new(|_, _| None) };
    let context = JsValue::UNDEFINED.unchecked_into();
    let Ok(ctx) = toll.context(&request, env, &context, Deadline::of_request(now_ms())) else { return };
    // Only what has no price is decided without an effect.
    let decision = ctx.gate.decide(&request.for_gate(ctx.url, &|_| None, &|_| None), now_unix());
    if decision != (Decision::Open { waived: None }) {
        return;
    }
    let Ok(Step::Forward(plan)) = handlers::begin(&ctx) else { return };
    drop(plan.to_text(&request.method));
    if let Some(plan) = ResponsePlan::parse(&plan.response) {
        drop(handlers::response_edits(settings, ctx.policy(), &plan, "0\n".to_owned()));
    }
}

/// Returns the changes of the response to a forwarded request, and counts the request. `plan` is a [`ResponsePlan`], and
/// `headers` are the headers of the response as lines.
///
/// # Errors
/// Fails if the plan is not one that this deployment made, or if the headers cannot be read.
pub fn finish_forward(env: &Env, context: &Context, plan: &str, headers: String) -> Result<String, JsValue> {
    let settings = environment::settings(env);
    let (Some(policy), Some(plan)) = (settings.policy(), ResponsePlan::parse(plan)) else {
        return Err(JsValue::NULL);
    };
    let edits = handlers::response_edits(settings, policy, &plan, headers).ok_or(JsValue::NULL)?;
    let route = plan.route.and_then(|position| policy.routes.get(position));
    if let Some(route) = route.filter(|_| plan.reason != ForwardReason::Observed) {
        let outcome = if plan.reason == ForwardReason::Paid { Outcome::Paid } else { Outcome::Free };
        ledger::count(env, context, route.pattern.as_str(), outcome, None);
    }
    Ok(edits.into_string())
}

/// Answers a request with an error. `fault` is the name of a fault of `shell.js`, or of an exception of the runtime.
/// `plan` is the [`ResponsePlan`] of a forwarded request; it is empty if there is none.
pub async fn failed(
    request: Request,
    env: &Env,
    context: &Context,
    plan: &str,
    fault: &str,
    started_ms: u64,
) -> Result<Response, JsValue> {
    let settings = environment::settings(env);
    let request = IncomingRequest::read(request, settings);
    let error = HandlerError::of_origin(fault);
    let answered = match (settings.policy(), ResponsePlan::parse(plan)) {
        (Some(policy), Some(plan)) => handlers::origin_failed(policy, &request, &plan, error)?,
        _ => Answered::from_error(error, Action::Refuse, None)?,
    };
    let answered = handlers::show_error(env, settings, &request, answered).await?;
    Ok(record(env, context, &request, answered, started_ms))
}

/// Counts and logs a request. Returns its response.
fn record(
    env: &Env,
    context: &Context,
    request: &IncomingRequest,
    answered: Answered,
    started_ms: u64,
) -> Response {
    if let Some((route, outcome, code)) = answered.traffic() {
        ledger::count(env, context, route, outcome, code);
    }
    answered.log(&request.method, now_ms().saturating_sub(started_ms));
    answered.response
}
