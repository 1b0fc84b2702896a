//! Caveats: the limits that we mint, and how a caveat of any issuer or holder is read.

use super::macaroon::Encoding;

/// The limits of a credential as it is sold. Both encodings of a challenge carry the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What Aperture calls the service: `[a-z0-9_]{1,32}`.
    pub service: String,
    /// The last second in which the credential is good.
    pub expires_at_unix: u64,
    /// What the invoice asks for, and so the dearest request that the credential buys.
    pub amount_sats: u64,
    /// Lower case, without port.
    pub host: String,
    /// The strict path, encoded as it arrived.
    pub endpoint: String,
    /// The method; `GET` also buys `HEAD`.
    pub method: String,
    /// The last second in which the invoice could be paid.
    pub payable_until_unix: u64,
}

impl Terms {
    /// The caveats in the order of the wire: first the issuer's that others know, then ours.
    pub fn caveats(&self, encoding: Encoding) -> Vec<String> {
        let Self { service, expires_at_unix, amount_sats, host, endpoint, method, payable_until_unix } = self;
        match encoding {
            Encoding::Standard => vec![
                format!("{SERVICES}={service}:0"),
                format!("{service}{VALID_UNTIL}={expires_at_unix}"),
                format!("{AMOUNT_SATS}={amount_sats}"),
                format!("{HOST}={host}"),
                format!("{ENDPOINT}={endpoint}"),
                format!("{METHOD}={method}"),
                format!("{PAYABLE_UNTIL}={payable_until_unix}"),
            ],
            Encoding::LightningToll => vec![
                format!("{EXPIRES_AT} = {expires_at_unix}"),
                format!("{ENDPOINT} = {endpoint}"),
                format!("{METHOD} = {method}"),
                format!("{AMOUNT_SATS} = {amount_sats}"),
                format!("{HOST} = {host}"),
                format!("{PAYABLE_UNTIL} = {payable_until_unix}"),
            ],
        }
    }
}

/// A caveat as read. A reserved name must hold; an unknown one is skipped, since clients such as lnget add their own
/// (`preimage=<hex>`) before they send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caveat {
    AmountSats(u64),
    Endpoint(String),
    ExpiresAtUnix(u64),
    Host(String),
    Method(String),
    PayableUntilUnix(u64),
    /// Service names with their tiers.
    Services(Vec<(String, u8)>),
    /// A reserved name that no route of ours can satisfy.
    Unsatisfiable(String),
    Unknown,
}

impl Caveat {
    /// Reads one caveat for a service. `Err` is the caveat's text: a reserved name with a value that cannot be read, in
    /// another case or in look-alike letters, or a lightning-toll caveat without its ` = `.
    pub fn parse(encoding: Encoding, service: &str, bytes: &[u8]) -> Result<Self, String> {
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
            HOST => Self::Host(value.to_owned()),
            METHOD => Self::Method(value.to_owned()),
            PAYABLE_UNTIL => Self::PayableUntilUnix(number(value)?),
            SERVICES => Self::Services(services(value)?),
            IP | REALM | USES | FIAT | WALLET => Self::Unsatisfiable(name.to_owned()),
            _ => Self::ExpiresAtUnix(number(value)?),
        })
    }
}

/// lightning-toll separates by the first ` = `, the field by the first `=`.
fn split(encoding: Encoding, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let separator: &[u8] = match encoding {
        Encoding::Standard => b"=",
        Encoding::LightningToll => b" = ",
    };
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(separator.len())?..)?))
}

/// The reserved name that this one is, but for its case.
fn reserved(name: &str, service: &str) -> Option<String> {
    let folded = name.to_ascii_lowercase();
    let known = RESERVED.contains(&folded.as_str()) || folded.strip_suffix(VALID_UNTIL) == Some(service);
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
const METHOD: &str = "method";
const PAYABLE_UNTIL: &str = "payable_until";
const REALM: &str = "realm";
const SERVICES: &str = "services";
const USES: &str = "uses";
const WALLET: &str = "wallet";
const VALID_UNTIL: &str = "_valid_until";

const RESERVED: [&str; 12] =
    [AMOUNT_SATS, ENDPOINT, EXPIRES_AT, FIAT, HOST, IP, METHOD, PAYABLE_UNTIL, REALM, SERVICES, USES, WALLET];

const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
