//! Runs `edgetoll init`: asks the questions, writes the files, and says what to do next.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use clap::Args;

use super::{Answers, DEV_VARS, Existing, NewFile, NewSecrets, WalletAnswer, worker_name};
use crate::cli::check::platform::is_worker_name;
use crate::cli::secret::new_secret;
use crate::cli::{could_not_run, overridden, own_command, print_result};

#[derive(Args)]
pub struct InitArguments {
    /// The path to charge for, such as /api/*
    #[arg(long, value_name = "PATH")]
    protect: Option<String>,
    /// The price of a request in satoshis, or in a currency, such as "0.01 USD"
    #[arg(long, value_name = "PRICE")]
    price: Option<String>,
    /// The URL of the LNbits that is paid. Its invoice key is read from the environment variable LNBITS_KEY
    #[arg(long, value_name = "URL")]
    lnbits: Option<String>,
    /// The URL of the origin, to which paid requests are forwarded; "zone" if the Worker is to be on a route of the origin's zone
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// The name of the Worker [default: the name of the folder]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Ask nothing: use the default of each question that no option answers
    #[arg(long)]
    yes: bool,
}

pub fn run(arguments: InitArguments) -> ExitCode {
    match create(arguments) {
        Ok(next) => print_result(next),
        Err(message) => could_not_run(&message),
    }
}

/// # Errors
/// Returns a message if a file exists already, if an answer is not valid and cannot be asked again, or if a file cannot be
/// written.
fn create(arguments: InitArguments) -> Result<String, String> {
    if let Some(name) = NEW_FILES.iter().find(|name| Path::new(name).exists()) {
        return Err(format!(
            "{name} exists already, and is not overwritten: run the command in another folder, or remove the file"
        ));
    }
    let existing = Existing { package_json: read("package.json")?, gitignore: read(".gitignore")? };
    let answers = Interview::new(arguments.yes).ask(arguments)?;
    let secrets = NewSecrets { toll_secret: new_secret()?, admin_token: new_secret()? };
    for NewFile { name, content } in answers.files(&secrets, &existing)? {
        let write = if name == DEV_VARS { write_private } else { write };
        write(Path::new(name), &content).map_err(|error| format!("{name} cannot be written: {error}"))?;
    }
    Ok(next_steps(&answers))
}

/// Asks the questions that no option answers.
struct Interview {
    asks: bool,
}

impl Interview {
    fn new(says_yes: bool) -> Self {
        Self { asks: !says_yes && io::stdin().is_terminal() && io::stdout().is_terminal() }
    }

    fn ask(&self, arguments: InitArguments) -> Result<Answers, String> {
        let folder = env::current_dir().ok();
        let folder = folder.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        if let Some(name) = arguments.name.as_deref().filter(|name| name.is_empty() || !is_worker_name(name))
        {
            let similar = worker_name(name);
            return Err(format!(
                "--name must have only lower-case letters, digits, - and _, such as {similar}"
            ));
        }
        let mut answers = Answers {
            name: arguments.name.unwrap_or_else(|| worker_name(&folder)),
            path: "/*".to_owned(),
            price: "10".to_owned(),
            wallet: WalletAnswer::Later,
            origin_url: None,
        };
        self.question(&mut answers, "Path to charge for", "/*", arguments.protect, |answers, path| {
            answers.path = path;
        })?;
        let price = "Price of a request, in sats, or as 0.01 USD";
        self.question(&mut answers, price, "10", arguments.price, |answers, price| answers.price = price)?;
        self.ask_wallet(&mut answers, arguments.lnbits)?;
        let origin = "Origin: the URL of the server behind the paywall, or zone";
        self.question(&mut answers, origin, "http://127.0.0.1:3000", arguments.origin, |answers, url| {
            answers.origin_url = (url != "zone").then_some(url);
        })?;
        Ok(answers)
    }

    fn ask_wallet(&self, answers: &mut Answers, lnbits: Option<String>) -> Result<(), String> {
        let from_environment = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let given = lnbits.or_else(|| from_environment("NWC_URL"));
        let key = from_environment("LNBITS_KEY");
        let wallet = "Wallet: the URL of an LNbits, or an address nostr+walletconnect://…, or later";
        self.question(answers, wallet, "later", given, |answers, url| {
            answers.wallet = match url.as_str() {
                "later" => WalletAnswer::Later,
                _ if url.starts_with("nostr+walletconnect:") => WalletAnswer::Nwc(url),
                _ => WalletAnswer::Lnbits { url, key: key.clone() },
            };
        })?;
        if let WalletAnswer::Lnbits { key: None, .. } = answers.wallet {
            self.question(
                answers,
                "Invoice key of the LNbits wallet, or later",
                "later",
                None,
                |answers, given| {
                    if let WalletAnswer::Lnbits { key, .. } = &mut answers.wallet {
                        *key = (given != "later").then_some(given);
                    }
                },
            )?;
        }
        Ok(())
    }

    /// Sets an answer: from its option, from the terminal, or to its default. Asks again if the answer is not valid.
    fn question(
        &self,
        answers: &mut Answers,
        text: &str,
        default: &str,
        given: Option<String>,
        set: impl Fn(&mut Answers, String),
    ) -> Result<(), String> {
        let asks = self.asks && given.is_none();
        let mut given = given;
        loop {
            let answer = match given.take() {
                Some(given) => given,
                None if asks => prompt(text, default)?,
                None => default.to_owned(),
            };
            set(answers, answer.trim().to_owned());
            match answers.faults().first() {
                None => return Ok(()),
                Some(fault) if asks => eprintln!("  {fault}"),
                Some(fault) => return Err(fault.clone()),
            }
        }
    }
}

/// Asks a question on the terminal. An empty answer is the default.
fn prompt(text: &str, default: &str) -> Result<String, String> {
    let _ = write!(io::stdout(), "{text} [{default}]: ");
    let _ = io::stdout().flush();
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err("the questions were not answered, and nothing was written".to_owned()),
        Ok(_) if line.trim().is_empty() => Ok(default.to_owned()),
        Ok(_) => Ok(line),
        Err(error) => Err(format!("the answer cannot be read: {error}")),
    }
}

fn next_steps(answers: &Answers) -> String {
    let wallet = match &answers.wallet {
        WalletAnswer::Later => {
            "  Add LNBITS_URL and LNBITS_KEY, or NWC_URL, to .dev.vars: until then, nothing is sold.\n"
        }
        WalletAnswer::Lnbits { key: None, .. } => {
            "  Add LNBITS_KEY to .dev.vars: until then, nothing is sold.\n"
        }
        _ => "",
    };
    format!(
        "\nwrangler.toml has the price list, .dev.vars the secrets for this machine. Next:\n{wallet}\
         {install}\
         \x20 npx wrangler dev        run the paywall on this machine\n\
         \x20 {doctor}    test the wallet, the origin and the settings\n\
         \x20 {deploy}    ship it{warning}",
        install = if Path::new("node_modules/wrangler").exists() {
            ""
        } else {
            "  npm install             install Wrangler\n"
        },
        doctor = own_command("doctor"),
        deploy = own_command("deploy"),
        warning = overridden(Path::new("wrangler.toml"))
            .map_or_else(String::new, |sentence| format!("\n\nWarning: {sentence}")),
    )
}

/// Returns the content of a file; `None` if it does not exist.
fn read(name: &str) -> Result<Option<String>, String> {
    match fs::read_to_string(name) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{name} cannot be read: {error}")),
    }
}

fn write(file: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, content)
}

/// Writes a file that only this user of the machine can read.
#[cfg(unix)]
fn write_private(file: &Path, content: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;

    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(content.as_bytes())
}

/// WASI has no permissions of files, so Node writes the file.
#[cfg(target_os = "wasi")]
fn write_private(file: &Path, content: &str) -> io::Result<()> {
    use serde_json::json;

    let request = json!({ "call": "writePrivate", "file": file.to_string_lossy(), "content": content });
    match crate::cli::node::call(&request).get("fault").and_then(serde_json::Value::as_str) {
        None => Ok(()),
        Some(fault) => Err(io::Error::other(fault.to_owned())),
    }
}

#[cfg(not(any(unix, target_os = "wasi")))]
fn write_private(file: &Path, content: &str) -> io::Result<()> {
    fs::write(file, content)
}

/// The files that must not exist before.
const NEW_FILES: [&str; 5] = ["wrangler.toml", "wrangler.json", "wrangler.jsonc", DEV_VARS, "src/index.js"];
