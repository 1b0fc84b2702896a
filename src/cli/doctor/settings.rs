//! Where a deployment's LNbits are, and their keys: from the environment, from `.dev.vars`, from the Wrangler file.

use thiserror::Error;

use super::dev_vars;
use crate::cli::check::document::Document;
use crate::policy::Policy;
use crate::policy::normalization::fold_case;
use crate::strict_json::Json;
use crate::wallet::lnbits::{Lnbits, LnbitsConfigError};

/// What the settings are read from.
pub struct Sources<'a> {
    /// The environment of the command.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The name of `.dev.vars`, or of the environment's own, and its text.
    pub dev_vars: Option<(&'a str, &'a str)>,
    /// The name of the Wrangler file, and the file.
    pub file: Option<(&'a str, &'a Document)>,
    /// The environment of the Wrangler file; its top level where there is none.
    pub environment_name: Option<&'a str>,
}

/// What a deployment says.
pub struct Deployment {
    /// One, or two.
    pub wallets: Vec<Configured>,
    /// `None` where there is none, or it cannot be read.
    pub price_list: Option<Policy>,
}

/// A wallet, and where it is configured.
pub struct Configured {
    /// Where LNbits is, and the key.
    pub lnbits: Lnbits,
    /// `LNbits at https://lnbits.example.com (LNBITS_URL of wrangler.toml, LNBITS_KEY of the environment)`.
    pub heading: String,
}

/// Why nothing can be examined. No value of a setting is in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's sentence says what it is")]
pub enum SettingsError {
    #[error(
        "{name} is missing: write it into .dev.vars, or give it to this command alone, which leaves it out of the \
         shell's history:\n    (read -rs {name} && export {name} && edgetoll doctor)"
    )]
    NoKey { name: &'static str },
    #[error("{name} is missing: write it into [vars] of the Wrangler file, or into .dev.vars, or export it")]
    NoUrl { name: &'static str },
    #[error("{name} of {source_name} cannot be used: a good one {what}")]
    Wrong { name: &'static str, source_name: String, what: &'static str },
    #[error("{file} has no environment {environment}")]
    NoEnvironment { file: String, environment: String },
}

/// Reads the settings of both wallets, and the price list.
///
/// # Errors
/// The first setting that is missing, or cannot be used.
pub fn read(sources: &Sources<'_>) -> Result<Deployment, SettingsError> {
    let vars = vars(sources)?;
    let reader = Reader { sources, vars };
    let mut wallets = vec![reader.wallet("LNBITS_URL", "LNBITS_KEY")?];
    if reader.find("LNBITS_URL_2", false).or_else(|| reader.find("LNBITS_KEY_2", false)).is_some() {
        wallets.push(reader.wallet("LNBITS_URL_2", "LNBITS_KEY_2")?);
    }
    Ok(Deployment { wallets, price_list: vars.and_then(|vars| price_list(vars.get("TOLL")?)) })
}

/// An environment inherits no variables from the top level.
fn vars<'a>(sources: &Sources<'a>) -> Result<Option<&'a Json>, SettingsError> {
    let Some((file, document)) = sources.file else { return Ok(None) };
    let Some(name) = sources.environment_name else { return Ok(document.root().get("vars")) };
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

struct Reader<'a> {
    sources: &'a Sources<'a>,
    vars: Option<&'a Json>,
}

/// A setting, and the name of where it stands.
type Found = (String, String);

impl Reader<'_> {
    fn wallet(&self, url_name: &'static str, key_name: &'static str) -> Result<Configured, SettingsError> {
        let (key, key_source) = self.find(key_name, false).ok_or(SettingsError::NoKey { name: key_name })?;
        // A key of the environment is hardly that of the LNbits on this machine, which `make dev` writes into .dev.vars.
        let is_deployed = key_source == ENVIRONMENT;
        let (url, url_source) =
            self.find(url_name, is_deployed).ok_or(SettingsError::NoUrl { name: url_name })?;
        let heading = format!("LNbits at {url} ({url_name} of {url_source}, {key_name} of {key_source})");
        let lnbits = Lnbits::new(&url, &key).map_err(|error| match error {
            LnbitsConfigError::Url(what) => {
                SettingsError::Wrong { name: url_name, source_name: url_source, what }
            }
            LnbitsConfigError::Key(what) => {
                SettingsError::Wrong { name: key_name, source_name: key_source, what }
            }
        })?;
        Ok(Configured { lnbits, heading })
    }

    /// The environment's word counts most. `.dev.vars` overrides the Wrangler file, as it does for `wrangler dev`, unless
    /// it is the deployment that is meant.
    fn find(&self, name: &str, is_deployed: bool) -> Option<Found> {
        let mut places: [fn(&Self, &str) -> Option<Found>; 3] =
            [Self::in_environment, Self::in_dev_vars, Self::in_file];
        if is_deployed {
            places = [Self::in_environment, Self::in_file, Self::in_dev_vars];
        }
        places.iter().find_map(|place| place(self, name).filter(|(value, _)| !value.is_empty()))
    }

    fn in_environment(&self, name: &str) -> Option<Found> {
        Some(((self.sources.environment)(name)?, ENVIRONMENT.to_owned()))
    }

    fn in_dev_vars(&self, name: &str) -> Option<Found> {
        let (source, text) = self.sources.dev_vars?;
        Some((dev_vars::get(text, name)?.to_owned(), source.to_owned()))
    }

    fn in_file(&self, name: &str) -> Option<Found> {
        let ((source, _), value) = (self.sources.file?, self.vars?.get(name)?.as_str()?);
        Some((value.to_owned(), source.to_owned()))
    }
}

const ENVIRONMENT: &str = "the environment";
