//! The owner's template for the description of an invoice.
//!
//! Clients choose the values that replace its placeholders, so each value is cut to 64 characters, and characters that are not
//! printable are removed. The whole description is cut too, because it is part of the QR code of the invoice.

use super::facts::Facts;
use super::normalization::is_invisible;
use crate::http::{form, percent};

/// A template with the placeholders `{method}`, `{path}` and `{query.name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(Vec<Part>);

impl Description {
    /// Parses a template. Returns `None` if it has a brace that does not belong to a placeholder.
    pub fn parse(template: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (placeholder, after) = after.split_once('}')?;
            parts.push(Part::Text(text.to_owned()));
            parts.push(match placeholder {
                "method" => Part::Method,
                "path" => Part::Path,
                _ => Part::Query(
                    placeholder.strip_prefix("query.").filter(|name| !name.is_empty())?.to_owned(),
                ),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let has_stray_brace = |part: &Part| matches!(part, Part::Text(text) if text.contains('}'));
        (!parts.iter().any(has_stray_brace)).then_some(Self(parts))
    }

    /// Returns the description for a request, with the values of the request in place of the placeholders.
    pub fn fill(&self, facts: &Facts<'_>) -> String {
        self.0.iter().map(|part| part.fill(facts)).collect()
    }

    /// Returns the length of the longest description in bytes, for values that are ASCII text.
    pub fn longest(&self) -> usize {
        let bytes = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Method | Part::Path | Part::Query(_) => MAX_VALUE_CHARACTERS,
        };
        self.0.iter().map(bytes).fold(0, usize::saturating_add)
    }

    /// Returns the template as it was written.
    pub fn template(&self) -> String {
        self.0.iter().map(Part::template).collect()
    }
}

/// Cuts a description to [`MAX_BYTES`], at a character boundary.
pub fn shorten(description: &str) -> String {
    description.get(..description.floor_char_boundary(MAX_BYTES)).unwrap_or_default().to_owned()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Method,
    Path,
    /// The value of the query parameter with this name.
    Query(String),
}

impl Part {
    fn fill(&self, facts: &Facts<'_>) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Method => displayable(facts.method),
            Self::Path => displayable(&String::from_utf8_lossy(&percent::decode(facts.path.as_bytes()))),
            Self::Query(name) => displayable(&form::field(facts.query, name).unwrap_or_default()),
        }
    }

    fn template(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Method => "{method}".to_owned(),
            Self::Path => "{path}".to_owned(),
            Self::Query(name) => format!("{{query.{name}}}"),
        }
    }
}

/// LNbits' extension *NWC Service Provider* refuses spaces beyond ASCII, such as that of Japanese keyboards, and characters for private
/// use.
fn displayable(value: &str) -> String {
    let is_private = |c: char| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    let with_spaces = value.chars().map(|c| if c.is_whitespace() && !c.is_ascii() { ' ' } else { c });
    with_spaces.filter(|c| !is_invisible(*c) && !is_private(*c)).take(MAX_VALUE_CHARACTERS).collect()
}

const MAX_VALUE_CHARACTERS: usize = 64;
/// The maximum length of a description in bytes. An invoice with such a description and four route hints is a QR code
/// of version 20 or less, which a phone can scan from a screen. BOLT 11 allows 639 bytes.
pub const MAX_BYTES: usize = 256;
