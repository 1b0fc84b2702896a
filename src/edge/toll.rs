//! The paywall as a whole, for the Worker of this crate and for a Worker of your own that prices by code.

use std::sync::Once;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;
use web_sys::Request;

use super::context::{IncomingRequest, RequestContext};
use super::handlers::{self, Answered};
use super::platform::clock::{Deadline, now_ms, now_unix};
use super::platform::runtime::{Context, Env};
use super::platform::{environment, log};
use super::services::{ledger, settlement};
use crate::config::Settings;
use crate::endpoints::{self, Endpoint};
use crate::error::RequestError;
use crate::gate::Decision;
use crate::policy::Policy;
use crate::policy::facts::{Facts, PriceError};
use crate::policy::route::{Pricing, Route};
use crate::protocols::l402::verify::Grant;

/// The paywall of an environment.
///
/// The following Worker prices two routes by code. CI compiles it as `examples/price-by-code`.
///
/// ```ignore
#[doc = include_str!("../../examples/price-by-code/src/lib.rs")]
/// ```
pub struct Toll {
    settings: &'static Settings,
    code: Vec<(&'static str, Box<PriceFn>)>,
}

/// Returns the price of a request in satoshis, or why the request has no price.
type PriceFn = dyn Fn(&Facts<'_>) -> Result<u64, PriceError>;

impl Toll {
    /// Reads the price list, the secrets and the other settings, once per isolate. A wrong setting disables what
    /// depends on it, and the log names the setting.
    pub fn from_env(env: &Env) -> Self {
        Self { settings: environment::settings(env), code: Vec::new() }
    }

    /// Prices a route by code, in satoshis. The price list must have the route with `price = "code"`. A request whose
    /// price is 0 is forwarded without payment.
    #[must_use]
    pub fn price(
        mut self,
        path: &'static str,
        price: impl Fn(&Facts<'_>) -> Result<u64, PriceError> + 'static,
    ) -> Self {
        self.code.push((path, Box::new(price)));
        self
    }

    /// Answers a request. The promise fails only if the runtime cannot create a response. Every other error is a
    /// response.
    pub fn handle(self, request: Request, env: Env, context: Context) -> Promise {
        future_to_promise(async move {
            let started_ms = now_ms();
            let request = IncomingRequest::read(request, self.settings);
            let answered = self.answer(&request, &env, &context, Deadline::of_request(started_ms)).await;
            let answered = answered.or_else(|_| handlers::refuse(RequestError::Internal))?;
            let answered = handlers::show_error(&env, self.settings, &request, answered).await?;
            if let Some((route, outcome, code)) = answered.traffic() {
                ledger::count(&env, &context, route, outcome, code);
            }
            answered.log(&request.method, now_ms().saturating_sub(started_ms));
            Ok(answered.response.into())
        })
    }

    async fn answer(
        &self,
        request: &IncomingRequest,
        env: &Env,
        context: &Context,
        deadline: Deadline,
    ) -> Result<Answered, JsValue> {
        if handlers::is_loop(request, self.settings) {
            return handlers::refuse(RequestError::OriginLoop);
        }
        let Some(url) = request.url() else { return handlers::refuse(RequestError::AmbiguousPath) };
        let policy = self.settings.policy().filter(|policy| self.is_listed(policy));
        let endpoint = endpoints::find(policy, url.path);
        let Some(policy) = policy else {
            return match endpoint {
                Some(Endpoint::Health) => handlers::health(false),
                _ => handlers::refuse(RequestError::NotConfigured),
            };
        };
        let code = |route: &Route, facts: &Facts<'_>| {
            let (_, price) = self.code.iter().find(|(path, _)| *path == route.pattern.as_str())?;
            Some(price(facts))
        };
        let is_settled = |grant: &Grant| settlement::is_known(policy, grant);
        let gate = self.settings.gate(policy, &code, &is_settled);
        let settings = self.settings;
        let ctx = RequestContext { request, url, env, context, settings, gate: &gate, deadline };
        match endpoint {
            Some(endpoint) => handlers::endpoint(&ctx, endpoint).await,
            None => handlers::decision(&ctx, decide(&ctx)).await,
        }
    }

    /// Whether the price list has every route whose price is set by code. If a route is missing, no request is forwarded,
    /// because the missing route would be served without payment.
    fn is_listed(&self, policy: &Policy) -> bool {
        static LOGGED: Once = Once::new();
        let is_listed = |path: &str| {
            let mut routes = policy.routes.iter();
            routes.any(|route| route.pattern.as_str() == path && route.pricing == Pricing::Code)
        };
        let Some((path, _)) = self.code.iter().find(|(path, _)| !is_listed(path)) else { return true };
        LOGGED.call_once(|| {
            log::config_fault(&format!(
                "the code prices {path}, but the price list has no route with this path and price = \"code\""
            ));
        });
        false
    }
}

fn decide(ctx: &RequestContext<'_>) -> Decision<'static> {
    let header = |name: &str| ctx.request.header(name);
    let edge = |fact| ctx.request.edge_fact(fact);
    ctx.gate.decide(&ctx.request.for_gate(ctx.url, &header, &edge), now_unix())
}
