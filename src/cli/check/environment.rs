//! The top level of a Wrangler file, or one of its environments.

use super::document::Document;
use super::{Finding, Severity};
use crate::strict_json::Json;

/// Where variables and bindings are looked up. An environment inherits neither from the top level.
pub(super) struct Environment<'a> {
    document: &'a Document,
    /// `None` for the top level.
    pub name: Option<&'a str>,
    table: &'a Json,
    findings: Vec<Finding>,
}

/// What a finding points at.
#[derive(Clone, Copy)]
pub(super) enum Point {
    Key,
    Value,
}

impl<'a> Environment<'a> {
    /// The top level first.
    pub fn all(document: &'a Document) -> Vec<Self> {
        let root = document.root();
        let environment = |name, table| Self { document, name, table, findings: Vec::new() };
        let mut environments = vec![environment(None, root)];
        if let Some(Json::Object(named)) = root.get("env") {
            environments.extend(named.iter().map(|(name, table)| environment(Some(name.as_str()), table)));
        }
        environments
    }

    /// The value of a key below keys.
    pub fn get(&self, keys: &[&str]) -> Option<&'a Json> {
        keys.iter().try_fold(self.table, |table, key| table.get(key))
    }

    /// The same, inherited from the top level where the environment has no such table of its own.
    pub fn inherited(&self, key: &str) -> Option<&'a Json> {
        self.table.get(key).or_else(|| self.document.root().get(key))
    }

    /// What stands at the top level, where this is an environment.
    pub fn above(&self, keys: &[&str]) -> Option<&'a Json> {
        self.name?;
        keys.iter().try_fold(self.document.root(), |table, key| table.get(key))
    }

    /// Notes what must be changed. The place begins in this environment.
    pub fn error(&mut self, place: &str, point: Point, sentence: &str) {
        self.note(Severity::Error, place, point, sentence);
    }

    /// Notes what may be meant so.
    pub fn warn(&mut self, place: &str, point: Point, sentence: &str) {
        self.note(Severity::Warning, place, point, sentence);
    }

    /// Notes a finding. What stands in `vars` is named as the Worker names it: without `vars`.
    pub fn note(&mut self, severity: Severity, place: &str, point: Point, sentence: &str) {
        let prefix = self.name.map_or(String::new(), |name| format!("env.{name}."));
        let in_file = format!("{prefix}{place}");
        let position = match point {
            Point::Key => self.document.key(&in_file),
            Point::Value => self.document.value(&in_file),
        };
        let place = format!("{prefix}{}", place.strip_prefix("vars.").unwrap_or(place));
        self.findings.push(Finding { severity, position, place, sentence: sentence.to_owned() });
    }

    /// What was found.
    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}
