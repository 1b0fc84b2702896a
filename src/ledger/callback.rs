//! `on_payment`: the owner's server is told of each payment by a signed POST, at least once. The signature is that of
//! Standard Webhooks (standardwebhooks.com), which has libraries for most languages.

use crate::http::url;
use crate::strict_json::Json;
use crate::{base64, crypto};

/// Where the owner is told, and with which key it is signed.
pub struct OnPayment {
    url: String,
    key: Vec<u8>,
}

/// Which of the two settings is wrong, and what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackConfigError {
    /// The URL.
    Url(&'static str),
    /// The secret.
    Secret(&'static str),
}

impl OnPayment {
    /// Checks the two settings. A secret that begins with `whsec_` is base64, as Standard Webhooks writes it; any other is
    /// taken as it is.
    ///
    /// # Errors
    /// What one should be, and nothing of its value.
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

    /// Where the owner is told.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp_unix: u64, body: &str) -> String {
        let timestamp = timestamp_unix.to_string();
        let parts = [id, ".", &timestamp, ".", body].map(str::as_bytes);
        format!("v1,{}", base64::encode_standard(&crypto::hmac_sha256(&self.key, &parts)))
    }
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub struct Callback {
    /// The payment, in hex; the id of the message.
    pub hash: String,
    /// The message.
    pub body: String,
    since_ms: u64,
    tries: u64,
}

impl Callback {
    /// Reads the answer of `due`.
    pub fn parse_all(result: &str) -> Vec<Self> {
        let read = |one: &Json| {
            let text = |key: &str| one.get(key)?.as_str().map(str::to_owned);
            let number = |key: &str| one.get(key)?.as_u64();
            Some(Self {
                hash: text("hash")?,
                body: text("body")?,
                since_ms: number("since_ms")?,
                tries: number("tries")?,
            })
        };
        let answer = Json::parse(result.as_bytes());
        let all = answer.as_ref().and_then(Json::as_array).unwrap_or_default();
        all.iter().filter_map(read).collect()
    }

    /// When it is tried again after it failed: 5 s, and twice as long each time, up to three hours; `None` three days
    /// after it failed first.
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
/// 5 s and 12 doublings are more than three hours.
const MAX_DOUBLINGS: u32 = 12;
const GIVE_UP_MS: u64 = 3 * 86_400_000;
