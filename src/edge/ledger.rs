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
use crate::ledger::{self, Database};
use crate::settings::{Callbacks, Settings};

/// The books; `wrangler.toml` names this class.
#[wasm_bindgen]
pub struct Ledger(Rc<Books>);

#[wasm_bindgen]
impl Ledger {
    /// As the runtime makes it.
    ///
    /// # Errors
    /// Where it gives no database.
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue, env: Env) -> Result<Self, JsValue> {
        let storage = object::storage(state)?;
        let books = Books { sql: storage.sql()?, storage, settings: environment::settings(&env) };
        books.at_once(|books| ledger::migrate(books, now_ms()).map(|()| None))?;
        Ok(Self(Rc::new(books)))
    }

    /// `/<step>`, with the step's input as the body, answers what the step does.
    pub fn fetch(&self, request: &Request) -> Promise {
        let books = Rc::clone(&self.0);
        let names = object::names(&request.url());
        let body = request.body();
        future_to_promise(async move {
            let step = names.first().ok_or(JsValue::NULL)?;
            let input = body::read(body, MAX_INPUT_BYTES).await?.ok_or(JsValue::NULL)?;
            let answer = books.run(step, &input)?;
            if NEWS.contains(&step.as_str()) {
                books.wake_for_next()?;
            }
            Response::new_with_opt_str(Some(&answer)).map(JsValue::from)
        })
    }

    /// Callbacks are due.
    pub fn alarm(&self) -> Promise {
        let books = Rc::clone(&self.0);
        future_to_promise(async move {
            books.deliver().await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

struct Books {
    storage: Storage,
    sql: Sql,
    settings: &'static Settings,
}

impl Books {
    /// Runs a step, whole or not at all.
    fn run(&self, step: &str, input: &str) -> Result<String, JsValue> {
        let answer = self.at_once(|books| ledger::run(books, step, input).ok_or(JsValue::NULL)?);
        answer.map(Option::unwrap_or_default)
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
        let Callbacks::To(on_payment) = self.settings.callbacks() else {
            return self.storage.wake_at(now_ms().saturating_add(BROKEN_WAIT_MS));
        };
        for callback in Callback::read_all(&self.run("due", &format!("{{\"now_ms\":{}}}", now_ms()))?) {
            let hash = &callback.hash;
            match tell(on_payment, &callback).await {
                Ok(()) => self.run("delivered", &format!("{{\"hash\":\"{hash}\"}}"))?,
                Err(outcome) => {
                    let next_ms = callback.next_ms(now_ms()).map_or("null".to_owned(), |ms| ms.to_string());
                    let failed =
                        format!("{{\"hash\":\"{hash}\",\"next_ms\":{next_ms},\"outcome\":\"{outcome}\"}}");
                    self.run("failed", &failed)?
                }
            };
        }
        self.wake_for_next()
    }

    fn wake_for_next(&self) -> Result<(), JsValue> {
        match self.run("next", "")?.parse() {
            Ok(next_ms) => self.storage.wake_at(next_ms),
            Err(_) => Ok(()),
        }
    }
}

impl Database for Books {
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
        Ok(response) if response.ok() => Ok(()),
        Ok(response) => Err(format!("answered {}", response.status())),
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

/// Steps after which a callback may be due.
const NEWS: [&str; 2] = ["settle", "again"];
/// A hundred payments with routes as long as they can be.
const MAX_INPUT_BYTES: usize = 1_048_576;
/// How long the owner's server may take.
const TIMEOUT_MS: u32 = 10_000;
/// A setting is wrong: a deploy mends it.
const BROKEN_WAIT_MS: u64 = 3_600_000;
