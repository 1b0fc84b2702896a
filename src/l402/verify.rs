//! The verdict on a macaroon and its preimage: chain, proof of payment, caveats, in this order.

use std::num::NonZeroU32;

use super::caveat::{Caveat, Fiat, Service, Wallet};
use super::keys::Keys;
use super::mac;
use super::macaroon::{Encoding, Macaroon, Signature};
use super::preimage::{PaymentHash, Preimage};
use super::refusal::Refusal;

/// The request that a credential is shown for.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The time, in Unix seconds.
    pub now_unix: u64,
    /// The service of the route.
    pub service: &'a Service,
    /// Lower case, without port.
    pub host: &'a str,
    /// The strict path.
    pub endpoint: &'a str,
    /// As it was sent.
    pub method: &'a str,
    /// The client's address, or the /64 of an IPv6 one; `None` where it is not known, and then no `ip` caveat holds.
    pub ip: Option<&'a str>,
    /// The realm of the route.
    pub realm: Option<&'a str>,
    /// What it costs.
    pub price: Price<'a>,
}

/// What the request costs now.
#[derive(Clone, Copy, Debug)]
pub enum Price<'a> {
    /// Satoshis.
    Sats(u64),
    /// Compared in its currency: what it was in satoshis on the day of payment does not matter.
    Fiat(&'a Fiat),
}

/// What a good credential says. All that it binds does hold; what a route sells by must be among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The payment that it was bought by.
    pub payment_hash: PaymentHash,
    /// The encoding that it was shown in.
    pub encoding: Encoding,
    /// Whether the preimage came with it; without it, only the wallet knows whether it was paid.
    pub is_proven: bool,
    /// Minted by a lightning-toll server that shares our secret. What a holder added to it is nobody's word.
    pub is_foreign: bool,
    /// The last second in which it is good.
    pub expires_at_unix: u64,
    /// The last second in which it was sold to be good: no holder can say another.
    pub sold_until_unix: u64,
    /// What its invoice asked for, where the macaroon says so: the first that it says, which is the issuer's word.
    pub amount_sats: Option<u64>,
    /// Which limits it was sold with.
    pub binds: Binds,
    /// How many requests were bought: the least that it says.
    pub uses: Option<NonZeroU32>,
    /// Which wallet made the invoice: the first that it says, which is the issuer's word.
    pub wallet: Option<Wallet>,
    /// The last second in which the invoice could be paid: the earliest that it says.
    pub payable_until_unix: Option<u64>,
}

/// Which limits a macaroon names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binds {
    /// A path.
    pub endpoint: bool,
    /// A price in a currency.
    pub fiat: bool,
    /// A host.
    pub host: bool,
    /// An address.
    pub ip: bool,
    /// A method.
    pub method: bool,
    /// A realm.
    pub realm: bool,
    /// So many uses.
    pub uses: bool,
}

/// Checks a macaroon and the preimage, where one came with it.
///
/// # Errors
/// The first reason why it is not good. Which limits it must name is the caller's to demand.
pub fn verify(
    macaroon: &Macaroon,
    preimage: Option<&Preimage>,
    keys: &Keys,
    context: &Context<'_>,
) -> Result<Grant, Refusal> {
    match macaroon.signature(keys) {
        Signature::Good => {}
        Signature::UnknownKey => return Err(Refusal::UnknownKey),
        Signature::Forged => return Err(Refusal::BadSignature),
    }
    if preimage.is_some_and(|preimage| !preimage.proves(&macaroon.payment_hash())) {
        return Err(Refusal::WrongPreimage);
    }
    let marks: Vec<String> = match macaroon.encoding() {
        Encoding::Standard => Vec::new(),
        Encoding::LightningToll => keys.all().map(|set| set.native_mark(&macaroon.payment_hash())).collect(),
    };
    let grant = check_caveats(macaroon, &marks, context)?;
    Ok(Grant { is_proven: preimage.is_some(), ..grant })
}

/// Checks the caveats of a macaroon whose signature holds: every one must, and a repeated one may only narrow. `marks` are
/// those that show that a lightning-toll macaroon for this payment is from us.
///
/// # Errors
/// The first caveat that does not hold, or that is missing: an expiry, and a scope (an endpoint, a realm or services).
pub fn check_caveats(macaroon: &Macaroon, marks: &[String], context: &Context<'_>) -> Result<Grant, Refusal> {
    let encoding = macaroon.encoding();
    let caveats = macaroon.caveats().map(|bytes| Caveat::parse(encoding, context.service, bytes));
    let caveats: Vec<Caveat> = caveats.collect::<Result<_, _>>().map_err(Refusal::MalformedCaveat)?;
    let is_mark = |mark: &str| marks.iter().any(|ours| mac::equal(ours.as_bytes(), mark.as_bytes()));
    let is_native = |caveat: &Caveat| matches!(caveat, Caveat::Mark(mark) if is_mark(mark));
    let is_foreign = encoding == Encoding::LightningToll && !caveats.iter().any(is_native);
    // What we mint ends here; what a holder adds behind it must hold and can only narrow: it binds nothing that was sold.
    let is_last_minted = |caveat: &Caveat| match encoding {
        Encoding::Standard => matches!(caveat, Caveat::PayableUntilUnix(_)),
        Encoding::LightningToll => is_native(caveat),
    };
    let minted = caveats.iter().position(is_last_minted).unwrap_or(caveats.len());
    let mut expires_at_unix: Option<u64> = None;
    let mut services: Option<Vec<(String, u8)>> = None;
    let mut grant = Grant {
        payment_hash: macaroon.payment_hash(),
        encoding,
        is_proven: false,
        is_foreign,
        expires_at_unix: 0,
        sold_until_unix: 0,
        amount_sats: None,
        binds: Binds::default(),
        uses: None,
        wallet: None,
        payable_until_unix: None,
    };
    for (at, caveat) in caveats.into_iter().enumerate() {
        let is_minted = at <= minted;
        match caveat {
            Caveat::ExpiresAtUnix(at) => {
                if expires_at_unix.is_some_and(|earlier| at > earlier) {
                    return Err(Refusal::WidenedCaveat("the expiry"));
                }
                if context.now_unix > at {
                    return Err(Refusal::Expired);
                }
                if expires_at_unix.is_none() {
                    grant.sold_until_unix = at;
                }
                expires_at_unix = Some(at);
            }
            Caveat::Services(named) => {
                if services.as_ref().is_some_and(|earlier| !named.iter().all(|one| earlier.contains(one))) {
                    return Err(Refusal::WidenedCaveat("services"));
                }
                if !named.iter().any(|(name, _)| name == context.service.as_str()) {
                    return Err(Refusal::ServiceMismatch(context.service.as_str().to_owned()));
                }
                services = Some(named);
            }
            Caveat::AmountSats(paid_sats) => {
                match context.price {
                    Price::Sats(price_sats) if paid_sats < price_sats => {
                        return Err(Refusal::Underpaid { paid_sats, price_sats });
                    }
                    Price::Sats(_) | Price::Fiat(_) => {}
                }
                grant.amount_sats = grant.amount_sats.or(Some(paid_sats));
            }
            Caveat::Fiat(paid) => {
                if let Price::Fiat(price) = context.price
                    && !paid.covers(price)
                {
                    return Err(Refusal::UnderpaidFiat {
                        paid: paid.as_str().to_owned(),
                        price: price.as_str().to_owned(),
                    });
                }
                grant.binds.fiat |= is_minted;
            }
            Caveat::Host(expected) => {
                hold(&expected, &[context.host], |expected, got| Refusal::HostMismatch { expected, got })?;
                grant.binds.host |= is_minted;
            }
            Caveat::Endpoint(expected) => {
                // lightning-toll's Python package binds the decoded path, its Node package the encoded one.
                let decoded = if is_foreign { decoded_once(context.endpoint) } else { None };
                let paths = [context.endpoint, decoded.as_deref().unwrap_or(context.endpoint)];
                hold(&expected, &paths, |expected, got| Refusal::EndpointMismatch { expected, got })?;
                grant.binds.endpoint |= is_minted;
            }
            Caveat::Method(expected) => {
                if !buys_method(&expected, context.method) {
                    return Err(Refusal::MethodMismatch { expected, got: context.method.to_owned() });
                }
                grant.binds.method |= is_minted;
            }
            Caveat::Ip(expected) => {
                let known = context.ip.unwrap_or("unknown");
                if context.ip != Some(expected.as_str()) {
                    return Err(Refusal::IpMismatch { expected, got: known.to_owned() });
                }
                grant.binds.ip |= is_minted;
            }
            Caveat::Realm(expected) => {
                let realm = context.realm.unwrap_or("no realm");
                if context.realm != Some(expected.as_str()) {
                    return Err(Refusal::RealmMismatch { expected, got: realm.to_owned() });
                }
                grant.binds.realm |= is_minted;
            }
            Caveat::Mark(mark) if !is_mark(&mark) => return Err(Refusal::Unsatisfiable(Caveat::mark(&mark))),
            Caveat::Mark(_) => {}
            Caveat::Uses(uses) => {
                grant.uses = least(grant.uses, uses);
                grant.binds.uses |= is_minted;
            }
            Caveat::Wallet(wallet) => grant.wallet = grant.wallet.or(is_minted.then_some(wallet)),
            Caveat::PayableUntilUnix(until) => {
                grant.payable_until_unix = least(grant.payable_until_unix, until)
            }
            Caveat::Unknown => {}
        }
    }
    if !grant.binds.endpoint && !grant.binds.realm && services.is_none() {
        return Err(Refusal::Unbound("endpoint"));
    }
    grant.expires_at_unix = expires_at_unix.ok_or(Refusal::Unbound("expiry"))?;
    Ok(grant)
}

fn hold(expected: &str, got: &[&str], refuse: impl Fn(String, String) -> Refusal) -> Result<(), Refusal> {
    match got {
        _ if got.contains(&expected) => Ok(()),
        [got, ..] => Err(refuse(expected.to_owned(), (*got).to_owned())),
        [] => Err(refuse(expected.to_owned(), String::new())),
    }
}

/// A credential for `GET` is good for `HEAD`, which returns less of the same.
fn buys_method(bought: &str, method: &str) -> bool {
    bought.eq_ignore_ascii_case(method) || (bought.eq_ignore_ascii_case("GET") && method == "HEAD")
}

fn least<T: Ord + Copy>(earlier: Option<T>, value: T) -> Option<T> {
    Some(earlier.map_or(value, |earlier| earlier.min(value)))
}

/// The path percent-decoded once, where it is then text.
fn decoded_once(path: &str) -> Option<String> {
    String::from_utf8(super::percent::decode(path.as_bytes())).ok()
}
