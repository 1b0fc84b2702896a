//! Requests for invoices, their responses, and what every response must have.

use edgetoll::protocols::price::{Fiat, FiatPrice, Price};
use edgetoll::wallet::nwc::{NwcMethod, NwcWallet};
use edgetoll::wallet::{InvoiceRequest, WalletError};
use lightning_invoice::Currency;
use nostr::nips::nip47::{MakeInvoiceRequest, RequestParams};
use serde_json::{Value, json};

use super::*;

const REQUEST: InvoiceRequest<'_> = InvoiceRequest {
    price: &Price::Sats(5),
    description: "Random \"joke\"",
    expiry_s: 300,
    network: "bc",
    route: "/api/joke",
    client: Some("aa"),
    webhook: None,
    uses: None,
    record: None,
};
/// The public key in the example of NIP-47.
const EXAMPLE_KEY: &str = "b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4";

fn made() -> Value {
    answer("make_invoice", transaction("pending"))
}

/// Returns the error for a response. Fails if the error shows the preimage.
fn error(body: impl ToString) -> Option<WalletError> {
    let read = wallet().read_created(&REQUEST, &response(body), NOW);
    let shown = read.as_ref().err().map(|error| format!("{error:?} {error}")).unwrap_or_default();
    assert!(!shown.contains(&PREIMAGE[..8]), "{shown}");
    if let Ok(invoice) = &read {
        assert_eq!((invoice.bolt11.as_str(), invoice.amount_sats), (MADE.text().as_str(), 5));
    }
    read.err()
}

#[test]
fn an_invoice_is_requested_in_millisatoshis_and_with_the_route_and_the_client_as_metadata() {
    let request = wallet().create(&REQUEST).unwrap();
    assert_eq!(request.method, NwcMethod::MakeInvoice);
    let expected = MakeInvoiceRequest {
        amount: 5_000,
        description: Some("Random \"joke\"".to_owned()),
        description_hash: None,
        expiry: Some(300),
    };
    let read = as_wallet_reads(request.method.as_str(), &request.params);
    assert_eq!(read.params, RequestParams::MakeInvoice(expected));
    let params: Value = serde_json::from_str(&request.params).unwrap();
    assert_eq!(params["metadata"], json!({ "tag": "edgetoll", "route": "/api/joke", "c": "aa" }));
    let webhook = Some("https://x/_toll/hook/token");
    let request = wallet().create(&InvoiceRequest { client: None, webhook, ..REQUEST }).unwrap();
    let params: Value = serde_json::from_str(&request.params).unwrap();
    assert_eq!(params["metadata"], json!({ "tag": "edgetoll", "route": "/api/joke" }));
    assert!(!request.params.contains("hook"), "NIP-47 has no webhooks");
}

#[test]
fn an_invoice_for_a_price_in_a_currency_is_not_requested() {
    let price = Price::Fiat(FiatPrice { fiat: Fiat::parse("5 EUR").unwrap(), min_sats: 1, max_sats: 9 });
    let request = wallet().create(&InvoiceRequest { price: &price, ..REQUEST });
    assert_eq!(request.err(), Some(WalletError::NoRates));
}

#[test]
fn all_requests_go_to_one_object_whose_name_shows_neither_the_secret_nor_the_wallet() {
    let wallet = wallet();
    let hash = PaymentHash::from_bytes(HASH);
    let objects =
        [wallet.create(&REQUEST).unwrap(), wallet.look_up(&hash), wallet.list_paid(0, 0), wallet.info()]
            .map(|request| request.object);
    assert!(objects.iter().all(|object| *object == objects[0]));
    let [key, secret] = wallet.identity();
    assert!(!objects[0].contains(key) && !objects[0].contains(secret));
    // A connection with another relay or another spelling is the same; one with another key is not.
    let object = |url: &str| NwcWallet::new(url).unwrap_or_else(|error| panic!("{error}")).info().object;
    let url = |key: &str, secret: &str| {
        format!("nostr+walletconnect:{key}?secret={secret}&relay=wss://x.example.com")
    };
    assert_eq!(object(&url(key, &secret.to_uppercase())), objects[0]);
    assert_ne!(object(&url(key, &"03".repeat(32))), objects[0]);
    assert_ne!(object(&url(EXAMPLE_KEY, secret)), objects[0]);
}

#[test]
fn an_invoice_is_read_also_from_a_wallet_that_omits_what_nip_47_calls_optional() {
    let made = made();
    assert_eq!(error(&made), None);
    for (pointer, value) in [
        ("/error", None),
        ("/result/state", None),
        ("/result/state", Some(Value::Null)),
        ("/result/state", Some(json!(""))),
        // Wallets that are older than the field write nothing, null or an empty text.
        ("/result/payment_hash", None),
        ("/result/payment_hash", Some(Value::Null)),
        ("/result/payment_hash", Some(json!(""))),
        ("/result/payment_hash", Some(json!(hex(HASH).to_uppercase()))),
        ("/result/metadata", None),
        ("/result/type", None),
        // The amount in the invoice is what the payer pays.
        ("/result/amount", Some(json!("5"))),
    ] {
        assert_eq!(error(changed(&made, pointer, value.clone())), None, "{pointer} {value:?}");
    }
}

#[test]
fn a_response_that_does_not_match_the_invoice_request_is_refused() {
    use WalletError::{Missing, NotPending, OtherPaymentHash};
    let made = made();
    for (pointer, value, expected) in [
        ("/result/state", Some(json!("settled")), NotPending),
        ("/result/state", Some(json!("accepted")), NotPending),
        ("/result/state", Some(json!("expired")), NotPending),
        ("/result/state", Some(json!("failed")), NotPending),
        ("/result/state", Some(json!("PENDING")), NotPending),
        ("/result/state", Some(json!(5)), NotPending),
        ("/result/payment_hash", Some(json!(hex(OTHER_HASH))), OtherPaymentHash),
        ("/result/payment_hash", Some(json!(&hex(HASH)[1..])), OtherPaymentHash),
        ("/result/payment_hash", Some(json!(7)), OtherPaymentHash),
        ("/result/invoice", None, Missing("invoice")),
        ("/result/invoice", Some(Value::Null), Missing("invoice")),
        ("/result/invoice", Some(json!(5)), Missing("invoice")),
    ] {
        assert_eq!(error(changed(&made, pointer, value.clone())), Some(expected), "{pointer} {value:?}");
    }
    for invoice in ["", "lnbc1", "nan", &MADE.text()[1..], &format!("{}q", MADE.text())] {
        let error = error(changed(&made, "/result/invoice", Some(json!(invoice))));
        assert!(matches!(error, Some(WalletError::Bolt11(_))), "{invoice}: {error:?}");
    }
}

#[test]
fn an_invoice_that_does_not_match_the_request_is_refused() {
    let read = |made: Made, now_unix| {
        let invoice = Some(json!(made.text()));
        let body = changed(&self::made(), "/result/invoice", invoice);
        wallet().read_created(&REQUEST, &response(body), now_unix).err()
    };
    // The unit of NIP-47 is the millisatoshi. A wallet that takes 5000 for satoshis makes an invoice of 5000 sats, and a
    // wallet that gets 5 one of 5 millisatoshis.
    for amount_msat in
        [None, Some(5), Some(4_999), Some(5_001), Some(6_000), Some(5_000_000), Some(u64::MAX / 10)]
    {
        assert_eq!(
            read(Made { amount_msat, ..MADE }, NOW),
            Some(WalletError::OtherAmount),
            "{amount_msat:?}"
        );
    }
    for network in [Currency::BitcoinTestnet, Currency::Regtest, Currency::Signet, Currency::Simnet] {
        assert_eq!(read(Made { network, ..MADE }, NOW), Some(WalletError::OtherNetwork));
    }
    let other_hash = Made { hash: OTHER_HASH, ..MADE };
    assert_eq!(read(other_hash, NOW), Some(WalletError::OtherPaymentHash));
    let long = Made { expiry_s: 3_600, ..MADE };
    for (now_unix, expected) in [
        (NOW - 601, Some(WalletError::Clock)),
        (NOW - 600, None),
        (NOW + 600, None),
        (NOW + 601, Some(WalletError::Clock)),
        (0, Some(WalletError::Clock)),
        (u64::MAX, Some(WalletError::Clock)),
    ] {
        assert_eq!(read(long.clone(), now_unix), expected, "{now_unix}");
    }
    for (expiry_s, expected) in
        [(0, Some(WalletError::Expired)), (59, Some(WalletError::Expired)), (60, None), (u64::MAX >> 8, None)]
    {
        assert_eq!(read(Made { expiry_s, ..MADE }, NOW), expected, "{expiry_s}");
    }
}

#[test]
fn a_response_must_be_a_result_of_the_requested_method_without_an_error() {
    use WalletError::{Internal, Missing, Refused};
    let made = made();
    let failure = json!({ "code": "INTERNAL", "message": PREIMAGE });
    for (pointer, value, expected) in [
        ("/result_type", None, Missing("result_type")),
        ("/result_type", Some(Value::Null), Missing("result_type")),
        ("/result_type", Some(json!("lookup_invoice")), Missing("result_type")),
        ("/result_type", Some(json!("MAKE_INVOICE")), Missing("result_type")),
        ("/result_type", Some(json!(["make_invoice"])), Missing("result_type")),
        ("/result", None, Missing("result")),
        ("/result", Some(Value::Null), Missing("result")),
        ("/result", Some(json!([made["result"]])), Missing("result")),
        ("/result", Some(json!(made["result"].to_string())), Missing("result")),
        // A result with an error is no result.
        ("/error", Some(failure.clone()), Internal),
        ("/error", Some(json!({})), Refused),
        ("/error", Some(json!({ "code": 5 })), Refused),
        ("/error", Some(json!("")), Refused),
        ("/error", Some(json!(false)), Refused),
    ] {
        assert_eq!(error(changed(&made, pointer, value.clone())), Some(expected), "{pointer} {value:?}");
    }
    // An error may come without the type of a result.
    assert_eq!(error(json!({ "error": failure })), Some(Internal));
    let text = made.to_string();
    let twice = text.replacen("\"state\":\"pending\"", "\"state\":\"pending\",\"state\":\"settled\"", 1);
    let amount = |number: &str| text.replacen("\"amount\":5000", &format!("\"amount\":{number}"), 1);
    let (nan, infinite) = (amount("NaN"), amount("1e400"));
    assert!(twice != text && nan != text);
    for body in [
        "",
        "null",
        "[]",
        "5",
        "NaN",
        "<html>",
        &twice,
        &nan,
        &infinite,
        &format!("{text}x"),
        &format!("[{text}]"),
    ] {
        assert_eq!(error(body), Some(WalletError::NotJson), "{body}");
    }
    for number in ["1e3", "1e300", "-5000", "18446744073709551616", "5000.0"] {
        assert_eq!(error(amount(number)), None, "the amount is read from the invoice: {number}");
    }
}

#[test]
fn each_error_code_of_nip_47_has_an_error_and_no_message_is_shown() {
    for (code, expected, is_fault) in [
        ("RATE_LIMITED", WalletError::RateLimited { retry_after_s: None }, Some(true)),
        ("NOT_IMPLEMENTED", WalletError::Restricted, Some(true)),
        ("INSUFFICIENT_BALANCE", WalletError::Refused, Some(false)),
        ("QUOTA_EXCEEDED", WalletError::QuotaExceeded, Some(true)),
        ("RESTRICTED", WalletError::Restricted, Some(true)),
        ("UNAUTHORIZED", WalletError::Restricted, Some(true)),
        // A8 (CHANGELOG): NWC Service Provider 1.1.2 answers it to a description with a character that Python calls not printable.
        ("INTERNAL", WalletError::Internal, None),
        ("UNSUPPORTED_ENCRYPTION", WalletError::Restricted, Some(true)),
        ("OTHER", WalletError::Refused, Some(false)),
        ("NOT_FOUND", WalletError::UnknownPayment, Some(false)),
        ("PAYMENT_FAILED", WalletError::Refused, Some(false)),
        ("rate_limited", WalletError::Refused, Some(false)),
        (PREIMAGE, WalletError::Refused, Some(false)),
    ] {
        let body = json!({
            "result_type": "make_invoice", "error": { "code": code, "message": PREIMAGE }, "result": null
        });
        assert_eq!(error(&body), Some(expected), "{code}");
        assert_eq!(expected.is_fault_of_wallet(), is_fault, "{code}");
    }
}
