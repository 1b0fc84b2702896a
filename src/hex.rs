//! Hexadecimal text: lower case when written, upper or lower case when read.

/// Returns the bytes as lower-case hexadecimal digits.
pub fn encode(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]).map(|digit| match digit {
        0..10 => b'0'.wrapping_add(digit),
        _ => b'a'.wrapping_add(digit.wrapping_sub(10)),
    });
    let mut text = Vec::with_capacity(bytes.len().saturating_mul(2));
    text.extend(digits);
    String::from_utf8(text).unwrap_or_default()
}

/// Decodes exactly 64 hexadecimal digits, in upper or lower case. Returns `None` for any other text.
pub fn decode_32(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = decode_pair(pair)?;
    }
    Some(bytes)
}

/// Decodes an even number of hexadecimal digits, in upper or lower case. Returns `None` for any other text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(decode_pair).collect()
}

fn decode_pair([high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16)?).ok();
    Some(digit(high)? << 4 | digit(low)?)
}
