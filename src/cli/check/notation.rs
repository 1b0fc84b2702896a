//! Writes values as the owner would write them in the Wrangler file: in TOML or in JSON.

use crate::strict_json::Json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Toml,
    Json,
}

impl Notation {
    /// Writes a key and its value, such as `sats = 5`.
    pub fn member(self, key: &str, value: &Json) -> String {
        match self {
            Self::Toml => format!("{} = {}", toml_key(key), self.value(value)),
            Self::Json => format!("{}: {}", quoted(key), self.value(value)),
        }
    }

    /// Writes a value on one line.
    pub fn value(self, value: &Json) -> String {
        match value {
            Json::Null => "null".to_owned(),
            Json::Bool(flag) => flag.to_string(),
            Json::Integer(number) => number.to_string(),
            Json::Negative(number) => format!("-{number}"),
            Json::OtherNumber(_) => "a number".to_owned(),
            Json::String(text) => quoted(text),
            Json::Array(values) => {
                format!("[{}]", joined(values.iter().map(|value| self.value(value))))
            }
            Json::Object(members) if members.is_empty() => "{}".to_owned(),
            Json::Object(members) => {
                format!("{{ {} }}", joined(members.iter().map(|(key, value)| self.member(key, value))))
            }
        }
    }
}

fn toml_key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if is_bare { key.to_owned() } else { quoted(key) }
}

/// TOML reads the escapes of a JSON string in the same way.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
