//! The configuration of the paying commands: a file, then environment variables, then options.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::exit::Failure;
use crate::client::wallet::{CommandWallet, LnbitsWallet, NwcWallet, Wallet};
use crate::client::{Limits, TollClient, TollClientBuilder};
use crate::http::url::is_safe_base;

/// The settings of the paying commands. A key is read from the file or an environment variable, and is never an argument.
pub struct Config {
    file: PathBuf,
    entries: Entries,
}

/// The keys of `config.toml`. The environment variable `EDGETOLL_<KEY>` comes before a key.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entries {
    wallet: Option<String>,
    lnbits_url: Option<String>,
    lnbits_admin_key: Option<String>,
    nwc_url: Option<String>,
    wallet_command: Option<String>,
    max_sats: Option<u64>,
    budget_sats_per_host: Option<u64>,
    budget_sats: Option<u64>,
    max_fee_sats: Option<u64>,
    pay_only_to: Option<Vec<String>>,
    network: Option<String>,
    confirm_above_sats: Option<u64>,
}

impl Config {
    /// Reads `config.toml`. A missing file is an empty one.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or has a key that does not exist.
    pub fn read() -> Result<Self, Failure> {
        let file = path_of("EDGETOLL_CONFIG", "XDG_CONFIG_HOME", ".config", "config.toml")?;
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::config(format!("{} cannot be read: {error}", file.display()))),
        };
        // The message of the error does not contain the line, which may have a key.
        let entries = toml::from_str(&text)
            .map_err(|error| Failure::config(format!("{}: {}", file.display(), error.message())))?;
        Ok(Self { file, entries })
    }

    pub fn limits(&self) -> Result<Limits, Failure> {
        let default = Limits::default();
        let Entries { max_sats, budget_sats_per_host, budget_sats, max_fee_sats, .. } = self.entries;
        let hosts = match variable("pay_only_to") {
            Some(list) => Some(list.split(',').map(|host| host.trim().to_owned()).collect()),
            None => self.entries.pay_only_to.clone(),
        };
        Ok(Limits {
            max_sats: sats("max_sats", max_sats, default.max_sats)?,
            budget_sats_per_host: sats(
                "budget_sats_per_host",
                budget_sats_per_host,
                default.budget_sats_per_host,
            )?,
            budget_sats: sats("budget_sats", budget_sats, default.budget_sats)?,
            max_fee_sats: sats("max_fee_sats", max_fee_sats, default.max_fee_sats)?,
            hosts: hosts
                .map(|hosts: Vec<String>| hosts.iter().map(|host| host.to_ascii_lowercase()).collect()),
            network: text("network", &self.entries.network).unwrap_or(default.network.clone()),
            ..default
        })
    }

    /// Returns the price above which `edgetoll mcp` asks the person; `None` if it never asks.
    pub fn confirm_above_sats(&self) -> Result<Option<u64>, Failure> {
        let key = "confirm_above_sats";
        let is_set = self.entries.confirm_above_sats.is_some() || variable(key).is_some();
        is_set.then(|| sats(key, self.entries.confirm_above_sats, 0)).transpose()
    }

    /// Returns the wallet: the one with this name, or else the only one that is configured; `None` if there is none.
    pub fn wallet(&self, name: Option<&str>) -> Result<Option<Arc<dyn Wallet>>, Failure> {
        let Entries { wallet, lnbits_url, lnbits_admin_key, nwc_url, wallet_command, .. } = &self.entries;
        let lnbits = text("lnbits_url", lnbits_url).zip(text("lnbits_admin_key", lnbits_admin_key));
        let nwc = text("nwc_url", nwc_url);
        let command = text("wallet_command", wallet_command);
        let chosen = name.map(str::to_owned).or(text("wallet", wallet));
        let chosen = match chosen {
            Some(chosen) => chosen,
            None if lnbits.is_some() => "lnbits".to_owned(),
            None if nwc.is_some() => "nwc".to_owned(),
            None if command.is_some() => "command".to_owned(),
            None => return Ok(None),
        };
        let missing = |what: &str| {
            Failure::config(format!(
                "the wallet `{chosen}` needs {what}, in {} or as environment variables that begin with EDGETOLL_",
                self.file.display()
            ))
        };
        match chosen.as_str() {
            "lnbits" => {
                let (url, key) = lnbits.ok_or_else(|| missing("lnbits_url and lnbits_admin_key"))?;
                if !is_safe_base(&url) {
                    return Err(Failure::config("lnbits_url must begin with https://, because the admin key is sent to it; http is allowed on this machine".to_owned()));
                }
                Ok(Some(Arc::new(LnbitsWallet::new(&url, &key))))
            }
            "nwc" => {
                let url = nwc.ok_or_else(|| missing("nwc_url"))?;
                let wallet = NwcWallet::new(&url).map_err(|error| Failure::config(error.to_string()))?;
                Ok(Some(Arc::new(wallet)))
            }
            "command" => {
                Ok(Some(Arc::new(CommandWallet::new(&command.ok_or_else(|| missing("wallet_command"))?))))
            }
            _ => Err(Failure::config(format!(
                "there is no wallet `{chosen}`: the wallets are lnbits, nwc and command"
            ))),
        }
    }

    /// Returns a client with the journal of this user.
    pub fn client(&self) -> Result<TollClientBuilder, Failure> {
        Ok(TollClient::builder().limits(self.limits()?).journal(journal_file()?)?)
    }

    pub fn file(&self) -> &std::path::Path {
        &self.file
    }
}

/// Returns the environment variable of a key; `None` if it is empty.
fn variable(key: &str) -> Option<String> {
    let value = env::var(format!("EDGETOLL_{}", key.to_ascii_uppercase())).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn text(key: &str, entry: &Option<String>) -> Option<String> {
    variable(key).or_else(|| entry.clone())
}

fn sats(key: &str, entry: Option<u64>, default: u64) -> Result<u64, Failure> {
    let Some(text) = variable(key) else { return Ok(entry.unwrap_or(default)) };
    let wrong = |_| {
        Failure::config(format!("EDGETOLL_{} must be a whole number of satoshis", key.to_ascii_uppercase()))
    };
    text.parse().map_err(wrong)
}

/// Returns the file of the journal: `payments.jsonl` in the folder for data.
pub fn journal_file() -> Result<PathBuf, Failure> {
    path_of("EDGETOLL_JOURNAL", "XDG_DATA_HOME", ".local/share", "payments.jsonl")
}

/// Returns the path in `variable`, or else a file in the folder `edgetoll` of the user's folder (XDG Base Directory).
fn path_of(variable: &str, xdg: &str, default: &str, file: &str) -> Result<PathBuf, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set(variable) {
        return Ok(path);
    }
    let folder = set(xdg).or_else(|| Some(set("HOME")?.join(default)));
    let folder = folder.ok_or_else(|| Failure::config(format!("set {variable}, because HOME is not set")))?;
    Ok(folder.join("edgetoll").join(file))
}
