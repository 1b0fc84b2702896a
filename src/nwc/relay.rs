//! The messages between a client and a relay (NIP-01).

use super::event::Event;
use crate::hex;
use crate::strict_json::{FromJson, Json};

/// Returns the message that subscribes to the events of a filter. A second subscription with the same name replaces the
/// first.
pub fn req(subscription: &str, filter: &str) -> String {
    format!("[\"REQ\",{},{filter}]", json_text(subscription))
}

/// Returns the message that publishes an event.
pub fn event(event_json: &str) -> String {
    format!("[\"EVENT\",{event_json}]")
}

/// Returns the message that ends a subscription.
pub fn close(subscription: &str) -> String {
    format!("[\"CLOSE\",{}]", json_text(subscription))
}

/// A message of a relay. Texts that the relay chose are dropped, except the names of subscriptions, which the relay
/// repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayMessage {
    /// An event of a subscription. It is not verified.
    Event {
        subscription: String,
        event: Event,
    },
    /// All events that the relay has kept were sent.
    EndOfStored {
        subscription: String,
    },
    /// Whether the relay has accepted the event with this ID, which is 64 lower-case hexadecimal digits.
    Ok {
        id: String,
        accepted: bool,
        reason: Option<&'static str>,
    },
    /// The relay has ended a subscription.
    Closed {
        subscription: String,
        reason: Option<&'static str>,
    },
    Notice,
    /// The relay demands or offers authentication (NIP-42).
    Auth,
}

impl RelayMessage {
    /// Parses a message. Returns `None` if it is longer than `max_bytes`, malformed or of an unknown type.
    ///
    /// `max_bytes` is [`MAX_MESSAGE_BYTES`], or [`MAX_LIST_MESSAGE_BYTES`] while the response to `list_transactions` is
    /// awaited. The length is checked before any other work.
    pub fn parse(text: &str, max_bytes: usize) -> Option<Self> {
        if text.len() > max_bytes {
            return None;
        }
        let message = Json::parse(text.as_bytes())?;
        let (name, values) = message.as_array()?.split_first()?;
        let text = |at: usize| values.get(at)?.as_str();
        let subscription = || text(0).map(str::to_owned);
        match name.as_str()? {
            "EVENT" => {
                Some(Self::Event { subscription: subscription()?, event: Event::from_json(values.get(1)?)? })
            }
            "EOSE" => Some(Self::EndOfStored { subscription: subscription()? }),
            "OK" => Some(Self::Ok {
                id: hex::encode(&hex::decode_32(text(0)?)?),
                accepted: values.get(1)?.as_bool()?,
                reason: text(2).and_then(reason),
            }),
            "CLOSED" => {
                Some(Self::Closed { subscription: subscription()?, reason: text(1).and_then(reason) })
            }
            "NOTICE" => Some(Self::Notice),
            "AUTH" => Some(Self::Auth),
            _ => None,
        }
    }
}

/// Returns the machine-readable word before the `:` of a relay's reason, if it is one of [`REASONS`].
fn reason(text: &str) -> Option<&'static str> {
    let (word, _) = text.split_once(':')?;
    REASONS.into_iter().find(|known| *known == word)
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

pub const MAX_MESSAGE_BYTES: usize = 65_536;
pub const MAX_LIST_MESSAGE_BYTES: usize = 1_048_576;
/// The words of NIP-01, NIP-42 and NIP-43, which say why a relay refuses an event or a subscription.
const REASONS: [&str; 10] = [
    "auth-required",
    "blocked",
    "duplicate",
    "error",
    "invalid",
    "mute",
    "pow",
    "rate-limited",
    "restricted",
    "unsupported",
];
