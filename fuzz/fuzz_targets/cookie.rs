//! Reads any `Cookie` header: the part that is forwarded to the origin must contain no cookie of edgetoll.
#![no_main]

use edgetoll::http::cookie;
use edgetoll::protocols::l402::cookie::{Cookie, is_credential_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    Cookie::parse_all(header, || None).for_each(drop);
    let forwarded = cookie::without(header, is_credential_name).unwrap_or_default();
    assert!(!cookie::own_pairs(&forwarded).any(|(name, _)| is_credential_name(name.trim())), "{forwarded:?}");
    let unchanged = cookie::without(&forwarded, is_credential_name).unwrap_or_default();
    assert_eq!(unchanged, forwarded);
});
