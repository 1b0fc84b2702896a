//! Caveats: the limits that we mint, and how a caveat of any issuer or holder is read.

use std::num::NonZeroU32;

use super::macaroon::Encoding;

/// The limits of a credential as it is sold. Both encodings of a challenge carry the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What is sold, in Aperture's sense.
    pub service: Service,
    /// The last second in which the credential is good.
    pub expires_at_unix: u64,
    /// What the invoice asks for, and so the dearest request that the credential buys.
    pub amount_sats: u64,
    /// Lower case, without port.
    pub host: String,
    /// What it opens there.
    pub scope: Scope,
    /// The client's address, or the /64 of an IPv6 one.
    pub ip: Option<String>,
    /// How many requests it buys; `None` for as many as fit into its time.
    pub uses: Option<NonZeroU32>,
    /// The price in the currency that it was sold in.
    pub fiat: Option<Fiat>,
    /// Which wallet made the invoice, where it was not the first.
    pub wallet: Option<Wallet>,
    /// The last second in which the invoice could be paid.
    pub payable_until_unix: u64,
}

/// What Aperture calls a service: `[a-z0-9_]{1,32}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service(String);

impl Service {
    /// Checks the name.
    pub fn parse(name: &str) -> Option<Self> {
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_name = (1..=32).contains(&name.len()) && name.bytes().all(is_letter);
        is_name.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Service {
    fn default() -> Self {
        Self("toll".to_owned())
    }
}

/// Which of a deployment's wallets made an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wallet {
    /// `LNBITS_URL`.
    First,
    /// `LNBITS_URL_2`.
    Second,
}

impl Wallet {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wallet| wallet.as_str() == name)
    }

    /// As the caveat names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "1",
            Self::Second => "2",
        }
    }
}

/// What a credential opens on its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One path, and one method of it where the route binds the method; `GET` also buys `HEAD`.
    Endpoint {
        /// The strict path, encoded as it arrived.
        endpoint: String,
        /// The method; `None` for all of them.
        method: Option<String>,
    },
    /// Every route that is sold under this name.
    Realm(String),
}

impl Terms {
    /// The caveats in the order of the wire: first those that others know, then ours.
    pub fn caveats(&self, encoding: Encoding) -> Vec<String> {
        let separator = match encoding {
            Encoding::Standard => "=",
            Encoding::LightningToll => " = ",
        };
        let mut caveats = Vec::new();
        let mut put = |name: &str, value: Option<&str>| {
            caveats.extend(value.map(|value| [name, separator, value].concat()));
        };
        let service = self.service.as_str();
        let services = [service, ":0"].concat();
        let expiry = self.expires_at_unix.to_string();
        let amount = self.amount_sats.to_string();
        let (endpoint, method, realm) = match &self.scope {
            Scope::Endpoint { endpoint, method } => (Some(endpoint.as_str()), method.as_deref(), None),
            Scope::Realm(realm) => (None, None, Some(realm.as_str())),
        };
        let is_standard = encoding == Encoding::Standard;
        if is_standard {
            put(SERVICES, Some(&services));
            put(&[service, VALID_UNTIL].concat(), Some(&expiry));
            put(AMOUNT_SATS, Some(&amount));
            put(HOST, Some(&self.host));
        } else {
            // lightning-toll's own caveats stand first, as its mint writes them.
            put(EXPIRES_AT, Some(&expiry));
        }
        put(ENDPOINT, endpoint);
        put(METHOD, method);
        put(IP, self.ip.as_deref());
        if !is_standard {
            put(SERVICES, Some(&services));
            put(AMOUNT_SATS, Some(&amount));
            put(HOST, Some(&self.host));
        }
        put(REALM, realm);
        put(USES, self.uses.map(|uses| uses.to_string()).as_deref());
        put(FIAT, self.fiat.as_ref().map(Fiat::as_str));
        put(WALLET, self.wallet.map(Wallet::as_str));
        put(PAYABLE_UNTIL, Some(&self.payable_until_unix.to_string()));
        caveats
    }
}

/// A caveat as read. A reserved name must hold; an unknown one is skipped, since clients such as lnget add their own
/// (`preimage=<hex>`) before they send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caveat {
    /// Satoshis paid.
    AmountSats(u64),
    /// A path.
    Endpoint(String),
    /// `expires_at`, or the service's `_valid_until`.
    ExpiresAtUnix(u64),
    /// The price in a currency.
    Fiat(Fiat),
    /// A host.
    Host(String),
    /// An address, or the /64 of an IPv6 one.
    Ip(String),
    /// That we minted a lightning-toll macaroon ([`KeySet::native_mark`](super::keys::KeySet::native_mark)).
    Mark(String),
    /// A method.
    Method(String),
    /// When the invoice could last be paid.
    PayableUntilUnix(u64),
    /// A realm.
    Realm(String),
    /// Service names with their tiers.
    Services(Vec<(String, u8)>),
    /// A name that is not ours to judge.
    Unknown,
    /// How many requests were bought.
    Uses(NonZeroU32),
    /// Which wallet made the invoice.
    Wallet(Wallet),
}

impl Caveat {
    /// Reads one caveat for a service.
    ///
    /// # Errors
    /// The caveat's text: a reserved name without a value that can be read, in another case or in letters beyond ASCII, or
    /// a lightning-toll caveat without its ` = `.
    pub fn parse(encoding: Encoding, service: &Service, bytes: &[u8]) -> Result<Self, String> {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        let (name, value) = match split(encoding, bytes) {
            Some((name, value)) => (name, Some(value)),
            None if encoding == Encoding::LightningToll => return Err(text()),
            None => (bytes, None),
        };
        let Ok(name) = std::str::from_utf8(name).map(str::trim) else { return Ok(Self::Unknown) };
        if !name.is_ascii() {
            return Err(text());
        }
        let Some(reserved) = reserved(name, service) else { return Ok(Self::Unknown) };
        if reserved != name {
            return Err(text());
        }
        let value = value.and_then(|value| std::str::from_utf8(value).ok()).map(str::trim);
        value.and_then(|value| Self::read(name, value)).ok_or_else(text)
    }

    fn read(name: &str, value: &str) -> Option<Self> {
        Some(match name {
            AMOUNT_SATS => Self::AmountSats(number(value)?),
            ENDPOINT => Self::Endpoint(value.to_owned()),
            FIAT => Self::Fiat(Fiat::parse(value)?),
            HOST => Self::Host(value.to_owned()),
            IP => Self::Ip(value.to_owned()),
            MARK => Self::Mark(value.to_owned()),
            METHOD => Self::Method(value.to_owned()),
            PAYABLE_UNTIL => Self::PayableUntilUnix(number(value)?),
            REALM => Self::Realm(value.to_owned()),
            SERVICES => Self::Services(services(value)?),
            USES => Self::Uses(NonZeroU32::new(number(value)?.try_into().ok()?)?),
            WALLET => Self::Wallet(Wallet::parse(value)?),
            _ => Self::ExpiresAtUnix(number(value)?),
        })
    }

    /// The caveat by which a lightning-toll macaroon shows that we minted it.
    pub fn mark(mark: &str) -> String {
        format!("{MARK} = {mark}")
    }
}

/// A price in a currency: `0.01 USD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fiat {
    text: String,
    /// Hundred-millionths of the currency's unit.
    e8: u64,
}

impl Fiat {
    /// Digits with at most eight behind the point, a space, and three upper-case letters. Zero is no price.
    pub fn parse(text: &str) -> Option<Self> {
        let (amount, currency) = text.split_once(' ')?;
        let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
        let zeros = "00000000".get(part.len()..)?;
        if part.is_empty() || currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return None;
        }
        // The digits of both parts, run together, are the amount in hundred-millionths.
        number(whole)?;
        let e8 = number(&[whole, part, zeros].concat())?;
        (e8 > 0).then(|| Self { text: text.to_owned(), e8 })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The amount alone, as JSON writes a number.
    pub fn amount(&self) -> String {
        let (whole, part) = (self.e8.checked_div(E8), self.e8.checked_rem(E8));
        let text = format!("{}.{:08}", whole.unwrap_or_default(), part.unwrap_or_default());
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// The currency alone.
    pub fn currency(&self) -> &str {
        self.text.split_once(' ').map_or("", |(_, currency)| currency)
    }

    /// Whether this amount covers a price: of the same currency, and no less.
    pub fn covers(&self, price: &Self) -> bool {
        self.currency() == price.currency() && self.e8 >= price.e8
    }
}

/// lightning-toll separates by the first ` = `, Aperture by the first `=`.
fn split(encoding: Encoding, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let separator: &[u8] = match encoding {
        Encoding::Standard => b"=",
        Encoding::LightningToll => b" = ",
    };
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(separator.len())?..)?))
}

/// The reserved name that this one is, but for its case.
fn reserved(name: &str, service: &Service) -> Option<String> {
    let folded = name.to_ascii_lowercase();
    let known =
        RESERVED.contains(&folded.as_str()) || folded.strip_suffix(VALID_UNTIL) == Some(service.as_str());
    known.then_some(folded)
}

/// Digits only, and few enough for JavaScript's integers.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|value| *value <= MAX_SAFE_INTEGER)
}

/// `name:tier[,name:tier]`, as Aperture writes it.
fn services(value: &str) -> Option<Vec<(String, u8)>> {
    let service = |part: &str| {
        let (name, tier) = part.split_once(':')?;
        let tier = u8::try_from(number(tier)?).ok()?;
        (!name.is_empty()).then(|| (name.to_owned(), tier))
    };
    value.split(',').map(service).collect()
}

const AMOUNT_SATS: &str = "amount_sats";
const ENDPOINT: &str = "endpoint";
const EXPIRES_AT: &str = "expires_at";
const FIAT: &str = "fiat";
const HOST: &str = "host";
const IP: &str = "ip";
const MARK: &str = "edgetoll";
const METHOD: &str = "method";
const PAYABLE_UNTIL: &str = "payable_until";
const REALM: &str = "realm";
const SERVICES: &str = "services";
const USES: &str = "uses";
const WALLET: &str = "wallet";
const VALID_UNTIL: &str = "_valid_until";

const RESERVED: [&str; 13] = [
    AMOUNT_SATS,
    ENDPOINT,
    EXPIRES_AT,
    FIAT,
    HOST,
    IP,
    MARK,
    METHOD,
    PAYABLE_UNTIL,
    REALM,
    SERVICES,
    USES,
    WALLET,
];

/// Hundred-millionths in one.
const E8: u64 = 100_000_000;
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
