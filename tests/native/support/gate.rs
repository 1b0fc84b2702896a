//! Builds a `Gate`, a `Seller` and a `Demand` (what a credential must satisfy) for tests that call no wallet.

use edgetoll::gate::{Gate, IsSettled, PriceCode, Seller};
use edgetoll::keys::Keys;
use edgetoll::payment::WalletSlot;
use edgetoll::policy::Policy;
use edgetoll::protocols::l402::caveat::{ScopeRule, Service};
use edgetoll::protocols::l402::macaroon::Encodings;
use edgetoll::protocols::l402::verify::{Demand, OtherIssuer};
use edgetoll::protocols::price::Price;
use edgetoll::wallet::Wallet;
use edgetoll::wallet::lnbits::Lnbits;
use edgetoll::wallet::slots::Wallets;

/// Treats a payment as settled if the credential has its preimage.
pub const BY_PREIMAGE: &IsSettled<'static> = &|_, grant| grant.is_proven;

/// Stands for the owner's code that computes prices. It computes no price for any route.
pub const NO_CODE: &PriceCode<'static> = &|_, _| None;

/// Returns a seller whose wallet is never called.
pub fn seller(keys: Keys) -> Seller {
    let wallet = Lnbits::new("https://lnbits.test", "0123456789abcdef").unwrap();
    let mut wallets = Wallets::default();
    wallets.set(WalletSlot::FIRST, Wallet::Lnbits(wallet));
    Seller { keys, wallets }
}

pub fn gate<'a>(policy: &'a Policy, seller: &'a Seller) -> Gate<'a, 'static> {
    Gate { policy, seller: Some(seller), code: NO_CODE, is_settled: BY_PREIMAGE, has_meter: true }
}

/// Returns the demand of a request to `/a` on a route that costs one satoshi and binds credentials to the path, not to
/// the method or the client address.
pub fn demand<'a>(service: &'a Service, now_unix: u64) -> Demand<'a> {
    Demand {
        now_unix,
        service,
        host: "x",
        endpoint: "/a",
        method: "GET",
        ip: None,
        price: &Price::Sats(1),
        sold_as: None,
        scope: &ScopeRule::Endpoint { binds_method: false },
        binds_ip: false,
        counts_uses: false,
        encodings: Encodings::Both,
        revoked: &[],
        other_issuer: OtherIssuer::Accepted { max_age_s: u64::MAX, is_fixed_price_path: true },
    }
}
