//! Finds the wallets of a deployment: in environment variables, in `.dev.vars`, and in the Wrangler file.

use thiserror::Error;

use super::dev_vars;
use crate::cli::check::document::Document;
use crate::cli::own_command;
use crate::payment::WalletSlot;
use crate::policy::Policy;
use crate::policy::normalization::fold_case;
use crate::strict_json::Json;
use crate::wallet::lnbits::{Lnbits, LnbitsConfigError};

/// Where settings are read from.
pub struct Sources<'a> {
    /// Returns an environment variable of this process.
    pub process_environment: &'a dyn Fn(&str) -> Option<String>,
    /// The name and text of `.dev.vars`, or of `.dev.vars.NAME` for an environment.
    pub dev_vars: Option<(&'a str, &'a str)>,
    /// The name and content of the Wrangler file.
    pub file: Option<(&'a str, &'a Document)>,
    /// The environment of the Wrangler file; `None` for its top level.
    pub environment: Option<&'a str>,
}

/// The settings of a deployment that `doctor` needs.
pub struct Deployment {
    /// At least one wallet.
    pub wallets: Vec<ConfiguredWallet>,
    /// The price list; `None` if it is missing or cannot be read.
    pub price_list: Option<Policy>,
}

pub struct ConfiguredWallet {
    pub wallet: Configured,
    /// The title of the wallet's findings, such as `LNbits at https://lnbits.example.com (LNBITS_URL from
    /// wrangler.toml, LNBITS_KEY from the process environment)`.
    pub heading: String,
}

/// The settings of a wallet.
pub enum Configured {
    Lnbits(Lnbits),
    /// The address of an NWC wallet, which has a secret.
    Nwc {
        url: String,
    },
}

/// Why no wallet can be examined. The messages contain no value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    #[error(
        "{name} is missing: add it to .dev.vars, or set it as follows, which keeps it out of the shell's \
         history:\n    (read -rs {name} && export {name} && {})",
        own_command("doctor")
    )]
    NoKey { name: &'static str },
    #[error("{name} is missing: add it to the vars of the Wrangler file or to .dev.vars, or export it")]
    NoUrl { name: &'static str },
    #[error("{name} from {source_name} cannot be used: it {rule}")]
    Invalid { name: &'static str, source_name: String, rule: &'static str },
    #[error("{url_name} and {nwc_name} are both set: remove one, or use another slot")]
    BothKinds { url_name: &'static str, nwc_name: &'static str },
    #[error("{file} has no environment {environment}: pass the name of a table in its `env` to --env")]
    NoEnvironment { file: String, environment: String },
}

/// Reads the settings of the wallets, and the price list. Only the wallet in slot 1 is required.
///
/// # Errors
/// Fails if the environment does not exist, or if a setting is missing or not valid. The error names the first such
/// setting.
pub fn read(sources: &Sources<'_>) -> Result<Deployment, SettingsError> {
    let reader = VariableReader::new(sources)?;
    let mut wallets = Vec::new();
    for slot in WalletSlot::ALL {
        let names = [slot.url_setting(), slot.key_setting(), slot.nwc_setting()];
        if slot == WalletSlot::FIRST || names.iter().any(|name| reader.find(name, false).is_some()) {
            wallets.push(reader.wallet(slot)?);
        }
    }
    Ok(Deployment { wallets, price_list: reader.price_list() })
}

/// Returns the vars of the chosen environment, or of the top level if no environment is chosen; `None` without a
/// Wrangler file or without vars. An environment inherits no vars from the top level.
fn vars<'a>(sources: &Sources<'a>) -> Result<Option<&'a Json>, SettingsError> {
    let Some((file, document)) = sources.file else { return Ok(None) };
    let Some(name) = sources.environment else { return Ok(document.root().get("vars")) };
    let table = document.root().get("env").and_then(|environments| environments.get(name));
    let table = table.ok_or_else(|| SettingsError::NoEnvironment {
        file: file.to_owned(),
        environment: name.to_owned(),
    })?;
    Ok(table.get("vars"))
}

fn price_list(toll: &Json) -> Option<Policy> {
    match toll {
        Json::String(text) => Policy::parse(&Json::parse(text.as_bytes())?, fold_case).policy,
        list => Policy::parse(list, fold_case).policy,
    }
}

/// Finds the value of a variable or a secret.
pub struct VariableReader<'a> {
    sources: &'a Sources<'a>,
    vars: Option<&'a Json>,
}

pub struct Setting {
    pub value: String,
    /// The name of the source, as the heading shows it.
    pub source: String,
}

impl<'a> VariableReader<'a> {
    /// # Errors
    /// Fails if the environment does not exist.
    pub fn new(sources: &'a Sources<'a>) -> Result<Self, SettingsError> {
        Ok(Self { sources, vars: vars(sources)? })
    }

    /// Returns the price list; `None` if it is missing or cannot be read.
    pub fn price_list(&self) -> Option<Policy> {
        price_list(self.vars?.get("TOLL")?)
    }

    /// Returns a setting of the deployment that is examined. If `LNBITS_KEY` is in the process environment, it belongs
    /// to a deployed LNbits. In this case, the Wrangler file comes before `.dev.vars`.
    pub fn get(&self, name: &str) -> Option<Setting> {
        let is_deployed = self.in_process_environment("LNBITS_KEY").is_some_and(|key| !key.value.is_empty());
        self.find(name, is_deployed)
    }

    fn wallet(&self, slot: WalletSlot) -> Result<ConfiguredWallet, SettingsError> {
        let (url_name, key_name, nwc_name) = (slot.url_setting(), slot.key_setting(), slot.nwc_setting());
        if let Some(nwc) = self.find(nwc_name, false) {
            if self.find(url_name, false).is_some() {
                return Err(SettingsError::BothKinds { url_name, nwc_name });
            }
            let heading = format!("Wallet over Nostr Wallet Connect ({nwc_name} from {})", nwc.source);
            return Ok(ConfiguredWallet {
                wallet: Configured::Nwc { url: nwc.value.trim().to_owned() },
                heading,
            });
        }
        let key = self.find(key_name, false).ok_or(SettingsError::NoKey { name: key_name })?;
        // A key in the process environment belongs to the deployed LNbits. The URL in `.dev.vars` is that of the local
        // LNbits of `make dev`. So with such a key, the URL in the Wrangler file is preferred.
        let prefers_file = key.source == PROCESS_ENVIRONMENT;
        let url = self.find(url_name, prefers_file).ok_or(SettingsError::NoUrl { name: url_name })?;
        // The Worker removes outer white space too.
        let lnbits = Lnbits::new(url.value.trim(), key.value.trim()).map_err(|error| {
            let (name, source, rule) = match error {
                LnbitsConfigError::Url(rule) => (url_name, &url.source, rule),
                LnbitsConfigError::Key(rule) => (key_name, &key.source, rule),
            };
            SettingsError::Invalid { name, source_name: source.clone(), rule }
        })?;
        let heading = format!(
            "LNbits at {} ({url_name} from {}, {key_name} from {})",
            url.value, url.source, key.source
        );
        Ok(ConfiguredWallet { wallet: Configured::Lnbits(lnbits), heading })
    }

    /// Returns a setting from the first source that has it: the process environment, `.dev.vars`, the Wrangler file.
    /// With `prefers_file`, the Wrangler file comes before `.dev.vars`. An empty value counts as missing.
    fn find(&self, name: &str, prefers_file: bool) -> Option<Setting> {
        let (second, third) = if prefers_file {
            (self.in_file(name), self.in_dev_vars(name))
        } else {
            (self.in_dev_vars(name), self.in_file(name))
        };
        let found = [self.in_process_environment(name), second, third].into_iter().flatten();
        found.into_iter().find(|setting| !setting.value.is_empty())
    }

    fn in_process_environment(&self, name: &str) -> Option<Setting> {
        let value = (self.sources.process_environment)(name)?;
        Some(Setting { value, source: PROCESS_ENVIRONMENT.to_owned() })
    }

    fn in_dev_vars(&self, name: &str) -> Option<Setting> {
        let (source, text) = self.sources.dev_vars?;
        Some(Setting { value: dev_vars::get(text, name)?, source: source.to_owned() })
    }

    /// Returns a variable of the Wrangler file.
    pub fn in_vars(&self, name: &str) -> Option<String> {
        self.vars?.get(name)?.as_str().map(str::to_owned)
    }

    fn in_file(&self, name: &str) -> Option<Setting> {
        let ((source, _), value) = (self.sources.file?, self.vars?.get(name)?.as_str()?);
        Some(Setting { value: value.to_owned(), source: source.to_owned() })
    }
}

const PROCESS_ENVIRONMENT: &str = "the process environment";
