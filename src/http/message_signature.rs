//! Signatures of HTTP messages (RFC 9421) with HMAC-SHA256. Other signatures of the same message are kept, but not verified.

use crate::base64;
use crate::crypto::HmacKey;
use crate::http::header_list::HeaderList;

/// The signature base of a message, and the list of the covered components.
#[derive(Default)]
pub struct SignatureBase {
    base: String,
    components: String,
}

/// The values of a signature in the headers [`SIGNATURE_INPUT`] and [`SIGNATURE`].
#[derive(Debug, PartialEq, Eq)]
pub struct MessageSignature {
    pub input: String,
    pub signature: String,
}

impl SignatureBase {
    /// Covers a component. The name is written in lower case. The value must not contain a line break.
    pub fn cover(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        push(&mut self.base, &["\"", &name, "\": ", value, "\n"]);
        let separator = if self.components.is_empty() { "(\"" } else { " \"" };
        push(&mut self.components, &[separator, &name, "\""]);
    }

    /// Signs the covered components. `parameters` are serialized, and begin with `;`.
    pub fn sign(mut self, key: &HmacKey, parameters: &str) -> MessageSignature {
        push(&mut self.components, &[")", parameters]);
        push(&mut self.base, &["\"@signature-params\": ", &self.components]);
        let tag = base64::encode_standard(&key.sign(&[self.base.as_bytes()]));
        MessageSignature { input: self.components, signature: [":", &tag, ":"].concat() }
    }
}

impl MessageSignature {
    /// Returns the values of the two headers, with this signature as the last one. Other signatures in `headers` come
    /// before it, except one with the same label.
    ///
    /// Verifiers refuse all signatures of a message if they cannot parse one, or if a label is in only one of the headers.
    /// So only pairs that look valid are kept.
    pub fn with_others(self, label: &str, headers: &HeaderList) -> [String; 2] {
        let members = |name: &str| headers.get(name).and_then(members).unwrap_or_default();
        let (inputs, signatures) = (members(SIGNATURE_INPUT), members(SIGNATURE));
        let (mut input_field, mut signature_field) = (String::new(), String::new());
        for (other, input) in inputs {
            let pair = signatures.iter().find(|(name, _)| *name == other);
            if let Some((_, signature)) = pair.filter(|(_, signature)| is_pair(input, signature))
                && other != label
            {
                push(&mut input_field, &[other, "=", input, ", "]);
                push(&mut signature_field, &[other, "=", signature, ", "]);
            }
        }
        push(&mut input_field, &[label, "=", &self.input]);
        push(&mut signature_field, &[label, "=", &self.signature]);
        [input_field, signature_field]
    }
}

/// Whether the values look like a list of components with parameters, and like a byte sequence.
fn is_pair(input: &str, signature: &str) -> bool {
    let bytes = signature.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    input.starts_with('(') && input.contains(')') && bytes.and_then(base64::decode).is_some()
}

/// Splits a dictionary (RFC 9651, 3.2) into names and values. Returns `None` if it has a character or a name that no
/// dictionary has, a string without an end, or more than [`MAX_MEMBERS`] members.
fn members(field: &str) -> Option<Vec<(&str, &str)>> {
    let mut members = Vec::new();
    let (mut start, mut is_string, mut is_escaped) = (0, false, false);
    for (at, byte) in field.bytes().chain([b',']).enumerate() {
        match byte {
            b' '..=b'~' if is_escaped => is_escaped = false,
            b'"' => is_string = !is_string,
            b'\\' => is_escaped = is_string,
            b',' if !is_string => {
                members.push(member(field.get(start..at)?)?);
                start = at.saturating_add(1);
            }
            b' '..=b'~' | b'\t' => {}
            _ => return None,
        }
    }
    (!is_string && members.len() <= MAX_MEMBERS).then_some(members)
}

fn member(text: &str) -> Option<(&str, &str)> {
    let is_name_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b);
    let (name, value) = text.trim_matches([' ', '\t']).split_once('=')?;
    let is_start = |b: &u8| b.is_ascii_lowercase() || *b == b'*';
    (name.as_bytes().first().is_some_and(is_start) && name.bytes().all(is_name_byte)).then_some((name, value))
}

fn push(text: &mut String, pieces: &[&str]) {
    for piece in pieces {
        text.push_str(piece);
    }
}

pub const SIGNATURE_INPUT: &str = "Signature-Input";
pub const SIGNATURE: &str = "Signature";
/// A client with more signatures keeps none.
const MAX_MEMBERS: usize = 16;
