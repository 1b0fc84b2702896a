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
                probe == Probe::Sealed && grant.payable_until_unix.is_some_and(|until| now_unix <= until)
            }
        }
}

/// The payments that are known to have arrived. Only a yes is remembered.
#[derive(Default)]
pub struct Settled(BTreeMap<[u8; 32], u64>);

impl Settled {
    /// Whether this payment has arrived.
    pub fn knows(&self, payment_hash: &PaymentHash) -> bool {
        self.0.contains_key(payment_hash.as_bytes())
    }

    /// Remembers it until the credential ends.
    pub fn remember(&mut self, payment_hash: &PaymentHash, until_unix: u64, now_unix: u64) {
        if self.0.len() >= MAX_KNOWN {
            self.0.retain(|_, until_unix| *until_unix >= now_unix);
        }
        if self.0.len() < MAX_KNOWN {
            self.0.insert(*payment_hash.as_bytes(), until_unix);
        }
    }
}

/// One megabyte of them; what is not remembered is asked again.
const MAX_KNOWN: usize = 10_000;
