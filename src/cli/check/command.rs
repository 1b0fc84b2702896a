//! Runs `edgetoll check`: reads the file, prints the report, and chooses the exit code.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::places::Position;
use super::{Finding, Severity, check};
use crate::cli::{could_not_run, overridden, own_command, read_text, wrangler_file};

/// Returns the exit code: 0 if there is no error, 1 if there is an error, and 2 if the file cannot be read. If Wrangler runs the
/// command as the build command of `wrangler dev`, an error also gives 0: the Worker then serves no route that has a mistake.
pub fn run(file: Option<PathBuf>, is_build: bool) -> ExitCode {
    // As the build command, it runs after Wrangler has chosen the file, maybe with `--config`.
    let is_chosen = file.is_some() || is_build;
    let Some(file) = wrangler_file(file) else {
        return could_not_run(&format!(
            "this folder has no wrangler.toml, wrangler.json or wrangler.jsonc: give the path of the file, as in `{} FILE`",
            own_command("check")
        ));
    };
    if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".dev.vars")) {
        return could_not_run(&format!(
            "{} is not a Wrangler file: check wrangler.toml instead; `{}` examines {0}",
            file.display(),
            own_command("doctor"),
        ));
    }
    let text = match read_text(&file) {
        Ok(text) => text,
        Err(message) => return could_not_run(&message),
    };
    let mut report = check(&file.display().to_string(), &text);
    if !is_chosen && let Some(sentence) = overridden(&file) {
        let (position, place) = (Position { line: 1, column: 1 }, String::new());
        report.findings.insert(0, Finding { severity: Severity::Error, position, place, sentence });
    }
    // If the reader of stdout has closed the pipe, the report is lost, but the exit code still tells the result.
    let _ = write!(io::stdout(), "{report}");
    let is_dev = is_build && env::var("WRANGLER_COMMAND").is_ok_and(|command| command == "dev");
    if report.count(Severity::Error) > 0 && !is_dev { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
