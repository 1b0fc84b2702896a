//! Any `Authorization` header: splitting loses no other scheme's member, and nothing of ours is left for the origin.
#![no_main]

use edgetoll::l402::challenge::Offer;
use edgetoll::l402::credential::Authorization;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    let authorization = Authorization::split(header);
    let _ = authorization.credentials();
    let others = authorization.others().unwrap_or_default();
    assert!(Authorization::split(&others).credentials().is_empty(), "{others:?}");
    let _ = Offer::parse(header);
});
