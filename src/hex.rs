//! Hexadecimal text: lower case when written, upper or lower case when read.

/// Returns the bytes as lower-case hexadecimal digits.
pub fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0x0f])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Decodes exactly 64 hexadecimal digits, in upper or lower case. Returns `None` for any other text.
pub fn decode_32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    decode(text)?.try_into().ok()
}

/// Decodes an even number of hexadecimal digits, in upper or lower case. Returns `None` for any other text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16)?).ok();
    let decoded = pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?));
    if rest.is_empty() { decoded.collect() } else { None }
}
