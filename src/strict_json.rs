//! JSON values without repeated keys and without floating-point numbers.
//!
//! serde_json parses the text, but its type `Value` is not used. If a text has two values for the same key, `Value`
//! keeps the last one. Another program may keep the first one, and read another price than edgetoll. `Value` would also
//! add 40 KB of floating-point code to the wasm.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    /// A whole number from 0 to `u64::MAX`.
    Integer(u64),
    /// The absolute value of a negative whole number.
    Negative(u64),
    /// A number with a fraction or an exponent, or a number that does not fit into 64 bits, in hundred-millionths. Only
    /// exchange rates are read from it; elsewhere, edgetoll reads only whole numbers.
    OtherNumber(u64),
    String(String),
    Array(Vec<Json>),
    /// The keys and values of the object, in the order of the text. No key is repeated.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a JSON text. Returns `None` if the text is malformed, if an object repeats a key or has more than 500 keys,
    /// or if the text is nested too deeply (128 levels).
    pub fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Returns the value of a key; `None` if this value is not an object, or is an object without the key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the value of a key if it is a whole number from 0 to `u64::MAX`; otherwise `None`.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_u64()
    }

    /// Returns the key and the value of an object with exactly one key, which is how serde writes an enum variant with
    /// data. Returns `None` for any other JSON value.
    pub fn variant(&self) -> Option<(&str, &Self)> {
        match self {
            Self::Object(members) => match members.as_slice() {
                [(name, value)] => Some((name, value)),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number if it is a whole number from 0 to `u64::MAX`; otherwise `None`.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the absolute value of a whole number; `None` for any other JSON value.
    pub fn magnitude(&self) -> Option<u64> {
        match self {
            Self::Integer(value) | Self::Negative(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns a positive number in hundred-millionths, without smaller parts; at most `u64::MAX`.
    pub fn hundred_millionths(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => Some(value.saturating_mul(100_000_000)),
            Self::OtherNumber(value) => Some(*value),
            _ => None,
        }
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

/// A type that is parsed from [`Json`]. The same type is written to JSON with serde's `Serialize`.
///
/// This trait is used instead of serde's `Deserialize`, which would add 10 KB of compressed wasm for the messages to
/// the Durable Objects and for their states.
pub trait FromJson: Sized {
    fn from_json(json: &Json) -> Option<Self>;

    fn parse(text: &str) -> Option<Self> {
        Self::from_json(&Json::parse(text.as_bytes())?)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated keys")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Negative(value.unsigned_abs()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        // The cast of a float saturates.
        Ok(Json::OtherNumber((value * 1e8) as u64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some(key) = map.next_key::<Json>()? {
            let Json::String(key) = key else { return Err(A::Error::custom("a key must be a text")) };
            if members.iter().any(|(name, _)| *name == key) {
                return Err(A::Error::custom("a key is repeated"));
            }
            if members.len() >= MAX_KEYS {
                return Err(A::Error::custom("an object has too many keys"));
            }
            members.push((key, map.next_value()?));
        }
        Ok(Json::Object(members))
    }
}

/// Each new key is compared with all earlier keys, so the number of keys must be limited: a client can send JSON.
const MAX_KEYS: usize = 500;
