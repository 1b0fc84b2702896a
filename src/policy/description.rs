//! What an invoice says is sold. Values of the request in it are short and cannot turn its text around.

use super::facts::{Facts, is_invisible};
use crate::http::{form, percent};

/// A text with `{method}`, `{path}` and `{query.name}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Method,
    Path,
    Query(String),
}

impl Description {
    /// Reads a template; `None` where a brace is not one of the three values.
    pub fn parse(template: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, behind)) = rest.split_once('{') {
            let (value, behind) = behind.split_once('}')?;
            parts.push(Part::Text(text.to_owned()));
            parts.push(match value {
                "method" => Part::Method,
                "path" => Part::Path,
                _ => Part::Query(value.strip_prefix("query.").filter(|name| !name.is_empty())?.to_owned()),
            });
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        let is_closed = |part: &Part| !matches!(part, Part::Text(text) if text.contains('}'));
        parts.iter().all(is_closed).then_some(Self(parts))
    }

    /// The text for a request.
    pub fn fill(&self, facts: &Facts<'_>) -> String {
        self.0.iter().map(|part| part.fill(facts)).collect()
    }

    /// The template as it was written.
    pub fn template(&self) -> String {
        self.0.iter().map(Part::template).collect()
    }
}

impl Part {
    fn fill(&self, facts: &Facts<'_>) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Method => shown(facts.method),
            Self::Path => shown(&String::from_utf8_lossy(&percent::decode(facts.path.as_bytes()))),
            Self::Query(name) => shown(&form::field(facts.query, name).unwrap_or_default()),
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

fn shown(value: &str) -> String {
    value.chars().filter(|c| !is_invisible(*c)).take(MAX_VALUE_CHARACTERS).collect()
}

const MAX_VALUE_CHARACTERS: usize = 64;
