//! Checks a fuzzed macaroon: parsing it, encoding it and checking its caveats must not panic, and its encoding must
//! parse to the same macaroon.

use edgetoll::protocols::l402::caveat::{ScopeRule, Service};
use edgetoll::protocols::l402::macaroon::{Encodings, Macaroon};
use edgetoll::protocols::l402::verify::{Demand, OtherIssuer, check_caveats};
use edgetoll::protocols::price::Price;

/// Parses a macaroon in base64, encodes and parses it again, and checks its caveats. Does nothing if the text is
/// not a macaroon.
pub fn parse_and_check(text: &str) {
    let Ok(macaroon) = Macaroon::parse(text) else { return };
    assert_eq!(Macaroon::parse(&macaroon.encode()).as_ref(), Ok(&macaroon));
    let demand = Demand {
        now_unix: 1_700_000_000,
        service: &Service::parse("api").unwrap_or_default(),
        host: "x",
        endpoint: "/",
        method: "GET",
        ip: None,
        price: &Price::Sats(1),
        sold_as: None,
        scope: &ScopeRule::Endpoint { binds_method: true },
        binds_ip: false,
        counts_uses: false,
        encodings: Encodings::Both,
        revoked: &[],
        other_issuer: OtherIssuer::Accepted { max_age_s: 86_400, is_fixed_price_path: true },
    };
    let _ = check_caveats(&macaroon, &[], &demand);
}
