//! Whether a payment has really arrived. A preimage alone can be had without paying: from an LNbits before 1.6.0 by anybody
//! who asks, and from any FakeWallet or chained LNbits by "paying" an expired invoice within the same instance.

use std::collections::BTreeMap;

use super::probe::Probe;
use crate::l402::preimage::PaymentHash;
use crate::l402::verify::Grant;
use crate::policy::settlement::Settlement;

/// Whether the preimage shows that the payment has arrived. `probe` is what is known of the wallet that made the invoice.
pub fn trusts_preimage(settlement: Settlement, probe: Probe, grant: &Grant, now_unix: u64) -> bool {
    if !grant.is_proven {
        return false;
    }
    // The invoice of another server is not ours to ask about.
    grant.is_foreign
        || match settlement {
            Settlement::Preimage => true,
            Settlement::Lnbits => false,
            Settlement::Auto => {
                probe == Probe::Sealed
                    && grant
                        .payable_until_unix
                        .is_some_and(|until| now_unix.saturating_add(MARGIN_S) <= until)
            }
        }
}

/// The payments that are known to have arrived, by their hash, and how long that is of use. Only a yes is remembered.
#[derive(Default)]
pub struct Settled {
    known: BTreeMap<String, u64>,
    /// When those that have ended were forgotten last.
    swept_unix: u64,
}

impl Settled {
    /// Whether this payment has arrived.
    pub fn knows(&self, payment_hash: &PaymentHash) -> bool {
        self.known.contains_key(&payment_hash.to_hex())
    }

    /// Remembers it until the credential ends.
    pub fn remember(&mut self, payment_hash: &PaymentHash, until_unix: u64, now_unix: u64) {
        if self.known.len() >= MAX_KNOWN && now_unix.saturating_sub(self.swept_unix) >= SWEEP_S {
            self.known.retain(|_, until_unix| *until_unix >= now_unix);
            self.swept_unix = now_unix;
        }
        if self.known.len() < MAX_KNOWN {
            self.known.insert(payment_hash.to_hex(), until_unix);
        }
    }
}

/// Clocks count from different beginnings of a second, and LNbits' may run a little faster than ours.
const MARGIN_S: u64 = 5;
/// Two megabytes of them; what is not remembered is asked again.
const MAX_KNOWN: usize = 10_000;
const SWEEP_S: u64 = 10;
