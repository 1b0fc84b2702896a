//! The address of a wallet: the public key of the wallet, relays, and the secret key of the connection.

use thiserror::Error;

use super::keys::{PublicKey, SecretKey};
use crate::http::url;

/// The address that a wallet shows for a new connection. It contains a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct NwcUri {
    wallet: PublicKey,
    secret: SecretKey,
    relays: Vec<String>,
}

/// What is wrong with an address. The text says what the value must be. The caller writes the name of the setting before
/// the text. The error never contains a part of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NwcUriError {
    #[error("must be nostr+walletconnect://<public key>?relay=<URL>&secret=<key>, as the wallet shows it")]
    Form,
    #[error("must have the public key of the wallet, 64 hexadecimal digits, after nostr+walletconnect://")]
    PublicKey,
    #[error("must have one `secret` of 64 hexadecimal digits, as the wallet shows it")]
    Secret,
    #[error("must have 1 to 8 relays, each a wss URL (ws only for localhost) without user or fragment")]
    Relays,
}

impl NwcUri {
    /// Parses `nostr+walletconnect://<public key>?relay=<URL>&secret=<key>`. The `//` may be missing. `relay` may be
    /// repeated. Other parameters, such as `lud16`, are ignored.
    pub fn parse(text: &str) -> Result<Self, NwcUriError> {
        let rest = text.strip_prefix("nostr+walletconnect:").ok_or(NwcUriError::Form)?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (wallet, query) = rest.split_once('?').ok_or(NwcUriError::Form)?;
        if text.len() > MAX_BYTES || query.contains('#') {
            return Err(NwcUriError::Form);
        }
        let wallet = PublicKey::from_hex(wallet).ok_or(NwcUriError::PublicKey)?;
        let mut secret = None;
        let mut relays = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "relay" if is_relay(&value) && relays.len() < MAX_RELAYS => relays.push(value.into_owned()),
                "relay" => return Err(NwcUriError::Relays),
                "secret" if secret.is_some() => return Err(NwcUriError::Secret),
                "secret" => secret = Some(SecretKey::from_hex(&value).ok_or(NwcUriError::Secret)?),
                _ => {}
            }
        }
        let secret = secret.ok_or(NwcUriError::Secret)?;
        if relays.is_empty() {
            return Err(NwcUriError::Relays);
        }
        Ok(Self { wallet, secret, relays })
    }

    /// Returns the public key of the wallet.
    pub fn wallet(&self) -> &PublicKey {
        &self.wallet
    }

    /// Returns the secret key of the connection.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// Returns the URLs of the relays, at least one, in the order of the address.
    pub fn relays(&self) -> &[String] {
        &self.relays
    }

    /// Returns the public key of the wallet and the secret key in hexadecimal, which together identify the wallet and
    /// the connection. The second is a secret.
    pub fn identity(&self) -> [String; 2] {
        [self.wallet.to_hex(), self.secret.to_hex()]
    }
}

/// Whether a text is the URL of a relay with an encrypted connection (`wss`), or of a relay on this machine (`ws` on the
/// loopback interface).
fn is_relay(relay: &str) -> bool {
    // The rules for the URL of an HTTP server apply: `wss` is to `ws` as `https` is to `http`.
    let is_safe = |rest| url::is_safe_target(&["http", rest].concat());
    relay.len() <= MAX_RELAY_BYTES && relay.strip_prefix("ws").is_some_and(is_safe)
}

const MAX_BYTES: usize = 4_096;
const MAX_RELAYS: usize = 8;
const MAX_RELAY_BYTES: usize = 256;
