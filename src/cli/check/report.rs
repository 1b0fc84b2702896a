//! The report of `edgetoll check`, in the form of compiler messages: `file:line:column: error: …`.

use std::fmt;

use super::places::Position;

/// All findings in a file. `Display` writes one line for each finding, and a last line with the numbers of errors and
/// warnings, or with the number of routes if there is no finding.
///
/// The report quotes no line of the file: a line may contain a secret, and reports end up in logs.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file's name, as it was passed to the command.
    pub name: String,
    /// Sorted by position.
    pub findings: Vec<Finding>,
    /// The number of routes in the price lists of all environments.
    pub routes: usize,
}

impl Report {
    /// Returns the number of findings of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{}:{finding}", self.name)?;
        }
        let counts: Vec<String> = [Severity::Error, Severity::Warning]
            .into_iter()
            .map(|severity| (self.count(severity), severity.word()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| counted(count, word))
            .collect();
        if counts.is_empty() {
            writeln!(f, "{}: {}, no mistakes", self.name, counted(self.routes, "route"))
        } else {
            writeln!(f, "{}: {}", self.name, counts.join(", "))
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub position: Position,
    /// Where the mistake is, such as `TOLL.routes[2].sats`, `env.staging.LNBITS_URL` or `assets.binding`; empty for a
    /// syntax error.
    pub place: String,
    /// What is wrong and what to write instead: a sentence without its subject, which is the place.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        let space = if self.place.is_empty() { "" } else { " " };
        let message = format!("{}{space}{}", self.place, self.sentence);
        write!(f, "{line}:{column}: {}: {}", self.severity.word(), on_one_line(&message))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file must be changed. The build command `make build` runs `edgetoll check`, so an error stops `wrangler
    /// deploy`.
    Error,
    /// The setting may be intended.
    Warning,
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

/// Replaces control characters. A key of the file may contain line breaks and terminal escapes.
fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
