//! The command line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use edgetoll::check::{Severity, check};

/// A Lightning paywall that lives at the edge.
#[derive(Parser)]
#[command(name = "edgetoll", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Finds the mistakes of a Wrangler file that would cost money or open the paywall.
    ///
    /// Ends with 0 where there is no error, 1 where there is one, and 2 where the file cannot be read.
    Check {
        /// The file; wrangler.toml, wrangler.json or wrangler.jsonc of this folder, unless named.
        file: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Check { file } => run_check(file),
    }
}

fn run_check(file: Option<PathBuf>) -> ExitCode {
    let Some(file) = file.or_else(default_file) else {
        eprintln!("edgetoll: there is no {} here", DEFAULT_FILES.join(", "));
        return ExitCode::from(2);
    };
    let name = file.display().to_string();
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("edgetoll: {name} cannot be read: {error}");
            return ExitCode::from(2);
        }
    };
    let report = check(&name, &text);
    // Whoever closes the pipe has read enough; the exit code still tells.
    let _ = write!(io::stdout(), "{report}");
    if report.count(Severity::Error) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn default_file() -> Option<PathBuf> {
    DEFAULT_FILES.iter().map(Path::new).find(|file| file.exists()).map(Path::to_owned)
}

const DEFAULT_FILES: [&str; 3] = ["wrangler.toml", "wrangler.json", "wrangler.jsonc"];
