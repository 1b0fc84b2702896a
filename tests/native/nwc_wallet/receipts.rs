//! Receipts for the ledger: from a look-up, from the list of paid payments, and from a notification.

use edgetoll::wallet::WalletError;
use edgetoll::wallet::nwc::{NwcMethod, TransactionPage, receipt_of_notification};
use edgetoll::wallet::receipt::{Receipt, Sale, SaleTerms};
use nostr::nips::nip47::{ListTransactionsRequest, Notification, RequestParams, TransactionType};
use nostr::types::Timestamp;

use super::*;

/// The receipt of [`transaction`].
fn receipt() -> Receipt {
    Receipt {
        payment_hash: PaymentHash::from_bytes(HASH),
        amount_sats: 5,
        route: "/api/joke".to_owned(),
        client: Some("aa".to_owned()),
        minted_unix: NOW,
        settled: "1800000020".to_owned(),
        terms: SaleTerms::default(),
    }
}

fn sale() -> Sale {
    Sale { route: "/sold".to_owned(), client: Some("bb".to_owned()) }
}

fn notification(transaction: Value) -> Value {
    json!({ "notification_type": "payment_received", "notification": transaction })
}

/// Reads a transaction as a look-up, as a row of the list and as a notification. The results must be equal.
fn read(transaction: &Value) -> Option<Receipt> {
    let envelope = |method: &str, result: Value| response(json!({ "result_type": method, "result": result }));
    let hash = PaymentHash::from_bytes(HASH);
    // The list decides for a transaction without a state.
    let mut response = envelope("lookup_invoice", transaction.clone());
    response.is_listed = Some(true);
    let looked_up = wallet().read_receipt(&hash, None, &response);
    let list = envelope("list_transactions", json!({ "transactions": [transaction] }));
    let page = wallet().read_paid(&list).unwrap();
    assert_eq!((page.rows, page.is_full), (1, false));
    let notified = receipt_of_notification(&notification(transaction.clone()).to_string());
    let listed = page.payments.into_iter().next();
    assert_eq!(listed, notified, "{transaction}");
    let looked_up = looked_up.unwrap_or(None);
    // A look-up is for one payment.
    assert_eq!(looked_up, listed.clone().filter(|listed| listed.payment_hash == hash), "{transaction}");
    listed
}

#[test]
fn a_settled_payment_with_the_tag_of_edgetoll_has_a_receipt() {
    let paid = transaction("settled");
    assert!(Notification::from_value(notification(paid.clone())).is_ok());
    answer("list_transactions", json!({ "transactions": [paid] }));
    assert_eq!(read(&paid), Some(receipt()));
    let with = |change: fn(&mut Receipt)| {
        let mut receipt = receipt();
        change(&mut receipt);
        receipt
    };
    for (pointer, value, expected) in [
        ("/state", None, receipt()),
        ("/state", Some(Value::Null), receipt()),
        ("/settled_at", None, with(|receipt| receipt.settled.clear())),
        ("/settled_at", Some(json!("1800000020")), with(|receipt| receipt.settled.clear())),
        ("/metadata/c", None, with(|receipt| receipt.client = None)),
        ("/metadata/c", Some(json!(5)), with(|receipt| receipt.client = None)),
        ("/metadata/comment", Some(json!("hi")), receipt()),
        (
            "/metadata/host",
            Some(json!("x.org")),
            with(|receipt| receipt.terms.host = Some("x.org".to_owned())),
        ),
        ("/metadata/uses", Some(json!(3)), with(|receipt| receipt.terms.uses = Some(3))),
        // The timestamp of the invoice counts.
        ("/created_at", Some(json!("now")), receipt()),
        ("/created_at", Some(json!(0)), receipt()),
        // Without an invoice, the wallet's word counts.
        ("/invoice", None, receipt()),
        ("/invoice", Some(Value::Null), receipt()),
    ] {
        assert_eq!(read(&changed(&paid, pointer, value.clone())), Some(expected), "{pointer} {value:?}");
    }
}

#[test]
fn a_payment_that_is_not_clearly_a_paid_invoice_of_edgetoll_has_no_receipt() {
    let paid = transaction("settled");
    for (pointer, value) in [
        ("/type", None),
        ("/type", Some(json!("outgoing"))),
        ("/state", Some(json!("pending"))),
        ("/state", Some(json!("accepted"))),
        ("/state", Some(json!("expired"))),
        ("/state", Some(json!("failed"))),
        ("/state", Some(json!("paid"))),
        ("/state", Some(json!(true))),
        ("/payment_hash", None),
        ("/payment_hash", Some(json!(""))),
        // The invoice is for another payment.
        ("/payment_hash", Some(json!(hex(OTHER_HASH)))),
        ("/invoice", Some(json!(Made { hash: OTHER_HASH, ..MADE }.text()))),
        ("/amount", None),
        ("/amount", Some(json!(0))),
        ("/amount", Some(json!(5))),
        ("/amount", Some(json!(5_001))),
        ("/amount", Some(json!(-5_000))),
        ("/amount", Some(json!("5000"))),
        ("/amount", Some(json!(5_000.5))),
        ("/amount", Some(json!(u64::MAX))),
        ("/metadata", None),
        ("/metadata", Some(Value::Null)),
        ("/metadata", Some(json!("edgetoll"))),
        ("/metadata", Some(json!(paid["metadata"].to_string()))),
        ("/metadata", Some(json!([paid["metadata"]]))),
        ("/metadata", Some(json!({ "extra": paid["metadata"] }))),
        ("/metadata/tag", None),
        ("/metadata/tag", Some(json!("othershop"))),
        ("/metadata/tag", Some(json!("edgetoll2"))),
        ("/metadata/tag", Some(json!(["edgetoll"]))),
        ("/metadata/route", None),
        ("/metadata/route", Some(json!(5))),
    ] {
        assert_eq!(read(&changed(&paid, pointer, value.clone())), None, "{pointer} {value:?}");
    }
    // The tag is in the wrong place.
    let mut misplaced = changed(&paid, "/metadata", None);
    for key in ["tag", "route", "c"] {
        misplaced[key] = paid["metadata"][key].clone();
    }
    assert_eq!(read(&misplaced), None);
    // Without a state, only a time says that the payment is settled.
    for settled_at in [None, Some(Value::Null), Some(json!(0)), Some(json!("1800000020")), Some(json!(-1))] {
        let old = changed(&changed(&paid, "/state", None), "/settled_at", settled_at);
        assert_eq!(read(&old), None);
    }
}

#[test]
fn without_an_invoice_the_time_of_creation_must_be_a_timestamp_that_an_invoice_can_have() {
    let paid = changed(&transaction("settled"), "/invoice", None);
    for created_at in [0, NOW - 20, (1 << 35) - 1] {
        let receipt = read(&changed(&paid, "/created_at", Some(json!(created_at))));
        assert_eq!(receipt.map(|receipt| receipt.minted_unix), Some(created_at));
    }
    for created_at in [
        None,
        Some(Value::Null),
        Some(json!("1800000000")),
        Some(json!(-1)),
        Some(json!(1.5)),
        // BOLT 11 gives a timestamp 35 bits. The next is in milliseconds.
        Some(json!(1_u64 << 35)),
        Some(json!(NOW * 1_000)),
        Some(json!(u64::MAX)),
    ] {
        assert_eq!(read(&changed(&paid, "/created_at", created_at.clone())), None, "{created_at:?}");
    }
}

#[test]
fn a_sale_that_is_known_stands_in_for_metadata_that_the_wallet_has_dropped() {
    let read = |transaction: &Value, hash: [u8; 32]| {
        let response = response(answer("lookup_invoice", transaction.clone()));
        wallet().read_receipt(&PaymentHash::from_bytes(hash), Some(&sale()), &response)
    };
    let paid = transaction("settled");
    let sold = Receipt { route: sale().route, client: sale().client, ..receipt() };
    assert_eq!(read(&paid, HASH), Ok(Some(receipt())));
    for metadata in
        [None, Some(Value::Null), Some(json!({})), Some(json!({ "tag": "othershop", "route": "/x" }))]
    {
        assert_eq!(read(&changed(&paid, "/metadata", metadata), HASH), Ok(Some(sold.clone())));
    }
    assert_eq!(read(&paid, OTHER_HASH), Ok(None));
    for (pointer, value) in [
        ("/type", Some(json!("outgoing"))),
        ("/state", Some(json!("pending"))),
        ("/payment_hash", Some(json!(hex(OTHER_HASH)))),
        ("/amount", Some(json!(5))),
    ] {
        assert_eq!(read(&changed(&paid, pointer, value), HASH), Ok(None), "{pointer}");
    }
}

#[test]
fn a_look_up_for_the_ledger_fails_if_the_wallet_does_not_say_whether_the_payment_is_paid() {
    let read =
        |body: Value| wallet().read_receipt(&PaymentHash::from_bytes(HASH), Some(&sale()), &response(body));
    let paid = answer("lookup_invoice", transaction("settled"));
    let unknown = changed(&paid, "/result/state", Some(json!("paid")));
    assert_eq!(read(unknown), Err(WalletError::Missing("state")));
    let failure = Some(json!({ "code": "NOT_FOUND", "message": "" }));
    assert_eq!(read(changed(&paid, "/error", failure)), Err(WalletError::UnknownPayment));
    let of_list = changed(&paid, "/result_type", Some(json!("list_transactions")));
    assert_eq!(read(of_list), Err(WalletError::Missing("result_type")));
}

#[test]
fn a_page_of_20_paid_incoming_payments_is_requested() {
    let request = wallet().list_paid(NOW, 40);
    assert_eq!(request.method, NwcMethod::ListTransactions);
    let expected = ListTransactionsRequest {
        from: Some(Timestamp::from(NOW)),
        until: None,
        limit: Some(20),
        offset: Some(40),
        unpaid: Some(false),
        transaction_type: Some(TransactionType::Incoming),
    };
    let read = as_wallet_reads(request.method.as_str(), &request.params);
    assert_eq!(read.params, RequestParams::ListTransactions(expected));
}

#[test]
fn a_page_counts_all_rows_and_the_list_may_continue_after_20() {
    let paid = transaction("settled");
    let bad =
        [json!(null), json!(5), json!([]), json!({}), transaction("pending"), json!({ "state": "paid" })];
    for (rows, is_full) in [(0, false), (1, false), (19, false), (20, true), (21, true), (500, true)] {
        let list: Vec<_> = bad.iter().chain(std::iter::repeat(&paid)).take(rows).cloned().collect();
        let body = json!({ "result_type": "list_transactions", "result": { "transactions": list } });
        let payments = vec![receipt(); rows.saturating_sub(bad.len())];
        assert_eq!(wallet().read_paid(&response(body)), Ok(TransactionPage { payments, rows, is_full }));
    }
    let list = answer("list_transactions", json!({ "transactions": [] }));
    for (pointer, value, expected) in [
        ("/result/transactions", None, WalletError::Missing("transactions")),
        ("/result/transactions", Some(Value::Null), WalletError::Missing("transactions")),
        ("/result/transactions", Some(json!({ "0": {} })), WalletError::Missing("transactions")),
        ("/result", Some(json!([])), WalletError::Missing("result")),
        ("/result_type", Some(json!("lookup_invoice")), WalletError::Missing("result_type")),
        ("/error", Some(json!({ "code": "RESTRICTED" })), WalletError::Restricted),
        ("/error", Some(json!({ "code": "NOT_IMPLEMENTED" })), WalletError::Restricted),
    ] {
        assert_eq!(wallet().read_paid(&response(changed(&list, pointer, value))), Err(expected), "{pointer}");
    }
}

#[test]
fn only_a_notification_of_a_received_payment_has_a_receipt() {
    let good = notification(transaction("settled"));
    assert_eq!(receipt_of_notification(&good.to_string()), Some(receipt()));
    for (pointer, value) in [
        ("/notification_type", None),
        ("/notification_type", Some(json!("payment_sent"))),
        ("/notification_type", Some(json!("hold_invoice_accepted"))),
        ("/notification_type", Some(json!(["payment_received"]))),
        ("/notification", None),
        ("/notification", Some(json!([transaction("settled")]))),
        ("/notification", Some(json!({ "result": transaction("settled") }))),
        ("/notification", Some(json!(transaction("settled").to_string()))),
    ] {
        let body = changed(&good, pointer, value.clone());
        assert_eq!(receipt_of_notification(&body.to_string()), None, "{pointer} {value:?}");
    }
    let result = json!({ "result_type": "payment_received", "result": transaction("settled") }).to_string();
    let nested = "[".repeat(100_000);
    for text in ["", "{}", "null", "NaN", &format!("[{good}]"), &result, &nested] {
        assert_eq!(receipt_of_notification(text), None);
    }
}
