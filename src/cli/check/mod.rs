//! `edgetoll check`: every mistake of a Wrangler file that would cost money or open the paywall, with line and column.
//! The price list is judged by the same code that reads it in the Worker.

mod bindings;
pub mod document;
mod environment;
mod from_jsonc;
mod from_toml;
mod nearest;
pub mod places;
mod platform;
mod price_list;
mod variables;

use std::fmt;

use document::Document;
use environment::{Environment, Point};
use places::Position;

use crate::strict_json::Json;

/// What was found in a file. Displayed, it is a line for each finding and one that counts them.
///
/// No line of the file itself is shown: it could hold a secret, and reports stand in logs.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file, as it was named.
    pub name: String,
    /// By line and column.
    pub findings: Vec<Finding>,
    /// How many routes the price lists have, all environments together.
    pub routes: usize,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it must be changed.
    pub severity: Severity,
    /// Where it stands.
    pub position: Position,
    /// `TOLL.routes[2].sats`, `env.staging.LNBITS_URL`, `assets.binding`; empty for a mistake of the syntax.
    pub place: String,
    /// What is wrong, or what the value should be.
    pub sentence: String,
}

/// How bad a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Must be changed.
    Error,
    /// May be meant so.
    Warning,
}

/// Judges the text of a Wrangler file. The name's ending says whether it is TOML or JSON.
pub fn check(name: &str, text: &str) -> Report {
    let (mut findings, routes) = match Document::read(name, text) {
        Ok(document) => check_document(&document),
        Err(errors) => {
            let finding = |error: document::SyntaxError| Finding {
                severity: Severity::Error,
                position: error.position,
                place: String::new(),
                sentence: error.sentence,
            };
            (errors.into_iter().map(finding).collect(), 0)
        }
    };
    findings.sort_by_key(|finding| finding.position);
    Report { name: name.to_owned(), findings, routes }
}

fn check_document(document: &Document) -> (Vec<Finding>, usize) {
    let environments = Environment::all(document);
    let is_somewhere = environments.iter().any(|environment| environment.get(&["vars", "TOLL"]).is_some());
    let (mut findings, mut routes) = (Vec::new(), 0_usize);
    for mut environment in environments {
        match environment.get(&["vars", "TOLL"]) {
            Some(toll) => routes = routes.saturating_add(check_toll(&mut environment, toll)),
            None => check_missing_toll(&mut environment, is_somewhere),
        }
        variables::check(&mut environment);
        platform::check(&mut environment);
        findings.extend(environment.into_findings());
    }
    (findings, routes)
}

/// Judges the price list and what it needs; tells how many routes it has.
fn check_toll(environment: &mut Environment<'_>, toll: &Json) -> usize {
    let parsed;
    let list = match toll {
        Json::String(text) => {
            let Some(list) = Json::parse(text.as_bytes()) else {
                environment.error("vars.TOLL", Point::Value, "is not JSON, or has a key twice");
                return 0;
            };
            parsed = list;
            &parsed
        }
        list => list,
    };
    price_list::check(environment, toll, list);
    bindings::check(environment, list);
    list.get("routes").and_then(Json::as_array).map_or(0, <[Json]>::len)
}

fn check_missing_toll(environment: &mut Environment<'_>, is_somewhere: bool) {
    let (severity, sentence) = match environment.name {
        Some(_) => (
            Severity::Warning,
            "is missing: vars are not inherited, so this environment serves nothing (503 not_configured)",
        ),
        None if is_somewhere => (
            Severity::Warning,
            "is missing: only the environments serve anything, the rest is 503 not_configured",
        ),
        None => (Severity::Error, "is missing: without a price list nothing is served (503 not_configured)"),
    };
    environment.note(severity, "vars.TOLL", Point::Value, sentence);
}

impl Report {
    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{}:{finding}", self.name)?;
        }
        let counts = [
            (self.count(Severity::Error), Severity::Error.word()),
            (self.count(Severity::Warning), Severity::Warning.word()),
        ];
        let counts =
            counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| counted(count, word));
        let counts: Vec<String> = counts.collect();
        if counts.is_empty() {
            writeln!(f, "{}: {}, no mistakes", self.name, counted(self.routes, "route"))
        } else {
            writeln!(f, "{}: {}", self.name, counts.join(", "))
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        let space = if self.place.is_empty() { "" } else { " " };
        let said = format!("{}{space}{}", self.place, self.sentence);
        write!(f, "{line}:{column}: {}: {}", self.severity.word(), on_one_line(&said))
    }
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// A key may hold anything, a line break or a colour among it.
fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
