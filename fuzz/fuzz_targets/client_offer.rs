//! Reads any text as a 402 response, whose headers and body a blank line separates, and checks what the client would pay.
#![no_main]

use edgetoll::client::{Bill, Offer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|response: &str| {
    let (head, body) = response.split_once("\n\n").unwrap_or((response, response));
    let lines: Vec<&str> = head.lines().collect();
    for content_type in ["application/json", "application/vnd.lightning.bolt11"] {
        let offer = Offer::read(&lines, content_type, body.as_bytes());
        let _ = offer.map(|offer| Bill::check(&offer, "shop.test", "bc", edgetoll_fuzz::NOW_UNIX));
    }
});
