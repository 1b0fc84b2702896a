//! Computes the price of a request: the first price of its route whose conditions all match.

use std::ops::RangeInclusive;

use super::facts::{EdgeFact, Facts, METHOD_OVERRIDE, PriceError};
use super::normalization::{FoldCase, is_invisible};
use crate::http::percent;
use crate::protocols::price::{MAX_SATS, Price};

/// One price of a route, and its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRule {
    /// The price applies if all conditions match.
    pub when: Vec<Condition>,
    pub amount: PriceAmount,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriceAmount {
    /// The same price for every request.
    Fixed(Price),
    /// Satoshis for each started KiB of the request body. A request pays for one KiB at least.
    SatsPerKib(u64),
}

/// A condition of a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The query parameter `name` has one of these values.
    Query { name: String, is: Values },
    /// The header `name` has one of these values.
    Header { name: String, is: Values },
    /// The method is in this list. `HEAD` counts as `GET`.
    Method(Vec<String>),
    /// The length of the body in bytes is in this range.
    ContentLength(RangeInclusive<u64>),
    /// The client's country is in this list.
    Country(Vec<String>),
    /// Cloudflare's bot score is in this range.
    BotScore(RangeInclusive<u64>),
    /// Cloudflare has verified the client as a bot of one of these categories.
    VerifiedBot(Values),
}

/// The values that a condition allows. A `*` at the start or the end of a value matches any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values(pub Vec<String>);

/// Returns the price of a request: the price of the first rule whose conditions all match. The last rule of a route has
/// no conditions.
///
/// # Errors
/// Fails in two cases:
/// - The price depends on the method, the query or a header, and an origin may read this part of the request in another
///   way.
/// - The price depends on the length of the body, and the body has no known length, has a `Content-Encoding`, or is too
///   long.
pub fn price_of(rules: &[PriceRule], facts: &Facts<'_>) -> Result<Price, PriceError> {
    let mut found = None;
    // All conditions are evaluated, so that an ambiguous request is refused whichever rule matches first.
    for rule in rules {
        let mut matches = true;
        for condition in &rule.when {
            matches &= condition.matches(facts)?;
        }
        if matches && found.is_none() {
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
        None => Err(PriceError::NoRuleMatches),
    }
}

impl Condition {
    fn matches(&self, facts: &Facts<'_>) -> Result<bool, PriceError> {
        Ok(match self {
            Self::Query { name, is } => match facts.query(name)? {
                Some(value) => is.match_parameter(name, &value, facts.fold_case)?,
                None => false,
            },
            Self::Header { name, is } => match facts.header(name) {
                Some(value) => is.match_header(name, &value)?,
                None => false,
            },
            Self::Method(_) if facts.has_method_override() => {
                return Err(PriceError::AmbiguousQuery(METHOD_OVERRIDE.to_owned()));
            }
            Self::Method(methods) => {
                let method = if facts.method == "HEAD" { "GET" } else { facts.method };
                methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method))
            }
            Self::ContentLength(range) => range.contains(&facts.content_length()?),
            Self::Country(countries) => {
                let country = facts.edge(EdgeFact::Country);
                country.is_some_and(|country| countries.contains(&country))
            }
            Self::BotScore(range) => {
                // Cloudflare reports 0 if it computed no score. No range contains 0, because every range begins at 1 or
                // above.
                let score: Option<u64> = facts.edge(EdgeFact::BotScore).and_then(|score| score.parse().ok());
                score.is_some_and(|score| range.contains(&score))
            }
            Self::VerifiedBot(categories) => {
                let category = facts.edge(EdgeFact::VerifiedBot).filter(|category| !category.is_empty());
                let allowed = categories.folded(lower_case);
                category.is_some_and(|category| match_any(&allowed, &category.to_ascii_lowercase()))
            }
        })
    }
}

impl Values {
    /// Whether the value of a query parameter is allowed.
    ///
    /// # Errors Fails if the result would be different for an origin that decodes the value a second time, trims it and
    /// ignores case.
    fn match_parameter(&self, name: &str, value: &str, fold_case: FoldCase) -> Result<bool, PriceError> {
        let matches = match_any(&self.0, value);
        let decoded = percent::decode(value.as_bytes());
        let is_visible = |c: &char| !is_invisible(*c);
        let visible: String = String::from_utf8_lossy(&decoded).chars().filter(is_visible).collect();
        if matches != match_any(&self.folded(fold_case), &fold_case(visible.trim())) {
            return Err(PriceError::AmbiguousQuery(name.to_owned()));
        }
        Ok(matches)
    }

    /// Whether the value of a header is allowed.
    ///
    /// # Errors Fails if the result would be different for an origin that ignores case, or that splits the value at `,`
    /// and `;`. Also fails if the value has too many parts.
    fn match_header(&self, name: &str, value: &str) -> Result<bool, PriceError> {
        let matches = match_any(&self.0, value.trim_matches([' ', '\t']));
        let folded = value.to_ascii_lowercase();
        // The allowed values are converted once, because a client can send thousands of parts.
        let allowed = self.folded(lower_case);
        let mut parts = folded.split([',', ';']).chain([folded.as_str()]);
        let has_too_many_parts = parts.clone().nth(MAX_HEADER_PARTS).is_some();
        if has_too_many_parts || parts.any(|part| match_any(&allowed, part.trim())) != matches {
            return Err(PriceError::AmbiguousHeader(name.to_owned()));
        }
        Ok(matches)
    }

    fn folded(&self, fold_case: FoldCase) -> Vec<String> {
        self.0.iter().map(|allowed| fold_case(allowed)).collect()
    }
}

/// Whether one of the allowed values matches `value`.
fn match_any(allowed: &[String], value: &str) -> bool {
    allowed.iter().any(|allowed| match (allowed.strip_prefix('*'), allowed.strip_suffix('*')) {
        (Some(end), None) => value.ends_with(end),
        (None, Some(start)) => value.starts_with(start),
        (Some(rest), Some(_)) => value.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (None, None) => value == allowed,
    })
}

/// The header of an honest client has fewer parts. Each part is compared with each allowed value.
const MAX_HEADER_PARTS: usize = 500;

fn lower_case(text: &str) -> String {
    text.to_ascii_lowercase()
}
