//! What a request costs: a route's prices, the first whose conditions all hold.

use std::ops::RangeInclusive;

use super::facts::{EdgeFact, Facts, METHOD_OVERRIDE, PriceError, is_invisible};
use super::normalization::FoldCase;
use crate::http::percent;
use crate::protocols::price::{MAX_SATS, Price};

/// One price of a route, and the conditions under which it applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRule {
    /// All must hold.
    pub when: Vec<Condition>,
    pub amount: PriceAmount,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriceAmount {
    /// The same price for every request.
    Fixed(Price),
    /// Satoshis for each KiB of the request body that is begun, and for at least one.
    SatsPerKib(u64),
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

/// Returns the price of a request: that of the first rule whose conditions hold. The last rule of a list has none.
///
/// # Errors
/// Fails if an origin might read the request in another way, with another price.
pub fn price_of(rules: &[PriceRule], facts: &Facts<'_>) -> Result<Price, PriceError> {
    let mut found = None;
    // All rules are evaluated, so that an ambiguous request is refused wherever the ambiguity is.
    for rule in rules {
        let mut holds = true;
        for condition in &rule.when {
            holds &= condition.holds(facts)?;
        }
        if holds && found.is_none() {
            found = Some(&rule.amount);
        }
    }
    match found {
        Some(PriceAmount::Fixed(price)) => Ok(price.clone()),
        Some(PriceAmount::SatsPerKib(rate)) => {
            let kib = facts.content_length()?.div_ceil(1_024).max(1);
            let sats = rate.checked_mul(kib).filter(|sats| *sats <= MAX_SATS);
            sats.map(Price::Sats).ok_or(PriceError::TooLong)
        }
        None => Err(PriceError::NoRuleHolds),
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> Result<bool, PriceError> {
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
                        return Err(PriceError::AmbiguousQuery(name.clone()));
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
                        return Err(PriceError::AmbiguousHeader(name.clone()));
                    }
                    holds
                }
            },
            Self::Method(_) if facts.names_a_method() => {
                return Err(PriceError::AmbiguousQuery(METHOD_OVERRIDE.to_owned()));
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
