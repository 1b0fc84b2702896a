//! Limits the free requests of the clients of one IPv6 /48 network together. Otherwise the owner of a network would get
//! the free requests of each of its 65,536 clients.

use std::collections::BTreeMap;
use std::mem;

use super::{FreeTier, FreeTierDenied};

/// The free requests that an isolate has granted to each network in each window.
#[derive(Default)]
pub struct NetworkShares(BTreeMap<String, u64>);

impl NetworkShares {
    /// Takes one free request from the share of a network. `key` identifies the route, the network and the window.
    ///
    /// # Errors
    /// Fails if the share is used up.
    pub fn take(&mut self, key: &str, tier: FreeTier) -> Result<(), FreeTierDenied> {
        // A full map is emptied. An attacker gains nothing by filling the map: this needs as many networks, and each of
        // them has a share of its own anyway.
        if self.0.len() >= MAX_SHARES && !self.0.contains_key(key) {
            mem::take(&mut self.0);
        }
        let used = self.0.entry(key.to_owned()).or_default();
        if *used >= tier.requests.saturating_mul(CLIENTS_PER_NETWORK) {
            return Err(FreeTierDenied::NetworkUsedUp);
        }
        *used = used.saturating_add(1);
        Ok(())
    }

    /// Returns one free request to the share of a network. The client did not get this request, because the client's
    /// own free requests are used up or cannot be counted.
    pub fn give_back(&mut self, key: &str) {
        if let Some(used) = self.0.get_mut(key) {
            *used = used.saturating_sub(1);
        }
    }
}

/// The clients of a network together get as many free requests as four clients.
const CLIENTS_PER_NETWORK: u64 = 4;
const MAX_SHARES: usize = 20_000;
