//! The verdict on a macaroon and its preimage: chain, proof of payment, caveats, in this order.

use super::caveat::Caveat;
use super::keys::Keys;
use super::macaroon::{Encoding, Macaroon, Signature};
use super::preimage::{PaymentHash, Preimage};
use super::refusal::Refusal;

/// The request that a credential is shown for.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub now_unix: u64,
    /// The service of the route.
    pub service: &'a str,
    /// Lower case, without port.
    pub host: &'a str,
    /// The strict path.
    pub endpoint: &'a str,
    pub method: &'a str,
    /// What the request costs now.
    pub price_sats: u64,
}

/// What a good credential says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub payment_hash: PaymentHash,
    pub encoding: Encoding,
    /// The last second in which it is good.
    pub expires_at_unix: u64,
    /// What was paid; a macaroon without it is not from us.
    pub amount_sats: Option<u64>,
    /// Which bindings it carries. Those that it has do hold; those that a route demands must be here.
    pub binds_host: bool,
    pub binds_method: bool,
}

/// Checks a macaroon and the preimage that came with it.
///
/// # Errors
/// The first reason why it is not good. That it names a host, a method and an amount is the caller's to demand.
pub fn verify(
    macaroon: &Macaroon,
    preimage: &Preimage,
    keys: &Keys,
    context: &Context<'_>,
) -> Result<Grant, Refusal> {
    match macaroon.signature(keys) {
        Signature::Good => {}
        Signature::UnknownKey => return Err(Refusal::UnknownKey),
        Signature::Forged => return Err(Refusal::BadSignature),
    }
    if !preimage.proves(&macaroon.payment_hash()) {
        return Err(Refusal::WrongPreimage);
    }
    check_caveats(macaroon, context)
}

/// Every caveat must hold, and a repeated one may only narrow.
pub fn check_caveats(macaroon: &Macaroon, context: &Context<'_>) -> Result<Grant, Refusal> {
    let mut expires_at_unix = None;
    let mut services: Option<Vec<(String, u8)>> = None;
    let mut amount_sats: Option<u64> = None;
    let (mut binds_host, mut binds_endpoint, mut binds_method) = (false, false, false);

    for bytes in macaroon.caveats() {
        let caveat = Caveat::parse(macaroon.encoding(), context.service, bytes);
        match caveat.map_err(Refusal::MalformedCaveat)? {
            Caveat::ExpiresAtUnix(at) => {
                if expires_at_unix.is_some_and(|earlier| at > earlier) {
                    return Err(Refusal::WidenedCaveat("the expiry"));
                }
                if context.now_unix > at {
                    return Err(Refusal::Expired);
                }
                expires_at_unix = Some(at);
            }
            Caveat::Services(named) => {
                if services.is_some_and(|earlier| !named.iter().all(|one| earlier.contains(one))) {
                    return Err(Refusal::WidenedCaveat("services"));
                }
                if !named.iter().any(|(name, _)| name == context.service) {
                    return Err(Refusal::ServiceMismatch(context.service.to_owned()));
                }
                services = Some(named);
            }
            Caveat::AmountSats(paid_sats) => {
                if paid_sats < context.price_sats {
                    return Err(Refusal::Underpaid { paid_sats, price_sats: context.price_sats });
                }
                amount_sats = Some(amount_sats.map_or(paid_sats, |earlier| earlier.min(paid_sats)));
            }
            Caveat::Host(expected) => {
                if expected != context.host {
                    return Err(Refusal::HostMismatch { expected, got: context.host.to_owned() });
                }
                binds_host = true;
            }
            Caveat::Endpoint(expected) => {
                if expected != context.endpoint {
                    return Err(Refusal::EndpointMismatch { expected, got: context.endpoint.to_owned() });
                }
                binds_endpoint = true;
            }
            Caveat::Method(expected) => {
                if !buys_method(&expected, context.method) {
                    return Err(Refusal::MethodMismatch { expected, got: context.method.to_owned() });
                }
                binds_method = true;
            }
            Caveat::Unsatisfiable(name) => return Err(Refusal::Unsatisfiable(name)),
            // Read, so that a garbled one refuses; it widens nothing, and nothing depends on it before settlement does.
            Caveat::PayableUntilUnix(_) | Caveat::Unknown => {}
        }
    }

    let expires_at_unix = expires_at_unix.ok_or(Refusal::Unbound("expiry"))?;
    if !binds_endpoint {
        return Err(Refusal::Unbound("endpoint"));
    }
    Ok(Grant {
        payment_hash: macaroon.payment_hash(),
        encoding: macaroon.encoding(),
        expires_at_unix,
        amount_sats,
        binds_host,
        binds_method,
    })
}

/// A credential for `GET` is good for `HEAD`, which returns less of the same.
fn buys_method(bought: &str, method: &str) -> bool {
    bought.eq_ignore_ascii_case(method) || (bought.eq_ignore_ascii_case("GET") && method == "HEAD")
}
