//! What a price may look at. Each fact is read as every origin would read it, or not at all: where one origin would take a
//! request for a dearer one than another would, it has no price (400).

use thiserror::Error;

use super::path::FoldCase;
use crate::l402::percent;

/// A request, as prices see it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// As it was sent.
    pub method: &'a str,
    /// The strict path.
    pub path: &'a str,
    /// What stands behind the `?`.
    pub query: &'a str,
    /// Whether a body comes with it.
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
pub enum Unpriced {
    #[error(
        "The price depends on the query's {0}: write it once, by this name, with a value as the price list has it"
    )]
    AmbiguousQuery(String),
    #[error("The price depends on the header {0}: send it once, with a value as the price list has it")]
    AmbiguousHeader(String),
    #[error("The price depends on the length of the body: send Content-Length")]
    LengthRequired,
    #[error("The body is too long to be sold")]
    TooLong,
}

impl Facts<'_> {
    /// The value of a query's name, decoded; `None` where it is absent.
    ///
    /// # Errors
    /// Where it stands twice, with `[]`, or under another spelling that some origin takes for it.
    pub fn query(&self, name: &str) -> Result<Option<String>, Unpriced> {
        let mut strict = self.query.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        });
        let folded = self.fold_name(name);
        let liberal = self.query.split(['&', ';', '?']).filter(|pair| {
            let key = pair.split('=').next().unwrap_or_default();
            self.fold_name(&decode(&decode(key))) == folded
        });
        let value = strict.next();
        // Values are split by `;` and `?` as well by some: then a part of one is left over here.
        let is_whole = value.as_ref().is_none_or(|value| !value.contains([';', '?']));
        if liberal.count() == usize::from(value.is_some()) && strict.next().is_none() && is_whole {
            Ok(value)
        } else {
            Err(Unpriced::AmbiguousQuery(name.to_owned()))
        }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        (self.header)(name)
    }

    /// The length of the body in bytes, as it was announced; the shell holds the body to it.
    ///
    /// # Errors
    /// Where a body comes without a length.
    pub fn content_length(&self) -> Result<u64, Unpriced> {
        if !self.has_body {
            return Ok(0);
        }
        let length = (self.header)("Content-Length").and_then(|length| length.parse().ok());
        length.ok_or(Unpriced::LengthRequired)
    }

    /// What the edge knows.
    pub fn edge(&self, fact: EdgeFact) -> Option<String> {
        (self.edge)(fact)
    }

    /// A name as the most forgiving origin reads it: PHP makes `_` of dots, spaces and brackets and takes `a[]` for `a`.
    fn fold_name(&self, name: &str) -> String {
        let name = name.trim_start_matches([' ', '\t']).split(['[', '\0']).next().unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        (self.fold_case)(&name.trim_end().replace(['.', ' '], "_"))
    }
}

/// A part of a query as text.
pub fn decode(text: &str) -> String {
    let bytes = percent::decode(text.replace('+', " ").as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}
