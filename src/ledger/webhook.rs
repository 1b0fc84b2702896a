//! Webhooks: a wallet calls a URL when an invoice is paid. The URL ends in a token, and the body names the payment.
//!
//! The webhook does not prove the payment: the handler looks the payment up.

use crate::crypto;
use crate::keys::Keys;
use crate::payment::PaymentHash;
use crate::strict_json::Json;

/// Returns the token that ends the webhook URL (`/_toll/hook/TOKEN`): the nonce, and a tag of the nonce that only this
/// deployment can compute.
pub fn token(keys: &Keys, nonce: &str) -> String {
    format!("{nonce}.{}", keys.current().webhook_tag(nonce))
}

/// Whether this deployment created the token, with its current or its previous secret.
pub fn is_valid_token(keys: &Keys, token: &str) -> bool {
    token.split_once('.').is_some_and(|(nonce, tag)| {
        keys.all().any(|set| crypto::constant_time_eq(set.webhook_tag(nonce).as_bytes(), tag.as_bytes()))
    })
}

/// Returns the payment hash in the body of a webhook; `None` if the body is malformed. LNbits sends a JSON string that
/// contains the JSON of the payment.
pub fn payment_hash(body: &str) -> Option<PaymentHash> {
    let mut payment = Json::parse(body.as_bytes())?;
    if let Some(inner) = payment.as_str() {
        payment = Json::parse(inner.as_bytes())?;
    }
    PaymentHash::from_hex(payment.get("payment_hash")?.as_str()?)
}
