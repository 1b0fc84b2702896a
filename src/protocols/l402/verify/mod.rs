//! Verifies a credential: its signature, its preimage, its caveats, and the requirements of the route, in this order.

mod caveats;

use std::num::NonZeroU32;

pub use caveats::{BoundCaveats, CheckedCaveats, check_caveats};

use caveats::check_caveats_of_any_price;

use super::caveat::{ScopeRule, Service};
use super::macaroon::{Encoding, Encodings, Macaroon, Signature};
use super::refusal::Refusal;
use crate::crypto::is_one_of;
use crate::keys::Keys;
use crate::payment::{PaymentHash, Preimage, WalletSlot};
use crate::protocols::price::Price;

/// What a credential must satisfy: the request that carries it, and the requirements of the route.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    pub now_unix: u64,
    pub service: &'a Service,
    /// The requested host in lower case, without a port.
    pub host: &'a str,
    /// The requested path as it was sent.
    pub endpoint: &'a str,
    pub method: &'a str,
    /// The client's IPv4 address or IPv6 prefix; `None` if it is not known. Then no `ip` caveat is satisfied.
    pub ip: Option<&'a str>,
    /// The price of this request now, which may differ from the price at which the credential was bought.
    pub price: &'a Price,
    /// [`Route::sold_as`](crate::policy::route::Route::sold_as). A credential with the same value stays valid when the
    /// price of the route rises.
    pub sold_as: Option<&'a [u8; 32]>,
    /// What the credentials of the route are bound to.
    pub scope: &'a ScopeRule,
    /// Whether the route binds credentials to the client's address.
    pub binds_ip: bool,
    /// Whether the route sells a limited number of uses.
    pub counts_uses: bool,
    pub encodings: Encodings,
    pub revoked: &'a [PaymentHash],
    pub other_issuer: OtherIssuer,
}

/// Whether macaroons of a lightning-toll server with the same secret are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherIssuer {
    Refused,
    /// A macaroon of another issuer is accepted under three conditions:
    /// 1. It comes with its preimage.
    /// 2. It expires within `max_age_s` seconds.
    /// 3. `is_fixed_price_path` is `true`: like a lightning-toll server, the route sells one path at one fixed price,
    ///    and does not limit the number of uses.
    Accepted {
        max_age_s: u64,
        is_fixed_price_path: bool,
    },
}

/// What a valid credential grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub payment_hash: PaymentHash,
    /// The encoding of the macaroon. A proof of another protocol has no macaroon, and the standard encoding here.
    pub encoding: Encoding,
    /// Whether the credential has the preimage. Without a preimage, only the wallet knows whether the invoice was paid.
    pub is_proven: bool,
    /// Whether another issuer minted the macaroon: a lightning-toll server with the same secret.
    pub other_issuer: bool,
    /// The last second in which the credential is valid.
    pub expires_at_unix: u64,
    /// The expiry that the issuer wrote. A holder can shorten `expires_at_unix`, but cannot change this expiry.
    pub issued_until_unix: u64,
    /// The paid amount, which is the amount of the invoice. If another issuer minted the macaroon, this is the price of
    /// the request.
    pub amount_sats: u64,
    /// The number of requests that the credential buys: the smallest of its `uses` caveats; `None` without such a
    /// caveat.
    pub uses: Option<NonZeroU32>,
    /// The slot of the wallet that created the invoice.
    pub wallet: WalletSlot,
    /// The last second in which the invoice can be paid: the earliest of the `payable_until` caveats; `None` without
    /// such a caveat.
    pub payable_until_unix: Option<u64>,
}

/// The signature of a macaroon, which is valid under `keys`.
pub struct ValidSignature<'k> {
    keys: &'k Keys,
    /// `None` if the keys remember the macaroon.
    digest: Option<[u8; 32]>,
}

impl<'k> ValidSignature<'k> {
    fn check(macaroon: &Macaroon, keys: &'k Keys) -> Result<Self, Refusal> {
        let digest = macaroon.digest();
        if keys.verified().contains(&digest) {
            return Ok(Self { keys, digest: None });
        }
        match macaroon.signature(keys) {
            Signature::Valid => Ok(Self { keys, digest: Some(digest) }),
            Signature::UnknownKey => Err(Refusal::UnknownKey),
            Signature::Forged => Err(Refusal::BadSignature),
        }
    }

    /// Whether the signature was not computed, because the keys remember the macaroon.
    pub fn is_remembered(&self) -> bool {
        self.digest.is_none()
    }

    /// Remembers the macaroon, so that its signature is not computed again. Call this only if the payment has settled:
    /// unpaid macaroons cost a client nothing, and would displace the paid ones.
    pub fn remember(self) {
        if let Some(digest) = self.digest {
            self.keys.verified().insert(digest);
        }
    }
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
    verify_with_signature(macaroon, preimage, keys, demand).map(|(grant, _)| grant)
}

/// Verifies as [`verify`] does. Also returns the signature, which can be remembered.
///
/// # Errors
/// Fails as [`verify`] does.
pub fn verify_with_signature<'k>(
    macaroon: &Macaroon,
    preimage: Option<&Preimage>,
    keys: &'k Keys,
    demand: &Demand<'_>,
) -> Result<(Grant, ValidSignature<'k>), Refusal> {
    let signature = ValidSignature::check(macaroon, keys)?;
    if preimage.is_some_and(|preimage| !preimage.proves(&macaroon.payment_hash())) {
        return Err(Refusal::WrongPreimage);
    }
    let marks: Vec<String> = match macaroon.encoding() {
        Encoding::Standard => Vec::new(),
        Encoding::LightningToll => keys.all().map(|set| set.issuer_mark(&macaroon.payment_hash())).collect(),
    };
    let is_proven = preimage.is_some();
    let caveats = check(macaroon, is_proven, &marks, demand, Some(demand.price)).or_else(|refusal| {
        match check(macaroon, is_proven, &marks, demand, None) {
            Ok(caveats) if is_sold_as(&caveats, keys, demand) => Ok(caveats),
            _ => Err(refusal),
        }
    })?;
    let grant = Grant {
        payment_hash: macaroon.payment_hash(),
        encoding: macaroon.encoding(),
        is_proven,
        other_issuer: caveats.other_issuer,
        expires_at_unix: caveats.expires_at_unix,
        issued_until_unix: caveats.issued_until_unix,
        amount_sats: amount_sats(&caveats, demand.price)?,
        uses: caveats.uses,
        wallet: caveats.wallet.unwrap_or(WalletSlot::FIRST),
        payable_until_unix: caveats.payable_until_unix,
    };
    Ok((grant, signature))
}

/// Checks the caveats and the requirements of the route. `issued_for` is the price that the paid amount must cover;
/// `None` for any amount.
fn check(
    macaroon: &Macaroon,
    is_proven: bool,
    marks: &[String],
    demand: &Demand<'_>,
    issued_for: Option<&Price>,
) -> Result<CheckedCaveats, Refusal> {
    let caveats = check_caveats_of_any_price(macaroon, marks, demand, issued_for)?;
    check_demand(macaroon, is_proven, &caveats, demand, issued_for)?;
    Ok(caveats)
}

/// Whether the credential was bought for what the route sells now, maybe at another price.
fn is_sold_as(caveats: &CheckedCaveats, keys: &Keys, demand: &Demand<'_>) -> bool {
    let (Some(tag), Some(sold_as)) = (&caveats.sold_as, demand.sold_as) else { return false };
    is_one_of(tag, &keys.all().map(|set| set.sold_as(sold_as)).collect::<Vec<_>>())
}

/// Checks the requirements of the route: the encoding and the issuer of the macaroon are accepted, the payment is not
/// revoked, and the issuer wrote every caveat that the route requires.
fn check_demand(
    macaroon: &Macaroon,
    is_proven: bool,
    caveats: &CheckedCaveats,
    demand: &Demand<'_>,
    issued_for: Option<&Price>,
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
        ("fiat", bound.fiat, matches!(issued_for, Some(Price::Fiat(_)))),
        ("host", bound.host, !caveats.other_issuer),
    ];
    match demanded.into_iter().find(|(_, is_bound, is_demanded)| *is_demanded && !is_bound) {
        Some((name, ..)) => Err(Refusal::MissingCaveat(name)),
        None => Ok(()),
    }
}

/// Checks the three conditions for a macaroon of another issuer, which [`OtherIssuer::Accepted`] lists.
fn check_other_issuer(is_proven: bool, caveats: &CheckedCaveats, demand: &Demand<'_>) -> Result<(), Refusal> {
    // The wallets of this deployment do not know the invoice of another issuer, so only the preimage proves the
    // payment.
    if !is_proven {
        return Err(Refusal::MalformedPreimage);
    }
    let OtherIssuer::Accepted { max_age_s, is_fixed_price_path } = demand.other_issuer else {
        return Err(Refusal::OtherIssuerNotAccepted);
    };
    let is_short_lived = caveats.expires_at_unix <= demand.now_unix.saturating_add(max_age_s);
    if is_short_lived && is_fixed_price_path { Ok(()) } else { Err(Refusal::OtherIssuer { max_age_s }) }
}

/// Returns the paid amount in satoshis. For a macaroon of another issuer, this is the price of the request: the amount
/// in such a macaroon is ignored, because a holder could have added it.
fn amount_sats(caveats: &CheckedCaveats, price: &Price) -> Result<u64, Refusal> {
    match (caveats.amount_sats, price) {
        (_, Price::Sats(price_sats)) if caveats.other_issuer => Ok(*price_sats),
        (Some(amount_sats), _) => Ok(amount_sats),
        (None, _) => Err(Refusal::MissingCaveat("amount_sats")),
    }
}
