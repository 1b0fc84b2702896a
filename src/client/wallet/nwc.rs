//! A wallet that is reached over a Nostr relay: Nostr Wallet Connect (NIP-47).

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use nostr::event::{Event, EventBuilder, FinalizeEvent, Kind, Tag};
use nostr::filter::Filter;
use nostr::key::Keys;
use nostr::message::{ClientMessage, MachineReadablePrefix, RelayMessage, SubscriptionId};
use nostr::nips::nip47::{Nip47Ciphers, Nip47Tag, NostrWalletConnectUri};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Paid, PayError, PaymentState, Wallet, WalletError};
use crate::bolt11::Bolt11;
use crate::client::choose_tls;
use crate::payment::{PaymentHash, Preimage};

/// A wallet with Nostr Wallet Connect. Requests and responses are encrypted with NIP-44, or with NIP-04 if the wallet
/// does not announce NIP-44, so the relay cannot read them.
pub struct NwcWallet {
    uri: NostrWalletConnectUri,
    keys: Keys,
    /// The encryption that the wallet announces; empty before the first request.
    cipher: OnceLock<Nip47Ciphers>,
}

/// The address of a wallet cannot be used. The message does not contain it, because it has a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the address of an NWC wallet must be nostr+walletconnect://<public key>?relay=<URL>&secret=<key>")]
pub struct NwcUrlError;

impl NwcWallet {
    /// `url` is the address that the wallet shows for a new connection. It contains the secret of the connection. If it
    /// names several relays, the first that can be reached is used.
    ///
    /// # Errors
    /// Fails if the public key, the secret or every relay is missing or cannot be read.
    pub fn new(url: &str) -> Result<Self, NwcUrlError> {
        choose_tls();
        let uri = NostrWalletConnectUri::parse(url).map_err(|_| NwcUrlError)?;
        let keys = Keys::new(uri.secret.clone());
        Ok(Self { uri, keys, cipher: OnceLock::new() })
    }

    /// Sends a request over a new connection. Returns the result in the response.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let deadline = Instant::now().checked_add(TIMEOUT).ok_or(CallError::NotSent)?;
        let mut relay = self.connect().await.ok_or(CallError::NotSent)?;
        let cipher = self.cipher(&mut relay).await.ok_or(CallError::NotSent)?;
        let request = json!({ "method": method, "params": params }).to_string();
        let event = self.encrypt(cipher, &request).ok_or(CallError::NotSent)?;
        // The relay does not keep a response, so it is asked for the response before it gets the request.
        let kind = Kind::WalletConnectResponse;
        let filter = Filter::new().kind(kind).author(self.uri.public_key).event(event.id);
        relay.ask(filter).await.ok_or(CallError::NotSent)?;
        let answer = async {
            relay.publish(&event).await?;
            loop {
                let response = relay.response(&event).await?;
                if self.is_answer(&response, &event) {
                    return Ok(response);
                }
            }
        };
        let response = timeout_at(deadline, answer).await.map_err(|_| CallError::Unanswered)??;
        let text = cipher.decrypt(&self.uri.secret, &self.uri.public_key, &response.content);
        let text = text.map_err(|_| CallError::Unreadable)?;
        read_response(method, &text)
    }

    /// Connects to the first relay that can be reached.
    async fn connect(&self) -> Option<Relay> {
        for url in &self.uri.relays {
            let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES));
            let connecting = tokio_tungstenite::connect_async_with_config(url.as_str(), Some(config), true);
            if let Ok(Ok((socket, _))) = timeout(RELAY_LIMIT, connecting).await {
                return Some(Relay { socket });
            }
        }
        None
    }

    /// Returns the encryption that the wallet announces. A wallet that announces none has only NIP-04.
    async fn cipher(&self, relay: &mut Relay) -> Option<Nip47Ciphers> {
        if let Some(known) = self.cipher.get() {
            return Some(*known);
        }
        let filter = Filter::new().kind(Kind::WalletConnectInfo).author(self.uri.public_key).limit(1);
        let info = relay.ask(filter).await?;
        let info =
            info.filter(|info| info.pubkey == self.uri.public_key && info.kind == Kind::WalletConnectInfo);
        let announced = info.as_ref().and_then(|info| {
            info.tags.iter().find_map(|tag| match Nip47Tag::try_from(tag).ok()? {
                Nip47Tag::Encryption(ciphers) => Some(ciphers.latest()),
            })
        });
        let cipher = announced.unwrap_or(Nip47Ciphers::NIP04);
        // Without the announcement, it is looked for again at the next request.
        if info.is_some() {
            let _ = self.cipher.set(cipher);
        }
        Some(cipher)
    }

    /// Returns the signed event with a request.
    fn encrypt(&self, cipher: Nip47Ciphers, request: &str) -> Option<Event> {
        let text = cipher.encrypt(&self.uri.secret, &self.uri.public_key, &request.to_owned()).ok()?;
        let event =
            EventBuilder::new(Kind::WalletConnectRequest, text).tag(Tag::public_key(self.uri.public_key));
        let event = match cipher {
            Nip47Ciphers::NIP04 => event,
            _ => event.tag(Nip47Tag::Encryption(cipher)),
        };
        event.finalize(&self.keys).ok()
    }

    /// Whether an event is the wallet's response to a request. A relay may send others.
    fn is_answer(&self, response: &Event, request: &Event) -> bool {
        let mut receivers = response.tags.public_keys();
        response.kind == Kind::WalletConnectResponse
            && response.pubkey == self.uri.public_key
            && response.tags.event_ids().any(|id| id == request.id)
            && receivers.next().is_none_or(|receiver| receiver == self.keys.public_key())
            && response.verify().is_ok()
    }

    async fn transaction(&self, payment_hash: &PaymentHash) -> Result<Value, CallError> {
        self.call("lookup_invoice", json!({ "payment_hash": payment_hash.to_hex() })).await
    }

    /// Looks up a payment for which the wallet returned an error or no preimage. A wallet also returns an error for an
    /// invoice that it has paid before. If the payment is not found, `error` holds.
    async fn look_up(&self, invoice: &str, error: PayError) -> Result<Paid, PayError> {
        let Ok(invoice) = Bolt11::parse(invoice) else { return Err(error) };
        let hash = invoice.payment_hash();
        let Ok(found) = self.transaction(&hash).await else { return Err(error) };
        // The wallet may have created this invoice itself.
        if is_incoming(&found) {
            return Err(error);
        }
        match state(&found, &hash) {
            Some(PaymentState::Settled(Some(preimage))) => {
                Ok(Paid { preimage: Some(preimage), fee_msat: fee_msat(&found) })
            }
            Some(PaymentState::Settled(None)) => Err(PayError::Unknown(WalletError::Unreadable)),
            Some(PaymentState::Pending) => Err(PayError::Unknown(WalletError::Pending)),
            Some(PaymentState::Unpaid) | None => Err(error),
        }
    }
}

#[async_trait]
impl Wallet for NwcWallet {
    fn name(&self) -> String {
        let host = self.uri.relays.first().and_then(|relay| relay.host()).map(|host| host.to_string());
        format!("NWC wallet {} at {}", self.uri.public_key.to_hex(), host.unwrap_or_default())
    }

    /// NIP-47 has no limit for the fee: the wallet limits it.
    async fn pay_invoice(&self, invoice: &str, _max_fee_msat: u64) -> Result<Paid, PayError> {
        match self.call("pay_invoice", json!({ "invoice": invoice })).await {
            Ok(payment) => match preimage(&payment) {
                Some(preimage) => Ok(Paid { preimage: Some(preimage), fee_msat: fee_msat(&payment) }),
                None => self.look_up(invoice, PayError::Unknown(WalletError::Unreadable)).await,
            },
            Err(CallError::NotSent) => Err(PayError::NotPaid(WalletError::Unreachable)),
            Err(CallError::Refused(code)) if NOT_TRIED.contains(&code) => {
                Err(PayError::NotPaid(WalletError::Code(code.to_owned())))
            }
            Err(CallError::Refused(PAYMENT_FAILED)) => {
                let error = PayError::NotPaid(WalletError::Code(PAYMENT_FAILED.to_owned()));
                self.look_up(invoice, error).await
            }
            Err(error @ CallError::Refused(_)) => {
                self.look_up(invoice, PayError::Unknown(error.into())).await
            }
            Err(error) => Err(PayError::Unknown(error.into())),
        }
    }

    async fn create_invoice(&self, amount_sats: u64, memo: &str) -> Result<String, WalletError> {
        let amount_msat = amount_sats.checked_mul(1000).ok_or(WalletError::Unsupported)?;
        let invoice =
            self.call("make_invoice", json!({ "amount": amount_msat, "description": memo })).await?;
        let text = invoice.get("invoice").and_then(Value::as_str);
        text.map(str::to_owned).ok_or(WalletError::Unreadable)
    }

    async fn lookup_invoice(&self, payment_hash: &PaymentHash) -> Result<PaymentState, WalletError> {
        match self.transaction(payment_hash).await {
            Ok(found) => state(&found, payment_hash).ok_or(WalletError::Unreadable),
            Err(CallError::Refused(NOT_FOUND)) => Ok(PaymentState::Unpaid),
            Err(error) => Err(error.into()),
        }
    }

    async fn balance_msat(&self) -> Result<u64, WalletError> {
        let result = self.call("get_balance", json!({})).await?;
        result.get("balance").and_then(Value::as_u64).ok_or(WalletError::Unreadable)
    }
}

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The wallet did not get the request.
    NotSent,
    /// The wallet may have got the request.
    Unanswered,
    /// The response cannot be read.
    Unreadable,
    /// The wallet answered with an error. The code is one of [`CODES`], or a description.
    Refused(&'static str),
}

impl From<CallError> for WalletError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent | CallError::Unanswered => Self::Unreachable,
            CallError::Unreadable => Self::Unreadable,
            CallError::Refused(NOT_IMPLEMENTED) => Self::Unsupported,
            CallError::Refused(code) => Self::Code(code.to_owned()),
        }
    }
}

/// A connection to a relay.
struct Relay {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Relay {
    /// Subscribes to events. Returns the first that the relay has kept. Returns `None` if the relay refuses, does not
    /// answer, or the connection is lost.
    async fn ask(&mut self, filter: Filter) -> Option<Option<Event>> {
        let asked = async {
            let id = SubscriptionId::generate();
            self.send(&ClientMessage::req(id.clone(), vec![filter])).await?;
            let mut first = None;
            loop {
                match self.next().await? {
                    RelayMessage::Event { subscription_id, event } if *subscription_id == id => {
                        let event = event.into_owned();
                        first = first.or_else(|| event.verify().is_ok().then_some(event));
                    }
                    RelayMessage::EndOfStoredEvents(of) if *of == id => return Some(first),
                    RelayMessage::Closed { subscription_id, .. } if *subscription_id == id => return None,
                    _ => {}
                }
            }
        };
        timeout(RELAY_LIMIT, asked).await.ok().flatten()
    }

    async fn publish(&mut self, event: &Event) -> Result<(), CallError> {
        self.send(&ClientMessage::event(event.clone())).await.ok_or(CallError::Unanswered)
    }

    /// Returns the next event that may be the response to a published request.
    async fn response(&mut self, request: &Event) -> Result<Event, CallError> {
        loop {
            match self.next().await.ok_or(CallError::Unanswered)? {
                RelayMessage::Event { event, .. } => return Ok(event.into_owned()),
                RelayMessage::Ok { event_id, status: false, message }
                    if event_id == request.id && is_refusal(&message) =>
                {
                    return Err(CallError::NotSent);
                }
                _ => {}
            }
        }
    }

    async fn send(&mut self, message: &ClientMessage<'_>) -> Option<()> {
        self.socket.send(Message::text(message.as_json())).await.ok()
    }

    /// Returns the next message that can be read. Returns `None` if the connection is lost.
    async fn next(&mut self) -> Option<RelayMessage<'static>> {
        loop {
            if let Message::Text(text) = self.socket.next().await?.ok()?
                && let Ok(message) = RelayMessage::from_json(text.as_bytes())
            {
                return Some(message);
            }
        }
    }
}

/// Whether a relay says why it does not pass an event on. After other errors, it may have done so.
fn is_refusal(message: &str) -> bool {
    matches!(
        MachineReadablePrefix::parse(message),
        Some(
            MachineReadablePrefix::Pow
                | MachineReadablePrefix::Blocked
                | MachineReadablePrefix::RateLimited
                | MachineReadablePrefix::Invalid
                | MachineReadablePrefix::Unsupported
                | MachineReadablePrefix::AuthRequired
                | MachineReadablePrefix::Restricted
        )
    )
}

/// Returns the result in a response. Of an error, only a known code is kept.
fn read_response(method: &str, text: &str) -> Result<Value, CallError> {
    let mut response: Value = serde_json::from_str(text).map_err(|_| CallError::Unreadable)?;
    if let Some(error) = response.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
        let known = CODES.iter().find(|known| **known == code);
        return Err(CallError::Refused(known.copied().unwrap_or("an unknown error")));
    }
    if response.get("result_type").and_then(Value::as_str) != Some(method) {
        return Err(CallError::Unreadable);
    }
    response.get_mut("result").map(Value::take).ok_or(CallError::Unreadable)
}

/// Returns the state of a transaction. Older wallets tell no state, but the time of the payment. Returns `None` if the
/// transaction is another one or has an unknown state.
fn state(found: &Value, payment_hash: &PaymentHash) -> Option<PaymentState> {
    let hash = found.get("payment_hash").and_then(Value::as_str);
    if hash.is_some_and(|hash| PaymentHash::from_hex(hash).as_ref() != Some(payment_hash)) {
        return None;
    }
    let preimage = preimage(found).filter(|preimage| preimage.payment_hash() == *payment_hash);
    // Some wallets also show the preimage of their own invoices that are not paid.
    let is_settled = found.get("settled_at").and_then(Value::as_u64).is_some_and(|at| at > 0)
        || (preimage.is_some() && !is_incoming(found));
    match found.get("state").and_then(Value::as_str) {
        Some("settled") => Some(PaymentState::Settled(preimage)),
        Some("pending" | "accepted") => Some(PaymentState::Pending),
        Some("failed" | "expired") => Some(PaymentState::Unpaid),
        Some(_) => None,
        None if is_settled => Some(PaymentState::Settled(preimage)),
        None => Some(PaymentState::Pending),
    }
}

fn is_incoming(found: &Value) -> bool {
    found.get("type").and_then(Value::as_str) == Some("incoming")
}

fn preimage(payment: &Value) -> Option<Preimage> {
    Preimage::from_hex(payment.get("preimage")?.as_str()?).filter(|preimage| !preimage.is_zero())
}

fn fee_msat(payment: &Value) -> Option<u64> {
    payment.get("fees_paid")?.as_u64()
}

const NOT_FOUND: &str = "NOT_FOUND";
const NOT_IMPLEMENTED: &str = "NOT_IMPLEMENTED";
const PAYMENT_FAILED: &str = "PAYMENT_FAILED";
/// The codes of a wallet that has not tried to pay.
const NOT_TRIED: [&str; 7] = [
    "INSUFFICIENT_BALANCE",
    NOT_IMPLEMENTED,
    "QUOTA_EXCEEDED",
    "RATE_LIMITED",
    "RESTRICTED",
    "UNAUTHORIZED",
    "UNSUPPORTED_ENCRYPTION",
];
/// All codes of NIP-47.
const CODES: [&str; 11] = [
    "INSUFFICIENT_BALANCE",
    "INTERNAL",
    NOT_FOUND,
    NOT_IMPLEMENTED,
    "OTHER",
    PAYMENT_FAILED,
    "QUOTA_EXCEEDED",
    "RATE_LIMITED",
    "RESTRICTED",
    "UNAUTHORIZED",
    "UNSUPPORTED_ENCRYPTION",
];
/// The time for a whole request.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The time in which a relay must accept a connection or answer a question.
const RELAY_LIMIT: Duration = Duration::from_secs(10);
const MAX_MESSAGE_BYTES: usize = 1_048_576;
