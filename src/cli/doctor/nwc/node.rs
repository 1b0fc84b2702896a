//! Sends requests with the connection of the Worker, over a WebSocket of Node.

use serde_json::{Value, json};

use super::LIMIT;
use crate::cli::http::{Clock, now_unix};
use crate::cli::node;
use crate::nwc::connection::{Connection, Incoming};
use crate::nwc::session::{RANDOM_BYTES, Request};
use crate::nwc::uri::NwcUri;
use crate::wallet::{NwcRequest, WalletError, WalletResponse};

pub(super) struct Relay {
    uri: NwcUri,
}

impl Relay {
    /// Returns `None` if the address cannot be used.
    pub fn new(url: &str) -> Option<Self> {
        Some(Self { uri: NwcUri::parse(url).ok()? })
    }

    /// Sends a request over a new connection, to the first relay that answers.
    pub fn send(&mut self, request: &NwcRequest) -> Result<WalletResponse, WalletError> {
        let mut result = Err(WalletError::Unreachable);
        for url in self.uri.relays() {
            result = Socket::open(url).and_then(|socket| self.exchange(&socket, request));
            if !matches!(result, Err(WalletError::Unreachable)) {
                break;
            }
        }
        result
    }

    fn exchange(&self, socket: &Socket, request: &NwcRequest) -> Result<WalletResponse, WalletError> {
        let mut connection = Connection::new(&self.uri);
        socket.send(&connection.ask_for_info());
        socket.wait_for(&mut connection, |incoming| (incoming == Incoming::InfoRead).then_some(()))?;
        socket.send(&connection.subscribe(now_unix()).ok_or(WalletError::NoEncryption)?);
        socket.wait_for(&mut connection, |incoming| (incoming == Incoming::Subscribed).then_some(()))?;
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|_| WalletError::Unreachable)?;
        let sealed = Request {
            method: request.method.as_str(),
            params_json: &request.params,
            now_unix: now_unix(),
            expiration_unix: now_unix().saturating_add(LIMIT.as_secs()),
        };
        let (id, message) = connection.seal(&sealed, &random).ok_or(WalletError::NoEncryption)?;
        socket.send(&message);
        let body = socket.wait_for(&mut connection, |incoming| match incoming {
            Incoming::Response { request_id, text } if request_id == id => Some(Ok(text)),
            Incoming::Refused { request_id } if request_id == id => Some(Err(WalletError::RelayRefused)),
            _ => None,
        })??;
        Ok(WalletResponse { status: 200, retry_after_s: None, body, is_listed: None })
    }
}

/// The WebSocket that Node holds. A new one replaces it.
struct Socket(Clock);

impl Socket {
    fn open(url: &str) -> Result<Self, WalletError> {
        let opened = call(&json!({ "call": "open", "url": url, "limitMs": limit_ms() }));
        opened.map(|_| Self(Clock::start()))
    }

    fn send(&self, message: &str) {
        // If the socket is closed, the next message cannot be received, which is reported.
        let _ = call(&json!({ "call": "send", "message": message }));
    }

    /// Reads messages until one of them is accepted.
    fn wait_for<T>(
        &self,
        connection: &mut Connection,
        accept: impl Fn(Incoming) -> Option<T>,
    ) -> Result<T, WalletError> {
        loop {
            let limit_ms = limit_ms().checked_sub(self.0.ms()).ok_or(WalletError::Timeout)?;
            let message = call(&json!({ "call": "receive", "limitMs": limit_ms }))?;
            let incoming =
                message.get("message").and_then(Value::as_str).and_then(|text| connection.read(text));
            match incoming {
                Some(Incoming::Closed) => return Err(WalletError::RelayRefused),
                Some(incoming) => {
                    if let Some(accepted) = accept(incoming) {
                        return Ok(accepted);
                    }
                }
                None => {}
            }
        }
    }
}

fn call(request: &Value) -> Result<Value, WalletError> {
    let result = node::call(request);
    match result.get("fault").and_then(Value::as_str) {
        None => Ok(result),
        Some("timeout") => Err(WalletError::Timeout),
        Some(_) => Err(WalletError::Unreachable),
    }
}

fn limit_ms() -> u64 {
    u64::try_from(LIMIT.as_millis()).unwrap_or(u64::MAX)
}
