//! Signatures of HTTP messages (RFC 9421) with HMAC-SHA256. Other signatures of the same message are kept, but not verified.

use crate::base64;
use crate::crypto::HmacKey;
use crate::http::header_list::HeaderList;

/// A key that signs messages.
pub struct MessageSigner(HmacKey);

/// The values of a signature in the two headers.
#[derive(Debug, PartialEq, Eq)]
pub struct MessageSignature {
    /// The value in [`SIGNATURE_INPUT`]: the names of the covered components, and the parameters.
    pub input: String,
    /// The value in [`SIGNATURE`].
    pub signature: String,
}

impl MessageSigner {
    /// The key may have any length.
    pub fn new(key: &[u8]) -> Self {
        Self(HmacKey::new(key))
    }

    /// Signs the components of a message: names in lower case, and values without line breaks. `parameters` are
    /// serialized, and begin with `;`.
    pub fn sign<'a>(
        &self,
        components: impl Iterator<Item = (&'a str, &'a str)>,
        parameters: &str,
    ) -> MessageSignature {
        let (mut base, mut input) = (String::with_capacity(512), String::with_capacity(256));
        for (name, value) in components {
            input.push_str(if input.is_empty() { "(\"" } else { " \"" });
            for text in ["\"", name, "\": ", value, "\n"] {
                base.push_str(text);
            }
            input.push_str(name);
            input.push('"');
        }
        input.push(')');
        input.push_str(parameters);
        base.push_str("\"@signature-params\": ");
        let tag = self.0.sign(&[base.as_bytes(), input.as_bytes()]);
        MessageSignature { input, signature: format!(":{}:", base64::encode_standard(&tag)) }
    }
}

impl MessageSignature {
    /// Returns the values of [`SIGNATURE_INPUT`] and [`SIGNATURE`] with this signature as the last one. Other signatures
    /// in `headers` come before it, except one with the same label.
    ///
    /// Verifiers refuse all signatures of a message if they cannot parse one, or if a label is in only one of the headers.
    /// So only pairs that look valid are kept.
    pub fn with_others(self, label: &str, headers: &HeaderList) -> [String; 2] {
        let fields = [SIGNATURE_INPUT, SIGNATURE].map(|name| headers.get(name).and_then(members));
        let [inputs, signatures] = fields.map(Option::unwrap_or_default);
        let mut values = [String::new(), String::new()];
        let mut add = |label: &str, pair: [&str; 2]| {
            for (text, value) in values.iter_mut().zip(pair) {
                let separator = if text.is_empty() { "" } else { ", " };
                for piece in [separator, label, "=", value] {
                    text.push_str(piece);
                }
            }
        };
        for (other, input) in inputs.iter().filter(|(other, _)| *other != label) {
            let pair = signatures.iter().find(|(name, _)| name == other);
            if let Some((_, signature)) = pair.filter(|(_, value)| is_pair(input, value)) {
                add(other, [input, signature]);
            }
        }
        add(label, [&self.input, &self.signature]);
        values
    }
}

/// Whether the values look like a list of components with parameters, and like a byte sequence.
fn is_pair(input: &str, signature: &str) -> bool {
    let bytes = signature.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    input.starts_with('(')
        && input.contains(')')
        && bytes.is_some_and(|bytes| bytes.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)))
}

/// Splits a dictionary (RFC 9651, 3.2) into names and values. Returns `None` if it has a character or a name that no
/// dictionary has, a string without an end, or more than [`MAX_MEMBERS`] members.
fn members(field: &str) -> Option<Vec<(&str, &str)>> {
    let (mut is_string, mut is_escaped) = (false, false);
    let is_separator = |c: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            _ if was_escaped => {}
            '"' => is_string = !is_string,
            '\\' => is_escaped = is_string,
            _ => return c == ',' && !is_string,
        }
        false
    };
    let texts: Vec<&str> = field.split(is_separator).take(MAX_MEMBERS.saturating_add(1)).collect();
    let is_allowed = field.bytes().all(|b| b.is_ascii_graphic() || b == b' ' || b == b'\t');
    if is_string || !is_allowed || texts.len() > MAX_MEMBERS {
        return None;
    }
    texts.into_iter().map(member).collect()
}

fn member(text: &str) -> Option<(&str, &str)> {
    let is_name_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b);
    let (name, value) = text.trim().split_once('=')?;
    (name.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') && name.bytes().all(is_name_byte))
        .then_some((name, value))
}

pub const SIGNATURE_INPUT: &str = "Signature-Input";
pub const SIGNATURE: &str = "Signature";
/// A client with more signatures keeps none.
const MAX_MEMBERS: usize = 16;
