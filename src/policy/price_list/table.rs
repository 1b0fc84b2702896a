//! Reads one table of the price list.
//!
//! A wrong value is reported and counts as missing, so that one run finds every mistake of a price list.

use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

use crate::policy::duration;
use crate::protocols::l402::caveat::Service;
use crate::protocols::offered::Protocols;
use crate::protocols::price::MAX_SATS;
use crate::strict_json::Json;

/// A mistake in the price list. `Display` writes a sentence such as `TOLL.prefix must be …`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place} {kind}")]
pub struct ConfigError {
    /// Where the mistake is, such as `TOLL` or `TOLL.routes[2].sats`.
    pub place: String,
    pub kind: ConfigErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigErrorKind {
    /// The key is unknown. `known` are the keys that its table may have.
    #[error("is not a key that edgetoll knows")]
    UnknownKey { known: &'static [&'static str] },
    /// The value is wrong. The text follows the place in the message, such as `must be a table`.
    #[error("{0}")]
    Wrong(String),
}

/// The mistakes found so far. The cell lets all tables of a price list add mistakes to the same list.
#[derive(Default)]
pub struct ConfigErrors(Cell<Vec<ConfigError>>);

impl ConfigErrors {
    /// Reports a wrong value. `sentence` follows the place in the message, such as `must be a table`.
    pub fn report(&self, place: String, sentence: &str) {
        self.push(place, ConfigErrorKind::Wrong(sentence.to_owned()));
    }

    fn push(&self, place: String, kind: ConfigErrorKind) {
        let mut errors = self.0.take();
        errors.push(ConfigError { place, kind });
        self.0.set(errors);
    }

    pub fn count(&self) -> usize {
        let errors = self.0.take();
        let count = errors.len();
        self.0.set(errors);
        count
    }

    pub fn into_inner(self) -> Vec<ConfigError> {
        self.0.into_inner()
    }
}

/// Where a table of the price list is. It is written as text only if the table has a mistake.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// The price list itself.
    List,
    /// The value of a key of another table.
    Key(&'a Self, &'a str),
    /// An item of the list under a key of another table.
    Item(&'a Self, &'a str, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("TOLL"),
            Self::Key(table, key) => write!(f, "{table}.{key}"),
            Self::Item(table, key, at) => write!(f, "{table}.{key}[{at}]"),
        }
    }
}

/// A table of the price list, and where it is.
pub struct Table<'a> {
    place: Place<'a>,
    members: &'a [(String, Json)],
    errors: &'a ConfigErrors,
}

impl<'a> Table<'a> {
    /// Reads a table. Keys that are not in `known` are reported.
    pub fn new(
        place: Place<'a>,
        value: &'a Json,
        known: &'static [&'static str],
        errors: &'a ConfigErrors,
    ) -> Self {
        let table = Self::with_any_keys(place, value, errors);
        for (key, _) in table.members.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            errors.push(Place::Key(&place, key).to_string(), ConfigErrorKind::UnknownKey { known });
        }
        table
    }

    /// Reads a table that may have any keys.
    pub fn with_any_keys(place: Place<'a>, value: &'a Json, errors: &'a ConfigErrors) -> Self {
        let members = match value {
            Json::Object(members) => members.as_slice(),
            _ => {
                errors.report(place.to_string(), "must be a table");
                &[]
            }
        };
        Self { place, members, errors }
    }

    /// Reads the table under a key of this table. Keys of the inner table that are not in `known` are reported.
    pub fn inner<'b>(&'b self, key: &'b str, value: &'b Json, known: &'static [&'static str]) -> Table<'b> {
        Table::new(Place::Key(&self.place, key), value, known, self.errors)
    }

    /// Reads the table under a key of this table. The inner table may have any keys.
    pub fn inner_with_any_keys<'b>(&'b self, key: &'b str, value: &'b Json) -> Table<'b> {
        Table::with_any_keys(Place::Key(&self.place, key), value, self.errors)
    }

    /// Returns all keys and values of the table.
    pub fn members(&self) -> &'a [(String, Json)] {
        self.members
    }

    pub fn get(&self, key: &str) -> Option<&'a Json> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Returns the place of an item of the list under a key, such as `TOLL.routes[2]`.
    pub fn item<'b>(&'b self, key: &'b str, at: usize) -> Place<'b> {
        Place::Item(&self.place, key, at)
    }

    /// Reports a wrong value. `sentence` follows the place in the message, such as `must be a table`.
    pub fn report(&self, key: &str, sentence: &str) {
        self.errors.report(Place::Key(&self.place, key).to_string(), sentence);
    }

    /// Parses the value of a key. Reports `sentence` if there is a value and `parse` returns `None`. Returns `None` if
    /// the value is missing or wrong.
    pub fn read<T>(&self, key: &str, sentence: &str, parse: impl Fn(&'a Json) -> Option<T>) -> Option<T> {
        self.read_or(key, || sentence.to_owned(), parse)
    }

    /// Parses the value of a key as [`Table::read`] does. The sentence is made only if it is reported.
    fn read_or<T>(
        &self,
        key: &str,
        sentence: impl Fn() -> String,
        parse: impl Fn(&'a Json) -> Option<T>,
    ) -> Option<T> {
        let value = parse(self.get(key)?);
        if value.is_none() {
            self.report(key, &sentence());
        }
        value
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        self.read(key, "must be true or false, without quotes", Json::as_bool)
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        let text = self.read(key, "must be a text in quotes", Json::as_str)?;
        self.check_ends(key, text);
        Some(text)
    }

    /// Reports a text that begins or ends with white space, or contains a control character. Such a text would never
    /// match what clients send, and the owner would not notice.
    pub fn check_ends(&self, key: &str, text: &str) {
        let is_visible = text.bytes().all(|b| b.is_ascii_graphic());
        if !is_visible && (text.trim() != text || text.contains(char::is_control)) {
            self.report(key, "must have no white space at its beginning and end, and no control characters");
        }
    }

    /// Reads the name of a service or a realm.
    pub fn name(&self, key: &str) -> Option<Service> {
        let sentence = "must be a name of 1 to 32 characters from a-z, 0-9 and _, such as \"gpu\"";
        self.read(key, sentence, |value| Service::parse(value.as_str()?))
    }

    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let texts = self.read(key, "must be a list of texts, such as [\"a\", \"b\"]", texts)?;
        texts.iter().for_each(|text| self.check_ends(key, text));
        Some(texts)
    }

    /// Reads a text, or a list of one or more texts.
    pub fn text_or_texts(&self, key: &str) -> Option<Vec<String>> {
        let sentence = "must be a text, or a list of one or more texts, such as [\"a\", \"b\"]";
        let texts = self.read(key, sentence, |value| match value {
            Json::String(text) => Some(vec![text.clone()]),
            _ => texts(value).filter(|texts| !texts.is_empty()),
        })?;
        texts.iter().for_each(|text| self.check_ends(key, text));
        Some(texts)
    }

    /// Reads the payment protocols of the list or of a route.
    pub fn protocols(&self, key: &str) -> Option<Protocols> {
        let protocols = Protocols::parse(&self.texts(key)?);
        if protocols.is_none() {
            let sentence =
                "must be a list of \"l402\" and \"x-preimage\", always with \"l402\", such as [\"l402\"]";
            self.report(key, sentence);
        }
        protocols
    }

    pub fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let sentence = || format!("must be a whole number from {} to {}", range.start(), range.end());
        self.read_or(key, sentence, |value| value.as_u64().filter(|value| range.contains(value)))
    }

    /// Reads a number of satoshis, at most [`MAX_SATS`].
    pub fn sats(&self, key: &str, min: u64) -> Option<u64> {
        let sentence = || format!("must be a whole number of satoshis from {min} to {MAX_SATS}");
        self.read_or(key, sentence, |value| value.as_u64().filter(|sats| (min..=MAX_SATS).contains(sats)))
    }

    /// Reads a duration. Returns milliseconds.
    pub fn milliseconds(&self, key: &str, range: RangeInclusive<u64>, sentence: &str) -> Option<u64> {
        self.read(key, sentence, |value| duration::parse_ms(value.as_str()?).filter(|ms| range.contains(ms)))
    }

    /// Reads the expiry of an invoice or of a credential. Returns seconds.
    pub fn seconds(&self, key: &str) -> Option<u64> {
        let sentence = "must be a duration from \"90s\" to \"365d\", such as \"5m\"";
        self.milliseconds(key, MIN_EXPIRY_MS..=MAX_EXPIRY_MS, sentence)?.checked_div(1_000)
    }

    /// Reads a text that must be one of the words in `words`. Returns the value that is paired with the word.
    pub fn one_of<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        words.get(self.position_of(key, &names)?).map(|(_, value)| *value)
    }

    /// Reads a text that must be one of the words in `words`. Returns the position of the word. Apart from
    /// [`one_of`](Self::one_of), so that it is compiled once and not for each type.
    fn position_of(&self, key: &str, words: &[&str]) -> Option<usize> {
        let sentence = || {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            format!("must be one of {}", quoted.join(", "))
        };
        self.read_or(key, sentence, |value| words.iter().position(|word| Some(*word) == value.as_str()))
    }
}

fn texts(value: &Json) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// The shortest expiry is 90 seconds, so that a client has at least a minute to pay after it gets the invoice.
const MIN_EXPIRY_MS: u64 = 90_000;
const MAX_EXPIRY_MS: u64 = 365 * 86_400_000;
