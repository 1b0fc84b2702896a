//! Parses any JSON as a price list. The list that everybody may read must be JSON.
#![no_main]

use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::strict_json::Json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Some(list) = Json::parse(text) else { return };
    let parsed = Policy::parse(&list, fold_case);
    assert!(parsed.policy.is_some() || !parsed.errors.is_empty());
    if let Some(policy) = parsed.policy {
        assert!(Json::parse(policy.catalog("shop.test").as_bytes()).is_some());
    }
});
