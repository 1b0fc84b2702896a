//! A Wrangler file as a value, and where in its text every key and every value stands.

use std::collections::HashMap;

use super::{from_jsonc, from_toml};
use crate::json::Json;

/// A file that could be read.
pub struct Document {
    text: String,
    root: Json,
    places: Places,
}

/// A line and a column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Why a file cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where the reading failed.
    pub position: Position,
    /// A sentence without a subject: what stands there.
    pub sentence: String,
}

/// Byte offsets by place: `vars.TOLL.routes[2].sats`.
pub(super) type Places = HashMap<String, Spot>;

/// Where a key and its value begin, in bytes. An item of a list has no key: both are where the item begins.
pub(super) struct Spot {
    pub key: usize,
    pub value: usize,
}

/// A fault of the syntax, at a byte offset.
#[derive(PartialEq, Eq)]
pub(super) struct Fault {
    pub at: usize,
    pub sentence: String,
}

/// As deep as JSON texts may be nested for the Worker.
pub(super) const MAX_DEPTH: usize = 128;

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

/// The place of a table's key.
pub(super) fn member(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// The place of a list's item.
pub(super) fn item(place: &str, at: usize) -> String {
    format!("{place}[{at}]")
}

fn parent(place: &str) -> Option<&str> {
    place.rfind(['.', '[']).and_then(|end| place.get(..end))
}

/// The line of a byte offset.
pub(super) fn line(text: &str, offset: usize) -> usize {
    position(text, offset).line
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let in_line = before.rsplit_once('\n').map_or(before, |(_, in_line)| in_line);
    Position {
        line: before.matches('\n').count().saturating_add(1),
        column: in_line.chars().count().saturating_add(1),
    }
}
