//! The Worker: it turns a JavaScript request into plain values, lets the gate decide, and does what it says. Bodies stay
//! in JavaScript.

mod answer;
mod assets;
mod body;
mod books;
mod cors;
mod cron;
mod environment;
mod facts;
mod flood;
mod free_tier;
mod free_tier_counter;
mod hook;
mod invoice_limit;
mod isolate;
mod kv;
mod ledger;
mod log;
mod meter;
mod object;
mod operator;
mod origin;
mod people;
mod sale;
mod settlement;
mod shop;
mod time;
mod toll;
mod wallet;

use std::fmt;
use std::num::NonZeroU32;

use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{Context, Env};

use crate::gate::{Decision, Metered, Sale};
use crate::l402::verify::Grant;
use crate::policy::free::{Denied, FreeTier};
use crate::policy::route::Route;
use crate::problem::Problem;
use crate::settings::Settings;
use facts::Arrival;
use log::Line;
use meter::Ticket;
use origin::Pass;
use sale::Settled;
use settlement::Asker;
use wallet::Budget;

pub use free_tier_counter::FreeTierCounter;
pub use invoice_limit::InvoiceLimit;
pub use ledger::Ledger;
pub use meter::Meter;
pub use toll::Toll;

#[cfg(feature = "entry")]
#[worker::event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> Result<web_sys::Response, Unanswered> {
    Toll::from_env(&env)?.handle(request, env, context).await
}

#[cfg(feature = "entry")]
#[worker::event(scheduled)]
async fn scheduled(_: worker::ScheduledEvent, env: Env, _: worker::ScheduleContext) {
    Toll::keep_books(&env).await;
}

/// The runtime made no response, or gave no environment.
#[derive(Debug)]
pub struct Unanswered;

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime made no response")
    }
}

impl std::error::Error for Unanswered {}

/// What keeps a request from its answer.
enum Failure {
    /// A refusal that the client may read.
    Problem(Problem),
    /// The runtime threw.
    Js(JsValue),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<JsValue> for Failure {
    fn from(error: JsValue) -> Self {
        Self::Js(error)
    }
}

/// Does what was decided for one request.
struct Exchange<'a> {
    arrival: &'a Arrival,
    env: &'a Env,
    context: &'a Context,
    settings: &'static Settings,
    budget: Budget,
}

impl Exchange<'_> {
    /// Answers, whatever happens on the way.
    async fn answer(&self, decision: Decision<'_>, line: &mut Line) -> Result<web_sys::Response, JsValue> {
        // A free page is the origin's own affair, and the operator's pages are for no other page.
        let cors = match decision {
            Decision::Open | Decision::Operator(_) | Decision::Hook(_) | Decision::Settle => None,
            _ => self.settings.policy().and_then(|policy| policy.cors.as_ref()),
        };
        let is_priced = matches!(
            decision,
            Decision::Sold(_)
                | Decision::Unsettled { .. }
                | Decision::FreeTier { .. }
                | Decision::Offer { .. }
        );
        let acted = self.act(decision, line).await;
        let response = self.conclude(acted, line)?;
        if is_priced {
            self.clear_cookies(&response.headers())?;
        }
        if let Some(cors) = cors {
            cors::share(&response.headers(), cors, self.arrival.header("Origin").as_deref())?;
        }
        Ok(response)
    }

    /// The answer, or what a client may know of why there is none.
    fn conclude(
        &self,
        acted: Result<web_sys::Response, Failure>,
        line: &mut Line,
    ) -> Result<web_sys::Response, JsValue> {
        match acted {
            Ok(response) => Ok(response),
            Err(Failure::Problem(problem)) => {
                line.code = Some(problem.code());
                answer::problem(&problem)
            }
            Err(Failure::Js(error)) => {
                line.code = Some(Problem::Internal.code());
                line.detail = error.dyn_ref::<js_sys::Error>().map(|error| error.name().into());
                answer::problem(&Problem::Internal)
            }
        }
    }

    async fn act(&self, decision: Decision<'_>, line: &mut Line) -> Result<web_sys::Response, Failure> {
        match decision {
            Decision::Health => Ok(answer::health(self.settings.policy().is_some())?),
            Decision::Prices => {
                let host = self.arrival.url().ok_or(Problem::AmbiguousPath)?.host;
                let catalog = self.settings.policy().map(|policy| policy.catalog(host));
                Ok(answer::prices(&catalog.ok_or(Problem::NotConfigured)?)?)
            }
            Decision::Refuse(problem, _) => Err(problem.into()),
            Decision::Operator(door) => self.open(door).await,
            Decision::Public(file) => self.public(file).await,
            // Whoever decides has it decided what is asked about: see `people`.
            Decision::Settle => Err(Problem::NotFound.into()),
            Decision::Hook(token) => self.take_hint(&token).await,
            Decision::ToHttps => Ok(answer::to_https(&self.arrival.url().ok_or(Problem::AmbiguousPath)?)?),
            Decision::Preflight if self.settings.policy().is_some_and(|policy| policy.cors.is_some()) => {
                Ok(cors::preflight(self.arrival)?)
            }
            Decision::Preflight => self.forward(&Pass::Preflight, None).await,
            Decision::Open => self.forward(&Pass::Open, None).await,
            Decision::Waived { route } => self.forward(&Pass::Waived, Some(route)).await,
            Decision::Sold(sale) => self.serve(sale, line).await,
            Decision::Unsettled { claims, route, offer } => {
                match self.settle(claims, Asker::Client, line).await? {
                    Settled::Paid(sale) => self.serve(sale, line).await,
                    Settled::Pending(claim, bolt11) => {
                        line.refused(&offer);
                        self.offer_again(&claim, offer, bolt11, None).await
                    }
                    Settled::Unpaid => {
                        line.refused(&offer);
                        self.offer(route, offer, line).await
                    }
                }
            }
            Decision::FreeTier { route, tier, key, offer } => {
                let now_ms = time::now_ms();
                let (response, remaining) = match self.take_free(tier, key, now_ms).await {
                    Ok(remaining) => {
                        line.passed("free");
                        (self.forward(&Pass::Free, Some(route)).await?, remaining)
                    }
                    Err(denied) => {
                        line.free = Some(denied.as_str());
                        (self.offer(route, offer, line).await?, 0)
                    }
                };
                let headers = response.headers();
                headers.append("RateLimit-Policy", &tier.policy_header())?;
                headers.append("RateLimit", &tier.state_header(remaining, now_ms))?;
                Ok(response)
            }
            Decision::Offer { route, offer } => {
                if let Some(denied) = free_tier::never_asked(route, &offer) {
                    line.free = Some(denied.as_str());
                }
                self.offer(route, offer, line).await
            }
        }
    }

    /// Serves what was paid for, while it has uses left.
    async fn serve(&self, sale: Sale<'_>, line: &mut Line) -> Result<web_sys::Response, Failure> {
        line.sold(&sale);
        self.note(&sale);
        let Sale { route, grant, amount_sats, metered } = sale;
        let Some(Metered { uses, offer }) = metered else {
            return self.forward(&Pass::Paid { grant, amount_sats }, Some(route)).await;
        };
        match self.take_use(&grant, uses).await? {
            Some(ticket) => self.forward_counted(route, grant, amount_sats, ticket).await,
            None => {
                line.refused(&offer);
                self.offer(route, offer, line).await
            }
        }
    }

    /// Takes a use of a payment; `None` where all are spent.
    async fn take_use(&self, grant: &Grant, uses: NonZeroU32) -> Result<Option<Ticket>, Problem> {
        let timeout_ms = self.settings.policy().map_or(0, |policy| policy.origin_timeout_ms);
        let lease_ms = u64::from(timeout_ms).saturating_add(LEASE_BEYOND_TIMEOUT_MS);
        meter::take(self.env, self.context, grant, u64::from(uses.get()), lease_ms).await
    }

    /// Forwards for a use that was taken: it is spent when the origin has answered, and given back when it failed.
    async fn forward_counted(
        &self,
        route: &Route,
        grant: Grant,
        amount_sats: u64,
        ticket: Ticket,
    ) -> Result<web_sys::Response, Failure> {
        let (response, remaining) = match self.forward(&Pass::Paid { grant, amount_sats }, Some(route)).await
        {
            Ok(response) if response.status() < 500 => {
                let remaining = ticket.remaining();
                self.context.wait_until(ticket.spend(self.env.clone()));
                (response, remaining)
            }
            Ok(response) => (response, ticket.give_back(self.env).await),
            Err(failure) => {
                ticket.give_back(self.env).await;
                return Err(failure);
            }
        };
        response.headers().set("X-Toll-Uses-Remaining", &remaining.to_string())?;
        Ok(response)
    }

    /// Takes a free request of this client; tells how many remain.
    async fn take_free(&self, tier: FreeTier, key: String, now_ms: u64) -> Result<u64, Denied> {
        let client = self.arrival.client.as_deref().ok_or(Denied::UnknownClient)?;
        let counting = self.settings.policy().map(|policy| policy.counting).unwrap_or_default();
        free_tier::take(self.env, self.context, counting, tier, key, client, now_ms).await
    }

    async fn forward(&self, pass: &Pass, route: Option<&Route>) -> Result<web_sys::Response, Failure> {
        origin::forward(self.arrival, self.env, self.settings, pass, route).await
    }
}

/// How much longer than the origin may take a use is on its way before it counts as spent.
const LEASE_BEYOND_TIMEOUT_MS: u64 = 30_000;
