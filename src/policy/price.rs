//! Computes the price of a request: the first price of its route whose conditions all match.

use std::ops::RangeInclusive;
use std::slice;

use super::facts::{EdgeFact, Facts, Parameter, ParsedQuery, PriceError, without_extra_slashes};
use super::normalization::{FoldCase, is_invisible};
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
///   way, or it is too long to compare.
/// - The price depends on the length of the body, and the body has no known length, has a `Content-Encoding`, or is too
///   long.
pub fn price_of(rules: &[PriceRule], facts: &Facts<'_>) -> Result<Price, PriceError> {
    let mut found = None;
    let mut evaluation = Evaluation { facts, query: None, headers: Vec::new() };
    let mut comparisons = Comparisons::default();
    // All conditions are evaluated, so that an ambiguous request is refused whichever rule matches first.
    for rule in rules {
        let mut matches = true;
        for condition in &rule.when {
            matches &= condition.matches(&mut evaluation, &mut comparisons)?;
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
    fn matches(
        &self,
        evaluation: &mut Evaluation<'_>,
        comparisons: &mut Comparisons,
    ) -> Result<bool, PriceError> {
        let facts = evaluation.facts;
        Ok(match self {
            Self::Query { name, is } => match evaluation.query().parameter(name, facts)? {
                Some(parameter) if comparisons.may_add(is, &parameter.folded) => {
                    is.match_parameter(name, parameter, facts.fold_case)?
                }
                Some(_) => return Err(PriceError::AmbiguousQuery(name.to_owned())),
                None => false,
            },
            Self::Header { name, is } => match evaluation.header(name) {
                Some(value) if comparisons.may_add(is, &value.as_sent) => is.match_header(name, value)?,
                Some(_) => return Err(PriceError::AmbiguousHeader(name.to_owned())),
                None => false,
            },
            Self::Method(_) if facts.has_method_override() => {
                return Err(PriceError::MethodInQuery);
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

/// Computes the price of one request. Reads the query and each header only once, even if many conditions need them.
struct Evaluation<'a> {
    facts: &'a Facts<'a>,
    query: Option<ParsedQuery>,
    /// The headers that were read, by their names.
    headers: Vec<(String, Option<HeaderValue>)>,
}

impl Evaluation<'_> {
    fn query(&mut self) -> &ParsedQuery {
        self.query.get_or_insert_with(|| self.facts.parse_query())
    }

    fn header(&mut self, name: &str) -> Option<&HeaderValue> {
        if !self.headers.iter().any(|(known, _)| known == name) {
            self.headers.push((name.to_owned(), self.facts.header(name).map(HeaderValue::new)));
        }
        self.headers.iter().find(|(known, _)| known == name)?.1.as_ref()
    }
}

/// The bytes of the values of one request that were compared, once for each allowed value. A price by `User-Agent` may have the
/// names of a hundred crawlers, and a client may send a long value.
#[derive(Default)]
struct Comparisons(usize);

impl Comparisons {
    /// Counts the comparisons of a value with the allowed values. Returns whether their sum is within the limit.
    fn may_add(&mut self, allowed: &Values, value: &str) -> bool {
        self.0 = self.0.saturating_add(allowed.0.len().saturating_mul(value.len()));
        self.0 <= MAX_COMPARED_BYTES
    }
}

/// The value of a header in every way in which an origin may read it.
struct HeaderValue {
    as_sent: String,
    /// The whole value, and its parts between `,` and `;`. All are in lower case, without invisible characters, and
    /// without white space around them. Empty if the value is too long, has too many parts, or has an encoded word.
    parts: Vec<String>,
}

impl HeaderValue {
    fn new(value: String) -> Self {
        if value.len() > MAX_HEADER_BYTES {
            return Self { as_sent: value, parts: Vec::new() };
        }
        let visible: String = value.chars().filter(|c| !is_invisible(*c)).collect();
        let folded = visible.to_ascii_lowercase();
        let parts = || folded.split([',', ';']).chain([folded.as_str()]);
        // CherryPy decodes encoded words (RFC 2047): `=?utf-8?q?hd?=` is `hd`.
        let has_encoded_word = visible.split_once("=?").is_some_and(|(_, rest)| rest.contains("?="));
        let is_unclear = has_encoded_word || parts().nth(MAX_PARTS).is_some();
        let parts = parts().filter(|_| !is_unclear).map(|part| part.trim().to_owned()).collect();
        Self { as_sent: value, parts }
    }
}

impl Values {
    /// Whether the value of a query parameter is allowed.
    ///
    /// # Errors Fails if the result would be different for an origin that decodes the value a second time, trims it,
    /// ignores case and removes extra slashes, or that splits the value at `,` as Spring does or at `|` as MediaWiki does. Also
    /// fails if the value is not allowed and has too many parts.
    fn match_parameter(
        &self,
        name: &str,
        parameter: &Parameter,
        fold_case: FoldCase,
    ) -> Result<bool, PriceError> {
        let matches = match_any(&self.0, &parameter.value);
        let allowed: Vec<String> =
            self.folded(fold_case).iter().map(|one| without_extra_slashes(one)).collect();
        // A list of values is matched only by `*part*`, or by exactly this list.
        let is_whole = allowed.iter().any(|one| {
            one.starts_with('*') == one.ends_with('*') && match_any(slice::from_ref(one), &parameter.folded)
        });
        let differs_in_part = || {
            let mut parts = parameter.folded.split([',', '|']).map(str::trim);
            let differs = parts.by_ref().take(MAX_PARTS).any(|part| match_any(&allowed, part) != matches);
            differs || parts.next().is_some()
        };
        if matches != match_any(&allowed, &parameter.folded) || (!is_whole && differs_in_part()) {
            return Err(PriceError::AmbiguousQuery(name.to_owned()));
        }
        Ok(matches)
    }

    /// Whether the value of a header is allowed.
    ///
    /// # Errors Fails if the result would be different for an origin that ignores case, that removes invisible characters,
    /// or that splits the value at `,` and `;`. Also fails if the value has too many parts, or an encoded word.
    fn match_header(&self, name: &str, value: &HeaderValue) -> Result<bool, PriceError> {
        let matches = match_any(&self.0, value.as_sent.trim_matches([' ', '\t']));
        let allowed = self.folded(lower_case);
        if value.parts.is_empty() || value.parts.iter().any(|part| match_any(&allowed, part)) != matches {
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

/// The header and the parameter of an honest client have fewer parts. Each part is compared with each allowed value.
const MAX_PARTS: usize = 500;
/// A header of this length that a price depends on takes about 0.5 ms.
const MAX_HEADER_BYTES: usize = 16_384;
/// With this number of bytes, the comparisons take about 1 ms.
const MAX_COMPARED_BYTES: usize = 262_144;

fn lower_case(text: &str) -> String {
    text.to_ascii_lowercase()
}
