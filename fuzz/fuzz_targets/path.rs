//! Any path and any pattern: no panic, and a path that is its own pattern is found in both readings or is no path.
#![no_main]

use edgetoll::http::percent;
use edgetoll::policy::normalization::liberal;
use edgetoll::policy::route::Pattern;
use edgetoll::policy::normalization::fold_case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let reading = liberal(text, fold_case);
    assert!(reading.starts_with('/') && !reading.contains("//") && !reading.contains('\\'), "{reading:?}");
    assert!(percent::encode(text).is_ascii());
    let _ = Pattern::parse(text, fold_case);
});
