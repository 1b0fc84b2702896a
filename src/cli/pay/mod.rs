//! The commands that pay, and those that show what was paid: `fetch`, `wallet`, `payments`, `credentials`, `mcp`, `stats`.

pub mod config;
pub mod credentials;
pub mod exit;
pub mod fetch;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod payments;
pub mod stats;
pub mod wallet;

use std::fmt::Display;
use std::process::ExitCode;

use config::Config;
use exit::Failure;

/// Runs an async command with the configuration. Prints an error as one line, and returns the exit code.
fn run<F>(work: impl FnOnce(Config) -> F) -> ExitCode
where
    F: Future<Output = Result<ExitCode, Failure>>,
{
    let result = Config::read().and_then(|config| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::config(error.to_string()))?;
        runtime.block_on(work(config))
    });
    result.unwrap_or_else(|failure| failure.print())
}

fn print(line: impl Display) -> Result<(), Failure> {
    super::print_line(line).map_err(|error| Failure::output(&error))
}
