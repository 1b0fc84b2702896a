//! What a request costs: a route's prices, the first whose conditions all hold.

use std::ops::RangeInclusive;

use super::facts::{EdgeFact, Facts, METHOD_OVERRIDE, Unpriced, is_invisible};
use super::path::FoldCase;
use crate::l402::caveat::Fiat;
use crate::l402::percent;

/// One price of a route, and when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// All must hold.
    pub when: Vec<Condition>,
    /// What is asked then.
    pub amount: Amount,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Satoshis.
    Sats(u64),
    /// A price in a currency.
    Fiat(FiatPrice),
    /// Satoshis for each KiB of the request's body that is begun; at least one.
    SatsPerKib(u64),
}

/// A price in a currency, and the satoshis that it may be worth: a wrong rate makes no wrong invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiatPrice {
    /// What is asked.
    pub fiat: Fiat,
    /// The least that it may come to.
    pub min_sats: u64,
    /// The most.
    pub max_sats: u64,
}

/// What one request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost<'a> {
    /// Satoshis.
    Sats(u64),
    /// LNbits converts it when it makes the invoice.
    Fiat(&'a FiatPrice),
}

/// A fact that a price depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A query's name has one of these values.
    Query {
        /// The name.
        name: String,
        /// The values.
        is: Values,
    },
    /// A header has one of these values.
    Header {
        /// The name.
        name: String,
        /// The values.
        is: Values,
    },
    /// One of these methods; `HEAD` counts as `GET`.
    Method(Vec<String>),
    /// The length of the body in bytes.
    ContentLength(RangeInclusive<u64>),
    /// One of these countries.
    Country(Vec<String>),
    /// Cloudflare's bot score.
    BotScore(RangeInclusive<u64>),
    /// One of these categories of verified bots.
    VerifiedBot(Values),
}

/// Texts of which a value may be any one. A `*` at either end stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values(pub Vec<String>);

/// What a request costs: the first price whose conditions hold. The last price of a list has none.
///
/// # Errors
/// Where an origin might read the request otherwise than we do.
pub fn cost<'a>(prices: &'a [Price], facts: &Facts<'_>) -> Result<Cost<'a>, Unpriced> {
    let mut found = None;
    // All names are looked at, also behind the price that is found: each request has one reading or none.
    for price in prices {
        let mut holds = true;
        for condition in &price.when {
            holds &= condition.holds(facts)?;
        }
        if holds && found.is_none() {
            found = Some(&price.amount);
        }
    }
    match found {
        Some(Amount::Sats(sats)) => Ok(Cost::Sats(*sats)),
        Some(Amount::Fiat(price)) => Ok(Cost::Fiat(price)),
        Some(Amount::SatsPerKib(rate)) => {
            let kib = facts.content_length()?.div_ceil(1_024).max(1);
            let sats = rate.checked_mul(kib).filter(|sats| *sats <= MAX_SATS);
            sats.map(Cost::Sats).ok_or(Unpriced::TooLong)
        }
        // The reader of the list saw to it that the last price has no condition.
        None => Err(Unpriced::TooLong),
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> Result<bool, Unpriced> {
        Ok(match self {
            Self::Query { name, is } => match facts.query(name)? {
                None => false,
                Some(value) => {
                    let decoded = percent::decode(value.as_bytes());
                    let visible = |c: &char| !is_invisible(*c);
                    let visible: String = String::from_utf8_lossy(&decoded).chars().filter(visible).collect();
                    let forgiving = (facts.fold_case)(visible.trim());
                    let holds = is.include(&value, str::to_owned);
                    if holds != is.include(&forgiving, facts.fold_case) {
                        return Err(Unpriced::AmbiguousQuery(name.clone()));
                    }
                    holds
                }
            },
            Self::Header { name, is } => match facts.header(name) {
                None => false,
                Some(value) => {
                    let holds = is.include(value.trim_matches([' ', '\t']), str::to_owned);
                    let folded = value.to_ascii_lowercase();
                    let mut parts = folded.split([',', ';']).chain([folded.as_str()]);
                    if parts.any(|part| is.include(part.trim(), lower_case)) != holds {
                        return Err(Unpriced::AmbiguousHeader(name.clone()));
                    }
                    holds
                }
            },
            Self::Method(_) if facts.names_a_method() => {
                return Err(Unpriced::AmbiguousQuery(METHOD_OVERRIDE.to_owned()));
            }
            Self::Method(methods) => {
                let method = if facts.method == "HEAD" { "GET" } else { facts.method };
                methods.iter().any(|one| one.eq_ignore_ascii_case(method))
            }
            Self::ContentLength(range) => range.contains(&facts.content_length()?),
            Self::Country(countries) => {
                let country = facts.edge(EdgeFact::Country);
                country.is_some_and(|country| countries.contains(&country))
            }
            Self::BotScore(range) => {
                // A range begins at 1: 0 is what Cloudflare says where it computed none.
                let score: Option<u64> = facts.edge(EdgeFact::BotScore).and_then(|score| score.parse().ok());
                score.is_some_and(|score| range.contains(&score))
            }
            Self::VerifiedBot(categories) => {
                let category = facts.edge(EdgeFact::VerifiedBot).filter(|category| !category.is_empty());
                category
                    .is_some_and(|category| categories.include(&category.to_ascii_lowercase(), lower_case))
            }
        })
    }
}

impl Values {
    fn include(&self, value: &str, fold: FoldCase) -> bool {
        self.0.iter().any(|one| {
            let one = fold(one);
            match (one.strip_prefix('*'), one.strip_suffix('*')) {
                _ if one == "*" => true,
                (Some(end), None) => value.ends_with(end),
                (None, Some(start)) => value.starts_with(start),
                (Some(rest), Some(_)) => value.contains(rest.strip_suffix('*').unwrap_or(rest)),
                (None, None) => value == one,
            }
        })
    }
}

fn lower_case(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// The dearest request: LNbits' own limit for one invoice.
pub const MAX_SATS: u64 = 10_000_000;
