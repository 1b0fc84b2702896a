//! What the fuzz targets share: values that the test vectors were made with, and the check of a macaroon.

use edgetoll::protocols::l402::caveat::{ScopeRule, Service};
use edgetoll::protocols::l402::macaroon::{Encodings, Macaroon};
use edgetoll::protocols::l402::verify::{Demand, OtherIssuer, check_caveats};
use edgetoll::protocols::price::Price;
use edgetoll::wallet::InvoiceRequest;

/// The time of all targets: while the invoices of the test vectors can be paid.
pub const NOW_UNIX: u64 = 1_795_275_400;
/// The payment hash of a paid invoice in `tests/vectors/lnbits_answers.json`.
pub const PAID_HASH: &str = "d29b30c8e29449e8a9ed60fea17f7e73bb6c6282fd467b28cd35ea3482ea0a54";
/// The address of a connection to a wallet.
pub const NWC_URL: &str = "nostr+walletconnect://4f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa?relay=wss://relay.test&secret=0202020202020202020202020202020202020202020202020202020202020202";

/// The request for an invoice of 5 sats, whose response is read.
pub const REQUEST: InvoiceRequest<'static> = InvoiceRequest {
    price: &Price::Sats(5),
    description: "a joke",
    expiry_s: 300,
    network: "bc",
    route: "/api/joke",
    client: None,
    webhook: None,
    record: None,
    uses: None,
};

/// Parses a macaroon in base64, encodes and parses it again, and checks its caveats: none of this may panic, and the encoding must
/// parse to the same macaroon. Does nothing if the text is not a macaroon.
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
