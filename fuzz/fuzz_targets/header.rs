//! Splits any `Authorization` header: the part that is forwarded to the origin must not contain an L402 credential.
//! Also parses the text as a challenge.
#![no_main]

use edgetoll::protocols::l402::challenge::ParsedChallenge;
use edgetoll::protocols::l402::credential::Authorization;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    let authorization = Authorization::split(header);
    let _ = authorization.credentials();
    let others = authorization.others().unwrap_or_default();
    assert!(Authorization::split(&others).credentials().is_empty(), "{others:?}");
    let _ = ParsedChallenge::parse(header);
});
