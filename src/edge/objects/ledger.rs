//! The Durable Object of the payment ledger, which also sends callbacks to the owner's server. `crate::ledger` has the
//! SQL.

use std::rc::Rc;

use crate::edge::platform::runtime::Env;
use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response};

use crate::config::{Callbacks, Settings};
use crate::edge::platform::clock::{now_ms, now_unix};
use crate::edge::platform::storage::{self, Sql, Storage};
use crate::edge::platform::{body, environment, fetch};
use crate::ledger::callback::{Callback, OnPayment};
use crate::ledger::command::{CommandName, LedgerCommand};
use crate::ledger::{self, Database};

#[wasm_bindgen]
pub struct Ledger(Rc<Tables>);

#[wasm_bindgen]
impl Ledger {
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue, env: Env) -> Result<Self, JsValue> {
        let storage = storage::storage(state)?;
        let tables = Tables { sql: storage.sql()?, storage, settings: environment::settings(&env) };
        tables.transaction(|tables| ledger::migrate(tables, now_ms()).map(|()| None))?;
        Ok(Self(Rc::new(tables)))
    }

    /// Runs a [`LedgerCommand`]. The name of the command is in a header, and its fields are the body. The response is
    /// the result of the SQL script.
    pub fn fetch(&self, request: &Request) -> Promise {
        let tables = Rc::clone(&self.0);
        let name = request.headers().get(REQUEST_HEADER);
        let body = request.body();
        future_to_promise(async move {
            let name = CommandName::parse(&name?.unwrap_or_default()).ok_or(JsValue::NULL)?;
            let fields = body::read(body, MAX_COMMAND_BYTES).await?.ok_or(JsValue::NULL)?;
            let result = tables.run_script(name, &fields)?;
            if name.may_make_callback_due() {
                tables.schedule_next_callback()?;
            }
            Response::new_with_opt_str(Some(&result)).map(JsValue::from)
        })
    }

    /// Sends the callbacks that are due. The runtime calls `alarm` when the next callback is due.
    pub fn alarm(&self) -> Promise {
        let tables = Rc::clone(&self.0);
        future_to_promise(async move {
            tables.send_callbacks().await?;
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
    fn run(&self, command: &LedgerCommand<'_>) -> Result<String, JsValue> {
        self.run_script(command.name(), &command.fields())
    }

    /// Runs the script of a command as one transaction.
    fn run_script(&self, name: CommandName, fields: &str) -> Result<String, JsValue> {
        self.transaction(|tables| ledger::run(tables, name, fields)).map(Option::unwrap_or_default)
    }

    fn transaction(
        &self,
        work: impl FnOnce(&Self) -> Result<Option<String>, JsValue>,
    ) -> Result<Option<String>, JsValue> {
        let (mut work, mut result) = (Some(work), None);
        self.storage.transaction_sync(&mut || {
            if let Some(work) = work.take() {
                result = work(self)?;
            }
            Ok(JsValue::UNDEFINED)
        })?;
        Ok(result)
    }

    /// Sends up to ten callbacks that are due, the longest overdue first. Then sets the alarm for the next callback.
    async fn send_callbacks(&self) -> Result<(), JsValue> {
        // Without valid callback settings, callbacks wait in the ledger. No alarm has to be set here: every minute, the
        // cron trigger runs the command `PlanSync`, which sets the alarm.
        let Callbacks::On(on_payment) = &self.settings.callbacks else { return Ok(()) };
        let due = self.run(&LedgerCommand::DueCallbacks { now_ms: now_ms() })?;
        for callback in Callback::parse_all(&due) {
            let hash = &callback.hash;
            match send(on_payment, &callback).await {
                Ok(()) => self.run(&LedgerCommand::CallbackDelivered { hash })?,
                Err(outcome) => {
                    let now_ms = now_ms();
                    let next_ms = callback.next_ms(now_ms);
                    self.run(&LedgerCommand::CallbackFailed { hash, now_ms, next_ms, outcome: &outcome })?
                }
            };
        }
        self.schedule_next_callback()
    }

    fn schedule_next_callback(&self) -> Result<(), JsValue> {
        match self.run(&LedgerCommand::NextCallback {})?.parse() {
            Ok(next_ms) => self.storage.set_alarm_at(next_ms),
            Err(_) => Ok(()),
        }
    }
}

impl Database for Tables {
    type Error = JsValue;

    fn run(&self, statement: &str, input: Option<&str>) -> Result<Option<String>, JsValue> {
        self.sql.run(statement, input)
    }
}

/// Sends a callback.
///
/// # Errors
/// Returns why the owner's server did not accept the callback, in the words that the dashboard shows.
async fn send(on_payment: &OnPayment, callback: &Callback) -> Result<(), String> {
    let signal = AbortSignal::timeout_with_u32(TIMEOUT_MS);
    let response = match request(on_payment, callback, &signal) {
        Ok(request) => JsFuture::from(fetch::global().fetch_with_request(&request)).await,
        Err(error) => Err(error),
    };
    match response.map(JsCast::unchecked_into::<Response>) {
        Ok(response) => {
            // The body is not read. Cancelling it frees the connection.
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

/// The header in which `shell.js` sends the name of a command.
const REQUEST_HEADER: &str = "Toll-Request";
/// Enough for the largest command: a page of payments whose route patterns have the maximum length.
const MAX_COMMAND_BYTES: usize = 1_048_576;
/// How long the owner's server may take to answer.
const TIMEOUT_MS: u32 = 10_000;
