//! The macaroon of lightning-toll: compact JSON with the keys `id`, `caveats` and `signature`, in base64url.
//!
//! The Python and Node packages of lightning-toll accept different malformed macaroons. This parser is stricter than
//! both: it refuses duplicate keys, and requires exactly 64 hexadecimal digits in `id` and in `signature`.

use serde::Serialize;

use super::{Encoding, MAX_CAVEATS, Macaroon, MacaroonError};
use crate::hex;
use crate::payment::PaymentHash;
use crate::strict_json::Json;

/// Parses the JSON of a macaroon. Keys may come in any order, and additional keys are ignored.
pub fn parse(bytes: &[u8]) -> Result<Macaroon, MacaroonError> {
    let wire = Json::parse(bytes).ok_or(MacaroonError::Json)?;
    let text = |key| wire.get(key).and_then(Json::as_str).ok_or(MacaroonError::Json);
    let caveats = wire.get("caveats").and_then(Json::as_array).ok_or(MacaroonError::Json)?;
    if caveats.len() > MAX_CAVEATS {
        return Err(MacaroonError::TooManyCaveats);
    }
    let caveats = caveats.iter().map(|caveat| caveat.as_str().map(|text| text.as_bytes().to_vec()));
    Ok(Macaroon {
        encoding: Encoding::LightningToll,
        location: Vec::new(),
        payment_hash: PaymentHash::from_hex(text("id")?).ok_or(MacaroonError::Json)?,
        // The signature covers the hexadecimal digits as text, so their case is kept.
        identifier: text("id")?.as_bytes().to_vec(),
        caveats: caveats.collect::<Option<_>>().ok_or(MacaroonError::Json)?,
        signature: hex::decode_32(text("signature")?).ok_or(MacaroonError::Json)?,
    })
}

/// Returns the JSON of a macaroon, with the keys in the order of lightning-toll.
pub fn encode(macaroon: &Macaroon) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let wire = Wire {
        id: text(&macaroon.identifier),
        caveats: macaroon.caveats().map(text).collect(),
        signature: hex::encode(&macaroon.signature),
    };
    serde_json::to_string(&wire).unwrap_or_default()
}

#[derive(Serialize)]
struct Wire {
    id: String,
    caveats: Vec<String>,
    signature: String,
}
