//! Runs `edgetoll doctor`: finds the settings, examines the deployment and each wallet, prints the findings, and chooses the exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

#[cfg(all(feature = "nwc", any(feature = "client", target_os = "wasi")))]
use super::nwc::examine as examine_nwc;
use super::report::{Check, CheckResult, Level, Tally};
use super::settings::{self, Configured, Sources, VariableReader};
use super::{default_price_list, deployment, examine, origin};
use crate::cli::check::document::Document;
use crate::cli::{could_not_run, overridden, own_command, read_text, wrangler_file};
use crate::policy::Policy;
use crate::policy::price_list::DEFAULT_PREFIX;

/// Returns the exit code: 0 if no check failed, 1 if a check failed, and 2 if a file cannot be read, the environment
/// does not exist, or a setting of a wallet is missing or not valid.
pub fn run(file: Option<PathBuf>, environment: Option<&str>) -> ExitCode {
    examine_deployment(file, environment).unwrap_or_else(|message| could_not_run(&message))
}

/// # Errors
/// Returns a message: which file cannot be read, which environment does not exist, or which setting of a wallet is
/// missing or not valid. In the last case, everything but the wallets has been examined.
fn examine_deployment(file: Option<PathBuf>, environment: Option<&str>) -> Result<ExitCode, String> {
    let is_named = file.is_some();
    let file = wrangler_file(file);
    let document = file.as_deref().map(read_document).transpose()?;
    let name = file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
    let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let dev_vars = read_dev_vars(folder, environment)?;
    let sources = Sources {
        process_environment: &|name| env::var(name).ok(),
        dev_vars: dev_vars.as_ref().map(|(name, text)| (name.as_str(), text.as_str())),
        file: document.as_ref().map(|document| (name.as_str(), document)),
        environment,
    };
    let reader = VariableReader::new(&sources).map_err(|error| error.to_string())?;
    let mut tally = Tally::default();
    let mut report = |finding: CheckResult| {
        tally.count(finding.level);
        print_line(&finding);
    };
    print_line(&"Settings, origin and public URL");
    if let Some(sentence) = file.as_deref().filter(|_| !is_named).and_then(overridden) {
        report(CheckResult::new(Level::Fail, Check::ConfigFile, sentence));
    }
    examine_settings(&sources, &reader, &mut report);
    report(origin::examine_public_url(&reader, prefix(reader.price_list().as_ref())));
    examine_wallets(&sources, &reader, &mut report)?;
    print_line(&tally);
    Ok(if tally.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Examines everything but the public URL and the wallets.
pub(in crate::cli) fn examine_settings(
    sources: &Sources<'_>,
    reader: &VariableReader<'_>,
    report: &mut dyn FnMut(CheckResult),
) {
    let price_list = reader.price_list();
    deployment::examine(sources, reader, price_list.as_ref()).into_iter().for_each(&mut *report);
    report(origin::examine_origin(sources, reader, prefix(price_list.as_ref())));
}

/// Returns the path prefix of edgetoll's own endpoints.
fn prefix(price_list: Option<&Policy>) -> &str {
    price_list.map_or(DEFAULT_PREFIX, |price_list| &price_list.prefix)
}

/// Examines the wallets. Creates one invoice in each of them.
///
/// # Errors
/// Returns a message if a setting of a wallet is missing or not valid.
pub(in crate::cli) fn examine_wallets(
    sources: &Sources<'_>,
    reader: &VariableReader<'_>,
    report: &mut dyn FnMut(CheckResult),
) -> Result<(), String> {
    let wallets = settings::read(sources).map_err(|error| error.to_string())?.wallets;
    let price_list =
        reader.price_list().or_else(default_price_list).ok_or("the price list cannot be read")?;
    for wallet in &wallets {
        print_line(&wallet.heading);
        match &wallet.wallet {
            Configured::Lnbits(lnbits) => examine(lnbits, &price_list, report),
            Configured::Nwc { url } => examine_nwc(url, &price_list, report),
        }
    }
    Ok(())
}

#[cfg(not(all(feature = "nwc", any(feature = "client", target_os = "wasi"))))]
fn examine_nwc(_: &str, _: &Policy, report: &mut dyn FnMut(CheckResult)) {
    let sentence = "not checked, because this command was built without the features client and nwc";
    report(CheckResult::new(Level::Skip, Check::Reachable, sentence));
}

/// Prints a line at once, because the whole examination takes seconds. If the reader of stdout has closed the pipe, the
/// line is lost, but the exit code still tells the result.
fn print_line(line: &impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn read_document(file: &Path) -> Result<Document, String> {
    let name = file.display();
    Document::read(&name.to_string(), &read_text(file)?)
        .map_err(|_| format!("{name} cannot be read: run `{} {name}` for the reason", own_command("check")))
}

/// Returns the name and text of `.dev.vars`; `None` if there is no such file. For the environment NAME, the file
/// `.dev.vars.NAME` is read instead if it exists, as in `wrangler dev`.
pub(in crate::cli) fn read_dev_vars(
    folder: &Path,
    environment: Option<&str>,
) -> Result<Option<(String, String)>, String> {
    let of_environment = environment.map(|environment| format!(".dev.vars.{environment}"));
    for name in of_environment.into_iter().chain([".dev.vars".to_owned()]) {
        match fs::read_to_string(folder.join(&name)) {
            Ok(text) => return Ok(Some((name, text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{} cannot be read: {error}", folder.join(&name).display())),
        }
    }
    Ok(None)
}
