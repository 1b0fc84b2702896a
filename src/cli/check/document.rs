//! A Wrangler file as a JSON value, with the position of each key and value in its text.

use super::notation::Notation;
use super::places::{Places, Position, parent, position};
use super::{from_jsonc, from_toml};
use crate::strict_json::Json;

/// A parsed Wrangler file, which has no syntax errors.
pub struct Document {
    notation: Notation,
    text: String,
    root: Json,
    places: Places,
}

/// Why a file cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub position: Position,
    pub sentence: String,
}

impl Document {
    /// Parses JSON with comments if the name ends in `.json` or `.jsonc`, as Wrangler does, and TOML otherwise.
    ///
    /// # Errors
    /// Returns the syntax errors in no particular order. A key that is defined twice counts as a syntax error.
    pub fn read(name: &str, text: &str) -> Result<Self, Vec<SyntaxError>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let is_json = name.ends_with(".json") || name.ends_with(".jsonc");
        let (notation, parsed) = match is_json {
            true => (Notation::Json, from_jsonc::read(text)),
            false => (Notation::Toml, from_toml::read(text)),
        };
        match parsed {
            Ok((root, places)) => Ok(Self { notation, text: text.to_owned(), root, places }),
            Err(errors) => Err(errors
                .into_iter()
                .map(|error| SyntaxError { position: position(text, error.offset), sentence: error.sentence })
                .collect()),
        }
    }

    pub fn root(&self) -> &Json {
        &self.root
    }

    /// Returns the notation of the file: TOML or JSON.
    pub(super) fn notation(&self) -> Notation {
        self.notation
    }

    /// Returns the number at a place, with the characters that the file has. Returns `None` if the file has no value at
    /// the place.
    pub(super) fn number(&self, place: &str) -> Option<String> {
        let rest = self.text.get(self.places.get(place)?.value..)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+-._:".contains(c);
        let number = rest.split(|c| !is_part(c)).next()?;
        (!number.is_empty()).then(|| number.to_owned())
    }

    /// Returns the position of a key. If the key does not exist, returns the position of the innermost existing table
    /// or list on its path.
    pub fn key(&self, place: &str) -> Position {
        match self.places.get(place) {
            Some(offsets) => position(&self.text, offsets.key),
            None => self.value(place),
        }
    }

    /// Returns the position of a value. If the value does not exist, returns the position of the innermost existing
    /// table or list on its path.
    pub fn value(&self, place: &str) -> Position {
        let nearest = std::iter::successors(Some(place), |place| parent(place))
            .find_map(|place| self.places.get(place))
            .map_or(0, |offsets| offsets.value);
        position(&self.text, nearest)
    }
}
