//! Percent-encoding of paths (WHATWG URL).

/// Decodes every `%` that two hex digits follow, once.
pub fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let (byte, tail) = match after {
            [high, low, tail @ ..] if *first == b'%' => match (hex_value(*high), hex_value(*low)) {
                (Some(high), Some(low)) => ((high << 4) | low, tail),
                _ => (*first, after),
            },
            _ => (*first, after),
        };
        out.push(byte);
        rest = tail;
    }
    out
}

/// Encodes what the runtime encodes in a path: letters beyond ASCII, control characters, space, and ``"<>`{}^``.
pub fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>`{}^".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(super::hex::encode(&[byte]).chars().map(|digit| digit.to_ascii_uppercase()));
        }
    }
    out
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
