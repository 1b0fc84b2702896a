//! How many new clients an isolate lets in free: whoever changes addresses gets no further than the bound.

use std::collections::BTreeMap;

use super::Denied;

/// The clients that an isolate has met, and how many of them in this minute.
#[derive(Default)]
pub struct Newcomers {
    /// When each was last seen.
    known: BTreeMap<String, u64>,
    minute: u64,
    admitted: u64,
}

impl Newcomers {
    /// Meets a client.
    ///
    /// # Errors
    /// Where it is new, and more of them came this minute than are let in.
    pub fn admit(&mut self, client: &str, now_ms: u64) -> Result<(), Denied> {
        if let Some(seen_ms) = self.known.get_mut(client) {
            *seen_ms = now_ms;
            return Ok(());
        }
        let minute = now_ms.checked_div(60_000).unwrap_or_default();
        if minute != self.minute {
            (self.minute, self.admitted) = (minute, 0);
            self.known.retain(|_, seen_ms| now_ms.saturating_sub(*seen_ms) < FORGET_AFTER_MS);
        }
        if self.admitted >= MAX_A_MINUTE || self.known.len() >= MAX_KNOWN {
            return Err(Denied::TooManyClients);
        }
        self.admitted = self.admitted.saturating_add(1);
        self.known.insert(client.to_owned(), now_ms);
        Ok(())
    }
}

const MAX_A_MINUTE: u64 = 1_000;
/// How many it remembers, and for how long since they were last seen.
const MAX_KNOWN: usize = 20_000;
const FORGET_AFTER_MS: u64 = 600_000;
