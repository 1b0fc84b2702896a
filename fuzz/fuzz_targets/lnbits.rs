//! Reads any text as each response of LNbits. Only a payment with the right hash and amount may be paid, and an invoice must have the
//! requested amount.
#![no_main]

use edgetoll::payment::PaymentHash;
use edgetoll::wallet::lnbits::Lnbits;
use edgetoll::wallet::{Payment, PaymentStatus, WalletResponse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| {
    let lnbits = Lnbits::new("https://lnbits.test", "0123456789abcdef0123456789abcdef")
        .expect("the settings are valid");
    let response = |status| WalletResponse { status, retry_after_s: None, body: body.to_owned(), is_listed: None };
    if let Ok(invoice) = lnbits.read_created(&edgetoll_fuzz::REQUEST, &response(201), edgetoll_fuzz::NOW_UNIX) {
        assert_eq!(invoice.amount_sats, 5);
    }
    let hash = PaymentHash::from_hex(edgetoll_fuzz::PAID_HASH).expect("the hash is valid");
    if let Ok(PaymentStatus::Paid) =
        lnbits.read_looked_up(&Payment { hash, amount_sats: 5 }, &response(200), edgetoll_fuzz::NOW_UNIX)
    {
        assert!(body.to_ascii_lowercase().contains(edgetoll_fuzz::PAID_HASH));
    }
    for status in [200, 404] {
        let _ = lnbits.read_own_invoice(&hash, &response(status));
    }
    let _ = lnbits.read_receipt(&hash, &response(200));
    let _ = lnbits.read_paid(&response(200));
    let _ = lnbits.read_pending(&response(200));
});
