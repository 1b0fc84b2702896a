//! The budgets, and what earlier payments say against a new one.

use std::collections::BTreeMap;

use super::bill::BadOffer;
use super::builder::Limits;
use super::error::{BudgetScope, ClientError};
use super::journal::{Payment, State};
use super::stats::{BUDGET_PERIOD_S, Spent};

/// Returns a payment that may be made beside all others.
///
/// # Errors
/// Returns why it must not be made.
pub fn check(
    all: &BTreeMap<String, Payment>,
    payment: Payment,
    limits: &Limits,
    now_unix: u64,
) -> Result<Payment, ClientError> {
    if let Some(same) = all.get(&payment.payment_hash).filter(|same| same.counts()) {
        return Err(BadOffer::PaidBefore(same.origin.clone()).into());
    }
    let is_recent = |other: &&Payment| {
        other.host == payment.host && other.at_unix.saturating_add(BUDGET_PERIOD_S) > now_unix
    };
    let of_host = || all.values().filter(is_recent);
    let is_unserved =
        |other: &&Payment| !other.was_accepted && (other.was_unserved || other.state == State::Used);
    let has_served = of_host().any(|other| other.was_accepted);
    let unserved = of_host().filter(is_unserved).nth(MAX_UNSERVED - 1).filter(|_| !has_served);
    let refused = of_host().find(|other| other.was_refused).or(unserved);
    if let Some(refused) = refused.filter(|_| !limits.pays_again) {
        return Err(ClientError::NotHonoured { host: payment.host, payment: Box::new(refused.clone()) });
    }
    let spent = Spent::of(all.values(), now_unix);
    let of_host = spent.by_host.get(&payment.host).copied().unwrap_or_default();
    let price_sats = payment.amount_sats;
    let budgets = [
        (limits.budget_sats_per_host.saturating_sub(of_host), BudgetScope::Host),
        (limits.budget_sats.saturating_sub(spent.total_sats), BudgetScope::Total),
    ];
    match budgets.into_iter().find(|(left_sats, _)| price_sats > *left_sats) {
        Some((left_sats, scope)) => Err(ClientError::OverBudget { price_sats, left_sats, scope }),
        None => Ok(payment),
    }
}

/// A host that has accepted no payment is not paid any more after so many payments of a day.
const MAX_UNSERVED: usize = 3;
