//! What every macaroon goes through: what is read is written back as it was, and judged without a panic.

use edgetoll::protocols::l402::caveat::Service;
use edgetoll::protocols::l402::macaroon::Macaroon;
use edgetoll::protocols::l402::verify::{Context, Price, check_caveats};

/// Reads, writes and judges a macaroon in base64.
pub fn read_and_judge(text: &str) {
    let Ok(macaroon) = Macaroon::parse(text) else { return };
    assert_eq!(Macaroon::parse(&macaroon.encode()).as_ref(), Ok(&macaroon));
    let service = Service::parse("api").unwrap_or_default();
    let context = Context {
        now_unix: 1_700_000_000,
        service: &service,
        host: "x",
        endpoint: "/",
        method: "GET",
        ip: None,
        realm: None,
        price: Price::Sats(1),
    };
    let _ = check_caveats(&macaroon, &[], &context);
}
