//! Reads any text as the body of a request to `/_toll/settle`, as a form and as JSON. The macaroon becomes part of a header,
//! so it must be base64.
#![no_main]

use edgetoll::http::{form, percent};
use edgetoll::pages::settle::SettleRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| {
    for content_type in [form::MEDIA_TYPE, "application/json"] {
        if let Some(request) = SettleRequest::parse(content_type, body) {
            assert!(request.macaroon.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b)));
        }
    }
    let _ = percent::decode_form(body);
    let _ = percent::decode(body.as_bytes());
});
