//! What each answer shows, and what to do about it.

use std::collections::BTreeSet;

use serde::Deserialize;

pub use super::http::Unreached;
use super::rate_limit::{Burst, End, MAX_MS};
use super::report::{Check, Finding, Level};
use crate::policy::Policy;
use crate::policy::price::PriceAmount;
use crate::policy::route::Pricing;
use crate::protocols::price::Price;
use crate::strict_json::Json;
use crate::wallet::lnbits::MAX_CLOCK_SKEW_S;
use crate::wallet::probe::{self, Probe};
use crate::wallet::{PaymentStatus, WalletError, WalletResponse};

type Asked = Result<WalletResponse, Unreached>;

/// The answer of `/api/v1/health`.
pub fn reachable(health: &Asked, ms: u64) -> Finding {
    let (level, sentence) = match health {
        Err(unreached) => (Level::Fail, unreached.to_string()),
        Ok(WalletResponse { status: 200, body, .. }) if server_time_unix(body).is_some() => match ms {
            0..=SLOW_MS => (Level::Ok, format!("answers in {ms} ms")),
            _ => (
                Level::Warn,
                format!("answers in {ms} ms: clients wait for it, so put LNbits on a faster machine"),
            ),
        },
        Ok(WalletResponse { status: 307, .. }) => (
            Level::Fail,
            "LNbits is not set up yet, or has moved: open it in a browser and make its first account, or \
             correct its URL"
                .to_owned(),
        ),
        Ok(WalletResponse { status: 300..=399, .. }) => {
            (Level::Fail, "redirects, which edgetoll does not follow: correct its URL".to_owned())
        }
        Ok(WalletResponse { status: 401 | 403, .. }) => (
            Level::Fail,
            "something in front of LNbits lets nobody in: let the Worker reach /api/v1/ there".to_owned(),
        ),
        Ok(WalletResponse { status: 200 | 404, .. }) => {
            (Level::Fail, "what answers there is not LNbits: correct its URL".to_owned())
        }
        Ok(WalletResponse { status, .. }) => {
            (Level::Fail, format!("/api/v1/health answers with status {status}: look into LNbits' log"))
        }
    };
    Finding::new(level, Check::Reachable, sentence)
}

/// The clock that `/api/v1/health` tells, beside this machine's.
pub fn clock(health: &WalletResponse, now_unix: u64) -> Finding {
    let Some(server_time_unix) = server_time_unix(&health.body) else {
        return Finding::new(Level::Warn, Check::Clock, "LNbits does not tell the time");
    };
    let skew_s = server_time_unix.abs_diff(now_unix);
    let (level, advice) = if skew_s <= NOTED_SKEW_S {
        (Level::Ok, "")
    } else if skew_s <= MAX_CLOCK_SKEW_S {
        (Level::Warn, ": set the one that is wrong")
    } else {
        (Level::Fail, ": set the one that is wrong; where it is LNbits', the Worker refuses its invoices")
    };
    Finding::new(level, Check::Clock, format!("{skew_s} s from this machine's{advice}"))
}

fn server_time_unix(health: &str) -> Option<u64> {
    Json::parse(health.as_bytes())?.get("server_time")?.as_u64()
}

/// The answer of `/openapi.json`.
pub fn version(openapi: &Asked) -> Finding {
    let body = openapi.as_ref().ok().filter(|answer| answer.status == 200).map(|answer| &answer.body);
    let root = body.and_then(|body| Json::parse(body.as_bytes()));
    let text = root.as_ref().and_then(|root| root.get("info")?.get("version")?.as_str());
    let Some((text, numbers)) = text.and_then(|text| Some((text, numbers(text)?))) else {
        let sentence = format!("is not told by /openapi.json: see that LNbits is {SEALED_SINCE} or newer");
        return Finding::new(Level::Warn, Check::Version, sentence);
    };
    let text: String = text.chars().filter(|c| c.is_ascii_graphic()).take(MAX_VERSION_CHARS).collect();
    if Some(numbers) < self::numbers(SEALED_SINCE) {
        let sentence = format!(
            "is {text}, which gives the preimages of unpaid invoices to anybody: update LNbits to \
             {SEALED_SINCE} or newer"
        );
        return Finding::new(Level::Fail, Check::Version, sentence);
    }
    Finding::new(Level::Ok, Check::Version, text)
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The answer to [`probe::key_request`].
pub fn key(wallet: &Asked) -> Finding {
    let (level, sentence) = match wallet {
        Ok(answer) if probe::is_admin_key(answer) == Some(true) => {
            (Level::Fail, Probe::AdminKey.warning().unwrap_or_default().to_owned())
        }
        Ok(answer) if probe::is_admin_key(answer) == Some(false) => {
            (Level::Ok, "is an invoice key".to_owned())
        }
        Ok(WalletResponse { status: 404, .. }) => (
            Level::Fail,
            "is of no wallet there: take the invoice key of the wallet that is to be paid, of this LNbits"
                .to_owned(),
        ),
        Ok(WalletResponse { status: 401 | 403, .. }) => (
            Level::Fail,
            "is not let in: take the invoice key of the wallet that is to be paid, and let the header \
             X-Api-Key pass what stands in front of LNbits"
                .to_owned(),
        ),
        Ok(WalletResponse { status, .. }) => {
            (Level::Fail, format!("cannot be judged: /api/v1/wallet answers with status {status}"))
        }
        Err(unreached) => (Level::Fail, format!("cannot be judged: {unreached}")),
    };
    Finding::new(level, Check::Key, sentence)
}

/// No invoice was made.
pub fn not_made(error: &WalletError) -> Finding {
    let advice = match error {
        WalletError::Status(500..) => ": look into LNbits' log; its funding source may be down",
        WalletError::RateLimited { .. } => ": wait a minute, or raise LNbits' rate limit",
        WalletError::OtherNetwork => ": set `network` in the price list to that of its funding source",
        WalletError::Clock => ": set its clock",
        _ => "",
    };
    Finding::new(Level::Fail, Check::Invoice, format!("of 1 sat was not made: {error}{advice}"))
}

/// An invoice was made, and looked up.
pub fn looked_up(standing: &Result<PaymentStatus, WalletError>, made_ms: u64, found_ms: u64) -> Finding {
    let times = format!("of 1 sat was made in {made_ms} ms and looked up in {found_ms} ms");
    let (level, sentence) = match standing {
        Ok(PaymentStatus::Pending(_)) if made_ms.max(found_ms) <= SLOW_MS => (Level::Ok, times),
        Ok(PaymentStatus::Pending(_)) => (
            Level::Warn,
            format!("{times}: clients wait for it; LNbits may be waiting for its funding source or prices"),
        ),
        Ok(PaymentStatus::Paid) => {
            (Level::Fail, "is called paid before anybody paid it: sell nothing with this LNbits".to_owned())
        }
        Ok(PaymentStatus::Unpaid) => (
            Level::Fail,
            "cannot be paid as soon as it was made: look into LNbits' log; its funding source lost it"
                .to_owned(),
        ),
        Err(error) => (Level::Fail, format!("was made, but cannot be looked up: {error}")),
    };
    Finding::new(level, Check::Invoice, sentence)
}

/// The answer to [`probe::preimage_request`].
pub fn leak(preimage: &Asked) -> Finding {
    let (level, sentence) = match preimage.as_ref().ok().and_then(probe::exposes_preimage) {
        Some(false) => (Level::Ok, "keeps the preimages of unpaid invoices to itself"),
        Some(true) => (Level::Fail, Probe::PreimageExposed.warning().unwrap_or_default()),
        None => (Level::Warn, "cannot be judged: until the Worker can, it asks LNbits about each payment"),
    };
    Finding::new(level, Check::Leak, sentence)
}

/// The currencies of a price list.
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

/// The answers of `/api/v1/rate/…`. `is_needed`: the price list has prices in these currencies.
pub fn price_source(rates: &[(String, Asked)], is_needed: bool) -> Finding {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (currency, answer) in rates {
        match answer.as_ref().ok().and_then(sats_per_unit) {
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
                "LNbits has no rate for {unknown}: what is priced in it is not sold; switch LNbits' price \
                 source on, or correct the currency"
            ),
        ),
        (false, false) => {
            (Level::Ok, format!("LNbits has no rate for {unknown}; nothing in the price list needs one"))
        }
    };
    Finding::new(level, Check::PriceSource, sentence)
}

#[derive(Deserialize)]
struct Rate {
    rate: f64,
}

/// Without a source LNbits says 0.
fn sats_per_unit(answer: &WalletResponse) -> Option<f64> {
    let rate: Rate = serde_json::from_str(&answer.body).ok().filter(|_| answer.status == 200)?;
    (rate.rate > 0.0 && rate.rate <= ALL_SATS).then_some(rate.rate)
}

/// What a burst of requests met.
pub fn rate_limit(burst: &Burst, invoices_per_minute: u64) -> Finding {
    let Burst { wanted, answered, end } = *burst;
    let (level, sentence) = match end {
        End::Done if wanted > invoices_per_minute => (
            Level::Ok,
            format!("takes {answered} requests in a row; invoices_per_minute is {invoices_per_minute}"),
        ),
        End::Done => (
            Level::Ok,
            format!(
                "takes {answered} requests in a row; more were not tried, invoices_per_minute is \
                 {invoices_per_minute}"
            ),
        ),
        End::Limited => (
            Level::Warn,
            format!(
                "takes {answered} requests in a row, and invoices_per_minute is {invoices_per_minute}: lower \
                 it to what LNbits takes, or raise LNbits' rate limit"
            ),
        ),
        End::Status(status) => (
            Level::Warn,
            format!(
                "cannot be judged: after {answered} requests in a row came status {status}; see whether \
                 something in front of LNbits stops many requests"
            ),
        ),
        End::NoResponse => (
            Level::Warn,
            format!(
                "cannot be judged: after {answered} requests in a row came no answer; see whether LNbits is too slow"
            ),
        ),
        End::OutOfTime => (
            Level::Warn,
            format!(
                "cannot be judged: LNbits is too slow, it answered {answered} of {wanted} requests in {} s",
                MAX_MS.div_ceil(1_000)
            ),
        ),
    };
    Finding::new(level, Check::RateLimit, sentence)
}

/// A client notices.
const SLOW_MS: u64 = 1_000;
const NOTED_SKEW_S: u64 = 60;
/// Older ones give preimages away.
const SEALED_SINCE: &str = "1.6.0";
const MAX_VERSION_CHARS: usize = 20;
const ALL_SATS: f64 = 2.1e15;
