//! The paywall as a whole, for this crate's own entry point and for a Worker of one's own that prices by code.

use worker::wasm_bindgen::JsValue;
use worker::{Context, Env};

use super::facts::Arrival;
use super::log::{self, Line};
use super::people::{self, Question, Visit};
use super::time::{now_ms, now_unix};
use super::wallet::Budget;
use super::{Exchange, Failure, Unanswered, answer, books, cron, environment, settlement};
use crate::gate::{Decision, Gate, Request};
use crate::l402::macaroon::Macaroon;
use crate::l402::verify::Grant;
use crate::pay_page;
use crate::policy::Policy;
use crate::policy::facts::{Facts, Unpriced};
use crate::policy::route::{Route, Sold, Toll as RouteToll};
use crate::policy::url::RequestUrl;
use crate::problem::Problem;
use crate::settings::Settings;

/// The paywall of an environment.
pub struct Toll<'a> {
    settings: &'static Settings,
    code: Vec<(&'a str, Box<PriceOf<'a>>)>,
}

/// Makes the price of a request in satoshis.
type PriceOf<'a> = dyn Fn(&Facts<'_>) -> Result<u64, Unpriced> + 'a;

impl<'a> Toll<'a> {
    /// Reads `TOLL`, the secrets and the rest, once per isolate. What is broken there closes, with the reason in the log.
    ///
    /// # Errors
    /// Where the runtime gives no environment.
    pub fn from_env(env: &Env) -> Result<Self, Unanswered> {
        if !AsRef::<JsValue>::as_ref(env).is_object() {
            return Err(Unanswered);
        }
        Ok(Self { settings: environment::settings(env), code: Vec::new() })
    }

    /// Prices a route by code. The price list has the route, with `price = "code"`; 0 lets the request pass for nothing.
    #[must_use]
    pub fn price(mut self, path: &'a str, price: impl Fn(&Facts<'_>) -> Result<u64, Unpriced> + 'a) -> Self {
        self.code.push((path, Box::new(price)));
        self
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Where the runtime makes no response at all: all else that goes wrong is answered.
    pub async fn handle(
        self,
        request: web_sys::Request,
        env: Env,
        context: Context,
    ) -> Result<web_sys::Response, Unanswered> {
        let started_ms = now_ms();
        let settings = self.settings;
        let arrival = Arrival::read(request, settings);
        let mut line = Line::new(arrival.method.clone());
        let decision = self.decide(&arrival);
        line.decided(&decision);
        let budget = Budget::from(started_ms);
        let exchange = Exchange { arrival: &arrival, env: &env, context: &context, settings, budget };
        let answer = match decision {
            Decision::Settle => exchange.conclude(self.settle_up(&exchange, &mut line).await, &mut line),
            decision => exchange.answer(decision, &mut line).await,
        };
        let response = answer.or_else(|_| answer::problem(&Problem::Internal)).map_err(|_| Unanswered)?;
        if let Some((route, outcome)) = line.outcome(response.status()) {
            books::count(&env, &context, route, outcome);
        }
        line.write(response.status(), now_ms().saturating_sub(started_ms));
        Ok(response)
    }

    /// Brings the books up to date: what the cron trigger does.
    pub async fn keep_books(env: &Env) {
        cron::keep_books(env).await;
    }

    /// Answers the pay page, which asks whether an invoice is paid.
    async fn settle_up(
        &self,
        exchange: &Exchange<'_>,
        line: &mut Line,
    ) -> Result<web_sys::Response, Failure> {
        let arrival = exchange.arrival;
        let (asked, macaroon) = people::read_asked(arrival, self.settings).await?;
        let own = self.place_of(&macaroon).and_then(|place| Visit::new(arrival, &place));
        let visit = match &asked.to {
            Some(to) => Visit::new(arrival, to),
            None => own.clone(),
        };
        let visit = visit.ok_or(Problem::NotFound)?;
        // As if it were shown there, to be asked about.
        let credential = format!("L402 {}:", asked.macaroon);
        let decision = self.decide_as(arrival, &visit.href, Some(&credential));
        let question = Question { is_form: asked.is_form, macaroon, visit, own };
        exchange.settle_up(&question, decision, line).await
    }

    /// A page that a macaroon opens, for whoever does not say which is wanted, or wants another.
    fn place_of(&self, macaroon: &Macaroon) -> Option<String> {
        let named = |name: &str| {
            let mut caveats =
                macaroon.caveats().filter_map(|caveat| std::str::from_utf8(caveat).ok()?.split_once('='));
            caveats.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
        };
        named("endpoint").or_else(|| {
            let realm = named("realm")?;
            let is_in = |route: &&Route| matches!(&route.sold, Sold::Realm(name) if *name == realm);
            Some(self.settings.policy()?.routes.iter().find(is_in)?.pattern.sample())
        })
    }

    fn decide(&self, arrival: &Arrival) -> Decision<'static> {
        if arrival.is_loop(self.settings) {
            return Decision::Refuse(Problem::OriginLoop, None);
        }
        self.decide_as(arrival, &arrival.href, None)
    }

    /// Decides; with a credential, as if the client came with it to fetch a page.
    fn decide_as(&self, arrival: &Arrival, href: &str, visit_with: Option<&str>) -> Decision<'static> {
        let Some(url) = RequestUrl::parse(href) else {
            return Decision::Refuse(Problem::AmbiguousPath, None);
        };
        let code = |route: &Route, facts: &Facts<'_>| {
            let (_, price) = self.code.iter().find(|(path, _)| *path == route.pattern.as_str())?;
            Some(price(facts))
        };
        let header = |name: &str| match visit_with.and_then(|_| pay_page::header_of_visit(name)) {
            Some(value) => value.map(str::to_owned),
            None => arrival.header(name),
        };
        let edge = |fact| arrival.edge(fact);
        let is_settled =
            |grant: &Grant| self.settings.policy().is_some_and(|policy| settlement::is_known(policy, grant));
        let gate = self.settings.gate(&is_settled);
        let policy = gate.policy.filter(|policy| self.is_listed(policy));
        let gate = Gate { policy, code: &code, ..gate };
        let mut request = arrival.as_request(url, &header, &edge);
        if visit_with.is_some() {
            request = Request {
                method: "GET",
                authorization: visit_with,
                cookie: None,
                has_body: false,
                ..request
            };
        }
        gate.decide(&request, now_unix())
    }

    /// Whether the list has every path that the code prices; if not, nothing is served.
    fn is_listed(&self, policy: &Policy) -> bool {
        let is_listed = |path: &str| {
            let is_it =
                |route: &Route| route.pattern.as_str() == path && matches!(route.toll, RouteToll::Code);
            policy.routes.iter().any(is_it)
        };
        let unlisted = self.code.iter().find(|(path, _)| !is_listed(path));
        if let Some((path, _)) = unlisted {
            log::fault(&format!("the code prices {path}: the list needs that path, with price = \"code\""));
        }
        unlisted.is_none()
    }
}
