//! The deployment's settings, read once per isolate. What is broken closes, and says in the log what is wrong.

use crate::gate::{Gate, IsSettled, NO_CODE};
use crate::json::Json;
use crate::l402::caveat::Wallet;
use crate::l402::keys::{Keys, TollSecret};
use crate::ledger::callback::{self, OnPayment};
use crate::operator::{AdminToken, Guard};
use crate::policy::Policy;
use crate::policy::path::FoldCase;
use crate::policy::url::is_safe_base;
use crate::wallet::lnbits::{Fault, Lnbits};

/// Everything that the environment says.
pub struct Settings {
    policy: Option<Policy>,
    keys: Option<Keys>,
    wallets: Option<Wallets>,
    origin: Origin,
    origin_token: Option<String>,
    admin_token: Option<AdminToken>,
    public_url: Option<String>,
    callbacks: Callbacks,
    faults: Vec<String>,
}

/// The wallets that are paid.
pub struct Wallets {
    first: Lnbits,
    second: Option<Lnbits>,
}

impl Wallets {
    /// One of them, where it is configured.
    pub fn get(&self, wallet: Wallet) -> Option<&Lnbits> {
        match wallet {
            Wallet::First => Some(&self.first),
            Wallet::Second => self.second.as_ref(),
        }
    }
}

/// Whether the owner's server is told of payments.
pub enum Callbacks {
    /// It is not.
    None,
    /// It should be, and a setting is wrong: they wait.
    Broken,
    /// It is.
    To(OnPayment),
}

/// Where requests are forwarded to, unless a service binding is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Another server: path and query are appended to this URL.
    Url(String),
    /// The zone's own origin, behind the route that the Worker runs on.
    Zone,
    /// `ORIGIN_URL` is set and unusable: nothing is forwarded anywhere else instead.
    Broken,
}

impl Origin {
    /// Reads `ORIGIN_URL`.
    ///
    /// # Errors
    /// What it should be, as a sentence without its subject.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let plain = |rest: &str| rest.chars().all(|c| c.is_ascii_graphic() && !"?#@\\".contains(c));
        match rest {
            Some(rest) if !rest.is_empty() && !rest.starts_with(['/', ':']) && plain(rest) => {
                Ok(Self::Url(url.trim_end_matches('/').to_owned()))
            }
            _ => Err("is an http or https URL without user, query or fragment"),
        }
    }
}

impl Settings {
    /// Reads the settings. `var` looks a text up in the environment; `toll` is the price list as JSON.
    pub fn read(var: impl Fn(&str) -> Option<String>, toll: Option<&str>, fold_case: FoldCase) -> Self {
        let mut faults = Vec::new();
        let mut note = |fault: String| faults.push(fault);
        let policy = read_policy(toll, fold_case, &mut note);
        let keys = read_keys(&var, &mut note);
        let wallets = read_wallets(&var, &mut note);
        let origin = read_origin(var("ORIGIN_URL"), &mut note);
        let admin_token = read_admin_token(&var, &mut note);
        let public_url = read_public_url(var("PUBLIC_URL"), &mut note);
        let callbacks = read_callbacks(&var, &mut note);
        let origin_token = var("ORIGIN_TOKEN");
        Self { policy, keys, wallets, origin, origin_token, admin_token, public_url, callbacks, faults }
    }

    /// What decides: without a wallet nothing priced passes, just as without a key.
    pub fn gate<'c>(&self, is_settled: &'c IsSettled<'c>) -> Gate<'_, 'c> {
        let keys = self.keys.as_ref().filter(|_| self.wallets.is_some());
        Gate { policy: self.policy.as_ref(), keys, code: NO_CODE, is_settled }
    }

    /// The price list, where it could be read.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// The keys, where the secret is good.
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// The wallets, where their settings are good.
    pub fn wallets(&self) -> Option<&Wallets> {
        self.wallets.as_ref()
    }

    /// Where requests go.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What the origin recognizes us by.
    pub fn origin_token(&self) -> Option<&str> {
        self.origin_token.as_deref()
    }

    /// Who lets the operator in; `None` where nobody does.
    pub fn guard(&self) -> Option<Guard<'_>> {
        Some(Guard { token: self.admin_token.as_ref()?, keys: self.keys.as_ref()? })
    }

    /// Where this deployment is reached, for those that it asks to call back.
    pub fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// Whether the owner's server is told of payments.
    pub fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    /// What is wrong, for the log: names of settings and what they should be, never their values.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

fn read_policy(toll: Option<&str>, fold_case: FoldCase, note: &mut impl FnMut(String)) -> Option<Policy> {
    let Some(toll) = toll else {
        note(
            "TOLL is missing: the price list, [vars.TOLL] in wrangler.toml (an [env.x] has its own vars)"
                .to_owned(),
        );
        return None;
    };
    let Some(list) = Json::parse(toll.as_bytes()) else {
        note("TOLL is not JSON, or has a key twice".to_owned());
        return None;
    };
    let reading = Policy::read(&list, fold_case);
    reading.faults.iter().for_each(|fault| note(fault.to_string()));
    reading.policy
}

fn read_keys(var: &impl Fn(&str) -> Option<String>, note: &mut impl FnMut(String)) -> Option<Keys> {
    let mut secret = |name: &str| {
        let text = var(name)?;
        TollSecret::new(&text).map_err(|weak| note(format!("{name} is {weak}"))).ok()
    };
    let (current, previous) = (secret("TOLL_SECRET"), secret("TOLL_SECRET_PREVIOUS"));
    if var("TOLL_SECRET").is_none() {
        note("TOLL_SECRET is missing: make one with `openssl rand -hex 32`".to_owned());
    }
    current.map(|current| Keys::new(current, previous))
}

/// A second wallet that cannot be read shuts as the first does: an owner who trusts in it must not learn of it on the day
/// it is needed.
fn read_wallets(var: &impl Fn(&str) -> Option<String>, note: &mut impl FnMut(String)) -> Option<Wallets> {
    let mut read = |url_name: &str, key_name: &str| {
        let mut demand = |name: &str| {
            let value = var(name);
            if value.is_none() {
                note(format!("{name} is missing"));
            }
            value
        };
        let (url, key) = (demand(url_name), demand(key_name));
        let lnbits = Lnbits::new(&url?, &key?);
        lnbits
            .map_err(|fault| match fault {
                Fault::Url(what) => note(format!("{url_name} {what}")),
                Fault::Key(what) => note(format!("{key_name} {what}")),
            })
            .ok()
    };
    let first = read("LNBITS_URL", "LNBITS_KEY");
    let second = match var("LNBITS_URL_2").or_else(|| var("LNBITS_KEY_2")) {
        Some(_) => Some(read("LNBITS_URL_2", "LNBITS_KEY_2")?),
        None => None,
    };
    Some(Wallets { first: first?, second })
}

fn read_origin(url: Option<String>, note: &mut impl FnMut(String)) -> Origin {
    let Some(url) = url else { return Origin::Zone };
    Origin::parse(&url).unwrap_or_else(|fault| {
        note(format!("ORIGIN_URL {fault}"));
        Origin::Broken
    })
}

fn read_admin_token(
    var: &impl Fn(&str) -> Option<String>,
    note: &mut impl FnMut(String),
) -> Option<AdminToken> {
    let token = AdminToken::new(&var("ADMIN_TOKEN")?);
    token.map_err(|weak| note(format!("ADMIN_TOKEN is {weak}"))).ok()
}

fn read_public_url(url: Option<String>, note: &mut impl FnMut(String)) -> Option<String> {
    let url = url?;
    if !is_safe_base(&url) {
        note(
            "PUBLIC_URL is an https URL (http only for this machine), without user, query or fragment"
                .to_owned(),
        );
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn read_callbacks(var: &impl Fn(&str) -> Option<String>, note: &mut impl FnMut(String)) -> Callbacks {
    let (url, secret) = match (var("ON_PAYMENT_URL"), var("ON_PAYMENT_SECRET")) {
        (Some(url), Some(secret)) => (url, secret),
        (None, None) => return Callbacks::None,
        (None, Some(_)) => {
            note("ON_PAYMENT_URL is missing: nobody is told of payments".to_owned());
            return Callbacks::None;
        }
        (Some(_), None) => {
            note("ON_PAYMENT_SECRET is missing: callbacks wait for it".to_owned());
            return Callbacks::Broken;
        }
    };
    OnPayment::new(&url, &secret).map_or_else(
        |fault| {
            note(match fault {
                callback::Fault::Url(what) => format!("ON_PAYMENT_URL {what}"),
                callback::Fault::Secret(what) => format!("ON_PAYMENT_SECRET {what}"),
            });
            Callbacks::Broken
        },
        Callbacks::To,
    )
}
