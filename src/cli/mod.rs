//! The commands of the command line, with one folder for each command, and the functions that the commands share. The
//! arguments are parsed in `src/bin/edgetoll.rs`.

pub mod check;
pub mod doctor;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Returns the named file, or else the first Wrangler file in the current folder; `None` if the folder has no
/// Wrangler file.
fn wrangler_file(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| WRANGLER_FILES.iter().map(PathBuf::from).find(|file| file.exists()))
}

/// # Errors
/// Returns a message with the file's name.
fn read_text(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

/// Prints why the command could not do its work, and returns its exit code.
fn could_not_run(message: &str) -> ExitCode {
    eprintln!("edgetoll: {message}");
    ExitCode::from(2)
}

/// The names of a Wrangler file, in the order in which Wrangler 4 looks for them.
const WRANGLER_FILES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];
