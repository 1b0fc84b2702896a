//! Limits the new clients in the free tier. Otherwise an attacker with many addresses would get the free requests of
//! each address. The new clients of one IPv6 /48 network have a limit of their own. Otherwise the owner of a network could
//! use up the limit for all clients.

use std::collections::BTreeMap;

use super::FreeTierDenied;
use crate::limits::keep_where;
use crate::limits::rate_limit::{ClientLimits, SlidingWindow};

/// The clients that an isolate remembers, and the number of new clients in the last minute.
pub struct NewClients {
    last_seen_ms: BTreeMap<String, u64>,
    admitted: SlidingWindow,
    networks: ClientLimits,
    /// The time of the last sweep, which removes clients that were not seen for ten minutes. There is at most one sweep
    /// a minute, because a sweep for each new client would take too long.
    swept_ms: u64,
}

impl Default for NewClients {
    fn default() -> Self {
        Self {
            last_seen_ms: BTreeMap::new(),
            admitted: SlidingWindow::EMPTY,
            networks: ClientLimits::default(),
            swept_ms: 0,
        }
    }
}

impl NewClients {
    /// Admits a client. A known client is always admitted. `network` is the IPv6 /48 network of the client, if it has one.
    ///
    /// # Errors
    /// Fails for a new client in three cases: 50 new clients of its network were admitted in the last minute, 1,000 new
    /// clients of all networks were admitted in the last minute, or the isolate remembers 20,000 clients.
    pub fn admit(&mut self, client: &str, network: Option<&str>, now_ms: u64) -> Result<(), FreeTierDenied> {
        if let Some(seen_ms) = self.last_seen_ms.get_mut(client) {
            *seen_ms = now_ms;
            return Ok(());
        }
        if now_ms.saturating_sub(self.swept_ms) >= SWEEP_MS {
            let is_recent = |seen_ms: &u64| now_ms.saturating_sub(*seen_ms) < FORGET_AFTER_MS;
            keep_where(&mut self.last_seen_ms, is_recent);
            self.swept_ms = now_ms;
        }
        let networks = &mut self.networks;
        if self.last_seen_ms.len() >= MAX_CLIENTS
            || network.is_some_and(|one| networks.admit(one, MAX_NEW_PER_NETWORK, now_ms).is_err())
            || self.admitted.admit(MAX_NEW_PER_MINUTE, now_ms).is_err()
        {
            return Err(FreeTierDenied::TooManyClients);
        }
        self.last_seen_ms.insert(client.to_owned(), now_ms);
        Ok(())
    }
}

const MAX_NEW_PER_MINUTE: u64 = 1_000;
const MAX_NEW_PER_NETWORK: u64 = 50;
const MAX_CLIENTS: usize = 20_000;
const SWEEP_MS: u64 = 60_000;
const FORGET_AFTER_MS: u64 = 600_000;
