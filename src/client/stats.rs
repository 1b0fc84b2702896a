//! Sums of the journal.

use serde::Serialize;

use super::journal::{Payment, State};

/// The sums of a journal. The names are those of lightning-toll's `get_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Amounts and fees in satoshis, with payments of which it is not known whether they were made.
    pub total_spent: u64,
    /// Payments that were made or may have been made.
    pub payment_count: u64,
    /// Credentials that can be used.
    pub cached_credentials: u64,
}

impl Stats {
    pub(super) fn of(payments: &[Payment]) -> Self {
        let count = |fits: &dyn Fn(&&Payment) -> bool| payments.iter().filter(fits).count() as u64;
        Self {
            total_spent: payments.iter().filter(|payment| payment.counts()).map(Payment::spent_sats).sum(),
            payment_count: count(&|payment| payment.counts()),
            cached_credentials: count(&|payment| payment.state == State::Paid),
        }
    }
}
