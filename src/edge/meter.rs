//! The Durable Object that counts the uses of one payment, and how the Worker asks it. It forgets itself after the last
//! credential for the payment has ended.

use js_sys::Promise;
use web_sys::{Request, Response};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Context, Env};

use super::object::{self, Store};
use super::time::now_ms;
use crate::l402::verify::Grant;
use crate::problem::Problem;
use crate::uses::{NotTaken, Taken, Uses};

/// A meter; `wrangler.toml` names this class.
#[wasm_bindgen]
pub struct Meter(Store);

#[wasm_bindgen]
impl Meter {
    /// As the runtime makes it.
    ///
    /// # Errors
    /// Where it gives no storage.
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        Store::new(state).map(Self)
    }

    /// `/take/<bought>/<until ms>/<forget at ms>` answers `<ticket>/<remaining>`, `in_flight` or `spent`;
    /// `/give_back/<ticket>/<bought>` how many remain, `/spend/<ticket>` nothing.
    ///
    /// # Errors
    /// Where the storage fails, holds something else, or the path is none of ours.
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let stored = self.0.read()?;
        let is_new = stored.is_none();
        let mut uses = match stored {
            Some(text) => Uses::parse(&text).ok_or(JsValue::NULL)?,
            None => Uses::default(),
        };
        let names = object::names(&request.url());
        let (step, numbers) = names.split_first().ok_or(JsValue::NULL)?;
        let numbers: Vec<u64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
        let (answer, forget_at_ms) = match (step.as_str(), numbers.as_slice()) {
            ("take", [bought, until_ms, forget_at_ms]) => match uses.take(*bought, *until_ms, now_ms()) {
                Ok(Taken { ticket, remaining }) => (format!("{ticket}/{remaining}"), Some(*forget_at_ms)),
                Err(NotTaken::InFlight) => return Response::new_with_opt_str(Some("in_flight")),
                Err(NotTaken::Spent) => return Response::new_with_opt_str(Some("spent")),
            },
            ("spend", [ticket]) => {
                uses.spend(*ticket);
                (String::new(), None)
            }
            ("give_back", [ticket, bought]) => (uses.give_back(*ticket, *bought).to_string(), None),
            _ => return Err(JsValue::NULL),
        };
        self.0.write(&uses.to_text(), forget_at_ms.filter(|_| is_new))?;
        Response::new_with_opt_str(Some(&answer))
    }

    /// No credential for the payment is good any more.
    ///
    /// # Errors
    /// Where the storage fails; the runtime then tries again.
    pub fn alarm(&self) -> Result<Promise, JsValue> {
        self.0.forget()
    }
}

/// A use that was taken, and where it is to be spent or given back.
pub struct Ticket {
    meter: String,
    bought: u64,
    taken: Taken,
}

/// Takes a use, which counts as spent after `lease_ms`; `None` where all are spent.
pub async fn take(
    env: &Env,
    context: &Context,
    grant: &Grant,
    bought: u64,
    lease_ms: u64,
) -> Result<Option<Ticket>, Problem> {
    let meter = grant.payment_hash.to_hex();
    let until_ms = now_ms().saturating_add(lease_ms);
    let forget_at_ms = grant.sold_until_unix.saturating_mul(1_000).saturating_add(FORGET_AFTER_MS);
    let path = format!("/take/{bought}/{until_ms}/{forget_at_ms}");
    let asked = object::ask(env, BINDING, &meter, &path).ok_or(Problem::UsesUnavailable)?;
    match asked.within(TIMEOUT_MS).await.as_deref() {
        Some("spent") => Ok(None),
        Some("in_flight") => Err(Problem::UsesInFlight),
        Some(answer) => Ticket::read(meter, bought, answer).map(Some).ok_or(Problem::UsesUnavailable),
        None => {
            // The object may still take it, and nobody would be served for it.
            let env = env.clone();
            context.wait_until(async move {
                let answer = asked.within(LATE_MS).await.unwrap_or_default();
                if let Some(ticket) = Ticket::read(meter, bought, &answer) {
                    ticket.give_back(&env).await;
                }
            });
            Err(Problem::UsesUnavailable)
        }
    }
}

impl Ticket {
    fn read(meter: String, bought: u64, answer: &str) -> Option<Self> {
        let (ticket, remaining) = answer.split_once('/')?;
        let taken = Taken { ticket: ticket.parse().ok()?, remaining: remaining.parse().ok()? };
        Some(Self { meter, bought, taken })
    }

    /// How many are left besides it.
    pub fn remaining(&self) -> u64 {
        self.taken.remaining
    }

    /// The origin has answered.
    pub async fn spend(self, env: Env) {
        self.ask(&env, format!("/spend/{}", self.taken.ticket)).await;
    }

    /// The origin failed; tells how many are left.
    pub async fn give_back(self, env: &Env) -> u64 {
        let left = self.ask(env, format!("/give_back/{}/{}", self.taken.ticket, self.bought)).await;
        left.and_then(|left| left.parse().ok()).unwrap_or(self.taken.remaining)
    }

    async fn ask(&self, env: &Env, path: String) -> Option<String> {
        object::ask(env, BINDING, &self.meter, &path)?.within(TIMEOUT_MS).await
    }
}

/// The binding of the objects.
const BINDING: &str = "METER";
/// How long a client waits for an object.
const TIMEOUT_MS: i32 = 5_000;
/// How long an answer that came too late for it is waited for; the runtime ends what takes longer.
const LATE_MS: i32 = 25_000;
/// Clocks differ.
const FORGET_AFTER_MS: u64 = 3_600_000;
