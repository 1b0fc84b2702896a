//! Verifies a credential: its signature, its preimage, its caveats, and the requirements of the route, in this order.

use std::num::NonZeroU32;

use super::caveat::{Caveat, ScopeRule, Service};
use super::macaroon::{Encoding, Encodings, Macaroon, Signature};
use super::refusal::Refusal;
use crate::crypto;
use crate::http::percent;
use crate::keys::Keys;
use crate::payment::{PaymentHash, Preimage, WalletSlot};
use crate::protocols::price::Price;

/// What a credential must satisfy: the request that carries it, and the requirements of the route.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    pub now_unix: u64,
    pub service: &'a Service,
    /// Lower case, without port.
    pub host: &'a str,
    /// The path as it was sent.
    pub endpoint: &'a str,
    pub method: &'a str,
    /// The client's address, or the /64 of an IPv6 address. If it is `None`, no `ip` caveat is satisfied.
    pub ip: Option<&'a str>,
    /// What the request costs now.
    pub price: &'a Price,
    /// What the credentials of the route are bound to.
    pub scope: &'a ScopeRule,
    /// Whether the route binds credentials to the client's address.
    pub binds_ip: bool,
    /// Whether the route sells a number of uses.
    pub counts_uses: bool,
    pub encodings: Encodings,
    pub revoked: &'a [PaymentHash],
    pub other_issuer: OtherIssuer,
}

/// Whether macaroons of a lightning-toll server with the same secret are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherIssuer {
    Refused,
    /// They may expire at most `max_age_s` seconds in the future. `is_fixed_price_path` is set if the route sells one
    /// path at one fixed price, as a lightning-toll server does.
    Accepted {
        max_age_s: u64,
        is_fixed_price_path: bool,
    },
}

/// What a valid credential grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub payment_hash: PaymentHash,
    pub encoding: Encoding,
    /// Whether the credential has the preimage. Without it, only the wallet knows whether the invoice was paid.
    pub is_proven: bool,
    /// Whether a lightning-toll server with the same secret minted the macaroon, not this deployment.
    pub other_issuer: bool,
    /// The last second in which the credential is valid.
    pub expires_at_unix: u64,
    /// The expiry that the issuer wrote. A holder can shorten `expires_at_unix`, but cannot change this expiry.
    pub issued_until_unix: u64,
    /// The amount of the invoice.
    pub amount_sats: u64,
    /// The number of requests that the credential buys: the smallest of its `uses` caveats.
    pub uses: Option<NonZeroU32>,
    /// The wallet that made the invoice.
    pub wallet: WalletSlot,
    /// The last second in which the invoice could be paid: the earliest of the `payable_until` caveats.
    pub payable_until_unix: Option<u64>,
}

/// Verifies a macaroon, and its preimage if there is one. No other function decides whether a credential is valid.
///
/// # Errors
/// Returns the first reason why the credential is refused.
pub fn verify(
    macaroon: &Macaroon,
    preimage: Option<&Preimage>,
    keys: &Keys,
    demand: &Demand<'_>,
) -> Result<Grant, Refusal> {
    match macaroon.signature(keys) {
        Signature::Valid => {}
        Signature::UnknownKey => return Err(Refusal::UnknownKey),
        Signature::Forged => return Err(Refusal::BadSignature),
    }
    if preimage.is_some_and(|preimage| !preimage.proves(&macaroon.payment_hash())) {
        return Err(Refusal::WrongPreimage);
    }
    let marks: Vec<String> = match macaroon.encoding() {
        Encoding::Standard => Vec::new(),
        Encoding::LightningToll => keys.all().map(|set| set.issuer_mark(&macaroon.payment_hash())).collect(),
    };
    let caveats = check_caveats(macaroon, &marks, demand)?;
    check_demand(macaroon, preimage.is_some(), &caveats, demand)?;
    Ok(Grant {
        payment_hash: macaroon.payment_hash(),
        encoding: macaroon.encoding(),
        is_proven: preimage.is_some(),
        other_issuer: caveats.other_issuer,
        expires_at_unix: caveats.expires_at_unix,
        issued_until_unix: caveats.issued_until_unix,
        amount_sats: amount_sats(&caveats, demand.price)?,
        uses: caveats.uses,
        wallet: caveats.wallet.unwrap_or(WalletSlot::One),
        payable_until_unix: caveats.payable_until_unix,
    })
}

/// The values of the caveats of a macaroon. All of its caveats are satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedCaveats {
    pub other_issuer: bool,
    pub expires_at_unix: u64,
    pub issued_until_unix: u64,
    /// The first amount, which the issuer wrote.
    pub amount_sats: Option<u64>,
    pub bound: BoundCaveats,
    pub uses: Option<NonZeroU32>,
    /// The first wallet, which the issuer wrote.
    pub wallet: Option<WalletSlot>,
    pub payable_until_unix: Option<u64>,
}

/// Which caveats the issuer wrote. A caveat that a holder added must be satisfied too, but it does not meet a
/// requirement of the route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundCaveats {
    pub endpoint: bool,
    pub fiat: bool,
    pub host: bool,
    pub ip: bool,
    pub method: bool,
    pub realm: bool,
    pub uses: bool,
}

/// Checks the caveats of a macaroon whose signature is valid: every caveat must be satisfied, and a repeated caveat may
/// only narrow the earlier one.
///
/// `marks` are the issuer marks of this deployment for the payment. A lightning-toll macaroon without one of them is
/// from another issuer.
///
/// # Errors
/// Returns the refusal for the first caveat that is not satisfied, or for a missing caveat that every credential needs:
/// an expiry, and a scope (an endpoint, a realm or services).
pub fn check_caveats(
    macaroon: &Macaroon,
    marks: &[String],
    demand: &Demand<'_>,
) -> Result<CheckedCaveats, Refusal> {
    let encoding = macaroon.encoding();
    let caveats = macaroon.caveats().map(|bytes| Caveat::parse(encoding, demand.service, bytes));
    let caveats: Vec<Caveat> = caveats.collect::<Result<_, _>>().map_err(Refusal::MalformedCaveat)?;
    let is_our_mark =
        |mark: &str| marks.iter().any(|ours| crypto::constant_time_eq(ours.as_bytes(), mark.as_bytes()));
    let is_issuer_mark = |caveat: &Caveat| matches!(caveat, Caveat::IssuerMark(mark) if is_our_mark(mark));
    let other_issuer = encoding == Encoding::LightningToll && !caveats.iter().any(is_issuer_mark);
    // The last caveat that edgetoll mints. A holder adds caveats after it.
    let is_last_minted = |caveat: &Caveat| match encoding {
        Encoding::Standard => matches!(caveat, Caveat::PayableUntilUnix(_)),
        Encoding::LightningToll => is_issuer_mark(caveat),
    };
    let last_minted = caveats.iter().position(is_last_minted).unwrap_or(caveats.len());
    let mut expires_at_unix: Option<u64> = None;
    let mut services: Option<Vec<(String, u8)>> = None;
    let mut checked = CheckedCaveats {
        other_issuer,
        expires_at_unix: 0,
        issued_until_unix: 0,
        amount_sats: None,
        bound: BoundCaveats::default(),
        uses: None,
        wallet: None,
        payable_until_unix: None,
    };
    let bound = &mut checked.bound;
    for (at, caveat) in caveats.into_iter().enumerate() {
        let is_minted = at <= last_minted;
        match caveat {
            Caveat::ExpiresAtUnix(at) => {
                if expires_at_unix.is_some_and(|earlier| at > earlier) {
                    return Err(Refusal::WidenedCaveat("the expiry"));
                }
                if demand.now_unix > at {
                    return Err(Refusal::Expired);
                }
                if expires_at_unix.is_none() {
                    checked.issued_until_unix = at;
                }
                expires_at_unix = Some(at);
            }
            Caveat::Services(named) => {
                if services.as_ref().is_some_and(|earlier| !named.iter().all(|one| earlier.contains(one))) {
                    return Err(Refusal::WidenedCaveat("services"));
                }
                if !named.iter().any(|(name, _)| name == demand.service.as_str()) {
                    return Err(Refusal::ServiceMismatch(demand.service.as_str().to_owned()));
                }
                services = Some(named);
            }
            Caveat::AmountSats(paid_sats) => {
                match demand.price {
                    Price::Sats(price_sats) if paid_sats < *price_sats => {
                        return Err(Refusal::Underpaid { paid_sats, price_sats: *price_sats });
                    }
                    // A price in fiat is compared in its currency: the exchange rate of the day of payment does not
                    // matter.
                    Price::Sats(_) | Price::Fiat(_) => {}
                }
                checked.amount_sats = checked.amount_sats.or(Some(paid_sats));
            }
            Caveat::Fiat(paid) => {
                if let Price::Fiat(price) = demand.price
                    && !paid.covers(&price.fiat)
                {
                    return Err(Refusal::UnderpaidFiat {
                        paid: paid.as_str().to_owned(),
                        price: price.fiat.as_str().to_owned(),
                    });
                }
                bound.fiat |= is_minted;
            }
            Caveat::Host(expected) => {
                require_one_of(&[demand.host], expected, |expected, got| Refusal::HostMismatch {
                    expected,
                    got,
                })?;
                bound.host |= is_minted;
            }
            Caveat::Endpoint(expected) => {
                // lightning-toll's Python package binds the decoded path, its Node package the encoded one.
                let decoded = if other_issuer { decoded_once(demand.endpoint) } else { None };
                let paths = [demand.endpoint, decoded.as_deref().unwrap_or(demand.endpoint)];
                require_one_of(&paths, expected, |expected, got| Refusal::EndpointMismatch {
                    expected,
                    got,
                })?;
                bound.endpoint |= is_minted;
            }
            Caveat::Method(expected) => {
                if !covers_method(&expected, demand.method) {
                    return Err(Refusal::MethodMismatch { expected, got: demand.method.to_owned() });
                }
                bound.method |= is_minted;
            }
            Caveat::Ip(expected) => {
                if demand.ip != Some(expected.as_str()) {
                    let got = demand.ip.unwrap_or("unknown").to_owned();
                    return Err(Refusal::IpMismatch { expected, got });
                }
                bound.ip |= is_minted;
            }
            Caveat::Realm(expected) => {
                if demand.scope.realm() != Some(expected.as_str()) {
                    let got = demand.scope.realm().unwrap_or("no realm").to_owned();
                    return Err(Refusal::RealmMismatch { expected, got });
                }
                bound.realm |= is_minted;
            }
            Caveat::IssuerMark(mark) if !is_our_mark(&mark) => {
                return Err(Refusal::Unsatisfiable(Caveat::issuer_mark(&mark)));
            }
            Caveat::IssuerMark(_) => {}
            Caveat::Uses(uses) => {
                checked.uses = smallest(checked.uses, uses);
                bound.uses |= is_minted;
            }
            Caveat::Wallet(wallet) => checked.wallet = checked.wallet.or(is_minted.then_some(wallet)),
            Caveat::PayableUntilUnix(until) => {
                checked.payable_until_unix = smallest(checked.payable_until_unix, until);
            }
            Caveat::Unknown => {}
        }
    }
    if !bound.endpoint && !bound.realm && services.is_none() {
        return Err(Refusal::MissingCaveat("endpoint"));
    }
    checked.expires_at_unix = expires_at_unix.ok_or(Refusal::MissingCaveat("expiry"))?;
    Ok(checked)
}

/// Checks the requirements of the route: the encoding, the issuer, no revocation, and a caveat of the issuer for each
/// limit of the route.
fn check_demand(
    macaroon: &Macaroon,
    is_proven: bool,
    caveats: &CheckedCaveats,
    demand: &Demand<'_>,
) -> Result<(), Refusal> {
    if !demand.encodings.accepts(macaroon.encoding()) {
        return Err(Refusal::EncodingNotAccepted);
    }
    if demand.revoked.contains(&macaroon.payment_hash()) {
        return Err(Refusal::Revoked);
    }
    if caveats.other_issuer {
        check_other_issuer(is_proven, caveats, demand)?;
    }
    let bound = caveats.bound;
    let is_realm = demand.scope.realm().is_some();
    let demanded = [
        ("endpoint", bound.endpoint, !is_realm),
        ("method", bound.method, *demand.scope == ScopeRule::Endpoint { binds_method: true }),
        ("realm", bound.realm, is_realm),
        ("ip", bound.ip, demand.binds_ip),
        ("uses", bound.uses, demand.counts_uses),
        ("fiat", bound.fiat, matches!(demand.price, Price::Fiat(_))),
        ("host", bound.host, !caveats.other_issuer),
    ];
    match demanded.into_iter().find(|(_, is_bound, is_demanded)| *is_demanded && !is_bound) {
        Some((name, ..)) => Err(Refusal::MissingCaveat(name)),
        None => Ok(()),
    }
}

/// A macaroon of another issuer must be short-lived, and is accepted only on a route that sells one path at one fixed
/// price.
fn check_other_issuer(is_proven: bool, caveats: &CheckedCaveats, demand: &Demand<'_>) -> Result<(), Refusal> {
    // The configured wallets do not know its invoice, so the preimage is the only proof.
    if !is_proven {
        return Err(Refusal::MalformedPreimage);
    }
    let OtherIssuer::Accepted { max_age_s, is_fixed_price_path } = demand.other_issuer else {
        return Err(Refusal::OtherIssuerNotAccepted);
    };
    let is_short_lived = caveats.expires_at_unix <= demand.now_unix.saturating_add(max_age_s);
    if is_short_lived && is_fixed_price_path { Ok(()) } else { Err(Refusal::OtherIssuer { max_age_s }) }
}

/// Returns the amount that was paid. An amount in a macaroon of another issuer is ignored: a holder could have added
/// it.
fn amount_sats(caveats: &CheckedCaveats, price: &Price) -> Result<u64, Refusal> {
    match (caveats.amount_sats, price) {
        (_, Price::Sats(price_sats)) if caveats.other_issuer => Ok(*price_sats),
        (Some(amount_sats), _) => Ok(amount_sats),
        (None, _) => Err(Refusal::MissingCaveat("amount_sats")),
    }
}

fn require_one_of(
    got: &[&str],
    expected: String,
    refuse: impl Fn(String, String) -> Refusal,
) -> Result<(), Refusal> {
    if got.contains(&expected.as_str()) {
        return Ok(());
    }
    Err(refuse(expected, got.first().copied().unwrap_or_default().to_owned()))
}

/// Whether a credential for one method is valid for another. `GET` includes `HEAD`, whose response has no content.
fn covers_method(bought: &str, method: &str) -> bool {
    bought.eq_ignore_ascii_case(method) || (bought.eq_ignore_ascii_case("GET") && method == "HEAD")
}

fn smallest<T: Ord + Copy>(earlier: Option<T>, value: T) -> Option<T> {
    Some(earlier.map_or(value, |earlier| earlier.min(value)))
}

/// Returns the path percent-decoded once, if the result is UTF-8.
fn decoded_once(path: &str) -> Option<String> {
    String::from_utf8(percent::decode(path.as_bytes())).ok()
}
