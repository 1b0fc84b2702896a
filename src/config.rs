//! Reads the environment as typed settings, once per isolate. A wrong setting disables what depends on it and is
//! reported in the log.

use crate::admin::{AdminAccess, AdminToken};
use crate::crypto::HmacKey;
use crate::error::RequestError;
use crate::gate::{Gate, IsSettled, PriceCode, Seller};
use crate::http::url::{is_authority, is_safe_base};
use crate::keys::{Keys, TollSecret};
use crate::ledger::callback::{CallbackConfigError, OnPayment};
use crate::payment::WalletSlot;
use crate::policy::Policy;
use crate::policy::normalization::{FoldCase, is_invisible};
use crate::strict_json::Json;
use crate::wallet::Wallet;
use crate::wallet::lnbits::{Lnbits, LnbitsConfigError};
#[cfg(feature = "nwc")]
use crate::wallet::nwc::NwcWallet;
use crate::wallet::slots::Wallets;

/// Everything that the environment configures.
pub struct Settings {
    pub paywall: Paywall,
    pub origin: Origin,
    /// `ORIGIN_TOKEN`, by which the origin recognizes the Worker.
    pub origin_token: Option<String>,
    /// The key that signs forwarded requests: `ORIGIN_SECRET`.
    pub origin_key: Option<HmacKey>,
    /// `PUBLIC_URL`, the URL of this deployment, to which wallets send webhooks.
    pub public_url: Option<String>,
    pub callbacks: Callbacks,
    /// The mistakes in the settings. Each text names a setting and says what is wrong or what the value must be, but
    /// does not contain the value.
    pub faults: Vec<String>,
    admin_token: Option<AdminToken>,
}

/// The state of the paywall with these settings.
pub enum Paywall {
    /// The price list is missing or cannot be read. `/_toll/health` works, and every other request is refused.
    Unreadable,
    /// The secret or the settings of a wallet are missing or wrong, or what the origin recognizes the Worker by is wrong. Requests to
    /// priced routes are refused. Requests to free routes and to paths without a route are handled as usual.
    Closed { policy: Policy, keys: Option<Keys> },
    /// No route charges. Keys and wallets may still be configured, for the ledger of earlier payments. There may be keys
    /// without wallets. If a route is observed, there is always a seller, because the gate has to judge credentials; without
    /// a secret (`has_secret`), its keys are those of [`OBSERVING`].
    Free { policy: FreePolicy, seller: Option<Seller>, has_secret: bool },
    /// Priced routes are sold.
    Selling { policy: Policy, seller: Seller },
}

/// A price list in which no route charges: every route is free, observed or off.
pub struct FreePolicy(Policy);

/// A price list. With a route that charges, a secret and a wallet are required.
enum ParsedPaywall {
    Free(FreePolicy),
    Priced(Policy),
}

impl From<Policy> for ParsedPaywall {
    fn from(policy: Policy) -> Self {
        let is_free = policy.routes.iter().all(|route| route.is_free());
        if is_free { Self::Free(FreePolicy(policy)) } else { Self::Priced(policy) }
    }
}

/// Whether the owner's server is called for each payment.
pub enum Callbacks {
    Off,
    /// `ON_PAYMENT_URL` or `ON_PAYMENT_SECRET` is wrong, or the secret is missing. Callbacks are recorded, and sent
    /// when the mistake is corrected.
    Waiting,
    On(OnPayment),
}

/// Where requests are forwarded to, unless a service binding `ORIGIN` exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The base URL that path and query are appended to.
    Url(String),
    /// The Worker runs on a route of a Cloudflare zone. Requests are forwarded to the origin server of this zone.
    Zone,
    /// `ORIGIN_URL` cannot be used. No request is forwarded.
    Invalid,
}

impl Origin {
    /// Parses `ORIGIN_URL`.
    ///
    /// # Errors
    /// Returns what the value of `ORIGIN_URL` must be. The caller writes the name of the setting before this text.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let is_allowed = |rest: &str| rest.chars().all(|c| c.is_ascii_graphic() && !"?#@\\".contains(c));
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or_default();
        let default_port = match scheme {
            "https" => "443",
            "http" => "80",
            _ => "",
        };
        if default_port.is_empty() || !is_authority(authority) || !is_allowed(rest) {
            return Err("must be an http or https URL without user, query or fragment");
        }
        let path = rest.strip_prefix(authority).unwrap_or_default().trim_end_matches('/');
        Ok(Self::Url([scheme, "://", &serialized(authority, default_port), path].concat()))
    }
}

/// Returns host and port in lower case, and without the default port and zeros before a port, as URL parsers write them. An IPv6 address
/// is not shortened.
fn serialized(authority: &str, default_port: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.trim_start_matches('0') {
            port if port == default_port => host.to_owned(),
            port => [host, ":", port].concat(),
        },
        _ => authority,
    }
}

impl Settings {
    /// Reads the settings. `var` returns the value of a variable or a secret; `None` if it is missing. `price_list` is
    /// `TOLL` as JSON.
    pub fn read(var: impl Fn(&str) -> Option<String>, price_list: Option<&str>, fold_case: FoldCase) -> Self {
        let mut reader = SettingsReader { var: &var, faults: Vec::new() };
        let policy = reader.policy(price_list, fold_case).map(ParsedPaywall::from);
        // Without a priced route, neither a secret nor a wallet is needed.
        let is_selling = matches!(policy, Some(ParsedPaywall::Priced(_)));
        if let Some(ParsedPaywall::Free(FreePolicy(policy))) = &policy {
            let fault = match policy.if_charging {
                Some(_) => {
                    "TOLL observes all routes that have a price: every request is forwarded without payment"
                }
                None => "TOLL has no route with a price: every request is forwarded without payment",
            };
            reader.faults.push(fault.to_owned());
        }
        let keys = reader.keys(is_selling);
        let wallets = reader.wallets(is_selling);
        if let (Some(ParsedPaywall::Priced(policy)), Some(wallets)) = (&policy, &wallets) {
            reader.check_rates(policy, wallets);
        }
        let (origin_token, origin_key) = (reader.origin_token(), reader.origin_key());
        // An origin that expects a token or a signature refuses paid requests without it.
        let is_known_to_origin = var("ORIGIN_TOKEN").is_some() == origin_token.is_some()
            && var("ORIGIN_SECRET").is_some() == origin_key.is_some();
        let paywall = match (policy, keys, wallets) {
            (None, ..) => Paywall::Unreadable,
            (Some(ParsedPaywall::Free(policy)), keys, wallets) => {
                let (has_secret, wallets) = (keys.is_some(), wallets.unwrap_or_default());
                let observing = || TollSecret::new(OBSERVING).ok().filter(|_| policy.0.if_charging.is_some());
                let keys = keys.or_else(|| observing().map(|secret| Keys::new(secret, None)));
                Paywall::Free { policy, seller: keys.map(|keys| Seller { keys, wallets }), has_secret }
            }
            (Some(ParsedPaywall::Priced(policy)), Some(keys), Some(wallets)) if is_known_to_origin => {
                Paywall::Selling { policy, seller: Seller { keys, wallets } }
            }
            (Some(ParsedPaywall::Priced(policy)), keys, _) => Paywall::Closed { policy, keys },
        };
        Self {
            paywall,
            origin: reader.origin(),
            origin_token,
            origin_key,
            admin_token: reader.admin_token(),
            public_url: reader.public_url(),
            callbacks: reader.callbacks(),
            faults: reader.faults,
        }
    }

    /// Returns the gate for the price list of these settings, of a deployment in which uses can be counted.
    pub fn gate<'a, 'c>(
        &'a self,
        policy: &'a Policy,
        code: &'c PriceCode<'c>,
        is_settled: &'c IsSettled<'c>,
    ) -> Gate<'a, 'c> {
        let seller = match &self.paywall {
            Paywall::Selling { seller, .. } => Some(seller),
            Paywall::Free { seller, .. } => seller.as_ref(),
            Paywall::Unreadable | Paywall::Closed { .. } => None,
        };
        Gate { policy, seller, code, is_settled, has_meter: true }
    }

    /// Returns the price list; `None` if it cannot be read.
    pub fn policy(&self) -> Option<&Policy> {
        match &self.paywall {
            Paywall::Unreadable => None,
            Paywall::Free { policy, .. } => Some(&policy.0),
            Paywall::Closed { policy, .. } | Paywall::Selling { policy, .. } => Some(policy),
        }
    }

    /// Returns the keys; `None` if `TOLL_SECRET` is missing or weak, or if the price list cannot be read.
    pub fn keys(&self) -> Option<&Keys> {
        match &self.paywall {
            Paywall::Unreadable => None,
            Paywall::Closed { keys, .. } => keys.as_ref(),
            Paywall::Free { seller, has_secret, .. } => {
                seller.as_ref().filter(|_| *has_secret).map(|seller| &seller.keys)
            }
            Paywall::Selling { seller, .. } => Some(&seller.keys),
        }
    }

    /// Returns the keys and wallets with which the cron trigger and the webhook handler record settled payments; `None`
    /// if the keys, the wallets or the price list are missing or wrong. If keys and wallets are configured, they are
    /// returned even if no route has a price: payments for earlier sales may still settle.
    pub fn keys_and_wallets(&self) -> Option<(&Keys, &Wallets)> {
        match &self.paywall {
            Paywall::Unreadable | Paywall::Closed { .. } => None,
            Paywall::Free { seller, has_secret, .. } => {
                let has_wallet = |seller: &&Seller| *has_secret && seller.wallets.slots().next().is_some();
                seller.as_ref().filter(has_wallet).map(|seller| (&seller.keys, &seller.wallets))
            }
            Paywall::Selling { seller, .. } => Some((&seller.keys, &seller.wallets)),
        }
    }

    /// Returns the admin token and the keys that check access to the admin endpoints.
    ///
    /// # Errors
    /// Fails with 404 without a valid `ADMIN_TOKEN`, and with 503 if only `TOLL_SECRET` is missing or weak.
    pub fn admin_access(&self) -> Result<AdminAccess<'_>, RequestError> {
        let token = self.admin_token.as_ref().ok_or(RequestError::NotFound)?;
        Ok(AdminAccess { token, keys: self.keys().ok_or(RequestError::NotConfigured)? })
    }
}

/// Reads settings and collects the mistakes in them.
struct SettingsReader<'a> {
    var: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl SettingsReader<'_> {
    fn policy(&mut self, price_list: Option<&str>, fold_case: FoldCase) -> Option<Policy> {
        let Some(price_list) = price_list else {
            return self.fault(
                "TOLL is missing: write the price list as [vars.TOLL] in wrangler.toml (each [env.x] needs its own)",
            );
        };
        let Some(price_list) = Json::parse(price_list.as_bytes()) else {
            return self.fault("TOLL is not JSON, or has a key twice");
        };
        let parsed = Policy::parse(&price_list, fold_case);
        self.faults.extend(parsed.errors.iter().map(ToString::to_string));
        parsed.policy
    }

    fn keys(&mut self, is_required: bool) -> Option<Keys> {
        let (current, previous) = (self.secret("TOLL_SECRET"), self.secret("TOLL_SECRET_PREVIOUS"));
        if is_required && (self.var)("TOLL_SECRET").is_none() {
            self.faults.push("TOLL_SECRET is missing: make one with `openssl rand -hex 32`".to_owned());
        }
        current.map(|current| Keys::new(current, previous))
    }

    /// Reads a secret that signs. White space around the secret is reported, and never removed: another program with
    /// the same secret may keep the white space, and would then sign with another key.
    fn secret(&mut self, name: &str) -> Option<TollSecret> {
        let text = (self.var)(name)?;
        if text.trim() != text || text.starts_with(is_invisible) || text.ends_with(is_invisible) {
            return self.fault(&format!(
                "{name} begins or ends with white space or an invisible character, such as a line feed or a byte order mark: \
                 set it again without it"
            ));
        }
        let secret = TollSecret::new(&text);
        secret.map_err(|weak| self.faults.push(format!("{name} is {weak}"))).ok()
    }

    /// Returns the value of a setting without white space around it. Returns `None` if the setting is missing. Reports
    /// a value that has only white space or contains an invisible character, and returns `None`.
    fn value(&mut self, name: &str) -> Option<String> {
        let text = (self.var)(name)?;
        let text = text.trim();
        if text.is_empty() {
            return self.fault(&format!("{name} has only white space: remove it, or set it again"));
        }
        if text.contains(is_invisible) {
            return self.fault(&format!(
                "{name} contains an invisible character, such as a line feed or a byte order mark: set it again without it"
            ));
        }
        Some(text.to_owned())
    }

    /// Returns the wallets; `None` if no wallet is configured or a setting of a wallet is missing or wrong. A mistake
    /// in the settings of any wallet closes the paywall: otherwise the owner would notice the mistake only when the other
    /// wallets fail.
    fn wallets(&mut self, is_required: bool) -> Option<Wallets> {
        let is_set = |slot: &WalletSlot| {
            let names = [slot.url_setting(), slot.key_setting(), slot.nwc_setting()];
            names.iter().any(|name| (self.var)(name).is_some())
        };
        let mut slots: Vec<_> = WalletSlot::ALL.into_iter().filter(is_set).collect();
        if slots.is_empty() && !is_required {
            return None;
        }
        if !slots.contains(&WalletSlot::FIRST) {
            slots.insert(0, WalletSlot::FIRST);
        }
        let read: Vec<_> = slots.into_iter().map(|slot| (slot, self.wallet(slot))).collect();
        let mut wallets = Wallets::default();
        for (slot, wallet) in read {
            wallets.set(slot, wallet?);
        }
        Some(wallets)
    }

    /// Reports prices in a currency if no wallet can convert them.
    fn check_rates(&mut self, policy: &Policy, wallets: &Wallets) {
        if wallets.slots().filter_map(|slot| wallets.get(slot)).any(Wallet::converts) {
            return;
        }
        for route in policy.routes.iter().filter(|route| route.is_sold() && route.has_price_in_currency()) {
            self.faults.push(format!(
                "{} has a price in a currency, which only LNbits can convert: add an LNbits in another slot, or write the \
                 price in sats; until then, this route is not sold",
                route.pattern.as_str()
            ));
        }
    }

    fn wallet(&mut self, slot: WalletSlot) -> Option<Wallet> {
        let (url_name, nwc_name) = (slot.url_setting(), slot.nwc_setting());
        let key_name = slot.key_setting();
        match ((self.var)(url_name).is_some(), (self.var)(nwc_name).is_some()) {
            (false, false) if (self.var)(key_name).is_none() => {
                self.fault(&format!("{url_name} and {key_name}, or {nwc_name}, are missing"))
            }
            (true, true) => self
                .fault(&format!("{url_name} and {nwc_name} are both set: remove one, or use another slot")),
            (false, true) => self.nwc(nwc_name),
            _ => self.lnbits(slot).map(Wallet::Lnbits),
        }
    }

    #[cfg(feature = "nwc")]
    fn nwc(&mut self, name: &str) -> Option<Wallet> {
        let url = self.value(name)?;
        let wallet = NwcWallet::new(&url);
        wallet.map(Wallet::Nwc).map_err(|error| self.faults.push(format!("{name} {error}"))).ok()
    }

    #[cfg(not(feature = "nwc"))]
    fn nwc(&mut self, name: &str) -> Option<Wallet> {
        self.fault(&format!("{name} is set, but this Worker was built without the feature `nwc`"))
    }

    fn lnbits(&mut self, slot: WalletSlot) -> Option<Lnbits> {
        let (url_name, key_name) = (slot.url_setting(), slot.key_setting());
        let (url, key) = (self.required(url_name), self.required(key_name));
        let lnbits = Lnbits::new(&url?, &key?);
        lnbits
            .map_err(|error| {
                self.faults.push(match error {
                    LnbitsConfigError::Url(what) => format!("{url_name} {what}"),
                    LnbitsConfigError::Key(what) => format!("{key_name} {what}"),
                });
            })
            .ok()
    }

    fn required(&mut self, name: &str) -> Option<String> {
        if (self.var)(name).is_none() {
            return self.fault(&format!("{name} is missing"));
        }
        self.value(name)
    }

    fn origin(&mut self) -> Origin {
        if (self.var)("ORIGIN_URL").is_none() {
            return Origin::Zone;
        }
        let Some(url) = self.value("ORIGIN_URL") else { return Origin::Invalid };
        Origin::parse(&url).unwrap_or_else(|what| {
            self.faults.push(format!("ORIGIN_URL {what}"));
            Origin::Invalid
        })
    }

    /// Returns `ORIGIN_TOKEN`. The token is sent in a header, so it must be a valid header value.
    fn origin_token(&mut self) -> Option<String> {
        let token = self.value("ORIGIN_TOKEN")?;
        if token.len() < MIN_ORIGIN_TOKEN_BYTES || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return self.fault(
                "ORIGIN_TOKEN is not sent: it must have at least 16 ASCII characters without spaces; make one with \
                 `openssl rand -hex 32`",
            );
        }
        Some(token)
    }

    /// Returns the key that signs forwarded requests. A client chooses a part of what is signed, so the key must not be
    /// that of macaroons.
    fn origin_key(&mut self) -> Option<HmacKey> {
        let secret = (self.var)("ORIGIN_SECRET")?;
        let is_same = |name: &&str| (self.var)(name).as_ref() == Some(&secret);
        if ["TOLL_SECRET", "TOLL_SECRET_PREVIOUS"].iter().any(is_same) {
            return self.fault(
                "ORIGIN_SECRET is not used: it must differ from TOLL_SECRET, which only the Worker may know; make one with \
                 `openssl rand -hex 32`",
            );
        }
        self.secret("ORIGIN_SECRET").map(|_| HmacKey::new(secret.as_bytes()))
    }

    fn admin_token(&mut self) -> Option<AdminToken> {
        let token = AdminToken::new(&self.value("ADMIN_TOKEN")?);
        token.map_err(|weak| self.faults.push(format!("ADMIN_TOKEN is {weak}"))).ok()
    }

    fn public_url(&mut self) -> Option<String> {
        let url = self.value("PUBLIC_URL")?;
        if !is_safe_base(&url) {
            return self.fault(
                "PUBLIC_URL must be an https URL (http only for localhost), without user, query or fragment",
            );
        }
        Some(url.trim_end_matches('/').to_owned())
    }

    fn callbacks(&mut self) -> Callbacks {
        let is_set = |name: &str| (self.var)(name).is_some();
        let (has_url, has_secret) = (is_set("ON_PAYMENT_URL"), is_set("ON_PAYMENT_SECRET"));
        if !has_url {
            if has_secret {
                self.faults.push("ON_PAYMENT_URL is missing: no callback is sent".to_owned());
            }
            return Callbacks::Off;
        }
        if !has_secret {
            self.faults.push("ON_PAYMENT_SECRET is missing: callbacks wait until it is set".to_owned());
        }
        let (url, secret) = (self.value("ON_PAYMENT_URL"), self.value("ON_PAYMENT_SECRET"));
        let (Some(url), Some(secret)) = (url, secret) else { return Callbacks::Waiting };
        OnPayment::new(&url, &secret).map_or_else(
            |error| {
                self.faults.push(match error {
                    CallbackConfigError::Url(what) => format!("ON_PAYMENT_URL {what}"),
                    CallbackConfigError::Secret(what) => format!("ON_PAYMENT_SECRET {what}"),
                });
                Callbacks::Waiting
            },
            Callbacks::On,
        )
    }

    fn fault<T>(&mut self, fault: &str) -> Option<T> {
        self.faults.push(fault.to_owned());
        None
    }
}

/// Takes the place of a missing `TOLL_SECRET` if no route charges. Nothing is sold or served because of a credential then: such
/// a credential is only counted as valid.
const OBSERVING: &str = "no credential is sold, so nothing is signed";
/// A shorter token could be guessed.
const MIN_ORIGIN_TOKEN_BYTES: usize = 16;
