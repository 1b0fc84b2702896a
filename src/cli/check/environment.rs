//! A Wrangler environment (`[env.NAME]`), or the top level of the file, which `wrangler deploy` uses without `--env`.

use super::document::Document;
use super::notation::Notation;
use super::report::{Finding, Severity};
use crate::strict_json::Json;

/// Looks up the settings of one environment, and collects the findings about them. An environment inherits neither vars
/// nor bindings from the top level.
pub(super) struct Environment<'a> {
    document: &'a Document,
    /// `None` for the top level.
    pub name: Option<&'a str>,
    table: &'a Json,
    findings: Vec<Finding>,
}

/// Whether a finding points at the key or at the value of its place.
#[derive(Clone, Copy)]
pub(super) enum Point {
    Key,
    Value,
}

impl<'a> Environment<'a> {
    /// Returns the top level, then the environments.
    pub fn all(document: &'a Document) -> Vec<Self> {
        let root = document.root();
        let mut environments = vec![Self::new(document, None, root)];
        if let Some(Json::Object(named)) = root.get("env") {
            environments.extend(named.iter().map(|(name, table)| Self::new(document, Some(name), table)));
        }
        environments
    }

    fn new(document: &'a Document, name: Option<&'a str>, table: &'a Json) -> Self {
        Self { document, name, table, findings: Vec::new() }
    }

    /// Returns the value at a path of keys; `None` if it does not exist.
    pub fn get(&self, keys: &[&str]) -> Option<&'a Json> {
        get(self.table, keys)
    }

    /// Returns the value of a key such as `migrations`, which an environment without the key inherits from the top
    /// level.
    pub fn get_inherited(&self, key: &str) -> Option<&'a Json> {
        self.table.get(key).or_else(|| self.document.root().get(key))
    }

    /// Returns the value at a path of keys in the top level of the file; `None` if it does not exist, or if this
    /// `Environment` is itself the top level.
    pub fn get_at_top_level(&self, keys: &[&str]) -> Option<&'a Json> {
        self.name?;
        get(self.document.root(), keys)
    }

    /// Returns the table of this environment.
    pub fn table(&self) -> &'a Json {
        self.table
    }

    /// Returns the notation of the file: TOML or JSON.
    pub fn notation(&self) -> Notation {
        self.document.notation()
    }

    /// Returns the number at a place of this environment, with the characters that the file has.
    pub fn number(&self, place: &str) -> Option<String> {
        self.document.number(&self.in_file(place))
    }

    /// Reports an error. See [`Self::report`].
    pub fn error(&mut self, place: &str, point: Point, sentence: &str) {
        self.report(Severity::Error, place, point, sentence);
    }

    /// Reports a warning. See [`Self::report`].
    pub fn warn(&mut self, place: &str, point: Point, sentence: &str) {
        self.report(Severity::Warning, place, point, sentence);
    }

    /// Reports a finding. `place` is relative to this environment. The report names variables without `vars.`, as the
    /// Worker's log does.
    pub fn report(&mut self, severity: Severity, place: &str, point: Point, sentence: &str) {
        let in_file = self.in_file(place);
        let position = match point {
            Point::Key => self.document.key(&in_file),
            Point::Value => self.document.value(&in_file),
        };
        let place = self.in_file(place.strip_prefix("vars.").unwrap_or(place));
        self.findings.push(Finding { severity, position, place, sentence: sentence.to_owned() });
    }

    /// Converts a place in this environment to a place in the file.
    fn in_file(&self, place: &str) -> String {
        self.name.map_or_else(|| place.to_owned(), |name| format!("env.{name}.{place}"))
    }

    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

fn get<'a>(table: &'a Json, keys: &[&str]) -> Option<&'a Json> {
    keys.iter().try_fold(table, |table, key| table.get(key))
}
