//! One table of the price list: what its keys may hold, and a sentence for each that does not. All faults are collected, so
//! that an owner sees every mistake at once.

use std::cell::Cell;
use std::ops::RangeInclusive;

use thiserror::Error;

use crate::policy::duration;
use crate::protocols::l402::caveat::Service;
use crate::protocols::price::MAX_SATS;
use crate::strict_json::Json;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place} {kind}")]
pub struct ConfigError {
    /// `TOLL`, `TOLL.routes[2].sats`, …
    pub place: String,
    /// What is wrong there.
    pub kind: ConfigErrorKind,
}

/// What is wrong with a place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigErrorKind {
    /// The key itself.
    #[error("is not a key that edgetoll knows")]
    UnknownKey {
        /// Those that it does know there.
        known: &'static [&'static str],
    },
    /// The value: what it should be.
    #[error("{0}")]
    Wrong(String),
}

/// The mistakes found so far.
#[derive(Default)]
pub struct ConfigErrors(Cell<Vec<ConfigError>>);

impl ConfigErrors {
    /// Notes what the value of a place should be.
    pub fn note(&self, place: String, fault: &str) {
        self.push(place, ConfigErrorKind::Wrong(fault.to_owned()));
    }

    fn push(&self, place: String, kind: ConfigErrorKind) {
        let mut errors = self.0.take();
        errors.push(ConfigError { place, kind });
        self.0.set(errors);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let errors = self.0.take();
        let count = errors.len();
        self.0.set(errors);
        count
    }

    /// All of them.
    pub fn into_inner(self) -> Vec<ConfigError> {
        self.0.into_inner()
    }
}

/// A table, with its place for the sentences. What cannot be read is noted and counts as absent.
pub struct Table<'a> {
    place: String,
    members: &'a [(String, Json)],
    errors: &'a ConfigErrors,
}

impl<'a> Table<'a> {
    /// Takes a value for a table with these keys.
    pub fn new(
        place: String,
        value: &'a Json,
        known: &'static [&'static str],
        errors: &'a ConfigErrors,
    ) -> Self {
        let table = Self::open(place, value, errors);
        for (key, _) in table.members.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            errors.push(table.place(key), ConfigErrorKind::UnknownKey { known });
        }
        table
    }

    /// Takes a value for a table whose keys are the owner's to choose.
    pub fn open(place: String, value: &'a Json, errors: &'a ConfigErrors) -> Self {
        let members = match value {
            Json::Object(members) => members.as_slice(),
            _ => {
                errors.note(place.clone(), "is a table");
                &[]
            }
        };
        Self { place, members, errors }
    }

    /// A table in it with these keys.
    pub fn inner(&self, key: &str, value: &'a Json, known: &'static [&'static str]) -> Self {
        Self::new(self.place(key), value, known, self.errors)
    }

    /// A table in it whose keys are the owner's to choose.
    pub fn inner_open(&self, key: &str, value: &'a Json) -> Self {
        Self::open(self.place(key), value, self.errors)
    }

    /// Its keys and values.
    pub fn members(&self) -> &'a [(String, Json)] {
        self.members
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a Json> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The place of a key.
    pub fn place(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }

    /// Notes what a key's value should be.
    pub fn note(&self, key: &str, fault: &str) {
        self.errors.note(self.place(key), fault);
    }

    /// Reads a key with the caller's own eyes.
    pub fn read<T>(&self, key: &str, what: &str, read: impl Fn(&'a Json) -> Option<T>) -> Option<T> {
        let value = read(self.get(key)?);
        if value.is_none() {
            self.note(key, what);
        }
        value
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.read(key, "is true or false", Json::as_bool)
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.read(key, "is a text", Json::as_str)
    }

    /// A name; realms are named as services are.
    pub fn name(&self, key: &str) -> Option<Service> {
        self.read(key, "is a name: 1 to 32 of a-z, 0-9 and _", |value| Service::parse(value.as_str()?))
    }

    /// A list of texts.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.read(key, "is a list of texts", texts)
    }

    /// A text, or a list of them with at least one.
    pub fn text_or_texts(&self, key: &str) -> Option<Vec<String>> {
        self.read(key, "is a text or a list of texts", |value| match value {
            Json::String(text) => Some(vec![text.clone()]),
            _ => texts(value).filter(|texts| !texts.is_empty()),
        })
    }

    /// A whole number.
    pub fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let what = format!("is a whole number from {} to {}", range.start(), range.end());
        self.read(key, &what, |value| value.as_u64().filter(|value| range.contains(value)))
    }

    /// Satoshis; LNbits' own limit for one invoice is the most.
    pub fn sats(&self, key: &str, least: u64) -> Option<u64> {
        let sats = |value: &Json| value.as_u64().filter(|sats| (least..=MAX_SATS).contains(sats));
        self.read(key, &format!("is a whole number of satoshis, {least} to {MAX_SATS}"), sats)
    }

    /// A duration in milliseconds.
    pub fn milliseconds(&self, key: &str, range: RangeInclusive<u64>, what: &str) -> Option<u64> {
        self.read(key, what, |value| duration::parse_ms(value.as_str()?).filter(|ms| range.contains(ms)))
    }

    /// A duration in whole seconds, as an invoice or a credential has one.
    pub fn seconds(&self, key: &str) -> Option<u64> {
        let what = "is a duration from \"90s\" to \"365d\"";
        self.milliseconds(key, MIN_EXPIRY_MS..=MAX_EXPIRY_MS, what)?.checked_div(1_000)
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&self, key: &str, known: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        self.read(key, &format!("is one of {}", names.join(", ")), |value| {
            let text = value.as_str()?;
            known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
        })
    }
}

fn texts(value: &Json) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
}

/// An invoice must have a minute left when it reaches the client.
const MIN_EXPIRY_MS: u64 = 90_000;
const MAX_EXPIRY_MS: u64 = 365 * 86_400_000;
