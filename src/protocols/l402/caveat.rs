//! The caveats that edgetoll mints into macaroons, and a parser for caveats that any issuer or holder wrote.

use std::num::NonZeroU32;

use super::macaroon::Encoding;
use crate::payment::WalletSlot;
use crate::protocols::price::{Fiat, Price, parse_whole_number};

/// The terms of a credential that are known before the invoice is created. The standard macaroon and the lightning-toll
/// macaroon of a challenge have the same terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub service: Service,
    /// The last second in which the credential is valid.
    pub expires_at_unix: u64,
    /// The host in lower case, without a port.
    pub host: String,
    pub scope: CredentialScope,
    /// The client's IPv4 address or IPv6 prefix; `None` if the route does not bind credentials to it.
    pub ip: Option<String>,
    /// The number of requests that the credential buys; `None` if the number is not limited.
    pub uses: Option<NonZeroU32>,
    pub price: Price,
    /// The tag of the access that the credential sells ([`KeySet::sold_as`](crate::keys::KeySet::sold_as)); `None` if
    /// the price depends on the request.
    pub sold_as: Option<String>,
    /// The last second in which the invoice can be paid, provided that the wallet applies the requested expiry.
    pub payable_until_unix: u64,
}

impl Terms {
    /// Returns the caveats in the order in which they are minted. `payable_until` must be the last one: in a standard
    /// macaroon, every caveat after it counts as added by a holder.
    pub fn caveats(&self, encoding: Encoding, invoice: &InvoiceTerms) -> Vec<String> {
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
        let amount = invoice.amount_sats.to_string();
        let (endpoint, method, realm) = match &self.scope {
            CredentialScope::Endpoint { endpoint, method } => {
                (Some(endpoint.as_str()), method.as_deref(), None)
            }
            CredentialScope::Realm(realm) => (None, None, Some(realm.as_str())),
        };
        let is_standard = encoding == Encoding::Standard;
        if is_standard {
            put(SERVICES, Some(&services));
            put(&[service, VALID_UNTIL].concat(), Some(&expiry));
            put(AMOUNT_SATS, Some(&amount));
            put(HOST, Some(&self.host));
        } else {
            // The caveats that lightning-toll itself mints come first, in its order.
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
        if let Price::Fiat(price) = &self.price {
            put(FIAT, Some(price.fiat.as_str()));
        }
        put(SOLD_AS, self.sold_as.as_deref());
        put(WALLET, Some(invoice.wallet.as_str()).filter(|_| invoice.wallet != WalletSlot::FIRST));
        put(PAYABLE_UNTIL, Some(&invoice.payable_until_unix.to_string()));
        caveats
    }
}

/// The terms of a credential that are known once the invoice is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvoiceTerms {
    /// The amount of the invoice. Where prices are in satoshis, the credential pays for requests up to this price.
    pub amount_sats: u64,
    /// The slot of the wallet that created the invoice.
    pub wallet: WalletSlot,
    /// The last second in which the invoice can be paid.
    pub payable_until_unix: u64,
}

/// A service name as Aperture defines it: `[a-z0-9_]{1,32}`. The names of realms follow the same rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service(String);

impl Service {
    pub fn parse(name: &str) -> Option<Self> {
        let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_name = (1..=32).contains(&name.len()) && name.bytes().all(is_allowed);
        is_name.then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Service {
    fn default() -> Self {
        Self("toll".to_owned())
    }
}

/// What a route binds its credentials to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeRule {
    /// The requested path, and also the requested method if `binds_method` is set.
    Endpoint { binds_method: bool },
    /// Every route of this realm.
    Realm(String),
}

impl ScopeRule {
    pub fn realm(&self) -> Option<&str> {
        match self {
            Self::Realm(realm) => Some(realm),
            Self::Endpoint { .. } => None,
        }
    }
}

/// What a credential is valid for on its host: one endpoint, or the routes of a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialScope {
    Endpoint {
        /// The path as it was sent, percent-encoded.
        endpoint: String,
        /// The method; `None` if the credential is valid for all methods. `GET` includes `HEAD`.
        method: Option<String>,
    },
    /// Every route of this realm.
    Realm(String),
}

impl CredentialScope {
    /// Returns the scope of a credential that is bought with a request to this endpoint with this method.
    pub fn new(rule: &ScopeRule, endpoint: &str, method: &str) -> Self {
        match rule {
            ScopeRule::Realm(realm) => Self::Realm(realm.clone()),
            ScopeRule::Endpoint { binds_method } => Self::Endpoint {
                endpoint: endpoint.to_owned(),
                method: binds_method.then(|| method.to_owned()),
            },
        }
    }
}

/// A parsed caveat. A caveat with a reserved name must be satisfied. A caveat with an unknown name is ignored: clients
/// such as lnget add their own caveats (`preimage=<hex>`) before they send a macaroon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caveat {
    AmountSats(u64),
    Endpoint(String),
    /// The expiry: `expires_at`, or `<service>_valid_until`.
    ExpiresAtUnix(u64),
    Fiat(Fiat),
    Host(String),
    /// The client's IPv4 address or IPv6 prefix.
    Ip(String),
    /// The issuer mark, which shows that this deployment minted a lightning-toll macaroon
    /// ([`KeySet::issuer_mark`](crate::keys::KeySet::issuer_mark)).
    IssuerMark(String),
    Method(String),
    /// The last second in which the invoice can be paid.
    PayableUntilUnix(u64),
    Realm(String),
    /// The names of services, each with its tier.
    Services(Vec<(String, u8)>),
    /// The tag of what was sold ([`KeySet::sold_as`](crate::keys::KeySet::sold_as)).
    SoldAs(String),
    Unknown,
    /// The number of requests that were bought.
    Uses(NonZeroU32),
    /// The slot of the wallet that created the invoice.
    Wallet(WalletSlot),
}

impl Caveat {
    /// Parses one caveat. `service` is the service of the route: `<service>_valid_until` is a reserved name too.
    ///
    /// # Errors
    /// Returns the text of the caveat in five cases:
    /// 1. Its name is empty, is UTF-8 but not ASCII, or contains a control character.
    /// 2. Its name differs from a reserved name only in upper or lower case.
    /// 3. Its name is a reserved name, and its value is missing or not valid.
    /// 4. Its name is a reserved name, and a control character or white space other than a space is before or after its
    ///    value. Implementations differ in which of these characters they remove.
    /// 5. The encoding is that of lightning-toll, and the caveat has no ` = `.
    pub fn parse(encoding: Encoding, service: &Service, bytes: &[u8]) -> Result<Self, String> {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        let (name, value) = match split(encoding, bytes) {
            Some((name, value)) => (name, Some(value)),
            None if encoding == Encoding::LightningToll => return Err(text()),
            None => (bytes, None),
        };
        let Ok(name) = std::str::from_utf8(name) else { return Ok(Self::Unknown) };
        let name = name.trim_matches(' ');
        if name.is_empty() || !name.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(text());
        }
        let Some(reserved) = reserved_name(name, service) else { return Ok(Self::Unknown) };
        if reserved != name {
            return Err(text());
        }
        let value = value.and_then(|value| trim_spaces(std::str::from_utf8(value).ok()?));
        value.and_then(|value| Self::parse_value(name, value)).ok_or_else(text)
    }

    fn parse_value(name: &str, value: &str) -> Option<Self> {
        Some(match name {
            AMOUNT_SATS => Self::AmountSats(parse_whole_number(value)?),
            ENDPOINT => Self::Endpoint(value.to_owned()),
            FIAT => Self::Fiat(Fiat::parse(value)?),
            HOST => Self::Host(value.to_owned()),
            IP => Self::Ip(value.to_owned()),
            ISSUER_MARK => Self::IssuerMark(value.to_owned()),
            METHOD => Self::Method(value.to_owned()),
            PAYABLE_UNTIL => Self::PayableUntilUnix(parse_whole_number(value)?),
            REALM => Self::Realm(value.to_owned()),
            SERVICES => Self::Services(parse_services(value)?),
            SOLD_AS => Self::SoldAs(value.to_owned()),
            USES => Self::Uses(NonZeroU32::new(parse_whole_number(value)?.try_into().ok()?)?),
            WALLET => Self::Wallet(WalletSlot::parse(value)?),
            _ if name == EXPIRES_AT || name.ends_with(VALID_UNTIL) => {
                Self::ExpiresAtUnix(parse_whole_number(value)?)
            }
            // A name of `RESERVED` without an arm above. The caveat is refused.
            _ => return None,
        })
    }

    /// Returns the text of the `edgetoll` caveat with this issuer mark.
    pub fn issuer_mark(mark: &str) -> String {
        format!("{ISSUER_MARK} = {mark}")
    }
}

/// Whether a payment that was made for one method is valid for the requested method. `GET` includes `HEAD`, whose
/// response has no content.
pub fn covers_method(bought: &str, method: &str) -> bool {
    bought.eq_ignore_ascii_case(method) || (bought.eq_ignore_ascii_case("GET") && method == "HEAD")
}

/// Returns a value without the spaces around it. Returns `None` if a control character or other white space remains at
/// one of its ends. U+FEFF counts as white space, because JavaScript removes it.
fn trim_spaces(value: &str) -> Option<&str> {
    let value = value.trim_matches(' ');
    let is_blank = |c: char| c.is_control() || c.is_whitespace() || c == '\u{feff}';
    (!value.starts_with(is_blank) && !value.ends_with(is_blank)).then_some(value)
}

/// Splits a caveat into name and value: lightning-toll separates them with the first ` = `, Aperture with the first
/// `=`. Returns `None` if the caveat has no separator.
fn split(encoding: Encoding, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let separator: &[u8] = match encoding {
        Encoding::Standard => b"=",
        Encoding::LightningToll => b" = ",
    };
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(separator.len())?..)?))
}

/// Returns the reserved name that equals `name` if case is ignored; `None` if there is no such reserved name.
fn reserved_name(name: &str, service: &Service) -> Option<String> {
    let folded = name.to_ascii_lowercase();
    let is_reserved =
        RESERVED.contains(&folded.as_str()) || folded.strip_suffix(VALID_UNTIL) == Some(service.as_str());
    is_reserved.then_some(folded)
}

/// Parses the value of a `services` caveat as Aperture writes it: `name:tier[,name:tier]`.
fn parse_services(value: &str) -> Option<Vec<(String, u8)>> {
    let service = |part: &str| {
        let (name, tier) = part.split_once(':')?;
        let tier = u8::try_from(parse_whole_number(tier)?).ok()?;
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
const ISSUER_MARK: &str = "edgetoll";
const METHOD: &str = "method";
const PAYABLE_UNTIL: &str = "payable_until";
const REALM: &str = "realm";
const SERVICES: &str = "services";
const SOLD_AS: &str = "sold_as";
const USES: &str = "uses";
const WALLET: &str = "wallet";
const VALID_UNTIL: &str = "_valid_until";

/// The reserved names. To add a caveat:
/// 1. Add its name here.
/// 2. Add a variant to `Caveat`.
/// 3. Add an arm to `Caveat::parse_value` and an arm to `verify/caveats.rs`.
/// 4. Add a line to `Terms::caveats`, before the line of `payable_until`. In a standard macaroon, every caveat after
///    `payable_until` counts as added by a holder.
const RESERVED: [&str; 14] = [
    AMOUNT_SATS,
    ENDPOINT,
    EXPIRES_AT,
    FIAT,
    HOST,
    IP,
    ISSUER_MARK,
    METHOD,
    PAYABLE_UNTIL,
    REALM,
    SERVICES,
    SOLD_AS,
    USES,
    WALLET,
];
