//! Sends requests with Node.

use serde_json::{Value, json};

use super::{HttpError, Incoming, Outgoing, Size};
use crate::cli::node;
use crate::wallet::TRY_MS;

pub(super) struct Client {
    is_local: bool,
}

impl Client {
    /// `is_local` is whether the server is on this machine.
    pub fn new(is_local: bool) -> Self {
        Self { is_local }
    }

    pub fn send(&self, request: &Outgoing<'_>) -> Result<Incoming, HttpError> {
        let (max_bytes, is_beginning) = match request.size {
            Size::UpTo(bytes) => (bytes, false),
            Size::Beginning(bytes) => (bytes, true),
        };
        let response = node::call(&json!({
            "call": "http",
            "url": request.url,
            "key": request.key,
            "body": request.body,
            "authorization": request.authorization,
            "maxBytes": max_bytes,
            "isBeginning": is_beginning,
            "isLocal": self.is_local,
            "limitMs": TRY_MS,
        }));
        let text = |name: &str| response.get(name).and_then(Value::as_str).map(str::to_owned);
        match text("fault").as_deref() {
            None => {}
            Some("refused") => return Err(HttpError::ConnectionRefused),
            Some("tls") => return Err(HttpError::Tls),
            Some("timeout") => return Err(HttpError::Timeout),
            Some("too_large") => return Err(HttpError::TooLarge),
            Some("not_http") => return Err(HttpError::NotHttp),
            Some(_) => return Err(HttpError::HostUnreachable),
        }
        let status =
            response.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        Ok(Incoming {
            status: status.ok_or(HttpError::NotHttp)?,
            retry_after: text("retryAfter"),
            www_authenticate: text("wwwAuthenticate"),
            location: text("location"),
            body: text("body").unwrap_or_default().into_bytes(),
        })
    }
}
