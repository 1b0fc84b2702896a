//! The Durable Object of a connection to a wallet over Nostr Wallet Connect. `nwc_connection.js` holds the WebSocket to the
//! relay. This class decides what is sent, and reads what arrives.

use std::cell::RefCell;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

use crate::config::Settings;
use crate::edge::platform::clock::{now_ms, now_unix};
use crate::edge::platform::runtime::Env;
use crate::edge::platform::{environment, log};
use crate::edge::services::ledger;
use crate::nwc::connection::{Connection, Incoming};
use crate::nwc::session::{RANDOM_BYTES, Request};
use crate::payment::WalletSlot;
use crate::wallet::Wallet;
use crate::wallet::nwc::{self, NwcCall, NwcMethod, NwcWallet, read_answer};

#[wasm_bindgen]
pub struct NwcConnection {
    env: Env,
    settings: &'static Settings,
    state: RefCell<Option<State>>,
}

struct State {
    slot: WalletSlot,
    connection: Connection,
    /// Until when it is known that the connection may not spend.
    is_receive_only_until_ms: u64,
}

#[wasm_bindgen]
impl NwcConnection {
    #[wasm_bindgen(constructor)]
    pub fn new(_: &JsValue, env: Env) -> Self {
        let settings = environment::settings(&env);
        Self { env, settings, state: RefCell::new(None) }
    }

    /// Prepares a call, which is an [`NwcCall`]. Returns the URLs of the relays, each on a line of its own; `undefined` if
    /// the slot has no NWC wallet.
    pub fn begin(&self, call: &str) -> Option<String> {
        let NwcCall { slot, .. } = NwcCall::parse(call)?;
        let wallet = self.wallet(slot)?;
        let mut state = self.state.borrow_mut();
        let state = state.get_or_insert_with(|| State {
            slot,
            connection: Connection::new(wallet.uri()),
            is_receive_only_until_ms: 0,
        });
        state.slot = slot;
        Some(wallet.uri().relays().join("\n"))
    }

    /// Returns the first message of a new connection to a relay.
    #[wasm_bindgen(js_name = askForInfo)]
    pub fn ask_for_info(&self) -> Option<String> {
        Some(self.state.borrow().as_ref()?.connection.ask_for_info())
    }

    /// Returns the second message; `undefined` if the wallet announces no encryption that edgetoll knows.
    pub fn subscribe(&self) -> Option<String> {
        self.state.borrow().as_ref()?.connection.subscribe(now_unix())
    }

    /// Returns the ID of a request and its message for the relay, each on a line of its own; `undefined` if the request
    /// cannot be made.
    pub fn seal(&self, method: &str, params: &str, limit_ms: u32) -> Option<String> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).ok()?;
        let now_unix = now_unix();
        let limit_s = u64::from(limit_ms).div_ceil(1_000);
        let request = Request {
            method: NwcMethod::parse(method)?.as_str(),
            params_json: params,
            now_unix,
            expiration_unix: now_unix.saturating_add(limit_s).saturating_add(CLOCK_SKEW_S),
        };
        let (id, message) = self.state.borrow().as_ref()?.connection.seal(&request, &random)?;
        Some(format!("{id}\n{message}"))
    }

    /// Reads a message of the relay. Returns a word, and what belongs to it on the next lines; an empty text if the message
    /// means nothing.
    pub fn read(&self, message: &str) -> String {
        let mut state = self.state.borrow_mut();
        let incoming = state.as_mut().and_then(|state| state.connection.read(message));
        match incoming {
            None => String::new(),
            Some(Incoming::InfoRead) => "info".to_owned(),
            Some(Incoming::Subscribed) => "subscribed".to_owned(),
            Some(Incoming::Closed) => "closed".to_owned(),
            Some(Incoming::Refused { request_id }) => format!("refused\n{request_id}"),
            Some(Incoming::Response { request_id, text }) => format!("response\n{request_id}\n{text}"),
            Some(Incoming::Notification { text }) => format!("notification\n\n{text}"),
        }
    }

    /// Whether it is known that the connection may not spend.
    #[wasm_bindgen(js_name = isReceiveOnly)]
    pub fn is_receive_only(&self) -> bool {
        self.state.borrow().as_ref().is_some_and(|state| now_ms() < state.is_receive_only_until_ms)
    }

    /// Learns from a response to `get_info` whether the connection may spend. Returns the name of the fault for which no
    /// invoice can be created; `undefined` if the connection may not spend.
    pub fn learn(&self, info: &str) -> Option<String> {
        let may_spend = read_answer(info).ok().and_then(|response| nwc::may_spend(&response));
        let (fault, until_ms) = match may_spend {
            Some(false) => (None, now_ms().saturating_add(RECEIVE_ONLY_MS)),
            Some(true) => (Some("may_spend"), 0),
            None => (Some("no_info"), 0),
        };
        self.state.borrow_mut().as_mut()?.is_receive_only_until_ms = until_ms;
        fault.map(str::to_owned)
    }

    /// Records in the ledger the payment that a notification reports.
    pub fn record(&self, notification: &str) -> Promise {
        let slot = self.state.borrow().as_ref().map(|state| state.slot);
        // A relay can repeat a notification as often as it likes.
        let receipt = nwc::receipt_of_notification(notification)
            .filter(|receipt| !ledger::is_settled(&receipt.payment_hash));
        let (env, settings) = (self.env.clone(), self.settings);
        future_to_promise(async move {
            if let (Some(slot), Some(receipt)) = (slot, receipt)
                && let Err(error) = ledger::record_settled(&env, settings, slot, &[receipt]).await
            {
                log::wallet(slot, &format!("has reported a payment that could not be recorded: {error}"));
            }
            Ok(JsValue::UNDEFINED)
        })
    }

    fn wallet(&self, slot: WalletSlot) -> Option<&'static NwcWallet> {
        let (_, wallets) = self.settings.keys_and_wallets()?;
        match wallets.get(slot)? {
            Wallet::Nwc(wallet) => Some(wallet),
            Wallet::Lnbits(_) => None,
        }
    }
}

/// How long the connection is known not to spend: after this time, `get_info` is asked again.
const RECEIVE_ONLY_MS: u64 = 3_600_000;
/// The clock of the wallet may be fast by this time.
const CLOCK_SKEW_S: u64 = 60;
