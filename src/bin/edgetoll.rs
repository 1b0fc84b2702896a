//! The command line.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use clap::{Parser, Subcommand};
use edgetoll::cli::check::document::Document;
use edgetoll::cli::check::{Severity, check};
use edgetoll::cli::doctor;
use edgetoll::cli::doctor::report::{Check, Finding, Level, Tally};
use edgetoll::cli::doctor::settings::{Deployment, Sources};

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
    /// Examines the LNbits that a deployment is paid through: whether it answers, keeps its secrets, and makes invoices.
    ///
    /// LNBITS_URL, LNBITS_KEY, LNBITS_URL_2 and LNBITS_KEY_2 are taken from the environment, from .dev.vars beside the
    /// Wrangler file, and from its [vars]. Ends with 0 where nothing failed, 1 where something did, and 2 where the settings
    /// cannot be found.
    Doctor {
        /// The Wrangler file; wrangler.toml, wrangler.json or wrangler.jsonc of this folder, unless named.
        file: Option<PathBuf>,
        /// The environment of the Wrangler file that is deployed.
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Check { file } => run_check(file),
        Command::Doctor { file, env } => match read_deployment(file, env.as_deref()) {
            Ok(deployment) => run_doctor(deployment),
            Err(sentence) => {
                eprintln!("edgetoll: {sentence}");
                ExitCode::from(2)
            }
        },
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

fn run_doctor(deployment: Deployment) -> ExitCode {
    let mut tally = Tally::default();
    let mut tell = |finding: Finding| {
        tally.count(finding.level);
        say(&finding);
    };
    let price_list = deployment.price_list.or_else(|| {
        let sentence =
            "there is none, or it cannot be read: `edgetoll check` says why; the defaults are taken";
        tell(Finding::new(Level::Warn, Check::PriceList, sentence));
        doctor::default_price_list()
    });
    let Some(price_list) = price_list else { return ExitCode::from(2) };
    for wallet in &deployment.wallets {
        say(&wallet.heading);
        doctor::examine(&wallet.lnbits, &price_list, &mut tell);
    }
    say(&tally);
    if tally.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Each line as soon as it is there: the examination takes a while.
fn say(line: &impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn read_deployment(file: Option<PathBuf>, environment: Option<&str>) -> Result<Deployment, String> {
    let file = file.or_else(default_file);
    let document = file.as_deref().map(read_document).transpose()?;
    let name = file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
    let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let dev_vars = read_dev_vars(folder, environment)?;
    let sources = Sources {
        environment: &|name| env::var(name).ok(),
        dev_vars: dev_vars.as_ref().map(|(name, text)| (name.as_str(), text.as_str())),
        file: document.as_ref().map(|document| (name.as_str(), document)),
        environment_name: environment,
    };
    doctor::settings::read(&sources).map_err(|error| error.to_string())
}

fn read_document(file: &Path) -> Result<Document, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    Document::read(&name.to_string(), &text)
        .map_err(|_| format!("{name} cannot be read: `edgetoll check {name}` says why"))
}

/// That of the environment in place of the common one, as for `wrangler dev`.
fn read_dev_vars(folder: &Path, environment: Option<&str>) -> Result<Option<(String, String)>, String> {
    let own = environment.map(|environment| format!(".dev.vars.{environment}"));
    for name in own.into_iter().chain([".dev.vars".to_owned()]) {
        match fs::read_to_string(folder.join(&name)) {
            Ok(text) => return Ok(Some((name, text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{} cannot be read: {error}", folder.join(&name).display())),
        }
    }
    Ok(None)
}

fn default_file() -> Option<PathBuf> {
    DEFAULT_FILES.iter().map(Path::new).find(|file| file.exists()).map(Path::to_owned)
}

const DEFAULT_FILES: [&str; 3] = ["wrangler.toml", "wrangler.json", "wrangler.jsonc"];
