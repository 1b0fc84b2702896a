//! Which secrets a deployment needs, and where their values come from.

use crate::cli::check::variables;
use crate::payment::WalletSlot;

/// A secret that Cloudflare does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSecret {
    pub name: &'static str,
    /// Whether the deployment cannot sell without it.
    pub is_required: bool,
    pub source: Source,
}

/// Where the value of a missing secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A new random value is made.
    Random,
    /// The value is on this machine.
    Local { value: String, from: String },
    /// The owner must enter it.
    Unknown,
}

/// What is known about a deployment.
pub struct Known<'a> {
    /// Returns a variable of the Wrangler file.
    pub var: &'a dyn Fn(&str) -> Option<String>,
    /// Returns an environment variable of this process.
    pub process_environment: &'a dyn Fn(&str) -> Option<String>,
    /// Returns a value of `.dev.vars`, or of `.dev.vars.NAME` for an environment.
    pub dev_vars: &'a dyn Fn(&str) -> Option<String>,
    /// The name of that file.
    pub dev_vars_name: &'a str,
    /// Whether the price list sells anything.
    pub sells: bool,
}

/// Returns the secrets that a deployment needs and Cloudflare does not have, and the optional ones that are in `.dev.vars` only.
/// `on_cloudflare` are the names of the secrets that Cloudflare has.
pub fn missing(known: &Known<'_>, on_cloudflare: &[String]) -> Vec<MissingSecret> {
    let is_missing = |name: &str| !on_cloudflare.iter().any(|set| set == name);
    let required = required(known, on_cloudflare);
    let mut missing: Vec<MissingSecret> = required
        .iter()
        .filter(|name| is_missing(name))
        .map(|name| MissingSecret { name, is_required: true, source: source(known, name) })
        .collect();
    let optional = variables::secrets().filter(|name| {
        let is_wallet =
            WalletSlot::ALL.iter().any(|slot| [slot.key_setting(), slot.nwc_setting()].contains(name));
        !required.contains(name) && !is_wallet && *name != "TOLL_SECRET_PREVIOUS"
    });
    for name in optional.filter(|name| is_missing(name)) {
        let source = source(known, name);
        if matches!(source, Source::Local { .. }) {
            missing.push(MissingSecret { name, is_required: false, source });
        }
    }
    missing
}

/// Whether Wrangler lists no secrets because the Worker does not exist yet. `message` is its message.
///
/// For any other reason, the secrets that Cloudflare has are not known. They must not be replaced: with another
/// `TOLL_SECRET`, each credential that was sold would be worthless.
pub fn is_new_worker(message: &str) -> bool {
    let is_not_found = |line: &str| line.contains(" Worker \"") && line.trim_end().ends_with(" not found.");
    message.lines().any(is_not_found)
        || ["[code: 10007]", "[code: 10090]"].iter().any(|code| message.contains(code))
}

/// Returns the names of the secrets without which nothing is sold, or callbacks wait.
fn required(known: &Known<'_>, on_cloudflare: &[String]) -> Vec<&'static str> {
    let mut names = Vec::new();
    if known.sells {
        names.push("TOLL_SECRET");
        for slot in WalletSlot::ALL {
            let has_url = (known.var)(slot.url_setting()).is_some();
            let has_nwc = on_cloudflare.iter().any(|name| name == slot.nwc_setting());
            if has_url {
                names.push(slot.key_setting());
            } else if slot == WalletSlot::FIRST && !has_nwc {
                names.push(slot.nwc_setting());
            }
        }
    }
    if (known.var)("ON_PAYMENT_URL").is_some() {
        names.push("ON_PAYMENT_SECRET");
    }
    names
}

fn source(known: &Known<'_>, name: &'static str) -> Source {
    let local =
        |value: Option<String>, from: &str| value.map(|value| Source::Local { value, from: from.to_owned() });
    let of_process = || local((known.process_environment)(name), "the process environment");
    let of_dev_vars = || local((known.dev_vars)(name), known.dev_vars_name);
    if name == "TOLL_SECRET" {
        // Credentials of the local paywall must not be valid at the deployment.
        return of_process().unwrap_or(Source::Random);
    }
    let is_local_wallet = WalletSlot::ALL.iter().any(|slot| {
        // If .dev.vars has an LNbits of its own, its key is not the one of the LNbits in the Wrangler file.
        slot.key_setting() == name && (known.dev_vars)(slot.url_setting()).is_some()
    });
    of_process().or_else(|| if is_local_wallet { None } else { of_dev_vars() }).unwrap_or(Source::Unknown)
}
