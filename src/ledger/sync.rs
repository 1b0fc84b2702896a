//! Keeps track of how far a wallet's list of paid payments has been read.
//!
//! The list starts with the payment that changed last. A pass reads the list from its start to the payments that an
//! earlier pass has read. A pass may take several runs of the cron trigger. A payment that changes during a pass moves
//! to the start of the list, where the next pass reads it. Then other rows move back in the list. So reading on from
//! the saved offset may repeat a row, but never skips one.

use crate::payment::WalletSlot;
use crate::strict_json::Json;

/// Returns the wallets whose lists a run of the cron trigger reads, at most two. With more wallets, the runs take turns:
/// a run sends a limited number of requests. `slots` are the slots that have a wallet.
pub fn slots_of_run(slots: &[WalletSlot], now_unix: u64) -> Vec<WalletSlot> {
    let groups: Vec<_> = slots.chunks(WALLETS_PER_RUN).collect();
    let minute = usize::try_from(now_unix / RUN_INTERVAL_S).unwrap_or_default();
    let turn = minute.checked_rem(groups.len()).unwrap_or_default();
    groups.get(turn).map(|group| group.to_vec()).unwrap_or_default()
}

/// Where reading the payment list continues. The times are texts as LNbits writes them, which sort by time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// All payments that changed before this time are recorded, so a pass ends at this time. The value is that of
    /// `read_to` before the last complete pass; after the first pass, it is `read_to` itself. So two passes read the
    /// newest payments. This is necessary because a payment may appear in the list late, after a pass has read another
    /// payment with the same time.
    pub cursor: String,
    /// The time of the newest change that the last complete pass has read.
    pub read_to: String,
    /// The time of the newest change that the current pass has read.
    pub newest: String,
    /// The number of rows that the current pass has read.
    pub offset: usize,
}

/// The part of a page of the payment list that a [`Cursor`] depends on.
#[derive(Clone, Copy, Debug)]
pub struct ListPage<'a> {
    /// When the payment in the first row last changed; `None` if this time is not known.
    pub first: Option<&'a str>,
    /// When the payment in the last row last changed; `None` if this time is not known.
    pub last: Option<&'a str>,
    pub rows: usize,
    /// Whether the page has as many rows as were requested, so that the list may continue.
    pub is_full: bool,
}

impl Cursor {
    /// Returns where reading continues after a page, and whether this page completes the pass.
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

    /// Returns since when invoices are read in the list of an NWC wallet, in Unix seconds. A list that was never read is read
    /// from a day ago.
    pub fn from_unix(&self, now_unix: u64) -> u64 {
        self.cursor.parse().unwrap_or_else(|_| now_unix.saturating_sub(FIRST_PASS_S))
    }

    /// Returns where reading continues after a page of the list of an NWC wallet. This list is sorted by the time at which
    /// invoices were created, so the next pass starts early enough for invoices that are paid late.
    #[must_use]
    pub fn after_transactions(
        &self,
        now_unix: u64,
        longest_expiry_s: u64,
        rows: usize,
        is_full: bool,
    ) -> Self {
        let started = if self.offset == 0 { now_unix.to_string() } else { self.newest.clone() };
        if is_full {
            let cursor = self.from_unix(now_unix).to_string();
            return Self {
                cursor,
                read_to: self.read_to.clone(),
                newest: started,
                offset: self.offset.saturating_add(rows),
            };
        }
        let started_unix: u64 = started.parse().unwrap_or_default();
        let next_unix = started_unix.saturating_sub(longest_expiry_s).saturating_sub(LATE_S);
        Self { cursor: next_unix.to_string(), read_to: started, newest: String::new(), offset: 0 }
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

const FIRST_PASS_S: u64 = 86_400;
/// A wallet may report a payment this long after its invoice has expired.
const LATE_S: u64 = 3_600;
const WALLETS_PER_RUN: usize = 2;
const RUN_INTERVAL_S: u64 = 60;
