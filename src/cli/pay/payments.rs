//! Runs `edgetoll payments`: the journal, and what can be resumed.

use std::process::ExitCode;

use serde_json::json;

use super::config::Config;
use super::exit::Failure;
use super::print;
use crate::client::TollClient;
use crate::client::journal::{Payment, State};

pub fn run(as_json: bool) -> ExitCode {
    super::run(async |config| show(&config, as_json))
}

fn show(config: &Config, as_json: bool) -> Result<ExitCode, Failure> {
    let client: TollClient = config.client()?.build();
    let payments = client.payments()?;
    if as_json {
        let entries: Vec<_> = payments.iter().map(to_json).collect();
        print(json!({ "payments": entries, "stats": client.stats()? }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for payment in &payments {
        let Payment { at_unix, amount_sats, origin, path, method, payment_hash, .. } = payment;
        print(format_args!(
            "{}  {amount_sats:>7} sats  {:<21}  {method} {origin}{path}  {payment_hash}",
            date(*at_unix),
            status(payment)
        ))?;
    }
    let stats = client.stats()?;
    print(format_args!(
        "{} payments, {} sats; {} credentials can be used",
        stats.payment_count, stats.total_spent, stats.cached_credentials
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns a payment as JSON, without its secrets.
pub fn to_json(payment: &Payment) -> serde_json::Value {
    json!({
        "at_unix": payment.at_unix,
        "amount_sats": payment.amount_sats,
        "fee_msat": payment.fee_msat,
        "origin": payment.origin,
        "path": payment.path,
        "method": payment.method,
        "payment_hash": payment.payment_hash,
        "wallet": payment.wallet,
        "state": payment.state,
        "was_accepted": payment.was_accepted,
    })
}

fn status(payment: &Payment) -> &'static str {
    match payment.state {
        State::Sent => "not known; resumable",
        State::Paid if !payment.was_accepted => "paid; can be resumed",
        State::Paid if payment.macaroon.is_none() => "paid and used",
        State::Paid => "paid; can be used again",
        State::Used if payment.was_accepted => "paid and used",
        State::Used => "paid, but refused",
        State::Unpaid => "not paid",
    }
}

/// Returns a date and time in UTC. A later time than the year 9999, which has no such form, is shown as the last one.
pub fn date(unix: u64) -> String {
    let since = std::time::Duration::from_secs(unix.min(LAST_DATE_UNIX));
    let time = std::time::UNIX_EPOCH.checked_add(since).unwrap_or(std::time::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The last second of the year 9999.
const LAST_DATE_UNIX: u64 = 253_402_300_799;
