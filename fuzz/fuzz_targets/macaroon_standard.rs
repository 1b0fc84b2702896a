//! Parses any bytes after the version byte of a standard macaroon.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bytes = [&[2], bytes.strip_prefix(&[2]).unwrap_or(bytes)].concat();
    edgetoll_fuzz::parse_and_check(&STANDARD.encode(bytes));
});
