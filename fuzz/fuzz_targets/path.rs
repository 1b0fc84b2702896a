//! Normalizes any text as a path, and parses the text as the pattern of a route.
#![no_main]

use edgetoll::http::percent;
use edgetoll::policy::normalization::{fold_case, normalize, normalized_forms};
use edgetoll::policy::route::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let path = normalize(text, fold_case);
    assert!(path.starts_with('/') && !path.contains("//") && !path.contains('\\'), "{path:?}");
    let _ = normalized_forms(text, 96);
    assert!(percent::encode_path(text).is_ascii());
    let _ = Pattern::parse(text, fold_case);
});
