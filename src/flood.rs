//! How often one may ask: so many times in any minute. Counted in slots, so that what is kept is small; a slot counts until
//! its last moment is a minute old, so never more are let through.

use std::collections::BTreeMap;

/// What was let through in the last minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Slots by number, oldest first, and how many were let through in each.
    slots: Vec<(u64, u64)>,
}

impl Minute {
    /// Lets one through.
    ///
    /// # Errors
    /// Where `limit` were; in how many milliseconds one may come again.
    pub fn take(&mut self, limit: u64, now_ms: u64) -> Result<(), u64> {
        self.slots.retain(|(slot, _)| leaves_ms(*slot) > now_ms);
        let taken = self.slots.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if taken >= limit {
            let oldest =
                self.slots.first().map_or(SLOT_MS, |(slot, _)| leaves_ms(*slot).saturating_sub(now_ms));
            return Err(oldest);
        }
        let slot = now_ms.checked_div(SLOT_MS).unwrap_or_default();
        match self.slots.last_mut() {
            // A clock that went back counts in the slot that it left.
            Some((last, count)) if *last >= slot => *count = count.saturating_add(1),
            _ => self.slots.push((slot, 1)),
        }
        Ok(())
    }

    /// As it is stored.
    pub fn to_text(&self) -> String {
        let slots: Vec<String> = self.slots.iter().map(|(slot, count)| format!("{slot}:{count}")).collect();
        slots.join(" ")
    }

    /// Reads what was stored.
    pub fn parse(text: &str) -> Option<Self> {
        let slot = |part: &str| -> Option<(u64, u64)> {
            let (slot, count) = part.split_once(':')?;
            Some((slot.parse().ok()?, count.parse().ok()?))
        };
        let slots = text.split(' ').filter(|part| !part.is_empty()).map(slot).collect::<Option<_>>()?;
        Some(Self { slots })
    }

    fn is_idle(&self, now_ms: u64) -> bool {
        self.slots.iter().all(|(slot, _)| leaves_ms(*slot) <= now_ms)
    }
}

/// The same for each of many.
#[derive(Default)]
pub struct Minutes {
    known: BTreeMap<String, Minute>,
    /// When those that are idle were forgotten last: to look through all of them for each newcomer would take long.
    swept_ms: u64,
}

impl Minutes {
    /// Lets one of this name through. Where there are too many names, new ones count together.
    ///
    /// # Errors
    /// Where `limit` of it were; in how many milliseconds one may come again.
    pub fn take(&mut self, name: &str, limit: u64, now_ms: u64) -> Result<(), u64> {
        let is_full =
            |known: &BTreeMap<String, Minute>| known.len() >= MAX_NAMES && !known.contains_key(name);
        if is_full(&self.known) && now_ms.saturating_sub(self.swept_ms) >= SLOT_MS {
            self.known.retain(|_, minute| !minute.is_idle(now_ms));
            self.swept_ms = now_ms;
        }
        let name = if is_full(&self.known) { "" } else { name };
        self.known.entry(name.to_owned()).or_default().take(limit, now_ms)
    }
}

/// When nothing of a slot is younger than a minute.
fn leaves_ms(slot: u64) -> u64 {
    slot.saturating_add(1).saturating_mul(SLOT_MS).saturating_add(MINUTE_MS)
}

const MINUTE_MS: u64 = 60_000;
const SLOT_MS: u64 = 5_000;
const MAX_NAMES: usize = 10_000;
