//! Parses any bytes as one caveat of either encoding.
#![no_main]

use edgetoll::protocols::l402::caveat::{Caveat, Service};
use edgetoll::protocols::l402::macaroon::Encoding;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for service in ["", "api"].map(|name| Service::parse(name).unwrap_or_default()) {
        for encoding in [Encoding::Standard, Encoding::LightningToll] {
            let _ = Caveat::parse(encoding, &service, bytes);
        }
    }
});
