//! Percent-encoding (WHATWG URL).

use percent_encoding::{
    AsciiSet, CONTROLS, percent_decode, percent_decode_str, percent_encode, utf8_percent_encode,
};

/// Decodes every `%` that is followed by two hexadecimal digits, once. Other `%` signs stay.
pub fn decode(bytes: &[u8]) -> Vec<u8> {
    percent_decode(bytes).collect()
}

/// Decodes a name or a value of a query or of a form: `+` is a space. Bytes that are not UTF-8 become U+FFFD.
pub fn decode_form(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Percent-encodes each byte that is not ASCII.
pub fn encode_bytes(bytes: &[u8]) -> String {
    percent_encode(bytes, &AsciiSet::EMPTY).to_string()
}

/// Percent-encodes a path as the Workers runtime does in the URL of a request.
pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}').add(b'^');
