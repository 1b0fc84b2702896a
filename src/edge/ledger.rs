//! The Durable Object that keeps the books, and tells the owner's server of each payment. What it does with its tables
//! stands in `crate::ledger`.

use std::rc::Rc;

use js_sys::{Array, Object, Promise};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response};
use worker::Env;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::object::{self, Storage};
use super::time::{now_ms, now_unix};
use super::{body, environment, origin};
use crate::ledger::callback::{Callback, OnPayment};
use crate::ledger::step::Step;
use crate::ledger::{self, Database};
use crate::settings::{Callbacks, Settings};

/// The books; `wrangler.toml` names this class.
#[wasm_bindgen]
pub struct Ledger(Rc<Tables>);

#[wasm_bindgen]
impl Ledger {
    /// As the runtime makes it.
    ///
    /// # Errors
    /// Where it gives no database.
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue, env: Env) -> Result<Self, JsValue> {
        let storage = object::storage(state)?;
        let tables = Tables { sql: storage.sql()?, storage, settings: environment::settings(&env) };
        tables.at_once(|tables| ledger::migrate(tables, now_ms()).map(|()| None))?;
        Ok(Self(Rc::new(tables)))
    }

    /// `/<step>`, with the step's input as the body, answers what the step does.
    pub fn fetch(&self, request: &Request) -> Promise {
        let tables = Rc::clone(&self.0);
        let names = object::names(&request.url());
        let body = request.body();
        future_to_promise(async move {
            let step = names.first().ok_or(JsValue::NULL)?;
            let input = body::read(body, MAX_INPUT_BYTES).await?.ok_or(JsValue::NULL)?;
            let answer = tables.run(step, &input)?;
            if NEWS.contains(&step.as_str()) {
                tables.wake_for_next()?;
            }
            Response::new_with_opt_str(Some(&answer)).map(JsValue::from)
        })
    }

    /// Callbacks are due.
    pub fn alarm(&self) -> Promise {
        let tables = Rc::clone(&self.0);
        future_to_promise(async move {
            tables.deliver().await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

struct Tables {
    storage: Storage,
    sql: Sql,
    settings: &'static Settings,
}

impl Tables {
    /// Runs a step, whole or not at all.
    fn run(&self, step: &str, input: &str) -> Result<String, JsValue> {
        let answer = self.at_once(|tables| ledger::run(tables, step, input).ok_or(JsValue::NULL)?);
        answer.map(Option::unwrap_or_default)
    }

    fn take(&self, step: &Step<'_>) -> Result<String, JsValue> {
        self.run(step.name(), &step.input())
    }

    fn at_once(
        &self,
        work: impl FnOnce(&Self) -> Result<Option<String>, JsValue>,
    ) -> Result<Option<String>, JsValue> {
        let (mut work, mut answer) = (Some(work), None);
        self.storage.transaction_sync(&mut || {
            if let Some(work) = work.take() {
                answer = work(self)?;
            }
            Ok(JsValue::UNDEFINED)
        })?;
        Ok(answer)
    }

    /// Tells of what is due, oldest first, then sleeps until more is.
    async fn deliver(&self) -> Result<(), JsValue> {
        // Until the settings are mended they wait; the cron wakes us every minute.
        let Callbacks::To(on_payment) = self.settings.callbacks() else { return Ok(()) };
        for callback in Callback::read_all(&self.take(&Step::Due { now_ms: now_ms() })?) {
            let hash = &callback.hash;
            match tell(on_payment, &callback).await {
                Ok(()) => self.take(&Step::Delivered { hash })?,
                Err(outcome) => {
                    let now_ms = now_ms();
                    let next_ms = callback.next_ms(now_ms);
                    self.take(&Step::Failed { hash, now_ms, next_ms, outcome: &outcome })?
                }
            };
        }
        self.wake_for_next()
    }

    fn wake_for_next(&self) -> Result<(), JsValue> {
        match self.take(&Step::Next {})?.parse() {
            Ok(next_ms) => self.storage.wake_at(next_ms),
            Err(_) => Ok(()),
        }
    }
}

impl Database for Tables {
    type Error = JsValue;

    fn run(&self, statement: &str, input: Option<&str>) -> Result<Option<String>, JsValue> {
        let cursor = match input {
            Some(input) => self.sql.exec_with(statement, input)?,
            None => self.sql.exec(statement)?,
        };
        let row = cursor.to_array()?.get(0);
        Ok(row.dyn_ref::<Object>().and_then(|row| Object::values(row).get(0).as_string()))
    }
}

/// Sends a callback; in a word, why it was not taken.
async fn tell(on_payment: &OnPayment, callback: &Callback) -> Result<(), String> {
    let signal = AbortSignal::timeout_with_u32(TIMEOUT_MS);
    let answer = match request(on_payment, callback, &signal) {
        Ok(request) => JsFuture::from(origin::global().fetch_with_request(&request)).await,
        Err(error) => Err(error),
    };
    match answer.map(JsCast::unchecked_into::<Response>) {
        Ok(response) => {
            // What it says is not read.
            drop(response.body().map(|body| body.cancel()));
            if response.ok() { Ok(()) } else { Err(format!("answered {}", response.status())) }
        }
        Err(_) if signal.aborted() => Err("did not answer in time".to_owned()),
        Err(_) => Err("could not be reached".to_owned()),
    }
}

fn request(on_payment: &OnPayment, callback: &Callback, signal: &AbortSignal) -> Result<Request, JsValue> {
    let timestamp_unix = now_unix();
    let headers = Headers::new()?;
    headers.set("Content-Type", "application/json")?;
    headers.set("webhook-id", &callback.hash)?;
    headers.set("webhook-timestamp", &timestamp_unix.to_string())?;
    headers.set("webhook-signature", &on_payment.sign(&callback.hash, timestamp_unix, &callback.body))?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&callback.body.as_str().into());
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(signal));
    Request::new_with_str_and_init(on_payment.url(), &init)
}

#[wasm_bindgen]
extern "C" {
    /// The database of an object.
    pub type Sql;
    type Cursor;

    #[wasm_bindgen(method, catch)]
    fn exec(this: &Sql, statement: &str) -> Result<Cursor, JsValue>;

    #[wasm_bindgen(method, catch, js_name = exec)]
    fn exec_with(this: &Sql, statement: &str, input: &str) -> Result<Cursor, JsValue>;

    #[wasm_bindgen(method, catch, js_name = toArray)]
    fn to_array(this: &Cursor) -> Result<Array, JsValue>;
}

/// Steps after which a callback may be due. The cron takes the last one every minute, in case an alarm was lost.
const NEWS: [&str; 3] = ["settle", "again", "ask"];
/// A page of payments with routes as long as they can be.
const MAX_INPUT_BYTES: usize = 1_048_576;
/// How long the owner's server may take.
const TIMEOUT_MS: u32 = 10_000;
