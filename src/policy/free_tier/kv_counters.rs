//! FreeTierStore in a store that is up to a minute stale and takes one write a second for a key. An isolate counts in memory,
//! merges what the store says, and writes a key at most once a second. Each isolate has a number of its own in the value
//! and only ever raises that, so nothing that was counted is lost for long when two write at once.
//!
//! The bound: no isolate lets a client in more often than the quota by its own count, so all of them together give at most
//! the quota times the number of isolates that the client meets in a window.

use std::collections::BTreeMap;

use super::FreeTierDenied;
use crate::limits::keep_where;

/// What one isolate knows of its clients.
pub struct KvCounters {
    isolate: String,
    clients: BTreeMap<String, Client>,
    failed_at_ms: Option<u64>,
    /// When clients were last forgotten. Doing it for each new client would take long.
    swept_ms: u64,
}

/// One client on one route in one window.
struct Client {
    tally: Tally,
    ends_at_ms: u64,
    read_at_ms: u64,
    /// What the store has of our own count.
    written: u64,
    written_at_ms: Option<u64>,
    /// Somebody is writing, and has until then.
    writing_until_ms: u64,
    failed_at_ms: Option<u64>,
}

/// A free request was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many are left.
    pub remaining: u64,
    /// Whether the caller has to see to it that the count is written.
    pub must_write: bool,
}

/// A write that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The value of the key.
    pub value: String,
    /// In how many seconds the store may forget it.
    pub ttl_s: u64,
    own: u64,
}

/// Why a write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvWriteError {
    /// Another isolate wrote this key in the same second.
    Busy,
    /// KV does not accept writes.
    Broken,
}

impl KvWriteError {
    /// Classifies an error of Workers KV by the HTTP status in its message, `KV PUT failed: <status> <reason>`.
    pub fn from_message(message: &str) -> Self {
        let status = message.strip_prefix("KV PUT failed: ").and_then(|rest| rest.split(' ').next());
        match status.and_then(|status| status.parse::<u16>().ok()) {
            Some(429) => Self::Busy,
            _ => Self::Broken,
        }
    }
}

impl KvCounters {
    /// KvCounters of an isolate with a name that no other has: letters and digits.
    pub fn new(isolate: String) -> Self {
        Self { isolate, clients: BTreeMap::new(), failed_at_ms: None, swept_ms: 0 }
    }

    /// Whether the store must be read before the next [`take`](Self::take).
    ///
    /// # Errors
    /// Where the client is not let in free whatever the store says.
    pub fn needs_read(&mut self, key: &str, now_ms: u64) -> Result<bool, FreeTierDenied> {
        if is_recent(self.failed_at_ms, now_ms) {
            return Err(FreeTierDenied::StoreUnwritable);
        }
        if let Some(client) = self.clients.get(key) {
            if is_recent(client.failed_at_ms, now_ms) {
                return Err(FreeTierDenied::StoreUnwritable);
            }
            return Ok(now_ms.saturating_sub(client.read_at_ms) >= WRITE_EVERY_MS);
        }
        if self.clients.len() >= MAX_CLIENTS && now_ms.saturating_sub(self.swept_ms) >= SWEEP_MS {
            keep_where(&mut self.clients, |client| !client.may_be_forgotten(&self.isolate, now_ms));
            self.swept_ms = now_ms;
        }
        if self.clients.len() >= MAX_CLIENTS {
            return Err(FreeTierDenied::TooManyClients);
        }
        Ok(true)
    }

    /// Merges what the store says of a client, `None` for nothing.
    ///
    /// # Errors
    /// Where the value is none of ours.
    pub fn merge(
        &mut self,
        key: &str,
        value: Option<&str>,
        ends_at_ms: u64,
        now_ms: u64,
    ) -> Result<(), FreeTierDenied> {
        let stored = Tally::parse(value.unwrap_or_default()).ok_or(FreeTierDenied::StoreUnreadable)?;
        let client = self.clients.entry(key.to_owned()).or_insert_with(|| Client::new(ends_at_ms));
        client.tally.merge(stored);
        client.read_at_ms = now_ms;
        Ok(())
    }

    /// Takes one free request of a quota.
    ///
    /// # Errors
    /// Where none is left.
    pub fn take(&mut self, key: &str, quota: u64, now_ms: u64) -> Result<Taken, FreeTierDenied> {
        let client = self.clients.get_mut(key).ok_or(FreeTierDenied::StoreUnreadable)?;
        let remaining = quota.checked_sub(client.tally.total()).and_then(|left| left.checked_sub(1));
        let remaining = remaining.ok_or(FreeTierDenied::UsedUp)?;
        client.tally.add(&self.isolate);
        let must_write = client.writing_until_ms <= now_ms;
        if must_write {
            client.writing_until_ms = now_ms.saturating_add(WRITE_LEASE_MS);
        }
        Ok(Taken { remaining, must_write })
    }

    /// In how many milliseconds a key may be written; `None` where there is nothing to write.
    pub fn write_in_ms(&self, key: &str, now_ms: u64) -> Option<u64> {
        let client = self.clients.get(key).filter(|client| client.is_dirty(&self.isolate))?;
        let next_ms = client.written_at_ms.map_or(0, |at| at.saturating_add(WRITE_EVERY_MS));
        Some(next_ms.saturating_sub(now_ms))
    }

    /// What to write now.
    pub fn write(&self, key: &str, now_ms: u64) -> Option<Write> {
        let client = self.clients.get(key)?;
        let left_s = client.ends_at_ms.saturating_sub(now_ms).div_ceil(1_000);
        let ttl_s = left_s.saturating_add(MIN_TTL_S);
        Some(Write { value: client.tally.to_text(), ttl_s, own: client.tally.of(&self.isolate) })
    }

    /// Notes how a write ended; gives whether the caller has to write again.
    pub fn wrote(&mut self, key: &str, write: &Write, result: Result<(), KvWriteError>, now_ms: u64) -> bool {
        let Some(client) = self.clients.get_mut(key) else { return false };
        client.written_at_ms = Some(now_ms);
        match result {
            Ok(()) => {
                client.written = client.written.max(write.own);
                client.failed_at_ms = None;
            }
            Err(KvWriteError::Busy) => client.failed_at_ms = Some(now_ms),
            Err(KvWriteError::Broken) => self.failed_at_ms = Some(now_ms),
        }
        let again = result.is_ok() && client.is_dirty(&self.isolate) && client.writing_until_ms > now_ms;
        if !again {
            client.writing_until_ms = 0;
        }
        again
    }
}

impl Client {
    fn new(ends_at_ms: u64) -> Self {
        Self {
            tally: Tally::default(),
            ends_at_ms,
            read_at_ms: 0,
            written: 0,
            written_at_ms: None,
            writing_until_ms: 0,
            failed_at_ms: None,
        }
    }

    /// Its window is over, or others have long seen all that we counted.
    fn may_be_forgotten(&self, isolate: &str, now_ms: u64) -> bool {
        let is_old = |at: u64| now_ms.saturating_sub(at) > STALE_MS;
        self.ends_at_ms <= now_ms || (!self.is_dirty(isolate) && self.written_at_ms.is_none_or(is_old))
    }

    fn is_dirty(&self, isolate: &str) -> bool {
        self.tally.of(isolate) > self.written
    }
}

/// How many each isolate has let in. As text: `name:count,name:count`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally(Vec<(String, u64)>);

impl Tally {
    fn parse(text: &str) -> Option<Self> {
        let count = |part: &str| {
            let (name, count) = part.split_once(':')?;
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
            Some((name.to_owned(), count.parse().ok().filter(|_| is_name)?))
        };
        text.split(',').filter(|part| !part.is_empty()).map(count).collect::<Option<_>>().map(Self)
    }

    fn to_text(&self) -> String {
        self.0.iter().map(|(name, count)| format!("{name}:{count}")).collect::<Vec<_>>().join(",")
    }

    fn total(&self) -> u64 {
        self.0.iter().fold(0, |total, (_, count)| total.saturating_add(*count))
    }

    fn of(&self, name: &str) -> u64 {
        self.0.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
    }

    fn add(&mut self, name: &str) {
        let count = self.of(name).saturating_add(1);
        self.raise(name, count);
    }

    fn merge(&mut self, other: Self) {
        other.0.iter().for_each(|(name, count)| self.raise(name, *count));
    }

    fn raise(&mut self, name: &str, count: u64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = count.max(*known),
            None => self.0.push((name.to_owned(), count)),
        }
    }
}

fn is_recent(failed_at_ms: Option<u64>, now_ms: u64) -> bool {
    failed_at_ms.is_some_and(|at| now_ms.saturating_sub(at) < CLOSED_AFTER_FAILURE_MS)
}

/// The store takes one write a second for a key, and what it says is not asked for more often.
const WRITE_EVERY_MS: u64 = 1_000;
/// Whoever writes may live for half a minute behind its answer; if it did not, another takes over.
const WRITE_LEASE_MS: u64 = 20_000;
/// The store keeps a value for at least a minute.
const MIN_TTL_S: u64 = 60;
const CLOSED_AFTER_FAILURE_MS: u64 = 60_000;
/// How old a value may be that the store gives, and more.
const STALE_MS: u64 = 120_000;
/// Clients that it remembers, at some 200 bytes each.
const SWEEP_MS: u64 = 1_000;
const MAX_CLIENTS: usize = 20_000;
