//! The operator's pages and numbers.

use std::sync::{LazyLock, Mutex};

use web_sys::Response;

use super::isolate::held;
use super::time::{now_ms, now_unix};
use super::{Exchange, Failure, answer, assets, body, books};
use crate::flood::Minutes;
use crate::json::Json;
use crate::ledger::metrics::metrics;
use crate::ledger::step::Step;
use crate::operator::{self, Door, Guard, Visitor};
use crate::policy::Policy;
use crate::policy::url::is_loopback;
use crate::problem::Problem;

impl Exchange<'_> {
    /// Answers at a door, whoever knocks.
    pub(super) async fn open(&self, door: Door) -> Result<Response, Failure> {
        let (Some(policy), Some(guard)) = (self.settings.policy(), self.settings.guard()) else {
            return Err(Problem::NotFound.into());
        };
        match (door, self.admit(&guard, door)) {
            (Door::Dashboard, Err(Problem::Unauthorized)) => self.page("login", HTML, 401).await,
            (_, Err(problem)) => Err(problem.into()),
            (_, Ok(())) => self.pass(door, policy, &guard).await,
        }
    }

    fn admit(&self, guard: &Guard<'_>, door: Door) -> Result<(), Problem> {
        let url = self.arrival.url().ok_or(Problem::NotFound)?;
        let header = |name: &str| self.arrival.header(name);
        let (authorization, cookie, origin) = (header("Authorization"), header("Cookie"), header("Origin"));
        let visitor = Visitor {
            method: &self.arrival.method,
            authorization: authorization.as_deref(),
            cookie: cookie.as_deref(),
            origin: origin.as_deref(),
            own_origin: url.origin,
            is_private: url.is_https || is_loopback(url.host),
        };
        guard.admit(door, &visitor, now_unix())
    }

    async fn pass(&self, door: Door, policy: &Policy, guard: &Guard<'_>) -> Result<Response, Failure> {
        let prefix = &policy.prefix;
        match door {
            Door::Bare => Ok(answer::to(308, &format!("{prefix}/"), None)?),
            Door::Dashboard => self.page("dashboard", HTML, 200).await,
            Door::Script => self.page("dashboard.js", "text/javascript; charset=utf-8", 200).await,
            Door::Style => self.page("operator.css", "text/css; charset=utf-8", 200).await,
            Door::Stats => Ok(answer::json(200, &[], &self.stats().await?)?),
            Door::Metrics => {
                let stats = Json::parse(self.stats().await?.as_bytes());
                let text = stats.as_ref().and_then(metrics).ok_or(Problem::LedgerUnavailable)?;
                Ok(answer::text("text/plain; version=0.0.4; charset=utf-8", &text)?)
            }
            Door::Login => self.log_in(prefix, guard).await,
            Door::Logout => {
                let gone = operator::close_session(prefix);
                Ok(answer::to(303, &format!("{prefix}/"), Some(&gone))?)
            }
            Door::Redeliver => {
                books::ask(self.env, &Step::Again { now_ms: now_ms() })
                    .await
                    .ok_or(Problem::LedgerUnavailable)?;
                Ok(answer::empty(204)?)
            }
        }
    }

    /// The books, with what this isolate has counted and not written yet.
    async fn stats(&self) -> Result<String, Problem> {
        books::flush(self.env).await;
        books::ask(self.env, &Step::Stats { now_ms: now_ms() }).await.ok_or(Problem::LedgerUnavailable)
    }

    async fn log_in(&self, prefix: &str, guard: &Guard<'_>) -> Result<Response, Failure> {
        static TRIES: LazyLock<Mutex<Minutes>> = LazyLock::new(Mutex::default);
        let client = self.arrival.client.as_deref().unwrap_or_default();
        if held(&TRIES, |tries| tries.take(client, TRIES_PER_MINUTE, now_ms())).is_err() {
            return Ok(answer::to(303, &format!("{prefix}/#slow"), None)?);
        }
        let form = body::read(self.arrival.request.body(), MAX_FORM_BYTES).await?.unwrap_or_default();
        let is_it = operator::token_of_form(&form).is_some_and(|token| guard.is_token(&token));
        let cookie = is_it.then(|| guard.open_session(prefix, now_unix()));
        let place = if is_it { "/" } else { "/#wrong" };
        Ok(answer::to(303, &format!("{prefix}{place}"), cookie.as_deref())?)
    }

    /// A file of www/.
    async fn page(&self, file: &str, content_type: &str, status: u16) -> Result<Response, Failure> {
        let stored = assets::open(self.env, file).await?.ok_or(Problem::NotFound)?;
        Ok(answer::page(status, content_type, stored.body().as_ref())?)
    }
}

const HTML: &str = "text/html; charset=utf-8";
const TRIES_PER_MINUTE: u64 = 5;
const MAX_FORM_BYTES: usize = 4_096;
