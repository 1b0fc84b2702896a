//! Look-ups: whether a payment is paid.

use edgetoll::bolt11::Bolt11;
use edgetoll::wallet::nwc::NwcMethod;
use edgetoll::wallet::{Payment, PaymentStatus, WalletError};
use nostr::nips::nip47::{ListTransactionsRequest, LookupInvoiceRequest, RequestParams, TransactionType};
use nostr::types::Timestamp;

use super::*;

fn found(state: &str) -> Value {
    answer("lookup_invoice", transaction(state))
}

fn read_at(body: impl ToString, now_unix: u64) -> Result<PaymentStatus, WalletError> {
    let payment = Payment { hash: PaymentHash::from_bytes(HASH), amount_sats: 5 };
    let read = wallet().read_looked_up(&payment, &response(body), now_unix);
    let shown = read.as_ref().err().map(|error| format!("{error:?} {error}")).unwrap_or_default();
    assert!(!shown.contains(&PREIMAGE[..8]), "{shown}");
    read
}

fn read(body: impl ToString) -> Result<PaymentStatus, WalletError> {
    read_at(body, NOW)
}

#[test]
fn a_payment_is_looked_up_by_its_payment_hash() {
    let request = wallet().look_up(&PaymentHash::from_bytes(HASH));
    assert_eq!(request.method, NwcMethod::LookupInvoice);
    let expected = LookupInvoiceRequest { payment_hash: Some(hex(HASH)), invoice: None };
    let read = as_wallet_reads(request.method.as_str(), &request.params);
    assert_eq!(read.params, RequestParams::LookupInvoice(expected));
}

#[test]
fn a_payment_is_paid_if_its_state_is_settled_and_unconfirmed_if_an_old_wallet_reports_only_a_time() {
    let pending = || Bolt11::parse(&MADE.text()).map(PaymentStatus::Pending).map_err(WalletError::from);
    let (paid, unpaid) = (|| Ok(PaymentStatus::Paid), || Ok(PaymentStatus::Unpaid));
    let unknown = || Err(WalletError::Missing("state"));
    let unconfirmed = || Err(WalletError::Unconfirmed);
    let (state, at) = (|state: &str| Some(json!(state)), || Some(json!(NOW + 20)));
    let null = || Some(Value::Null);
    for (state, settled_at, expected) in [
        (state("settled"), at(), paid()),
        (state("settled"), None, paid()),
        (state("settled"), Some(json!(0)), paid()),
        (None, at(), unconfirmed()),
        (null(), at(), unconfirmed()),
        (state(""), at(), unconfirmed()),
        (None, Some(json!(u64::MAX)), unconfirmed()),
        (None, None, pending()),
        (null(), null(), pending()),
        (None, Some(json!(0)), pending()),
        (None, Some(json!("1800000020")), pending()),
        (None, Some(json!(-1)), pending()),
        (None, Some(json!(1.5)), pending()),
        (None, Some(json!(1e30)), pending()),
        (None, Some(json!(true)), pending()),
        (state("pending"), at(), pending()),
        // Of a hold invoice: the wallet may still return the payment.
        (state("accepted"), at(), pending()),
        (state("expired"), null(), unpaid()),
        (state("failed"), null(), unpaid()),
        (state("failed"), at(), unpaid()),
        (state("SETTLED"), at(), unknown()),
        (state("settled "), at(), unknown()),
        (state("paid"), at(), unknown()),
        (Some(json!(true)), at(), unknown()),
        (Some(json!(1)), at(), unknown()),
        (Some(json!(["settled"])), at(), unknown()),
    ] {
        let shown = format!("{state:?} {settled_at:?}");
        let body = found("settled");
        let body = changed(&changed(&body, "/result/state", state), "/result/settled_at", settled_at);
        assert_eq!(read(body), expected, "{shown}");
    }
}

#[test]
fn a_settled_payment_with_another_hash_amount_or_direction_proves_nothing() {
    use WalletError::{OtherAmount, OtherPaymentHash};
    for (pointer, value, expected) in [
        ("/result/payment_hash", None, OtherPaymentHash),
        ("/result/payment_hash", Some(Value::Null), OtherPaymentHash),
        ("/result/payment_hash", Some(json!("")), OtherPaymentHash),
        ("/result/payment_hash", Some(json!(hex(OTHER_HASH))), OtherPaymentHash),
        ("/result/payment_hash", Some(json!(format!("0x{}", hex(HASH)))), OtherPaymentHash),
        ("/result/payment_hash", Some(json!([hex(HASH)])), OtherPaymentHash),
        ("/result/type", None, OtherAmount),
        ("/result/type", Some(json!("outgoing")), OtherAmount),
        ("/result/type", Some(json!("Incoming")), OtherAmount),
        ("/result/type", Some(json!(true)), OtherAmount),
        ("/result/amount", None, OtherAmount),
        ("/result/amount", Some(Value::Null), OtherAmount),
        ("/result/amount", Some(json!(0)), OtherAmount),
        // Satoshis, although the unit is the millisatoshi.
        ("/result/amount", Some(json!(5)), OtherAmount),
        ("/result/amount", Some(json!(4_999)), OtherAmount),
        ("/result/amount", Some(json!(5_001)), OtherAmount),
        ("/result/amount", Some(json!(6_000)), OtherAmount),
        ("/result/amount", Some(json!(-5_000)), OtherAmount),
        ("/result/amount", Some(json!(5_000.0)), OtherAmount),
        ("/result/amount", Some(json!("5000")), OtherAmount),
        ("/result/amount", Some(json!(u64::MAX)), OtherAmount),
        ("/result/amount", Some(json!(1e300)), OtherAmount),
    ] {
        let body = changed(&found("settled"), pointer, value.clone());
        assert_eq!(read(body), Err(expected), "{pointer} {value:?}");
    }
    let upper = Some(json!(hex(HASH).to_uppercase()));
    assert_eq!(read(changed(&found("settled"), "/result/payment_hash", upper)), Ok(PaymentStatus::Paid));
    // The amount is that of the payment, even if the invoice is missing or is for another payment.
    for invoice in [None, Some(json!("")), Some(json!(Made { hash: OTHER_HASH, ..MADE }.text()))] {
        assert_eq!(read(changed(&found("settled"), "/result/invoice", invoice)), Ok(PaymentStatus::Paid));
    }
    let other_method = changed(&found("settled"), "/result_type", Some(json!("pay_invoice")));
    assert_eq!(read(other_method), Err(WalletError::Missing("result_type")));
    let failure = Some(json!({ "code": "NOT_FOUND", "message": PREIMAGE }));
    assert_eq!(read(changed(&found("settled"), "/error", failure)), Err(WalletError::UnknownPayment));
    let nan = found("settled").to_string().replacen("\"amount\":5000", "\"amount\":NaN", 1);
    assert_eq!(read(nan), Err(WalletError::NotJson));
}

#[test]
fn a_pending_payment_is_returned_with_its_invoice_while_the_invoice_can_be_paid() {
    let pending = found("pending");
    let invoice = PaymentStatus::Pending(Bolt11::parse(&MADE.text()).unwrap());
    assert_eq!(read_at(&pending, NOW + 299), Ok(invoice.clone()));
    assert_eq!(read_at(&pending, NOW + 300), Ok(PaymentStatus::Unpaid));
    assert_eq!(read_at(&pending, u64::MAX), Ok(PaymentStatus::Unpaid));
    // The wallet's own words about the expiry do not count.
    for expires_at in [json!(0), json!(NOW - 1), json!("soon"), json!(u64::MAX)] {
        assert_eq!(read(changed(&pending, "/result/expires_at", Some(expires_at))), Ok(invoice.clone()));
    }
    for other in [
        None,
        Some(Value::Null),
        Some(json!("")),
        Some(json!("lnbc1")),
        Some(json!(5)),
        Some(json!(Made { hash: OTHER_HASH, ..MADE }.text())),
        Some(json!(Made { amount_msat: Some(6_000), ..MADE }.text())),
        Some(json!(Made { amount_msat: None, ..MADE }.text())),
    ] {
        let body = changed(&pending, "/result/invoice", other.clone());
        assert_eq!(read(body), Ok(PaymentStatus::Unpaid), "{other:?}");
    }
}

/// The extension NWC Service Provider 1.1.2 of LNbits reports no state. It reports `settled_at` for each payment that is not pending, also for
/// one whose invoice has expired, and its list has only payments that succeeded.
fn ended() -> Value {
    let body = changed(&found("settled"), "/result/state", None);
    changed(&body, "/result/settled_at", Some(json!(NOW)))
}

// A11 (CHANGELOG)
#[test]
fn a_time_of_settlement_proves_a_payment_only_if_the_list_has_it() {
    let read_listed = |is_listed: bool, now_unix: u64| {
        let payment = Payment { hash: PaymentHash::from_bytes(HASH), amount_sats: 5 };
        let response = WalletResponse { is_listed: Some(is_listed), ..response(ended()) };
        wallet().read_looked_up(&payment, &response, now_unix)
    };
    // The clock of the wallet may be ahead, so the time does not count.
    for now_unix in [0, NOW, NOW + 300, NOW + 3_600, u64::MAX] {
        assert_eq!(read_at(ended(), now_unix), Err(WalletError::Unconfirmed), "{now_unix}");
        assert_eq!(read_listed(true, now_unix), Ok(PaymentStatus::Paid));
        assert_eq!(read_listed(false, now_unix), Ok(PaymentStatus::Unpaid));
    }
    let receipt = wallet().read_receipt(&PaymentHash::from_bytes(HASH), None, &response(ended()));
    assert_eq!(receipt, Err(WalletError::Unconfirmed));
    assert_eq!(WalletError::Unconfirmed.is_fault_of_wallet(), None);
}

#[test]
fn the_list_is_requested_only_if_the_look_up_leaves_open_whether_the_payment_was_paid() {
    let request = |body: &Value| wallet().list_request(&response(body), 2);
    let list = request(&ended()).unwrap();
    let expected = ListTransactionsRequest {
        from: Some(Timestamp::from(NOW - 1)),
        until: Some(Timestamp::from(NOW + 1)),
        limit: Some(20),
        offset: Some(40),
        unpaid: Some(false),
        transaction_type: Some(TransactionType::Incoming),
    };
    let read = as_wallet_reads(list.method.as_str(), &list.params);
    assert_eq!(read.params, RequestParams::ListTransactions(expected));
    for state in ["settled", "pending", "expired", "failed"] {
        assert!(request(&found(state)).is_none(), "{state}");
    }
    assert!(request(&json!({ "error": { "code": "NOT_FOUND" } })).is_none());
}

#[test]
fn a_payment_is_listed_if_a_settled_row_has_its_payment_hash() {
    let read = |rows: Vec<Value>| {
        let list = answer("list_transactions", json!({ "transactions": rows }));
        wallet().read_listed(&PaymentHash::from_bytes(HASH), &response(list))
    };
    let row = &ended()["result"];
    let other = changed(row, "/payment_hash", Some(json!(hex(OTHER_HASH))));
    for (rows, expected) in [
        (vec![], Some(false)),
        (vec![other.clone()], Some(false)),
        (vec![other.clone(), row.clone()], Some(true)),
        (vec![transaction("settled")], Some(true)),
        (vec![transaction("pending"), transaction("expired")], Some(false)),
        (vec![changed(row, "/settled_at", Some(Value::Null))], Some(false)),
        // A full page may have a next page.
        (vec![other.clone(); 19], Some(false)),
        (vec![other; 20], None),
        (vec![row.clone(); 20], Some(true)),
    ] {
        assert_eq!(read(rows), Ok(expected));
    }
    for body in
        [json!({}), json!({ "error": { "code": "RESTRICTED" } }), answer("lookup_invoice", row.clone())]
    {
        let read = wallet().read_listed(&PaymentHash::from_bytes(HASH), &response(body));
        assert_eq!(read, Err(WalletError::Unconfirmed));
    }
}
