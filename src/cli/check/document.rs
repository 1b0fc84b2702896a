//! A Wrangler file as a value, and where in its text every key and every value stands.

use super::places::{Places, Position, parent, position};
use super::{from_jsonc, from_toml};
use crate::strict_json::Json;

/// A file that could be read.
pub struct Document {
    text: String,
    root: Json,
    places: Places,
}

/// Why a file cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where the reading failed.
    pub position: Position,
    /// A sentence without a subject: what stands there.
    pub sentence: String,
}

impl Document {
    /// Reads JSON with comments where the name ends in `.json` or `.jsonc`, as Wrangler does, and TOML otherwise.
    ///
    /// # Errors
    /// Everything that is wrong with the syntax, in no particular order. A key that stands twice belongs to it.
    pub fn read(name: &str, text: &str) -> Result<Self, Vec<SyntaxError>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let is_json = name.ends_with(".json") || name.ends_with(".jsonc");
        let read = if is_json { from_jsonc::read(text) } else { from_toml::read(text) };
        match read {
            Ok((root, places)) => Ok(Self { text: text.to_owned(), root, places }),
            Err(faults) => Err(faults
                .into_iter()
                .map(|fault| SyntaxError { position: position(text, fault.at), sentence: fault.sentence })
                .collect()),
        }
    }

    /// The whole file.
    pub fn root(&self) -> &Json {
        &self.root
    }

    /// Where the key of a place stands, or the value of its nearest parent where there is no such key.
    pub fn key(&self, place: &str) -> Position {
        match self.places.get(place) {
            Some(spot) => position(&self.text, spot.key),
            None => self.value(place),
        }
    }

    /// Where the value of a place stands, or that of its nearest parent where there is no such value.
    pub fn value(&self, place: &str) -> Position {
        let nearest = std::iter::successors(Some(place), |place| parent(place))
            .find_map(|place| self.places.get(place))
            .map_or(0, |spot| spot.value);
        position(&self.text, nearest)
    }
}
