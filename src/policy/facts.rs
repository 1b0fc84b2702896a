//! What a price may look at. Each fact is read as every origin would read it, or not at all: where one origin would take a
//! request for a dearer one than another would, it has no price (400).

use thiserror::Error;

use super::normalization::FoldCase;
use crate::http::percent::decode_form;
use crate::protocols::price::MAX_SAFE_INTEGER;

/// A request, as prices see it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// As it was sent.
    pub method: &'a str,
    /// The strict path.
    pub path: &'a str,
    /// What stands behind the `?`.
    pub query: &'a str,
    /// Whether a body comes with it, or a WebSocket follows.
    pub has_body: bool,
    /// Looks a header up; lines joined by commas.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// Looks up what the edge itself knows.
    pub edge: &'a dyn Fn(EdgeFact) -> Option<String>,
    /// How an origin may fold letters.
    pub fold_case: FoldCase,
}

/// What Cloudflare says of a request. Where it says nothing, nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeFact {
    /// Two letters; `T1` for Tor.
    Country,
    /// 1 for surely a bot to 99 for surely none; with Bot Management only.
    BotScore,
    /// `AI Crawler`, `Search Engine Crawler`, …
    VerifiedBot,
}

/// Why a request has no price.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's sentence says what it is")]
pub enum PriceError {
    #[error(
        "The price depends on the query's {0}: write it once, by this name, with a value as the price list has it"
    )]
    AmbiguousQuery(String),
    #[error("The price depends on the header {0}: send it once, with a value as the price list has it")]
    AmbiguousHeader(String),
    #[error("The price depends on the length of the body: send Content-Length")]
    LengthRequired,
    #[error("The price depends on the length of the body: send it without Content-Encoding")]
    Encoded,
    #[error("The body is too long to be sold")]
    TooLong,
    /// The reader of the price list requires a last rule without conditions, so this is a bug.
    #[error("No price of the route applies to this request")]
    NoRuleHolds,
}

impl Facts<'_> {
    /// The value of a query's name, decoded; `None` where it is absent.
    ///
    /// # Errors
    /// Where it stands twice, with `[]`, or under another spelling that some origin takes for it.
    pub fn query(&self, name: &str) -> Result<Option<String>, PriceError> {
        let ambiguous = || PriceError::AmbiguousQuery(name.to_owned());
        // Frameworks drop what is beyond their limit of parameters, and pairs that they cannot decode.
        if self.query.split('&').nth(MAX_PARAMETERS).is_some() || has_broken_percent(self.query) {
            return Err(ambiguous());
        }
        let mut strict = form_urlencoded::parse(self.query.as_bytes())
            .filter_map(|(key, value)| (key == name).then(|| value.into_owned()));
        let folded = self.fold_name(name);
        let liberal = self.query.split(['&', ';', '?']).filter(|pair| {
            let key = decode_fully(pair.split('=').next().unwrap_or_default());
            let inner = key.trim_start_matches(['[', ']', ' ']);
            let before_bracket = inner.split(['[', '\0']).next().unwrap_or_default();
            self.fold_name(&key) == folded || self.fold_name(before_bracket) == folded
        });
        let value = strict.next();
        // Values are split by `;` and `?` as well by some: then a part of one is left over here.
        let is_whole = value.as_ref().is_none_or(|value| !value.contains([';', '?']));
        if liberal.count() == usize::from(value.is_some()) && strict.next().is_none() && is_whole {
            Ok(value)
        } else {
            Err(ambiguous())
        }
    }

    /// Whether the query names a method that some frameworks take for the request's.
    pub fn names_a_method(&self) -> bool {
        !method_overrides(self.query).is_empty()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        (self.header)(name)
    }

    /// The length of the body in bytes, as it was announced; the shell holds the body to it.
    ///
    /// # Errors
    /// Where a body comes without a length, with one that no runtime can hold it to, or compressed.
    pub fn content_length(&self) -> Result<u64, PriceError> {
        if !self.has_body {
            return Ok(0);
        }
        let encoding = (self.header)("Content-Encoding").unwrap_or_default();
        if !["", "identity"].contains(&encoding.trim().to_ascii_lowercase().as_str()) {
            return Err(PriceError::Encoded);
        }
        let length = (self.header)("Content-Length").and_then(|length| length.parse().ok());
        let length = length.ok_or(PriceError::LengthRequired)?;
        if length > MAX_LENGTH { Err(PriceError::TooLong) } else { Ok(length) }
    }

    /// What the edge knows.
    pub fn edge(&self, fact: EdgeFact) -> Option<String> {
        (self.edge)(fact)
    }

    /// A name as the most forgiving origin reads it: PHP makes `_` of dots, spaces and brackets, Rack and qs drop brackets
    /// around it, Spring signs before it. What is left in all of them are letters and digits.
    fn fold_name(&self, name: &str) -> String {
        let is_letter = |c: &char| c.is_ascii_alphanumeric() || (!c.is_ascii() && !is_invisible(*c));
        let letters: String = name.chars().filter(is_letter).collect();
        (self.fold_case)(&letters)
    }
}

/// The methods that Rails, Laravel, Symfony and Express' method-override read in a query, of a POST at least.
pub fn method_overrides(query: &str) -> Vec<String> {
    let overrides = query.split(['&', ';', '?']).filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let key = decode_fully(key).replace(['.', ' '], "_");
        let name = key.split(['[', '\0']).next().unwrap_or_default();
        let is_override = name.trim_matches('_').eq_ignore_ascii_case(METHOD_OVERRIDE.trim_matches('_'));
        (is_override && name.starts_with('_')).then(|| decode_fully(value).trim().to_ascii_uppercase())
    });
    overrides.collect()
}

/// Whether a reader does not see it: controls, spaces that are not the usual one, what turns the text around, and what stands
/// for bytes that are no text.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}')
}

fn decode_fully(text: &str) -> String {
    let mut text = decode_form(text);
    for _ in 0..MAX_DECODINGS {
        text = decode_form(&text);
    }
    text
}

/// A `%` without two hex digits behind it: some drop the parameter, some keep the sign, some read `%u0061`.
fn has_broken_percent(query: &str) -> bool {
    query.split('%').skip(1).any(|behind| {
        let digits = behind.as_bytes().first_chunk::<2>();
        digits.is_none_or(|digits| !digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The parameter that names a method.
pub const METHOD_OVERRIDE: &str = "_method";
/// Express reads 1,000 parameters, counting empty ones; others fewer.
const MAX_PARAMETERS: usize = 100;
const MAX_DECODINGS: usize = 4;
/// The largest `Content-Length` that the runtime can hold a body to.
pub const MAX_LENGTH: u64 = MAX_SAFE_INTEGER;
