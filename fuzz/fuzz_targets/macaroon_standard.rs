//! Any bytes as a binary macaroon: what is read is written back as it was, and judged without a panic.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edgetoll::l402::caveat::Service;
use edgetoll::l402::macaroon::Macaroon;
use edgetoll::l402::verify::{Context, Price, check_caveats};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = STANDARD.encode([&[2], bytes.strip_prefix(&[2]).unwrap_or(bytes)].concat());
    let Ok(macaroon) = Macaroon::parse(&text) else { return };
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
});
