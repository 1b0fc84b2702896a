//! Callbacks: signed `POST` requests that report settled payments to the owner's server (`ON_PAYMENT_URL`). A callback
//! whose response is lost is sent again, so it may arrive twice. A callback that still fails three days after its first
//! failure is given up.
//!
//! The signature follows Standard Webhooks (standardwebhooks.com), which has libraries for most languages. This module
//! computes the signatures and the times of the next attempts. The Durable Object of the ledger sends the requests.

use crate::http::url;
use crate::strict_json::Json;
use crate::{base64, crypto};

/// The URL that receives callbacks, and the key that signs them.
pub struct OnPayment {
    url: String,
    key: Vec<u8>,
}

/// Tells which of the two callback settings is wrong. The text says what the value must be. The caller writes the name
/// of the setting in front of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackConfigError {
    Url(&'static str),
    Secret(&'static str),
}

impl OnPayment {
    /// Checks the settings `ON_PAYMENT_URL` (`url`) and `ON_PAYMENT_SECRET` (`secret`). The secret is base64, with or
    /// without `whsec_` before it, because the libraries of Standard Webhooks decode every secret as base64.
    ///
    /// # Errors
    /// Returns the first setting that is wrong. The error never contains the value of a setting.
    pub fn new(url: &str, secret: &str) -> Result<Self, CallbackConfigError> {
        if !url::is_safe_target(url) {
            return Err(CallbackConfigError::Url(
                "must be an https URL (http only for localhost), without user or fragment",
            ));
        }
        let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
        // The libraries differ in how they read URL-safe or unpadded base64, so only the canonical form is accepted.
        let key = base64::decode(encoded).filter(|key| base64::encode_standard(key) == encoded);
        let key = key.ok_or(CallbackConfigError::Secret(
            "must be base64, as the libraries of Standard Webhooks read it: make a secret with \
             `echo whsec_$(openssl rand -base64 32)`",
        ))?;
        if key.len() < MIN_KEY_BYTES {
            return Err(CallbackConfigError::Secret(
                "must have at least 24 bytes: make a secret with `echo whsec_$(openssl rand -base64 32)`",
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
    /// The payment hash in hexadecimal digits, which is also the id of the message (`webhook-id`).
    pub hash: String,
    /// The JSON body of the callback.
    pub body: String,
    /// When the first attempt failed, in Unix milliseconds. The value is not used while `tries` is 0.
    since_ms: u64,
    /// The number of failed attempts since the callback was recorded, or since `retry_callbacks` made it due again.
    tries: u64,
}

impl Callback {
    /// Parses the result of [`DueCallbacks`](super::command::LedgerCommand::DueCallbacks). A callback that cannot be
    /// parsed is skipped.
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

    /// Returns when the callback is sent again after an attempt that fails at `now_ms`. The first wait is 5 s, and each
    /// later wait is twice the previous wait, up to three hours. Returns `None` if the first failure was three or more
    /// days ago: then the callback is given up.
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
/// 5 s doubled 12 times is more than `MAX_WAIT_MS`, so more doublings would not change the wait.
const MAX_DOUBLINGS: u32 = 12;
const GIVE_UP_MS: u64 = 3 * 86_400_000;
