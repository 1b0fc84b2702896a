//! The address that a wallet is asked to call when an invoice is paid, and what it says there.

use crate::crypto;
use crate::keys::Keys;
use crate::payment::PaymentHash;
use crate::strict_json::Json;

/// What stands behind `/_toll/hook/`: a nonce, and the tag that only we can make of it.
pub fn token(keys: &Keys, nonce: &str) -> String {
    format!("{nonce}.{}", keys.current().webhook_tag(nonce))
}

/// Whether a token is ours.
pub fn is_ours(keys: &Keys, token: &str) -> bool {
    token.split_once('.').is_some_and(|(nonce, tag)| {
        keys.all().any(|set| crypto::constant_time_eq(set.webhook_tag(nonce).as_bytes(), tag.as_bytes()))
    })
}

/// The payment that a wallet tells of. LNbits sends a JSON text that holds JSON.
pub fn payment_hash(body: &str) -> Option<PaymentHash> {
    let mut payment = Json::parse(body.as_bytes())?;
    if let Some(inner) = payment.as_str() {
        payment = Json::parse(inner.as_bytes())?;
    }
    PaymentHash::from_hex(payment.get("payment_hash")?.as_str()?)
}
