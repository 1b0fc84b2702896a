//! Places in a Wrangler file, such as `vars.TOLL.routes[2].sats`, and their positions in its text.

use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The number of the line, from 1.
    pub line: usize,
    /// The number of the column in characters, from 1.
    pub column: usize,
}

/// Maps each place to the offsets of its key and its value.
pub(super) type Places = HashMap<String, Offsets>;

/// The byte offsets at which a key and its value begin. An item of a list has no key: both offsets are the start of the
/// item.
pub(super) struct Offsets {
    pub key: usize,
    pub value: usize,
}

/// A syntax error and its byte offset. The offset is converted to a line and a column later.
#[derive(PartialEq, Eq)]
pub(super) struct SyntaxErrorAt {
    pub offset: usize,
    pub sentence: String,
}

/// Returns the place of a key in a table.
pub(super) fn member(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// Returns the place of an item in a list.
pub(super) fn item(place: &str, index: usize) -> String {
    format!("{place}[{index}]")
}

/// Returns the table or list that contains a place; `None` if the top level contains the place.
pub(super) fn parent(place: &str) -> Option<&str> {
    place.rfind(['.', '[']).and_then(|end| place.get(..end))
}

/// Converts a byte offset to a line number.
pub(super) fn line(text: &str, offset: usize) -> usize {
    position(text, offset).line
}

/// Converts a byte offset to a line and a column.
pub(super) fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let in_line = before.rsplit_once('\n').map_or(before, |(_, in_line)| in_line);
    Position {
        line: before.matches('\n').count().saturating_add(1),
        column: in_line.chars().count().saturating_add(1),
    }
}

/// The nesting limit of the Worker's JSON parser.
pub(super) const MAX_DEPTH: usize = 128;
