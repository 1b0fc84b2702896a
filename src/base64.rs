//! Base64 as clients send it: standard or URL-safe alphabet, with or without padding. Other characters are refused.

use ::base64::Engine;
use ::base64::alphabet;
use ::base64::engine::DecodePaddingMode;
use ::base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};

/// Encodes with the standard alphabet and padding, which every L402 client decodes.
pub fn encode_standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Encodes with the URL-safe alphabet and without padding, as lightning-toll does.
pub fn encode_url_safe(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes text in the standard or the URL-safe alphabet, with or without padding. Returns `None` for any other text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let is_url_safe = text.bytes().any(|b| b == b'-' || b == b'_');
    let engine = if is_url_safe { &LENIENT_URL_SAFE } else { &LENIENT_STANDARD };
    engine.decode(text).ok()
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
