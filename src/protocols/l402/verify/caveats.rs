//! Checks the caveats of a macaroon against a request.

use std::num::NonZeroU32;

use super::Demand;
use crate::crypto::is_one_of;
use crate::http::percent;
use crate::http::url::without_slash;
use crate::payment::WalletSlot;
use crate::protocols::l402::caveat::{Caveat, covers_method};
use crate::protocols::l402::macaroon::{Encoding, Macaroon};
use crate::protocols::l402::refusal::Refusal;
use crate::protocols::price::{Fiat, Price};

/// The values of the caveats of a macaroon whose caveats are all satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedCaveats {
    pub other_issuer: bool,
    pub expires_at_unix: u64,
    pub issued_until_unix: u64,
    /// The first `amount_sats` caveat. In a macaroon of this deployment, the issuer wrote it.
    pub amount_sats: Option<u64>,
    pub bound: BoundCaveats,
    /// The `sold_as` caveat that this deployment wrote.
    pub sold_as: Option<String>,
    pub uses: Option<NonZeroU32>,
    /// The first `wallet` caveat that the issuer wrote; `None` for slot 1.
    pub wallet: Option<WalletSlot>,
    pub payable_until_unix: Option<u64>,
}

/// Which caveats the issuer wrote. A caveat that a holder added must be satisfied too, but it does not meet a
/// requirement of the route. In a macaroon of another issuer, every caveat counts as written by the issuer.
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

/// Checks the caveats of a macaroon whose signature is valid: every caveat must be satisfied, and a repeated expiry or
/// `services` caveat may only narrow the earlier one.
///
/// `marks` are the issuer marks of this deployment for the payment. A lightning-toll macaroon without such a mark is
/// from another issuer.
///
/// # Errors
/// Returns the first refusal in this order:
/// 1. a caveat is malformed;
/// 2. a caveat is not satisfied, or widens an earlier caveat;
/// 3. the expiry or the scope is missing. The scope is an endpoint, a realm or services.
pub fn check_caveats(
    macaroon: &Macaroon,
    marks: &[String],
    demand: &Demand<'_>,
) -> Result<CheckedCaveats, Refusal> {
    check_caveats_of_any_price(macaroon, marks, demand, Some(demand.price))
}

/// Checks the caveats as [`check_caveats`] does, with one difference: the amounts that the issuer wrote must cover the
/// price `issued_for`, and not the price of this request. With `None`, they may have any value.
pub(super) fn check_caveats_of_any_price(
    macaroon: &Macaroon,
    marks: &[String],
    demand: &Demand<'_>,
    issued_for: Option<&Price>,
) -> Result<CheckedCaveats, Refusal> {
    let encoding = macaroon.encoding();
    let caveats = macaroon.caveats().map(|bytes| Caveat::parse(encoding, demand.service, bytes));
    let caveats: Vec<Caveat> = caveats.collect::<Result<_, _>>().map_err(Refusal::MalformedCaveat)?;
    let is_own_mark = |caveat: &Caveat| matches!(caveat, Caveat::IssuerMark(mark) if is_one_of(mark, marks));
    // The position of the last caveat that edgetoll minted. A holder adds caveats after this position.
    let last_minted = caveats.iter().position(|caveat| match encoding {
        Encoding::Standard => matches!(caveat, Caveat::PayableUntilUnix(_)),
        Encoding::LightningToll => is_own_mark(caveat),
    });
    let last_minted = last_minted.unwrap_or(caveats.len());
    let other_issuer = encoding == Encoding::LightningToll && !caveats.iter().any(is_own_mark);
    let mut check = CaveatCheck::new(marks, demand, issued_for, other_issuer);
    for (at, caveat) in caveats.into_iter().enumerate() {
        check.add(caveat, at <= last_minted)?;
    }
    check.finish()
}

/// A check in progress, and the values of the caveats that are already checked.
struct CaveatCheck<'a> {
    marks: &'a [String],
    demand: &'a Demand<'a>,
    issued_for: Option<&'a Price>,
    expires_at_unix: Option<u64>,
    services: Option<Vec<(String, u8)>>,
    checked: CheckedCaveats,
}

impl<'a> CaveatCheck<'a> {
    fn new(
        marks: &'a [String],
        demand: &'a Demand<'a>,
        issued_for: Option<&'a Price>,
        other_issuer: bool,
    ) -> Self {
        let checked = CheckedCaveats {
            other_issuer,
            expires_at_unix: 0,
            issued_until_unix: 0,
            amount_sats: None,
            bound: BoundCaveats::default(),
            sold_as: None,
            uses: None,
            wallet: None,
            payable_until_unix: None,
        };
        Self { marks, demand, issued_for, expires_at_unix: None, services: None, checked }
    }

    /// Checks the next caveat. `is_minted` is `false` if a holder is known to have added the caveat. In a macaroon of
    /// another issuer, it is `true` for every caveat.
    fn add(&mut self, caveat: Caveat, is_minted: bool) -> Result<(), Refusal> {
        let demand = self.demand;
        let price = if is_minted { self.issued_for } else { Some(demand.price) };
        match caveat {
            Caveat::ExpiresAtUnix(at) => self.add_expiry(at)?,
            Caveat::Services(services) => self.add_services(services)?,
            Caveat::AmountSats(paid_sats) => {
                check_amount(paid_sats, price)?;
                self.checked.amount_sats = self.checked.amount_sats.or(Some(paid_sats));
            }
            Caveat::Fiat(paid) => {
                check_fiat(&paid, price)?;
                self.checked.bound.fiat |= is_minted;
            }
            Caveat::Host(expected) => {
                if expected != demand.host {
                    return Err(Refusal::HostMismatch { expected, got: demand.host.to_owned() });
                }
                self.checked.bound.host |= is_minted;
            }
            Caveat::Endpoint(expected) => {
                if !self.covers_endpoint(&expected) {
                    return Err(Refusal::EndpointMismatch { expected, got: demand.endpoint.to_owned() });
                }
                self.checked.bound.endpoint |= is_minted;
            }
            Caveat::Method(expected) => {
                if !covers_method(&expected, demand.method) {
                    return Err(Refusal::MethodMismatch { expected, got: demand.method.to_owned() });
                }
                self.checked.bound.method |= is_minted;
            }
            Caveat::Ip(expected) => {
                if demand.ip != Some(expected.as_str()) {
                    let got = demand.ip.unwrap_or("unknown").to_owned();
                    return Err(Refusal::IpMismatch { expected, got });
                }
                self.checked.bound.ip |= is_minted;
            }
            Caveat::Realm(expected) => {
                if demand.scope.realm() != Some(expected.as_str()) {
                    let got = demand.scope.realm().unwrap_or("no realm").to_owned();
                    return Err(Refusal::RealmMismatch { expected, got });
                }
                self.checked.bound.realm |= is_minted;
            }
            Caveat::IssuerMark(mark) => {
                if !is_one_of(&mark, self.marks) {
                    return Err(Refusal::Unsatisfiable(Caveat::issuer_mark(&mark)));
                }
            }
            Caveat::SoldAs(tag) => {
                let is_own = is_minted && !self.checked.other_issuer;
                self.checked.sold_as = self.checked.sold_as.take().or(is_own.then_some(tag));
            }
            Caveat::Uses(uses) => {
                self.checked.uses = smallest(self.checked.uses, uses);
                self.checked.bound.uses |= is_minted;
            }
            Caveat::Wallet(wallet) => {
                self.checked.wallet = self.checked.wallet.or(is_minted.then_some(wallet));
            }
            Caveat::PayableUntilUnix(until) => {
                self.checked.payable_until_unix = smallest(self.checked.payable_until_unix, until);
            }
            Caveat::Unknown => {}
        }
        Ok(())
    }

    fn add_expiry(&mut self, at: u64) -> Result<(), Refusal> {
        if self.expires_at_unix.is_some_and(|earlier| at > earlier) {
            return Err(Refusal::WidenedCaveat("the expiry"));
        }
        if self.demand.now_unix > at {
            return Err(Refusal::Expired);
        }
        if self.expires_at_unix.is_none() {
            self.checked.issued_until_unix = at;
        }
        self.expires_at_unix = Some(at);
        Ok(())
    }

    fn add_services(&mut self, services: Vec<(String, u8)>) -> Result<(), Refusal> {
        let is_widened = |earlier: &Vec<_>| !services.iter().all(|service| earlier.contains(service));
        if self.services.as_ref().is_some_and(is_widened) {
            return Err(Refusal::WidenedCaveat("services"));
        }
        let service = self.demand.service.as_str();
        if !services.iter().any(|(name, _)| name == service) {
            return Err(Refusal::ServiceMismatch(service.to_owned()));
        }
        self.services = Some(services);
        Ok(())
    }

    /// Whether an `endpoint` caveat covers the requested path. A slash at the end makes no difference: origins redirect one of
    /// the two paths to the other. In a macaroon of another issuer, the slash makes a difference, and the caveat may also contain
    /// the path decoded once: lightning-toll's Python package writes the decoded path, and its Node package the encoded path.
    fn covers_endpoint(&self, endpoint: &str) -> bool {
        let requested = self.demand.endpoint;
        if self.checked.other_issuer {
            return endpoint == requested
                || decoded_once(requested).is_some_and(|decoded| decoded == endpoint);
        }
        without_slash(endpoint) == without_slash(requested)
    }

    fn finish(mut self) -> Result<CheckedCaveats, Refusal> {
        let bound = self.checked.bound;
        if !bound.endpoint && !bound.realm && self.services.is_none() {
            return Err(Refusal::MissingCaveat("endpoint"));
        }
        self.checked.expires_at_unix = self.expires_at_unix.ok_or(Refusal::MissingCaveat("expiry"))?;
        Ok(self.checked)
    }
}

/// Checks that the paid amount covers a price in satoshis. If the price is in fiat, `check_fiat` compares the fiat
/// amounts instead, so that a later exchange rate does not matter.
fn check_amount(paid_sats: u64, price: Option<&Price>) -> Result<(), Refusal> {
    match price {
        Some(Price::Sats(price_sats)) if paid_sats < *price_sats => {
            Err(Refusal::Underpaid { paid_sats, price_sats: *price_sats })
        }
        _ => Ok(()),
    }
}

fn check_fiat(paid: &Fiat, price: Option<&Price>) -> Result<(), Refusal> {
    match price {
        Some(Price::Fiat(price)) if !paid.covers(&price.fiat) => Err(Refusal::UnderpaidFiat {
            paid: paid.as_str().to_owned(),
            price: price.fiat.as_str().to_owned(),
        }),
        _ => Ok(()),
    }
}

fn smallest<T: Ord + Copy>(earlier: Option<T>, value: T) -> Option<T> {
    Some(earlier.map_or(value, |earlier| earlier.min(value)))
}

/// Returns the path percent-decoded once; `None` if the result is not UTF-8.
fn decoded_once(path: &str) -> Option<String> {
    String::from_utf8(percent::decode(path.as_bytes())).ok()
}
