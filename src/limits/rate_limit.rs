//! Rate limits. A rate limit is the highest number of events that is admitted in any 60 seconds.
//!
//! Events are counted in slots of 5 seconds, so that little is stored. A slot counts until 60 seconds after its end. So
//! no event is forgotten too early, and the limit is never exceeded.

use std::collections::BTreeMap;

use serde::Serialize;

use super::keep_where;
use crate::strict_json::{FromJson, Json};

/// The number of events in the last minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlidingWindow {
    /// Each slot's number (the Unix time divided by 5 seconds) and its count of events, the oldest slot first.
    slots: Vec<(u64, u64)>,
}

impl SlidingWindow {
    pub const EMPTY: Self = Self { slots: Vec::new() };

    /// Admits one event if fewer than `limit` events were admitted in the last minute.
    ///
    /// # Errors
    /// Returns the milliseconds until the next event can be admitted.
    pub fn admit(&mut self, limit: u64, now_ms: u64) -> Result<(), u64> {
        self.check(limit, now_ms)?;
        self.add(1, now_ms);
        Ok(())
    }

    /// Fails as [`admit`](Self::admit) does, without counting an event.
    fn check(&mut self, limit: u64, now_ms: u64) -> Result<(), u64> {
        if self.count(now_ms) < limit {
            return Ok(());
        }
        let oldest = self.slots.first();
        Err(oldest.map_or(SLOT_MS, |(slot, _)| counts_until_ms(*slot).saturating_sub(now_ms)))
    }

    /// Counts events that happen before the end of the current slot ([`slot_left_ms`]).
    pub(super) fn add(&mut self, events: u64, now_ms: u64) {
        let slot = now_ms.checked_div(SLOT_MS).unwrap_or_default();
        match self.slots.last_mut() {
            // If the clock went back, the events count in the latest slot.
            Some((last, count)) if *last >= slot => *count = count.saturating_add(events),
            _ => self.slots.push((slot, events)),
        }
    }

    /// Returns the number of events in the last minute. Forgets earlier events.
    pub fn count(&mut self, now_ms: u64) -> u64 {
        // If the clock went back, later events count as events of now. Otherwise they would count until the clock has reached
        // their time again, and the limit would refuse everything until then.
        let slot = now_ms.checked_div(SLOT_MS).unwrap_or_default();
        self.slots.iter_mut().for_each(|(at, _)| *at = slot.min(*at));
        self.slots.retain(|(slot, _)| counts_until_ms(*slot) > now_ms);
        self.slots.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn is_idle(&self, now_ms: u64) -> bool {
        self.slots.iter().all(|(slot, _)| counts_until_ms(*slot) <= now_ms)
    }
}

impl FromJson for SlidingWindow {
    fn from_json(json: &Json) -> Option<Self> {
        let slot = |json: &Json| match json.as_array()? {
            [slot, count] => Some((slot.as_u64()?, count.as_u64()?)),
            _ => None,
        };
        let slots = json.get("slots")?.as_array()?.iter().map(slot).collect::<Option<_>>()?;
        Some(Self { slots })
    }
}

/// A sliding window for each client. Any text can identify a client. Some callers use a payment hash or the token of a
/// webhook as this text, to limit the events of one payment.
#[derive(Default)]
pub struct ClientLimits {
    clients: BTreeMap<String, SlidingWindow>,
    /// The time of the last sweep, which removes the clients without events in the last minute. A sweep for each new
    /// client would take too long.
    swept_ms: u64,
}

impl ClientLimits {
    /// Checks that [`admit`](Self::admit) would admit an event of a client.
    ///
    /// # Errors
    /// Returns the milliseconds until the next event of the client can be admitted.
    pub fn check(&mut self, client: &str, limit: u64, now_ms: u64) -> Result<(), u64> {
        self.clients.get_mut(client).map_or(Ok(()), |window| window.check(limit, now_ms))
    }

    /// Admits one event of a client. While the map is full, all new clients share one window, so that memory is
    /// limited.
    ///
    /// # Errors
    /// Returns the milliseconds until the next event of the client can be admitted.
    pub fn admit(&mut self, client: &str, limit: u64, now_ms: u64) -> Result<(), u64> {
        if self.is_full_for(client) && now_ms.saturating_sub(self.swept_ms) >= SLOT_MS {
            keep_where(&mut self.clients, |window| !window.is_idle(now_ms));
            self.swept_ms = now_ms;
        }
        let client = if self.is_full_for(client) { "" } else { client };
        self.clients.entry(client.to_owned()).or_default().admit(limit, now_ms)
    }

    /// Whether a client had no event in the last minute.
    pub(super) fn is_idle(&self, client: &str, now_ms: u64) -> bool {
        self.clients.get(client).is_none_or(|window| window.is_idle(now_ms))
    }

    fn is_full_for(&self, client: &str) -> bool {
        self.clients.len() >= MAX_CLIENTS && !self.clients.contains_key(client)
    }
}

/// Returns the milliseconds until the end of the current slot.
pub(super) fn slot_left_ms(now_ms: u64) -> u64 {
    SLOT_MS.saturating_sub(now_ms.checked_rem(SLOT_MS).unwrap_or_default())
}

/// Returns when the events of a slot stop counting, in Unix milliseconds.
fn counts_until_ms(slot: u64) -> u64 {
    slot.saturating_add(1).saturating_mul(SLOT_MS).saturating_add(WINDOW_MS)
}

pub(super) const WINDOW_MS: u64 = 60_000;
pub(super) const SLOT_MS: u64 = 5_000;
/// The longest time until the next event can be admitted, if the clock does not go back.
pub const MAX_WAIT_MS: u64 = WINDOW_MS.saturating_add(SLOT_MS);
const MAX_CLIENTS: usize = 10_000;
