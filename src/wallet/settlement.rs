//! Settlement: whether the payment for a credential has settled.
//!
//! A preimage alone does not always prove the payment. An LNbits server before 1.6.0 gives the preimage of an unpaid
//! invoice to everyone. If a payer on the same LNbits server tries to pay an expired invoice, LNbits may return the
//! preimage although no money moves.

use std::collections::BTreeMap;

use super::probe::Probe;
use crate::limits::keep_where;
use crate::payment::PaymentHash;
use crate::policy::settlement::SettlementMode;
use crate::protocols::l402::verify::Grant;

/// Whether the preimage of a credential proves the payment. `probe` is the result for the wallet that created the
/// invoice.
pub fn trusts_preimage(mode: SettlementMode, probe: Probe, grant: &Grant, now_unix: u64) -> bool {
    if !grant.is_proven {
        return false;
    }
    // The configured wallets do not know the invoices of another issuer, so the preimage must suffice.
    grant.other_issuer
        || match mode {
            SettlementMode::Preimage => true,
            SettlementMode::Lnbits => false,
            SettlementMode::Auto => {
                probe == Probe::PreimageHidden
                    && grant
                        .payable_until_unix
                        .is_some_and(|until| now_unix.saturating_add(MARGIN_S) <= until)
            }
        }
}

/// Payments that are known to be settled, and until when each is remembered. Unsettled payments are not remembered.
#[derive(Default)]
pub struct SettledPayments {
    known: BTreeMap<String, u64>,
    /// When expired entries were last removed.
    swept_unix: u64,
}

impl SettledPayments {
    pub fn contains(&self, payment_hash: &PaymentHash) -> bool {
        self.known.contains_key(&payment_hash.to_hex())
    }

    /// Remembers a payment, which may be forgotten after `until_unix`. A full map remembers no new payment.
    pub fn insert(&mut self, payment_hash: &PaymentHash, until_unix: u64, now_unix: u64) {
        if self.known.len() >= MAX_KNOWN && now_unix.saturating_sub(self.swept_unix) >= SWEEP_S {
            keep_where(&mut self.known, |until_unix| *until_unix >= now_unix);
            self.swept_unix = now_unix;
        }
        if self.known.len() < MAX_KNOWN {
            self.known.insert(payment_hash.to_hex(), until_unix);
        }
    }
}

/// The payments that requests of an isolate look up now. Other requests with the same payment wait for the result, so that a
/// payment is looked up once and stored once.
#[derive(Default)]
pub struct RunningLookUps {
    running: Vec<(PaymentHash, u64)>,
    failed: Vec<(PaymentHash, u64)>,
}

impl RunningLookUps {
    /// Marks that a request looks up a payment. If another request does so already, returns when its mark ends: the runtime may cancel
    /// the request. With too many marks, no further one is set.
    pub fn begin(&mut self, payment_hash: PaymentHash, now_ms: u64) -> Option<u64> {
        let Self { running, failed } = self;
        running.retain(|(_, until_ms)| now_ms < *until_ms);
        failed.retain(|(_, until_ms)| now_ms < *until_ms);
        if let Some((_, until_ms)) = running.iter().find(|(hash, _)| *hash == payment_hash) {
            return Some(*until_ms);
        }
        if running.len() < MAX_RUNNING {
            running.push((payment_hash, now_ms.saturating_add(LOOK_UP_MS)));
        }
        None
    }

    /// Whether the look-up with this mark still runs.
    pub fn is_running(&self, payment_hash: PaymentHash, until_ms: u64, now_ms: u64) -> bool {
        now_ms < until_ms && self.running.contains(&(payment_hash, until_ms))
    }

    /// Whether the look-up with this mark failed, so that the status of the payment is not known.
    pub fn has_failed(&self, payment_hash: PaymentHash, until_ms: u64) -> bool {
        self.failed.contains(&(payment_hash, until_ms))
    }

    pub fn end(&mut self, payment_hash: PaymentHash, has_failed: bool) {
        let Self { running, failed } = self;
        let Some(at) = running.iter().position(|(hash, _)| *hash == payment_hash) else { return };
        let mark = running.swap_remove(at);
        if has_failed && failed.len() < MAX_RUNNING {
            failed.push(mark);
        }
    }
}

/// In the last seconds before an invoice expires, its preimage is not trusted. If the clock of LNbits is ahead of the
/// Worker's clock, the invoice may have expired for LNbits.
const MARGIN_S: u64 = 5;
/// This number of payments takes about two megabytes. A payment that is not remembered is looked up again.
const MAX_KNOWN: usize = 10_000;
const SWEEP_S: u64 = 10;
/// With more look-ups at a time, a payment may be looked up twice.
const MAX_RUNNING: usize = 200;
/// Longer than the time limits of one look-up in total.
const LOOK_UP_MS: u64 = 10_000;
