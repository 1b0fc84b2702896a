//! What is sent over a connection to a relay, and what arrives: the state of one connection, without I/O.

use super::event::Event;
use super::info::{Encryption, INFO, WalletInfo};
use super::relay::{self, MAX_LIST_MESSAGE_BYTES, RelayMessage};
use super::session::{RANDOM_BYTES, Request, SealedRequest, Session};
use super::uri::NwcUri;

/// A connection to the relay of a wallet. First, the info event of the wallet is read. Then responses and notifications
/// are subscribed to. Then requests can be sent.
pub struct Connection {
    session: Session,
    /// The newest info event that has arrived, also over an earlier connection, and when the wallet made it, in Unix
    /// seconds. A relay that withholds it, or that sends an older one, cannot weaken the encryption.
    info: Option<(u64, WalletInfo)>,
}

/// What a message of the relay means.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// The info event was read, or the relay has none. The message [`Connection::subscribe`] can be sent.
    InfoRead,
    /// Requests can be sent.
    Subscribed,
    /// The response to a request.
    Response { request_id: String, text: String },
    /// The relay does not pass a request on.
    Refused { request_id: String },
    /// The relay has ended a subscription, or refuses it.
    Closed,
    /// A notification of the wallet.
    Notification { text: String },
}

impl Connection {
    pub fn new(uri: &NwcUri) -> Self {
        Self { session: Session::new(uri), info: None }
    }

    /// Returns the message that asks for the info event, which is the first message of a new connection.
    pub fn ask_for_info(&self) -> String {
        relay::req(INFO_SUBSCRIPTION, &self.session.info_filter())
    }

    /// Returns the message that subscribes to responses, and to notifications if the wallet sends any. Returns `None` if
    /// the wallet announces no encryption that edgetoll knows.
    pub fn subscribe(&self, now_unix: u64) -> Option<String> {
        let encryption = self.encryption()?;
        let since_unix = now_unix.saturating_sub(CLOCK_SKEW_S);
        let mut filters = self.session.response_filter(since_unix);
        if self.info.is_some_and(|(_, info)| info.notifies) {
            filters.push(',');
            filters.push_str(&self.session.notification_filter(encryption, since_unix));
        }
        Some(relay::req(WALLET_SUBSCRIPTION, &filters))
    }

    /// Returns a request, and its message for the relay. Returns `None` if the wallet announces no encryption that
    /// edgetoll knows, or if the request is too long.
    pub fn seal(&self, request: &Request<'_>, random: &[u8; RANDOM_BYTES]) -> Option<(String, String)> {
        let SealedRequest { id, event_json } = self.session.seal(self.encryption()?, request, random)?;
        Some((id, relay::event(&event_json)))
    }

    /// Reads a message of the relay. Returns `None` if it means nothing for this connection. A response or notification
    /// that the wallet has not signed means nothing.
    pub fn read(&mut self, message: &str) -> Option<Incoming> {
        match RelayMessage::parse(message, MAX_LIST_MESSAGE_BYTES)? {
            RelayMessage::Event { event, .. } if event.kind == INFO => {
                self.read_info(&event);
                None
            }
            RelayMessage::Event { event, .. } => {
                let encryption = self.encryption()?;
                let response = self.session.open_response(encryption, &event);
                let response = response.map(|response| Incoming::Response {
                    request_id: response.request_id,
                    text: response.text,
                });
                response.or_else(|| {
                    let text = self.session.open_notification(encryption, &event)?;
                    Some(Incoming::Notification { text })
                })
            }
            RelayMessage::EndOfStored { subscription } => match subscription.as_str() {
                INFO_SUBSCRIPTION => Some(Incoming::InfoRead),
                WALLET_SUBSCRIPTION => Some(Incoming::Subscribed),
                _ => None,
            },
            // A duplicate was passed on before.
            RelayMessage::Ok { id, accepted: false, reason } if reason != Some("duplicate") => {
                Some(Incoming::Refused { request_id: id })
            }
            // A relay may end this subscription when it has sent the info event, which is all that it was for.
            RelayMessage::Closed { subscription, .. }
                if subscription == INFO_SUBSCRIPTION && self.info.is_some() =>
            {
                Some(Incoming::InfoRead)
            }
            RelayMessage::Closed { .. } => Some(Incoming::Closed),
            RelayMessage::Ok { .. } | RelayMessage::Notice | RelayMessage::Auth => None,
        }
    }

    fn read_info(&mut self, event: &Event) {
        let is_older = self.info.is_some_and(|(created_at, _)| event.created_at < created_at);
        if !is_older && let Some(info) = WalletInfo::read(event, self.session.wallet()) {
            self.info = Some((event.created_at, info));
        }
    }

    /// Returns the encryption of requests. A wallet without an info event is older than NIP-44.
    fn encryption(&self) -> Option<Encryption> {
        self.info.map_or(Some(Encryption::Nip04), |(_, info)| info.encryption)
    }
}

const INFO_SUBSCRIPTION: &str = "info";
const WALLET_SUBSCRIPTION: &str = "wallet";
/// The clock of the wallet may be slow by this time.
const CLOCK_SKEW_S: u64 = 600;
