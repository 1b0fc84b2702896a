//! `edgetoll init`: makes the files of a new deployment from a few answers. `command` asks and writes; this module decides what
//! the files contain.

pub mod command;

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstRootNode};

use super::check::{Severity, check};
use crate::config::Settings;
use crate::http::url::{host, is_loopback};
use crate::policy::normalization::fold_case;

/// What the owner has answered.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The name of the Worker.
    pub name: String,
    /// The path that is sold, such as `/api/*`.
    pub path: String,
    /// The price of a request: a number of satoshis, or an amount with a currency, such as `0.01 USD`.
    pub price: String,
    pub wallet: WalletAnswer,
    /// The URL of the origin; `None` if the Worker is to be on a route of the origin's zone.
    pub origin_url: Option<String>,
}

/// The wallet that is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalletAnswer {
    /// The owner adds it later. Until then, nothing is sold.
    Later,
    /// The URL of an LNbits, and the invoice key of a wallet, which may be added later.
    Lnbits { url: String, key: Option<String> },
    /// The address of a connection with Nostr Wallet Connect, which is a secret.
    Nwc(String),
}

/// The secrets of a new deployment, in hexadecimal.
pub struct NewSecrets {
    pub toll_secret: String,
    pub admin_token: String,
}

/// A file to write, and its complete content.
#[derive(Debug, PartialEq, Eq)]
pub struct NewFile {
    pub name: &'static str,
    pub content: String,
}

/// The content of the files that may exist already, and to which only what is missing is added.
#[derive(Default)]
pub struct Existing {
    pub package_json: Option<String>,
    pub gitignore: Option<String>,
}

impl Answers {
    /// Returns what is wrong with the answers, in the words of `edgetoll check` and of the Worker.
    pub fn faults(&self) -> Vec<String> {
        let report = check(WRANGLER_TOML, &self.wrangler_toml());
        let errors = report.findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        let mut faults: Vec<String> =
            errors.map(|finding| format!("{} {}", finding.place, finding.sentence)).collect();
        // A price list with any price: the Worker then reads the wallet too.
        let list = "{\"routes\":[{\"path\":\"/\",\"sats\":1}]}";
        let is_later = |fault: &&String| match &self.wallet {
            _ if fault.starts_with("TOLL_SECRET") => true,
            WalletAnswer::Later => fault.starts_with("LNBITS_"),
            WalletAnswer::Lnbits { key: None, .. } => fault.starts_with("LNBITS_KEY"),
            _ => false,
        };
        let settings = Settings::read(|name| self.var(name), Some(list), fold_case).faults;
        faults.extend(settings.iter().filter(|fault| !is_later(fault)).cloned());
        faults
    }

    /// Returns the value of a variable or a secret of the Worker.
    fn var(&self, name: &str) -> Option<String> {
        match (name, &self.wallet) {
            ("LNBITS_URL", WalletAnswer::Lnbits { url, .. }) => Some(url.clone()),
            ("LNBITS_KEY", WalletAnswer::Lnbits { key, .. }) => key.clone(),
            ("NWC_URL", WalletAnswer::Nwc(url)) => Some(url.clone()),
            ("ORIGIN_URL", _) => self.origin_url.clone(),
            _ => None,
        }
    }

    /// Returns the files of the deployment.
    ///
    /// # Errors
    /// Returns a message if a file that exists cannot be extended.
    pub fn files(&self, secrets: &NewSecrets, existing: &Existing) -> Result<Vec<NewFile>, String> {
        Ok(vec![
            NewFile { name: WRANGLER_TOML, content: self.wrangler_toml() },
            NewFile { name: DEV_VARS, content: self.dev_vars(secrets) },
            NewFile { name: "src/index.js", content: include_str!("template/index.js").to_owned() },
            NewFile { name: "package.json", content: package_json(existing.package_json.as_deref())? },
            NewFile { name: ".gitignore", content: gitignore(existing.gitignore.as_deref()) },
        ])
    }

    fn wrangler_toml(&self) -> String {
        let price = match self.price.trim().parse::<u64>() {
            Ok(sats) => format!("sats = {sats}"),
            Err(_) => format!("fiat = {}", quoted(self.price.trim())),
        };
        // Cloudflare cannot reach an address of this machine, so it belongs into .dev.vars.
        let public = |name| self.var(name).filter(|url| !is_local(url));
        let lnbits_url = match public("LNBITS_URL") {
            Some(url) => format!("# The LNbits that receives the payments.\nLNBITS_URL = {}", quoted(&url)),
            None => "# The LNbits that receives the payments. A wallet with Nostr Wallet Connect needs only the secret NWC_URL.\n\
                     # LNBITS_URL = \"https://lnbits.example.com\""
                .to_owned(),
        };
        let origin_url = match public("ORIGIN_URL") {
            Some(url) => format!("# The origin, to which paid requests are forwarded.\nORIGIN_URL = {}", quoted(&url)),
            None => "# The origin, to which paid requests are forwarded. Not needed if the Worker is on a route of the origin's zone.\n\
                     # ORIGIN_URL = \"https://origin.example.com\""
                .to_owned(),
        };
        include_str!("template/wrangler.toml")
            .replace("{{NAME}}", &quoted(&self.name))
            .replace("{{LNBITS_URL}}", &lnbits_url)
            .replace("{{ORIGIN_URL}}", &origin_url)
            .replace("{{PRICE}}", &price)
            .replace("{{PATH}}", &quoted(&self.path))
            .replace("{{FREE}}\n", &self.free_routes("vars"))
            .replace("{{STAGING_FREE}}", &self.free_routes("env.staging.vars"))
    }

    /// Returns the routes that stay free if every path is sold. `vars` is the table of the price list.
    fn free_routes(&self, vars: &str) -> String {
        if self.path != "/*" {
            return String::new();
        }
        let route = |path: &str| format!("\n[[{vars}.TOLL.routes]]\npath = \"{path}\"\nsats = 0\n");
        let comment = "\n# Crawlers read /robots.txt before pages. Certificate authorities, apps and protocols read /.well-known.";
        [comment, &route("/robots.txt"), &route("/.well-known/*")].concat()
    }

    fn dev_vars(&self, secrets: &NewSecrets) -> String {
        let local = |name| self.var(name).filter(|url| is_local(url));
        let wallet = match &self.wallet {
            WalletAnswer::Nwc(url) => format!("NWC_URL={url}\n"),
            WalletAnswer::Later => {
                "# The invoice key of your LNbits wallet, never the admin key:\n# LNBITS_KEY=\n".to_owned()
            }
            WalletAnswer::Lnbits { key, .. } => {
                let url = local("LNBITS_URL").map(|url| format!("LNBITS_URL={url}\n")).unwrap_or_default();
                let key =
                    key.as_ref().map_or("# LNBITS_KEY=\n".to_owned(), |key| format!("LNBITS_KEY={key}\n"));
                url + &key
            }
        };
        let origin = local("ORIGIN_URL").map(|url| format!("ORIGIN_URL={url}\n")).unwrap_or_default();
        let NewSecrets { toll_secret, admin_token } = secrets;
        format!(
            "# The secrets and settings of `npx wrangler dev`. Do not commit this file.\n\
             TOLL_SECRET={toll_secret}\nADMIN_TOKEN={admin_token}\n{wallet}{origin}"
        )
    }
}

/// Returns a name for a Worker that is similar to a text: at most 54 lower-case letters, digits and dashes.
pub fn worker_name(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let name: String = letters.collect::<String>().trim_matches('-').chars().take(MAX_NAME).collect();
    if name.is_empty() { "edgetoll".to_owned() } else { name }
}

/// Adds the scripts and packages that are missing to a `package.json`.
fn package_json(existing: Option<&str>) -> Result<String, String> {
    let text = existing.unwrap_or("{\n  \"private\": true\n}\n");
    // Editors on Windows write a byte order mark, which npm ignores.
    let text = text.trim_start_matches('\u{feff}');
    let root = CstRootNode::parse(text, &ParseOptions::default())
        .map_err(|_| "package.json is not valid JSON: correct it, and run the command again".to_owned())?;
    let object = root.object_value_or_set();
    let scripts = object.object_value_or_set("scripts");
    for (name, script) in SCRIPTS {
        if scripts.get(name).is_none() {
            scripts.append(name, CstInputValue::String(script.to_owned()));
        }
    }
    for (name, version) in [("edgetoll", concat!("^", env!("CARGO_PKG_VERSION"))), ("wrangler", "^4.164.0")] {
        let has = |key: &str| object.object_value(key).is_some_and(|packages| packages.get(name).is_some());
        if !has("dependencies") && !has("devDependencies") {
            let packages = object.object_value_or_set("devDependencies");
            packages.append(name, CstInputValue::String(version.to_owned()));
        }
    }
    Ok(root.to_string())
}

/// Adds the lines that are missing to a `.gitignore`.
fn gitignore(existing: Option<&str>) -> String {
    let mut text = existing.unwrap_or_default().to_owned();
    for line in [".dev.vars*", ".wrangler/", "node_modules/"] {
        if !text.lines().any(|existing| existing.trim() == line) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn is_local(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    is_loopback(&host(authority).to_ascii_lowercase())
}

/// Returns a text as a basic string of TOML, which has the escapes of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The file of the secrets for this machine.
const DEV_VARS: &str = ".dev.vars";
const WRANGLER_TOML: &str = "wrangler.toml";
/// Wrangler adds the name of the environment, and Cloudflare accepts 63 characters.
const MAX_NAME: usize = 54;
const SCRIPTS: [(&str, &str); 4] = [
    ("dev", "wrangler dev"),
    ("check", "edgetoll check"),
    ("doctor", "edgetoll doctor"),
    ("deploy", "edgetoll deploy"),
];
