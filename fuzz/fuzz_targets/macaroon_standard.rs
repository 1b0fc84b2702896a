//! Parses any bytes as a standard macaroon. The first byte is always 2, the version: with another first byte, the input
//! would be refused at once.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bytes = [&[2], bytes.strip_prefix(&[2]).unwrap_or(bytes)].concat();
    edgetoll_fuzz::parse_and_check(&STANDARD.encode(bytes));
});
