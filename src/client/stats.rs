//! Sums of the journal.

use std::collections::BTreeMap;

use serde::Serialize;

use super::journal::{Payment, State};

/// The sums of a journal. The names are those of lightning-toll's `get_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Amounts and fees in satoshis, with payments of which it is not known whether they were made.
    pub total_spent: u64,
    /// Calls of this client, in this process.
    pub request_count: u64,
    /// Payments that were made or may have been made.
    pub payment_count: u64,
    /// Credentials that can be used.
    pub cached_credentials: u64,
}

impl Stats {
    pub(super) fn of(payments: &[Payment], request_count: u64) -> Self {
        let count = |fits: &dyn Fn(&&Payment) -> bool| payments.iter().filter(fits).count() as u64;
        let spent = payments.iter().filter(|payment| payment.counts()).map(Payment::spent_sats);
        Self {
            total_spent: spent.fold(0, u64::saturating_add),
            request_count,
            payment_count: count(&|payment| payment.counts()),
            cached_credentials: count(&|payment| payment.state == State::Paid),
        }
    }
}

/// What was spent in the last 24 hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Amounts and fees in satoshis.
    pub total_sats: u64,
    pub by_host: BTreeMap<String, u64>,
}

impl Spent {
    /// Sums the payments that count for the budgets.
    pub(super) fn of<'a>(payments: impl Iterator<Item = &'a Payment>, now_unix: u64) -> Self {
        let mut spent = Self::default();
        let counts = |payment: &&Payment| {
            payment.counts() && payment.at_unix.saturating_add(BUDGET_PERIOD_S) > now_unix
        };
        for payment in payments.filter(counts) {
            let of_host = spent.by_host.entry(payment.host.clone()).or_default();
            *of_host = of_host.saturating_add(payment.spent_sats());
            spent.total_sats = spent.total_sats.saturating_add(payment.spent_sats());
        }
        spent
    }
}

/// The period of the budgets.
pub(super) const BUDGET_PERIOD_S: u64 = 86_400;
