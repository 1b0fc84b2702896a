//! Parses any text as an invoice. The expiry must not be before the timestamp, and the text in upper case must be the
//! same invoice.
#![no_main]

use edgetoll::bolt11::Bolt11;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(invoice) = Bolt11::parse(text) {
        assert!(invoice.expires_at_unix() >= invoice.timestamp_unix());
        assert_eq!(Bolt11::parse(&text.to_ascii_uppercase()), Ok(invoice));
    }
});
