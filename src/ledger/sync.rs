//! How far a wallet's list of paid payments was read.
//!
//! The list starts with the payment that changed last. A pass reads it from the start back to the payments that an
//! earlier pass has read. A pass that does not finish in one run continues in the next. Payments that change meanwhile
//! move to the front and push the others back, so a saved cursor never skips a payment.

use crate::strict_json::Json;

/// Where reading continues. Times are as the wallet writes them; they sort as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// All payments that changed before this time are recorded. The time is one pass older than necessary, since of two
    /// payments that change at the same time, one may appear in the list later.
    pub cursor: String,
    /// The time of the newest change that the last complete pass has seen.
    pub read_to: String,
    /// The time of the newest change that this pass has seen.
    pub newest: String,
    /// The number of rows that this pass has read.
    pub offset: usize,
}

/// A page of the list that was read.
#[derive(Clone, Copy, Debug)]
pub struct ListPage<'a> {
    /// When the payment of its first row changed.
    pub first: Option<&'a str>,
    /// When the payment of its last row changed.
    pub last: Option<&'a str>,
    pub rows: usize,
    /// Whether the list continues.
    pub is_full: bool,
}

impl Cursor {
    /// Returns where reading continues after a page, and whether the pass is complete.
    #[must_use]
    pub fn after(&self, page: ListPage<'_>) -> (Self, bool) {
        let newest = match page.first {
            Some(first) if self.offset == 0 => first.to_owned(),
            _ if self.offset == 0 => self.read_to.clone(),
            _ => self.newest.clone(),
        };
        if !page.is_full || page.last.is_some_and(|last| last < self.cursor.as_str()) {
            let cursor = if self.read_to.is_empty() { newest.clone() } else { self.read_to.clone() };
            return (Self { cursor, read_to: newest, newest: String::new(), offset: 0 }, true);
        }
        (Self { newest, offset: self.offset.saturating_add(page.rows), ..self.clone() }, false)
    }

    pub(super) fn parse(saved: &Json) -> Option<Self> {
        let [cursor, read_to, newest, offset] = saved.as_array()? else { return None };
        let text = |value: &Json| value.as_str().map(str::to_owned);
        Some(Self {
            cursor: text(cursor)?,
            read_to: text(read_to)?,
            newest: text(newest)?,
            offset: usize::try_from(offset.as_u64()?).ok()?,
        })
    }
}
