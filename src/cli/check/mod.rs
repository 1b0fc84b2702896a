//! `edgetoll check`: reports mistakes in a Wrangler file that would cost money or open the paywall. Each mistake is
//! reported with its line and column.
//!
//! The price list is checked by the code that reads it in the Worker. `edgetoll check` sends nothing over the network.
//! To test the wallets, run `edgetoll doctor`.

mod bindings;
pub mod command;
mod conditions;
pub mod document;
mod environment;
mod from_jsonc;
mod from_toml;
mod mistakes;
pub(super) mod nearest;
mod notation;
mod patterns;
pub mod places;
pub mod platform;
mod price_list;
mod remedy;
mod report;
mod synonyms;
mod unknown_keys;
mod urls;
pub(super) mod variables;

pub use report::{Finding, Report, Severity};

use crate::strict_json::Json;
use document::{Document, SyntaxError};
use environment::{Environment, Point};

/// Checks the text of a Wrangler file. The extension of the name determines whether it is TOML or JSON.
pub fn check(name: &str, text: &str) -> Report {
    let (mut findings, routes) = match Document::read(name, text) {
        Ok(document) => check_document(&document),
        Err(errors) => (errors.into_iter().map(Finding::from).collect(), 0),
    };
    findings.sort_by_key(|finding| finding.position);
    Report { name: name.to_owned(), findings, routes }
}

/// Returns the findings and the number of routes.
fn check_document(document: &Document) -> (Vec<Finding>, usize) {
    let environments = Environment::all(document);
    let any_has_toll = environments.iter().any(|environment| environment.get(&TOLL).is_some());
    let (mut findings, mut routes) = (Vec::new(), 0_usize);
    for mut environment in environments {
        let is_misplaced = variables::check_misplaced(&mut environment);
        let is_misspelled = variables::check(&mut environment);
        match environment.get(&TOLL) {
            Some(toll) => routes = routes.saturating_add(check_toll(&mut environment, toll)),
            None if is_misplaced || is_misspelled => {}
            None => report_missing_toll(&mut environment, any_has_toll),
        }
        patterns::check(&mut environment);
        platform::check(&mut environment);
        findings.extend(environment.into_findings());
    }
    (findings, routes)
}

/// Checks the price list and the bindings that it needs. Returns the number of routes in the price list.
fn check_toll(environment: &mut Environment<'_>, toll: &Json) -> usize {
    let parsed;
    let list = match toll {
        Json::String(text) => {
            let Some(list) = Json::parse(text.as_bytes()) else {
                environment.error(
                    "vars.TOLL",
                    Point::Value,
                    "is not valid JSON, or has a key twice: correct it, or write a table instead of a text",
                );
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

fn report_missing_toll(environment: &mut Environment<'_>, any_has_toll: bool) {
    let (severity, sentence) = match environment.name {
        Some(_) => (
            Severity::Warning,
            "is missing: vars are not inherited from the top level, so this environment forwards no request \
             (503 not_configured); add TOLL to its vars",
        ),
        None if any_has_toll => (
            Severity::Warning,
            "is missing: a deployment without --env forwards no request (503 not_configured); add TOLL to \
             the vars of the top level, or deploy with --env only",
        ),
        None => (
            Severity::Error,
            "is missing: without it, no request is forwarded (503 not_configured); add TOLL to vars",
        ),
    };
    environment.report(severity, "vars.TOLL", Point::Value, sentence);
}

impl From<SyntaxError> for Finding {
    fn from(error: SyntaxError) -> Self {
        Self {
            severity: Severity::Error,
            position: error.position,
            place: String::new(),
            sentence: error.sentence,
        }
    }
}

/// Where a Wrangler file has the price list: in the key `TOLL` of `vars`.
const TOLL: [&str; 2] = ["vars", "TOLL"];
