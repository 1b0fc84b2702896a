//! Callbacks: the ledger reports each settled payment to the owner's server (`ON_PAYMENT_URL`) with a signed POST, at
//! least once.
//!
//! The signature follows Standard Webhooks (standardwebhooks.com), which has libraries for most languages. This module
//! sends nothing: the Durable Object does.

use crate::http::url;
use crate::strict_json::Json;
use crate::{base64, crypto};

/// The URL that receives callbacks, and the key that signs them.
pub struct OnPayment {
    url: String,
    key: Vec<u8>,
}

/// The setting that is wrong, and what it must be, as a sentence without its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackConfigError {
    Url(&'static str),
    Secret(&'static str),
}

impl OnPayment {
    /// Checks the settings of the callbacks. A secret that starts with `whsec_` is base64 (Standard Webhooks). Any
    /// other secret is used as it is.
    ///
    /// # Errors
    /// Returns the first setting that is wrong. The error does not contain its value.
    pub fn new(url: &str, secret: &str) -> Result<Self, CallbackConfigError> {
        if !url::is_safe_target(url) {
            return Err(CallbackConfigError::Url(
                "must be an https URL (http only for localhost), without user or fragment",
            ));
        }
        let key = match secret.strip_prefix("whsec_") {
            Some(encoded) => base64::decode(encoded).unwrap_or_default(),
            None => secret.as_bytes().to_vec(),
        };
        if key.len() < MIN_KEY_BYTES {
            return Err(CallbackConfigError::Secret(
                "must have at least 24 bytes: make one with `openssl rand -hex 32`",
            ));
        }
        Ok(Self { url: url.to_owned(), key })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the value of the `webhook-signature` header.
    pub fn sign(&self, id: &str, timestamp_unix: u64, body: &str) -> String {
        let timestamp = timestamp_unix.to_string();
        let parts = [id, ".", &timestamp, ".", body].map(str::as_bytes);
        format!("v1,{}", base64::encode_standard(&crypto::hmac_sha256(&self.key, &parts)))
    }
}

/// A callback that is due.
#[derive(Debug, PartialEq, Eq)]
pub struct Callback {
    /// The payment hash in hexadecimal digits. It is also the id of the message.
    pub hash: String,
    /// The body of the request: JSON.
    pub body: String,
    /// When the first attempt failed; if no attempt has failed, when the callback was recorded.
    since_ms: u64,
    /// The number of failed attempts.
    tries: u64,
}

impl Callback {
    /// Parses the result of [`DueCallbacks`](super::command::LedgerCommand::DueCallbacks).
    pub fn parse_all(result: &str) -> Vec<Self> {
        let result = Json::parse(result.as_bytes());
        let callbacks = result.as_ref().and_then(Json::as_array).unwrap_or_default();
        callbacks.iter().filter_map(Self::parse).collect()
    }

    fn parse(callback: &Json) -> Option<Self> {
        let text = |key: &str| callback.get(key)?.as_str().map(str::to_owned);
        let number = |key: &str| callback.get(key)?.as_u64();
        Some(Self {
            hash: text("hash")?,
            body: text("body")?,
            since_ms: number("since_ms")?,
            tries: number("tries")?,
        })
    }

    /// Returns when the callback is sent again if an attempt fails now. The first wait is 5 s. Each later wait is twice
    /// the previous one, up to three hours. Returns `None` three days after the first failure: the callback is given
    /// up.
    pub fn next_ms(&self, now_ms: u64) -> Option<u64> {
        let since_ms = if self.tries == 0 { now_ms } else { self.since_ms };
        let doublings = u32::try_from(self.tries).unwrap_or(u32::MAX).min(MAX_DOUBLINGS);
        let wait_ms = FIRST_WAIT_MS.saturating_mul(1 << doublings).min(MAX_WAIT_MS);
        (now_ms.saturating_sub(since_ms) < GIVE_UP_MS).then(|| now_ms.saturating_add(wait_ms))
    }
}

const MIN_KEY_BYTES: usize = 24;
const FIRST_WAIT_MS: u64 = 5_000;
const MAX_WAIT_MS: u64 = 3 * 3_600_000;
/// 5 s doubled 12 times is more than three hours, so `MAX_WAIT_MS` is reached earlier.
const MAX_DOUBLINGS: u32 = 12;
const GIVE_UP_MS: u64 = 3 * 86_400_000;
