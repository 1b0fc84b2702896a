//! Parses any bytes as a lightning-toll macaroon.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| edgetoll_fuzz::parse_and_check(&URL_SAFE_NO_PAD.encode(bytes)));
