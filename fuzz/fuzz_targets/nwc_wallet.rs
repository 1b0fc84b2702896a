//! Reads any text as each response of a wallet with Nostr Wallet Connect, and as the address of a connection.
#![no_main]

use edgetoll::nwc::uri::NwcUri;
use edgetoll::payment::PaymentHash;
use edgetoll::wallet::nwc::{NwcCall, NwcWallet, keeps_record, may_spend, read_answer};
use edgetoll::wallet::Payment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = NwcUri::parse(text);
    let _ = NwcCall::parse(text);
    let Ok(response) = read_answer(text) else { return };
    let wallet = NwcWallet::new(edgetoll_fuzz::NWC_URL).expect("the address is valid");
    if let Ok(invoice) = wallet.read_created(&edgetoll_fuzz::REQUEST, &response, edgetoll_fuzz::NOW_UNIX) {
        assert_eq!(invoice.amount_sats, 5);
    }
    let hash = PaymentHash::from_hex(edgetoll_fuzz::PAID_HASH).expect("the hash is valid");
    let _ = wallet.read_looked_up(&Payment { hash, amount_sats: 5 }, &response, edgetoll_fuzz::NOW_UNIX);
    let _ = wallet.list_request(&response, 0);
    let _ = wallet.read_listed(&hash, &response);
    let _ = wallet.read_receipt(&hash, None, &response);
    let _ = wallet.read_own_invoice(&hash, &response);
    let _ = wallet.read_paid(&response);
    let _ = may_spend(&response);
    let _ = keeps_record(&response);
});
