//! The facts of a request that a price may depend on.
//!
//! Origins read queries and headers differently. If an origin could read a fact in another way than edgetoll, the
//! request has no price and is refused with 400. Otherwise a client could pay the lower of two prices for a response
//! that costs the higher one.

use std::borrow::Cow;

use thiserror::Error;

use super::normalization::{FoldCase, is_invisible};
use crate::http::header;
use crate::http::percent::{self, decode_form};
use crate::protocols::own_headers::without_own;
use crate::protocols::price::MAX_SAFE_INTEGER;

/// The facts of one request.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The method as it was sent.
    pub method: &'a str,
    /// The path as it was sent.
    pub path: &'a str,
    /// The query without its `?`.
    pub query: &'a str,
    /// Whether the request has a body or is a WebSocket upgrade.
    pub has_body: bool,
    /// Returns the value of a request header. Several lines of the same header are joined with commas.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// Returns what Cloudflare knows about the request; `None` if it does not know this fact.
    pub edge: &'a dyn Fn(EdgeFact) -> Option<String>,
    /// Converts letters to one case, unless the origin distinguishes case.
    pub fold_case: FoldCase,
}

/// A fact that Cloudflare may know about a request, depending on the plan and the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeFact {
    /// The country of the client as two letters; `T1` for Tor.
    Country,
    /// The bot score, from 1 (certainly a bot) to 99 (certainly a person). Cloudflare provides this score only with Bot
    /// Management.
    BotScore,
    /// The category of a bot that Cloudflare has verified, such as `AI Crawler` or `Search Engine Crawler`.
    VerifiedBot,
}

/// Why a request has no price.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PriceError {
    #[error(
        "The price depends on the query parameter {0}, but this request can be read in two ways; \
         send the parameter at most once, with name and value as in the price list"
    )]
    AmbiguousQuery(String),
    #[error(
        "The price depends on the method, and a query parameter such as _method can replace the method; \
         leave the parameter out"
    )]
    MethodInQuery,
    #[error(
        "The price depends on the header {0}, but this request can be read in two ways; \
         send the header at most once, with a value as in the price list"
    )]
    AmbiguousHeader(String),
    #[error("The price depends on the length of the body; send Content-Length")]
    LengthRequired,
    #[error("The price depends on the length of the body; send the body without Content-Encoding")]
    Encoded,
    #[error("The body is longer than this route accepts; send a shorter body")]
    TooLong,
    #[error(
        "The price depends on the length of the body, and this method cannot have a body; use another method"
    )]
    UnexpectedBody,
    /// The last price of every route has no conditions, so this error is a bug.
    #[error("No price of this route applies to the request; nothing was served")]
    NoRuleMatches,
}

impl Facts<'_> {
    /// Returns the decoded value of a query parameter; `None` if the query does not have it.
    ///
    /// # Errors Fails if an origin may read a different value. Examples: the parameter is repeated, its name has
    /// brackets, or the query also has a similar name that some origin takes for this name.
    pub fn query(&self, name: &str) -> Result<Option<String>, PriceError> {
        Ok(self.parse_query().parameter(name, self)?.map(|parameter| parameter.value.clone()))
    }

    /// Parses the query once for all conditions of a price.
    pub(super) fn parse_query(&self) -> ParsedQuery {
        let pieces = || self.query.split(['&', ';', '?']);
        // Some frameworks read only a limited number of parameters. Some ignore a parameter that they cannot decode.
        if pieces().nth(MAX_PARAMETERS).is_some()
            || has_broken_percent(self.query)
            || self.header("Content-Type").is_some_and(|value| has_other_charset(&value))
        {
            return ParsedQuery { parameters: Vec::new(), spellings: Vec::new(), is_ambiguous: true };
        }
        let parameter = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            let decoded = percent::decode(value.as_bytes());
            let is_visible = |c: &char| !is_invisible(*c);
            let visible: String = String::from_utf8_lossy(&decoded).chars().filter(is_visible).collect();
            let folded = without_extra_slashes(&(self.fold_case)(visible.trim()));
            Parameter { name: name.into_owned(), value: value.into_owned(), folded }
        };
        let spelling = |piece: &str| {
            // Nuxt skips `=` before a name.
            let key = decode_fully(piece.trim_start_matches('=').split('=').next().unwrap_or_default());
            let inner = key.trim_start_matches(['[', ']', ' ']);
            // Zope reads `name:int` as `name`.
            let before_bracket = inner.split(['[', '\0', ':']).next().unwrap_or_default();
            // With `allowDots`, qs reads `name.0` as the first of a list.
            let is_index = |index: &str| index.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let name = match before_bracket.split_once('.') {
                Some((name, index)) if is_index(index) => name,
                _ => before_bracket,
            };
            [self.fold_name(&key), self.fold_name(name)]
        };
        ParsedQuery {
            parameters: form_urlencoded::parse(self.query.as_bytes()).map(parameter).collect(),
            spellings: pieces().map(spelling).collect(),
            is_ambiguous: false,
        }
    }

    /// Whether the query has a parameter that some frameworks use as the method of the request.
    pub fn has_method_override(&self) -> bool {
        !method_overrides(self.method, self.query).is_empty()
    }

    /// Returns the value of a request header, without the credentials and cookies of edgetoll; `None` if the request does not have the
    /// header, or nothing else in it.
    pub fn header(&self, name: &str) -> Option<String> {
        without_own(name, &(self.header)(name)?)
    }

    /// Returns the length of the body in bytes as `Content-Length` states it; 0 without a body. The length is enforced
    /// when the request is forwarded.
    ///
    /// # Errors Fails in four cases:
    /// 1. The body has no `Content-Length`.
    /// 2. The body has a `Content-Encoding` other than `identity`.
    /// 3. The body is longer than the runtime can enforce.
    /// 4. A `GET` or `HEAD` request has a body, which the runtime does not forward. A WebSocket upgrade is a `GET`
    ///    request.
    pub fn content_length(&self) -> Result<u64, PriceError> {
        if !self.has_body {
            return Ok(0);
        }
        let encoding = self.header("Content-Encoding").unwrap_or_default();
        if !["", "identity"].contains(&encoding.trim().to_ascii_lowercase().as_str()) {
            return Err(PriceError::Encoded);
        }
        let length = self.header("Content-Length").and_then(|length| length.parse().ok());
        let length = length.ok_or(PriceError::LengthRequired)?;
        match self.method {
            "GET" | "HEAD" => Err(PriceError::UnexpectedBody),
            _ if length > MAX_LENGTH => Err(PriceError::TooLong),
            _ => Ok(length),
        }
    }

    /// Returns what Cloudflare knows about the request; `None` if it does not know this fact.
    pub fn edge(&self, fact: EdgeFact) -> Option<String> {
        (self.edge)(fact)
    }

    fn fold_name(&self, name: &str) -> String {
        fold_name(name, self.fold_case)
    }
}

/// Returns the letters and digits of a parameter name, with letters converted by `fold_case`. Two names with the
/// same result are ambiguous: some origins remove or replace other characters, and then both names are the same
/// parameter.
///
/// PHP replaces dots, spaces and brackets with `_`; Rack and qs remove brackets around a name; Spring removes
/// punctuation before a name.
pub fn fold_name(name: &str, fold_case: FoldCase) -> String {
    let is_kept = |c: &char| c.is_ascii_alphanumeric() || (!c.is_ascii() && !is_invisible(*c));
    let kept: String = name.chars().filter(is_kept).collect();
    fold_case(&kept)
}

/// A query that is split into its parameters.
pub(super) struct ParsedQuery {
    parameters: Vec<Parameter>,
    /// The names of the parameters, in every way in which an origin may split and decode the query. Each name is folded
    /// by [`fold_name`].
    spellings: Vec<[String; 2]>,
    is_ambiguous: bool,
}

pub(super) struct Parameter {
    name: String,
    pub value: String,
    /// The value as it is read by an origin that decodes it twice, trims it, ignores case and removes extra slashes.
    pub folded: String,
}

impl ParsedQuery {
    /// Returns a parameter; `None` if the query does not have it.
    ///
    /// # Errors
    /// Fails as [`Facts::query`] does.
    pub fn parameter(&self, name: &str, facts: &Facts<'_>) -> Result<Option<&Parameter>, PriceError> {
        let mut named = self.parameters.iter().filter(|parameter| parameter.name == name);
        let parameter = named.next();
        let folded = facts.fold_name(name);
        let spellings = self.spellings.iter().filter(|spelling| spelling.contains(&folded));
        let is_only_spelling =
            spellings.count() == usize::from(parameter.is_some()) && named.next().is_none();
        // Some origins end a value at `;` or `?`.
        let is_whole = parameter.is_none_or(|parameter| !parameter.value.contains([';', '?']));
        if self.is_ambiguous || !is_only_spelling || !is_whole {
            return Err(PriceError::AmbiguousQuery(name.to_owned()));
        }
        Ok(parameter)
    }
}

/// Returns a value with single slashes, and without a slash at its end. restify's `sanitizePath` and similar code remove such
/// slashes from the whole URL.
pub(super) fn without_extra_slashes(value: &str) -> String {
    let mut value = value.to_owned();
    while value.contains("//") {
        value = value.replace("//", "/");
    }
    value.truncate(value.trim_end_matches('/').len());
    value
}

/// Returns the methods that origins may read from the query and use in place of `method`: Rails, Laravel and Symfony from `_method`,
/// and ASP.NET MVC and Plack from the parameters of [`METHOD_OVERRIDES`]. In place of `POST`, others take it from a parameter whose
/// name ends with `method`, such as Restlet from `method` and Alfresco from `alf_method`.
pub fn method_overrides(method: &str, query: &str) -> Vec<String> {
    let overrides = query.split(['&', ';', '?']).filter_map(|pair| {
        let (key, value) = pair.trim_start_matches('=').split_once('=')?;
        let key = decode_fully(key).replace(['.', ' '], "_");
        let name = key.split(['[', '\0']).next().unwrap_or_default();
        let is_usual = name.starts_with('_') && name.trim_matches('_').eq_ignore_ascii_case("method");
        let is_override = is_usual || METHOD_OVERRIDES.iter().any(|other| header::is_same(name, other));
        let other = decode_fully(value).trim().to_ascii_uppercase();
        // Many parameters with such a name do not name a method of HTTP.
        let has_method =
            || name.to_ascii_lowercase().ends_with("method") && METHODS.contains(&other.as_str());
        (is_override || (method == "POST" && has_method())).then_some(other)
    });
    overrides.collect()
}

/// Decodes a name or a value of a query until decoding changes nothing, at most five times.
pub(super) fn decode_fully(text: &str) -> String {
    let mut text = decode_form(text);
    for _ in 0..MAX_DECODINGS {
        if !text.contains(['%', '+']) {
            break;
        }
        text = decode_form(&text);
    }
    text
}

/// Whether a `Content-Type` names a charset other than the usual ones. Django and ASP.NET decode the query with this charset:
/// in UTF-7, `+AHA-` is `p`.
fn has_other_charset(content_type: &str) -> bool {
    content_type.to_ascii_lowercase().split("charset").skip(1).any(|rest| {
        let value = rest.trim_start().strip_prefix('=').and_then(|value| value.split(';').next());
        let value = value.unwrap_or_default().trim().trim_matches('"');
        !CHARSETS.contains(&value)
    })
}

/// Whether the query has a `%` without two hexadecimal digits after it. Some origins drop such a parameter, some keep
/// the `%`, and some read `%u0061` as `a`.
fn has_broken_percent(query: &str) -> bool {
    query.split('%').skip(1).any(|rest| {
        let digits = rest.as_bytes().first_chunk::<2>();
        digits.is_none_or(|digits| !digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The names of headers that ASP.NET MVC and Plack also read from the query.
const METHOD_OVERRIDES: [&str; 2] = ["x-http-method-override", "x-tunneled-method"];
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
/// A query with more parameters than this number is ambiguous, because each framework ignores parameters beyond its own
/// limit. Express reads 1,000 and counts empty parameters; other frameworks read fewer.
const MAX_PARAMETERS: usize = 100;
const MAX_DECODINGS: usize = 4;
/// The charsets in which clients send ASCII characters as they are.
const CHARSETS: [&str; 6] = ["iso-8859-1", "latin1", "us-ascii", "utf-8", "utf8", "windows-1252"];
/// The largest `Content-Length` that the runtime can enforce.
pub const MAX_LENGTH: u64 = MAX_SAFE_INTEGER;
