//! Counts free requests approximately in Workers KV. A value that KV returns can be a minute old, and KV accepts one
//! write per key and second.
//!
//! The value of a key is a grow-only counter: each isolate has its own count in the value, and raises only this count.
//! An isolate counts in memory, merges the stored value into its counter, and writes the counter at most once a second.
//! If two isolates write at the same time, KV keeps only one of the two values. The other isolate's count is missing in
//! KV until that isolate writes again.
//!
//! No isolate alone grants a client more free requests than the quota. So a client gets at most the quota times the
//! number of isolates that serve this client in a window. This limit also holds if a count is never written to KV. So
//! an isolate may stop writing: the number of its writes per day is limited. Otherwise clients could use up the writes
//! of the owner's Cloudflare plan.

use std::collections::BTreeMap;

use super::FreeTierDenied;
use crate::limits::keep_where;

/// The free requests that one isolate has counted.
pub struct KvCounters {
    /// The name of this isolate in the stored values.
    isolate: String,
    clients: BTreeMap<String, Client>,
    /// The day in UTC of the last write (days since the Unix epoch), and the number of writes on that day.
    writes: (u64, u64),
    /// When a write of any key last failed with [`KvWriteError::Broken`].
    failed_at_ms: Option<u64>,
    /// When clients were last removed from memory. Removing clients for each new client would take too long.
    swept_ms: u64,
}

/// One client on one route in one window.
struct Client {
    counts: GrowOnlyCounter,
    window_ends_ms: u64,
    read_at_ms: u64,
    /// This isolate's count in the last successful write.
    written: u64,
    written_at_ms: Option<u64>,
    /// Until when a task of this isolate is responsible for writing the key.
    write_lease_until_ms: u64,
    failed_at_ms: Option<u64>,
}

/// A granted free request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many free requests remain.
    pub remaining: u64,
    /// Whether the caller must write the count to KV. If not, another task of this isolate writes the count.
    pub must_write: bool,
}

/// A value to write to KV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub value: String,
    /// After how many seconds KV may delete the key.
    pub ttl_s: u64,
    /// The part of the count in `value` that this isolate has added.
    own: u64,
}

/// Why a write to KV failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvWriteError {
    /// Another isolate wrote this key in the same second, so the write can be repeated.
    Busy,
    /// The write failed for any other reason than [`Busy`](Self::Busy).
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
    /// Returns counters without clients. `isolate` is a unique name for this isolate, of letters and digits.
    pub fn new(isolate: String) -> Self {
        Self { isolate, clients: BTreeMap::new(), writes: (0, 0), failed_at_ms: None, swept_ms: 0 }
    }

    /// Whether the stored value of a key must be read and merged before the next [`take`](Self::take). If the quota is known to be
    /// used up, KV is not read again in this window.
    ///
    /// # Errors
    /// Fails in three cases, in which the request is not free:
    /// 1. In the last minute, a write of this key was [`Busy`](KvWriteError::Busy).
    /// 2. In the last minute, a write of any key was [`Broken`](KvWriteError::Broken).
    /// 3. The key is new, and the isolate already remembers the maximum number of clients.
    pub fn needs_read(&mut self, key: &str, quota: u64, now_ms: u64) -> Result<bool, FreeTierDenied> {
        if is_recent_failure(self.failed_at_ms, now_ms) {
            return Err(FreeTierDenied::StoreUnwritable);
        }
        if let Some(client) = self.clients.get(key) {
            if is_recent_failure(client.failed_at_ms, now_ms) {
                return Err(FreeTierDenied::StoreUnwritable);
            }
            let is_old = now_ms.saturating_sub(client.read_at_ms) >= WRITE_INTERVAL_MS;
            return Ok(is_old && client.counts.total() < quota);
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

    /// Merges the stored value of a key into the count. `value` is `None` if KV does not have the key.
    ///
    /// # Errors
    /// Fails if the value is malformed.
    pub fn merge(
        &mut self,
        key: &str,
        value: Option<&str>,
        window_ends_ms: u64,
        now_ms: u64,
    ) -> Result<(), FreeTierDenied> {
        let stored =
            GrowOnlyCounter::parse(value.unwrap_or_default()).ok_or(FreeTierDenied::StoreUnreadable)?;
        let client = self.clients.entry(key.to_owned()).or_insert_with(|| Client::new(window_ends_ms));
        client.counts.merge(stored);
        client.read_at_ms = now_ms;
        Ok(())
    }

    /// Takes one free request of the quota.
    ///
    /// # Errors
    /// Fails if no free request remains, or if [`merge`](Self::merge) was never called for the key.
    pub fn take(
        &mut self,
        key: &str,
        quota: u64,
        writes_per_day: u64,
        now_ms: u64,
    ) -> Result<Taken, FreeTierDenied> {
        let may_write = self.writes_on(day_of(now_ms)) < writes_per_day;
        let client = self.clients.get_mut(key).ok_or(FreeTierDenied::StoreUnreadable)?;
        let remaining = quota.checked_sub(client.counts.total()).and_then(|left| left.checked_sub(1));
        let remaining = remaining.ok_or(FreeTierDenied::UsedUp)?;
        client.counts.increment(&self.isolate);
        let must_write = may_write && client.write_lease_until_ms <= now_ms;
        if must_write {
            client.write_lease_until_ms = now_ms.saturating_add(WRITE_LEASE_MS);
        }
        Ok(Taken { remaining, must_write })
    }

    /// Returns in how many milliseconds the key may be written; `None` if KV has every free request that this isolate
    /// has counted for the key.
    pub fn write_in_ms(&self, key: &str, now_ms: u64) -> Option<u64> {
        let client = self.clients.get(key).filter(|client| client.is_dirty(&self.isolate))?;
        let next_ms = client.written_at_ms.map_or(0, |at| at.saturating_add(WRITE_INTERVAL_MS));
        Some(next_ms.saturating_sub(now_ms))
    }

    /// Returns the value to write to KV now, and counts the write. Returns `None` if the isolate does not remember the
    /// key, or has made `writes_per_day` writes on this day in UTC.
    pub fn write(&mut self, key: &str, writes_per_day: u64, now_ms: u64) -> Option<Write> {
        let day = day_of(now_ms);
        let writes = self.writes_on(day);
        let client = self.clients.get(key).filter(|_| writes < writes_per_day)?;
        self.writes = (day, writes.saturating_add(1));
        let left_s = client.window_ends_ms.saturating_sub(now_ms).div_ceil(1_000);
        let ttl_s = left_s.saturating_add(MIN_TTL_S);
        Some(Write { value: client.counts.to_text(), ttl_s, own: client.counts.of(&self.isolate) })
    }

    /// Records the result of a write to KV. Returns whether the caller must write again, because this isolate counted
    /// more requests during the write.
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
        let must_write_again =
            result.is_ok() && client.is_dirty(&self.isolate) && client.write_lease_until_ms > now_ms;
        if !must_write_again {
            client.write_lease_until_ms = 0;
        }
        must_write_again
    }

    fn writes_on(&self, day: u64) -> u64 {
        let (last_day, writes) = self.writes;
        if last_day == day { writes } else { 0 }
    }
}

impl Client {
    fn new(window_ends_ms: u64) -> Self {
        Self {
            counts: GrowOnlyCounter::default(),
            window_ends_ms,
            read_at_ms: 0,
            written: 0,
            written_at_ms: None,
            write_lease_until_ms: 0,
            failed_at_ms: None,
        }
    }

    /// Whether the client can be removed from memory without losing a count. This is so in two cases:
    /// 1. The window is over.
    /// 2. KV has every request that this isolate has counted, and all isolates can read the stored value.
    fn may_be_forgotten(&self, isolate: &str, now_ms: u64) -> bool {
        let is_visible = |written_at: u64| now_ms.saturating_sub(written_at) > VISIBLE_AFTER_MS;
        self.window_ends_ms <= now_ms
            || (!self.is_dirty(isolate) && self.written_at_ms.is_none_or(is_visible))
    }

    /// Whether this isolate has counted requests that are not written to KV yet.
    fn is_dirty(&self, isolate: &str) -> bool {
        self.counts.of(isolate) > self.written
    }
}

/// The number of free requests that each isolate has granted. As text: `isolate:count,isolate:count`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct GrowOnlyCounter(Vec<(String, u64)>);

impl GrowOnlyCounter {
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

    fn increment(&mut self, name: &str) {
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

fn day_of(now_ms: u64) -> u64 {
    now_ms.checked_div(DAY_MS).unwrap_or_default()
}

fn is_recent_failure(failed_at_ms: Option<u64>, now_ms: u64) -> bool {
    // If the clock went back, a failure in the future is not recent.
    failed_at_ms.is_some_and(|at| now_ms.abs_diff(at) < NO_GRANTS_AFTER_FAILURE_MS)
}

const DAY_MS: u64 = 86_400_000;
/// KV accepts one write per key and second. An isolate does not read a key more often either.
const WRITE_INTERVAL_MS: u64 = 1_000;
/// How long one task is responsible for writing a key, before another task may take over. The runtime may end a task 30
/// seconds after the response.
const WRITE_LEASE_MS: u64 = 20_000;
/// The shortest expiry of a key that KV accepts.
const MIN_TTL_S: u64 = 60;
/// For this time after a failed write, no request is free. The other isolates do not know the count that was not
/// written, so a client could otherwise get more free requests than the quota.
const NO_GRANTS_AFTER_FAILURE_MS: u64 = 60_000;
/// This time after a write, all isolates can read the written value. A value that KV returns can be a minute old. The
/// constant is twice as long.
const VISIBLE_AFTER_MS: u64 = 120_000;
const SWEEP_MS: u64 = 1_000;
/// The maximum number of clients that an isolate remembers. Each client takes about 200 bytes of memory.
const MAX_CLIENTS: usize = 20_000;
