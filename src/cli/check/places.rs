//! Places of a Wrangler file, such as `vars.TOLL.routes[2].sats`, and their positions in its text.

use std::collections::HashMap;

/// A line and a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// The byte offsets of all places.
pub(super) type Places = HashMap<String, Spot>;

/// Where a key and its value begin, in bytes. An item of a list has no key: both are where the item begins.
pub(super) struct Spot {
    pub key: usize,
    pub value: usize,
}

/// A syntax error at a byte offset.
#[derive(PartialEq, Eq)]
pub(super) struct SyntaxFault {
    pub at: usize,
    pub sentence: String,
}

/// The nesting that the JSON parser of the Worker accepts.
pub(super) const MAX_DEPTH: usize = 128;

/// Returns the place of a key in a table.
pub(super) fn member(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// Returns the place of an item in a list.
pub(super) fn item(place: &str, at: usize) -> String {
    format!("{place}[{at}]")
}

/// Returns the place that contains this one.
pub(super) fn parent(place: &str) -> Option<&str> {
    place.rfind(['.', '[']).and_then(|end| place.get(..end))
}

/// Returns the line of a byte offset.
pub(super) fn line(text: &str, offset: usize) -> usize {
    position(text, offset).line
}

pub(super) fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let in_line = before.rsplit_once('\n').map_or(before, |(_, in_line)| in_line);
    Position {
        line: before.matches('\n').count().saturating_add(1),
        column: in_line.chars().count().saturating_add(1),
    }
}
