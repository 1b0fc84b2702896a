//! Judges each response of LNbits, and says how to correct a fault if that is known. No function here sends a request.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::rate_limit::{Burst, BurstEnd, MAX_MS};
use super::report::{Check, CheckResult, Level};
pub use crate::cli::http::{HttpError, HttpResult};
use crate::policy::Policy;
use crate::policy::price::PriceAmount;
use crate::policy::route::Pricing;
use crate::protocols::price::Price;
use crate::strict_json::Json;
use crate::wallet::MAX_CLOCK_SKEW_S;
use crate::wallet::probe;
use crate::wallet::{PaymentStatus, WalletError, WalletResponse};

/// Judges the response to `/api/v1/health`, which took `ms` milliseconds.
pub fn reachable(health: &HttpResult, ms: u64) -> CheckResult {
    let (level, sentence) = match health {
        Err(error) => (Level::Fail, error.to_string()),
        Ok(WalletResponse { status: 200, body, .. }) if server_time_unix(body).is_some() => match ms {
            0..=SLOW_MS => (Level::Ok, format!("LNbits answers in {ms} ms")),
            _ => (
                Level::Warn,
                format!("LNbits answers in {ms} ms, and clients wait for it: use a faster machine"),
            ),
        },
        Ok(WalletResponse { status: 307, .. }) => (
            Level::Fail,
            "LNbits is not set up yet, or has moved: open its URL in a browser and create the first account, \
             or correct the URL"
                .to_owned(),
        ),
        Ok(WalletResponse { status: 300..=399, .. }) => {
            (Level::Fail, "this URL redirects, and edgetoll follows no redirects: correct the URL".to_owned())
        }
        Ok(WalletResponse { status: status @ (401 | 403), .. }) => (
            Level::Fail,
            format!(
                "a proxy in front of LNbits refuses requests with status {status}: allow the Worker's \
                 requests to /api/v1/"
            ),
        ),
        Ok(WalletResponse { status: 200 | 404, .. }) => {
            (Level::Fail, "the server at this URL is not LNbits: correct the URL".to_owned())
        }
        Ok(WalletResponse { status, .. }) => {
            (Level::Fail, format!("/api/v1/health answers with status {status}: see the log of LNbits"))
        }
    };
    CheckResult::new(level, Check::Reachable, sentence)
}

/// Compares the time in the response to `/api/v1/health` with the time of this machine.
pub fn clock(health: &WalletResponse, now_unix: u64) -> CheckResult {
    let Some(server_time_unix) = server_time_unix(&health.body) else {
        return CheckResult::new(Level::Warn, Check::Clock, "LNbits does not report its time");
    };
    let skew_s = server_time_unix.abs_diff(now_unix);
    let (level, advice) = if skew_s <= OK_SKEW_S {
        (Level::Ok, "")
    } else if skew_s <= MAX_CLOCK_SKEW_S {
        (Level::Warn, ": set the clock that is wrong")
    } else {
        (
            Level::Fail,
            ": set the clock that is wrong; if the clock of LNbits is wrong, the Worker refuses its invoices",
        )
    };
    let sentence = format!("the clocks of LNbits and of this machine differ by {skew_s} s{advice}");
    CheckResult::new(level, Check::Clock, sentence)
}

fn server_time_unix(health: &str) -> Option<u64> {
    Json::parse(health.as_bytes())?.get("server_time")?.as_u64()
}

/// Judges the response to `/openapi.json`, which contains the version.
pub fn version(openapi: &HttpResult) -> CheckResult {
    let body = openapi.as_ref().ok().filter(|response| response.status == 200).map(|response| &response.body);
    let root = body.and_then(|body| Json::parse(body.as_bytes()));
    let text = root.as_ref().and_then(|root| root.get("info")?.get("version")?.as_str());
    let Some((text, numbers)) = text.and_then(|text| Some((text, version_numbers(text)?))) else {
        let sentence = format!(
            "/openapi.json does not contain the version: make sure that LNbits is {OLDEST_SAFE} or later"
        );
        return CheckResult::new(Level::Warn, Check::Version, sentence);
    };
    let text: String = text.chars().filter(|c| c.is_ascii_graphic()).take(MAX_VERSION_CHARS).collect();
    if Some(numbers) < version_numbers(OLDEST_SAFE) {
        let sentence = format!(
            "LNbits {text} gives the preimages of unpaid invoices to everyone: update LNbits to \
             {OLDEST_SAFE} or later"
        );
        return CheckResult::new(Level::Fail, Check::Version, sentence);
    }
    CheckResult::new(Level::Ok, Check::Version, text)
}

/// Returns the first two numbers of a version; `None` if it does not begin with two numbers.
fn version_numbers(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Judges the response to [`probe::key_request`].
pub fn key(wallet: &HttpResult) -> CheckResult {
    let (level, sentence) = match wallet {
        Ok(response) if probe::is_admin_key(response) == Some(true) => (
            Level::Fail,
            "this is an admin key, which can spend what you earn, so the Worker sells nothing: use the \
             invoice key of the wallet instead"
                .to_owned(),
        ),
        Ok(response) if probe::is_admin_key(response) == Some(false) => {
            (Level::Ok, "this is an invoice key".to_owned())
        }
        Ok(WalletResponse { status: 404, .. }) => (
            Level::Fail,
            "LNbits has no wallet with this key: use the invoice key of the wallet to be paid".to_owned(),
        ),
        Ok(WalletResponse { status: status @ (401 | 403), .. }) => (
            Level::Fail,
            format!(
                "the key is refused with status {status}: use the invoice key of the wallet to be paid; a \
                 proxy in front of LNbits must pass on the header X-Api-Key"
            ),
        ),
        Ok(WalletResponse { status, .. }) => (
            Level::Fail,
            format!(
                "the key cannot be checked, because /api/v1/wallet answers with status {status}: see the log \
                 of LNbits"
            ),
        ),
        Err(error) => (Level::Fail, format!("the key cannot be checked, because {error}")),
    };
    CheckResult::new(level, Check::Key, sentence)
}

/// Reports that no invoice was created.
pub fn invoice_not_created(error: &WalletError) -> CheckResult {
    let advice = match error {
        WalletError::Status(500..) => ": see the log of LNbits; its funding source may be down",
        WalletError::RateLimited { .. } => ": wait a minute, or raise the rate limit of LNbits",
        WalletError::OtherNetwork => ": set `network` in the price list to the network of the funding source",
        WalletError::Clock => ": set its clock",
        _ => "",
    };
    CheckResult::new(
        Level::Fail,
        Check::Invoice,
        format!("an invoice of 1 sat was not created; {error}{advice}"),
    )
}

/// Judges a new invoice: its status, and how many milliseconds it took to create it (`create_ms`) and to look it up
/// (`look_up_ms`).
pub fn invoice_created(
    status: &Result<PaymentStatus, WalletError>,
    create_ms: u64,
    look_up_ms: u64,
) -> CheckResult {
    let times = format!("an invoice of 1 sat was created in {create_ms} ms and looked up in {look_up_ms} ms");
    let (level, sentence) = match status {
        Ok(PaymentStatus::Pending(_)) if create_ms.max(look_up_ms) <= SLOW_MS => (Level::Ok, times),
        Ok(PaymentStatus::Pending(_)) => (
            Level::Warn,
            format!("{times}, and clients wait for it: its funding source or price source may be slow"),
        ),
        Ok(PaymentStatus::Paid) => (
            Level::Fail,
            "the wallet reports a new invoice as paid before any payment: do not sell with this wallet"
                .to_owned(),
        ),
        Ok(PaymentStatus::Unpaid) => (
            Level::Fail,
            "the wallet reports a new invoice as failed: see its log; its funding source may have lost it"
                .to_owned(),
        ),
        Err(error) => (Level::Fail, format!("the invoice was created, but cannot be looked up; {error}")),
    };
    CheckResult::new(level, Check::Invoice, sentence)
}

/// Judges the response to [`probe::look_up_without_key`].
pub fn leak(preimage: &HttpResult) -> CheckResult {
    let (level, sentence) = match preimage.as_ref().ok().and_then(probe::exposes_preimage) {
        Some(false) => (Level::Ok, "LNbits hides the preimages of unpaid invoices".to_owned()),
        Some(true) => (
            Level::Fail,
            format!(
                "LNbits gives the preimages of unpaid invoices to everyone: update LNbits to {OLDEST_SAFE} \
                 or later; until then, the Worker looks up each payment unless `settlement` is \"preimage\""
            ),
        ),
        None => (
            Level::Warn,
            "LNbits does not tell whether it hides preimages, so the Worker looks up each payment unless \
             `settlement` is \"preimage\""
                .to_owned(),
        ),
    };
    CheckResult::new(level, Check::Leak, sentence)
}

/// Returns the currencies of a price list, sorted and without repetition.
pub fn currencies(price_list: &Policy) -> Vec<String> {
    let rules = price_list.routes.iter().filter_map(|route| match &route.pricing {
        Pricing::Rules(rules) => Some(rules),
        Pricing::Invalid | Pricing::Code => None,
    });
    let currencies = rules.flatten().filter_map(|rule| match &rule.amount {
        PriceAmount::Fixed(Price::Fiat(price)) => Some(price.fiat.currency().to_owned()),
        PriceAmount::Fixed(Price::Sats(_)) | PriceAmount::SatsPerKib(_) => None,
    });
    currencies.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Judges the responses to `/api/v1/rate/…`, each with its currency. `is_needed`: whether the price list uses
/// these currencies.
pub fn price_source(rates: &[(String, HttpResult)], is_needed: bool) -> CheckResult {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (currency, result) in rates {
        match result.as_ref().ok().and_then(sats_per_unit) {
            Some(sats) => known.push(format!("1 {currency} is {sats:.2} sats")),
            None => unknown.push(currency.as_str()),
        }
    }
    let unknown = unknown.join(", ");
    let (level, sentence) = match (unknown.is_empty(), is_needed) {
        (true, _) => (Level::Ok, known.join(", ")),
        (false, true) => (
            Level::Fail,
            format!(
                "LNbits has no rate for {unknown}: prices in this currency cannot be paid; switch on a price \
                 source in LNbits, or correct the currency"
            ),
        ),
        (false, false) => {
            (Level::Ok, format!("LNbits has no rate for {unknown}; the price list does not need one"))
        }
    };
    CheckResult::new(level, Check::PriceSource, sentence)
}

#[derive(Deserialize)]
struct Rate {
    rate: f64,
}

/// Returns the satoshis for one unit of the currency; `None` if LNbits has no rate. LNbits without a price source
/// reports 0.
fn sats_per_unit(response: &WalletResponse) -> Option<f64> {
    let rate: Rate = serde_json::from_str(&response.body).ok().filter(|_| response.status == 200)?;
    (rate.rate > 0.0 && rate.rate <= MAX_RATE).then_some(rate.rate)
}

/// Judges how LNbits responded to many quick requests to one path.
pub fn rate_limit(burst: &Burst, invoices_per_minute: u64) -> CheckResult {
    let Burst { planned, answered, end } = *burst;
    let (level, sentence) = match end {
        BurstEnd::Done if planned > invoices_per_minute => (
            Level::Ok,
            format!(
                "LNbits answers {answered} requests in a row; invoices_per_minute is {invoices_per_minute}"
            ),
        ),
        BurstEnd::Done => (
            Level::Ok,
            format!(
                "LNbits answers {answered} requests in a row; more were not sent, and invoices_per_minute is \
                 {invoices_per_minute}"
            ),
        ),
        BurstEnd::Limited => (
            Level::Warn,
            format!(
                "LNbits answers {answered} requests in a row, but invoices_per_minute is \
                 {invoices_per_minute}: lower invoices_per_minute, or raise the rate limit of LNbits"
            ),
        ),
        BurstEnd::Status(status) => (
            Level::Warn,
            format!(
                "the rate limit is unknown, because status {status} came after {answered} requests in a row: \
                 see whether a proxy in front of LNbits limits requests"
            ),
        ),
        BurstEnd::NoResponse => (
            Level::Warn,
            format!(
                "the rate limit is unknown, because LNbits did not answer after {answered} requests in a \
                 row: see whether it is overloaded"
            ),
        ),
        BurstEnd::OutOfTime => (
            Level::Warn,
            format!(
                "the rate limit is unknown, because LNbits answered only {answered} of {planned} requests in \
                 {} s: use a faster machine",
                MAX_MS.div_ceil(1_000)
            ),
        ),
    };
    CheckResult::new(level, Check::RateLimit, sentence)
}

/// A response that takes longer than this gets a warning, because clients notice the wait.
const SLOW_MS: u64 = 1_000;
/// If the clocks differ by more than this, the result of the check is a warning or a failure.
const OK_SKEW_S: u64 = 60;
/// The first version of LNbits that hides the preimages of unpaid invoices.
const OLDEST_SAFE: &str = "1.6.0";
const MAX_VERSION_CHARS: usize = 20;
/// All bitcoin that can exist, in satoshis. No unit of a currency costs more, so a higher rate is an error of LNbits.
const MAX_RATE: f64 = 2.1e15;
