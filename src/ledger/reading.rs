//! How far a wallet's list of paid payments was read. The list begins with what was changed last, and a pass reads it back to
//! what an earlier pass has read; one that takes more than a run goes on in the next. What changes meanwhile comes to the
//! front of the list, and moves the rest back: so a place that was noted never skips anything.

use crate::json::Json;

/// Where reading goes on. Times are as the wallet writes them, which sorts as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Everything that was changed before is in the books. It is a pass older than need be: changes that were made at once
    /// may be listed one after the other.
    pub cursor: String,
    /// The newest change that the last whole pass has seen.
    pub read_to: String,
    /// The newest that this pass has seen.
    pub newest: String,
    /// How many rows it has read.
    pub offset: usize,
}

/// A piece of the list, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// When its first row was changed.
    pub first: Option<&'a str>,
    /// When its last row was changed.
    pub last: Option<&'a str>,
    /// How many rows it has.
    pub rows: usize,
    /// Whether the list goes on.
    pub is_full: bool,
}

impl Place {
    /// Where reading goes on after a piece, and whether the pass has ended with it.
    #[must_use]
    pub fn after(&self, piece: Piece<'_>) -> (Self, bool) {
        let newest = match piece.first {
            Some(first) if self.offset == 0 => first.to_owned(),
            _ if self.offset == 0 => self.read_to.clone(),
            _ => self.newest.clone(),
        };
        if !piece.is_full || piece.last.is_some_and(|last| last < self.cursor.as_str()) {
            let cursor = if self.read_to.is_empty() { newest.clone() } else { self.read_to.clone() };
            return (Self { cursor, read_to: newest, newest: String::new(), offset: 0 }, true);
        }
        (Self { newest, offset: self.offset.saturating_add(piece.rows), ..self.clone() }, false)
    }

    /// Reads what was noted.
    pub(super) fn read(noted: &Json) -> Option<Self> {
        let [cursor, read_to, newest, offset] = noted.as_array()? else { return None };
        let text = |value: &Json| value.as_str().map(str::to_owned);
        Some(Self {
            cursor: text(cursor)?,
            read_to: text(read_to)?,
            newest: text(newest)?,
            offset: usize::try_from(offset.as_u64()?).ok()?,
        })
    }
}
