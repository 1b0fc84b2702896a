//! How the payment lists, look-ups and webhooks of LNbits are read, from recorded responses.

use crate::support::price_list::valid;
use edgetoll::ledger::webhook;
use edgetoll::payment::PaymentHash;
use edgetoll::wallet::lnbits::Lnbits;
use edgetoll::wallet::receipt::{PAGE_ROWS, PaymentList, Pending, Receipt, expiring_first};
use edgetoll::wallet::{WalletError, WalletResponse};
use serde_json::Value;

fn recorded() -> Value {
    serde_json::from_str(include_str!("../vectors/lnbits_lists.json")).unwrap()
}

fn lnbits() -> Lnbits {
    Lnbits::new("https://lnbits.example.com/", "0011223344556677").unwrap()
}

/// Returns the recorded response of this name.
fn response(name: &str) -> WalletResponse {
    let recorded = &recorded()[name];
    response_with(recorded["status"].as_u64().unwrap() as u16, recorded["body"].as_str().unwrap().to_owned())
}

fn response_with(status: u16, body: String) -> WalletResponse {
    WalletResponse { status, retry_after_s: None, body, is_listed: None }
}

/// Returns a recorded payment list after a change to its rows.
fn changed_list(name: &str, change: impl Fn(&mut Vec<Value>)) -> WalletResponse {
    let mut body: Value = serde_json::from_str(&response(name).body).unwrap();
    change(body["data"].as_array_mut().unwrap());
    response_with(200, body.to_string())
}

fn hash(name: &str) -> PaymentHash {
    PaymentHash::from_hex(recorded()["hashes"][name].as_str().unwrap()).unwrap()
}

fn hashes(receipts: &[Receipt]) -> Vec<PaymentHash> {
    receipts.iter().map(|receipt| receipt.payment_hash).collect()
}

#[test]
fn only_incoming_payments_with_the_tag_of_edgetoll_are_read() {
    // LNbits ignores a filter that it cannot parse, so the response can contain every payment of the wallet.
    let page = lnbits().read_paid(&response("everything")).unwrap();
    assert_eq!(hashes(&page.payments), [hash("joke"), hash("no_client"), hash("self_paid")]);
    assert_eq!(page.rows, 9);
    assert_eq!(page.payments, lnbits().read_paid(&response("paid")).unwrap().payments);
    let joke = &page.payments[0];
    assert_eq!((joke.amount_sats, joke.route.as_str()), (5, "/api/joke"));
    assert_eq!(joke.client.as_deref(), Some("00112233445566778899aabbccddeeff"));
    assert_eq!(joke.settled, "2026-11-21T19:39:46.515553+00:00");
    assert_eq!(joke.minted_unix, 1_795_289_986);
    assert_eq!(page.payments[1].client, None);
}

#[test]
fn a_page_of_the_payment_list_tells_how_many_rows_it_has_and_the_times_of_the_first_and_last_row() {
    let page = lnbits().read_paid(&response("news")).unwrap();
    assert_eq!(hashes(&page.payments), [hash("self_paid"), hash("no_client"), hash("joke")]);
    assert_eq!(page.rows, 4, "rows of other payments count too");
    assert_eq!(page.first.as_deref(), Some("2026-11-21T19:39:47.401898+00:00"));
    assert_eq!(page.last.as_deref(), Some("2026-11-21T19:39:46.515553+00:00"));
    let empty = lnbits().read_paid(&changed_list("paid", |rows| rows.clear())).unwrap();
    assert_eq!((empty.rows, empty.first, empty.last), (0, None, None));
}

#[test]
fn a_payment_list_row_is_skipped_unless_it_is_a_well_formed_paid_invoice_of_edgetoll() {
    type Change = fn(&mut Value);
    let changes: [Change; 8] = [
        |row| row["payment_hash"] = "ab".repeat(32).into(),
        |row| row["bolt11"] = "lnbc1nothing".into(),
        |row| row["amount"] = 5_001.into(),
        |row| row["amount"] = 0.into(),
        |row| row["amount"] = "5000".into(),
        |row| row["extra"]["tag"] = "other".into(),
        |row| row["extra"]["route"] = Value::Null,
        |row| row["status"] = "pending".into(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let page = lnbits().read_paid(&changed_list("paid", |rows| change(&mut rows[0]))).unwrap();
        assert_eq!(hashes(&page.payments), [hash("no_client"), hash("self_paid")], "change {at}");
    }
}

#[test]
fn a_response_that_is_not_a_payment_list_is_an_error() {
    for (status, body, error) in [
        (200, "[]", WalletError::NotJson),
        (200, "{}", WalletError::Missing("data")),
        (200, "{\"data\":{}}", WalletError::Missing("data")),
        (500, "{}", WalletError::Status(500)),
        (429, "{}", WalletError::RateLimited { retry_after_s: None }),
    ] {
        assert_eq!(lnbits().read_paid(&response_with(status, body.to_owned())), Err(error));
    }
}

#[test]
fn a_pending_payment_has_the_expiry_of_its_invoice() {
    let pending = lnbits().read_pending(&response("everything")).unwrap().payments;
    let minted_unix = 1_795_289_987;
    let payment_hash = hash("pending");
    assert_eq!(pending, [Pending { payment_hash, minted_unix, expires_unix: minted_unix + 300 }]);
    assert_eq!(lnbits().read_pending(&response("pending")).unwrap().payments, pending);
}

#[test]
fn invoices_that_will_expire_soon_are_chosen_and_sorted_by_expiry() {
    let hash = |n: u64| PaymentHash::from_hex(&format!("{n:02x}").repeat(32)).unwrap();
    let pending = |n: u64, expires_unix| Pending { payment_hash: hash(n), minted_unix: 0, expires_unix };
    // Like a payment list of LNbits, `all` begins with the newest invoice.
    let all = vec![
        pending(7, 1_300),
        pending(1, 1_600),
        pending(2, 1_000),
        pending(3, 1_001),
        pending(4, 1_601),
        pending(5, 999),
        pending(6, 1_300),
    ];
    let chosen = |all: &[Pending], limit, last| {
        let chosen = expiring_first(all.to_vec(), 1_000, 600, limit, last);
        chosen.iter().map(|one| one.payment_hash).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&all, 50, None), [hash(3), hash(6), hash(7), hash(1)]);
    assert_eq!(chosen(&all, 2, None), [hash(3), hash(6)]);
    assert_eq!(chosen(&[], 2, None), []);
    // The next run continues after the last invoice of the previous run, and begins again after the end.
    assert_eq!(chosen(&all, 3, Some(pending(6, 1_300))), [hash(7), hash(1), hash(3)]);
    assert_eq!(chosen(&all, 3, Some(pending(1, 1_600))), [hash(3), hash(6), hash(7)]);
    // The last invoice is not in the list any more.
    assert_eq!(chosen(&all, 2, Some(pending(8, 1_400))), [hash(1), hash(3)]);
}

#[test]
fn a_look_up_returns_a_receipt_only_for_a_paid_invoice_of_edgetoll() {
    let read = |hash: &PaymentHash, name: &str| lnbits().read_receipt(hash, &response(name));
    let listed = lnbits().read_paid(&response("paid")).unwrap().payments;
    assert_eq!(read(&hash("joke"), "look_up_paid"), Ok(Some(listed[0].clone())));
    assert_eq!(read(&hash("pending"), "look_up_pending"), Ok(None));
    assert_eq!(read(&hash("donation"), "look_up_donation"), Ok(None));
    // If a wallet pays its own invoice, a look-up returns only the outgoing payment. The payment list has the outgoing
    // and the incoming payment.
    assert_eq!(read(&hash("self_paid"), "look_up_self_paid"), Ok(None));
    assert_eq!(read(&hash("pending"), "look_up_paid"), Ok(None), "the response is for another payment");
    assert_eq!(read(&hash("joke"), "look_up_unknown"), Err(WalletError::UnknownPayment));
}

#[test]
fn a_payment_list_is_requested_with_the_api_key_and_without_a_filter_by_time() {
    let url = |list, offset| lnbits().list(list, offset, PAGE_ROWS).url;
    let base = "https://lnbits.example.com/api/v1/payments/paginated?tag=edgetoll&status=";
    let paid = url(PaymentList::Paid, 50);
    assert_eq!(paid, format!("{base}success&sortby=updated_at&direction=desc&limit=50&offset=50"));
    let pending = url(PaymentList::Pending, 0);
    assert_eq!(pending, format!("{base}pending&sortby=time&direction=desc&limit=50&offset=0"));
    assert_eq!(lnbits().list(PaymentList::Paid, 0, 1).key.as_deref(), Some("0011223344556677"));
    // LNbits sends up to 10 KB for a payment.
    assert!(lnbits().list(PaymentList::Paid, 0, PAGE_ROWS).max_response_bytes >= PAGE_ROWS * 10_240);
}

#[test]
fn the_payment_hash_of_a_webhook_is_read_from_json_and_from_json_in_a_json_string() {
    let hash = hash("joke");
    let once = format!("{{\"payment_hash\":\"{}\",\"amount\":5000}}", hash.to_hex());
    let twice = serde_json::to_string(&once).unwrap();
    assert_eq!(webhook::payment_hash(&twice), Some(hash));
    assert_eq!(webhook::payment_hash(&once), Some(hash));
    let thrice = serde_json::to_string(&twice).unwrap();
    let nested = "[".repeat(100_000);
    for body in [thrice.as_str(), "", "{}", "\"{}\"", "null", "{\"payment_hash\":5}", &nested] {
        assert_eq!(webhook::payment_hash(body), None);
    }
}

#[test]
fn the_ledger_keeps_a_payment_for_longer_than_its_invoice_can_be_paid() {
    let plain = valid(r#"{"routes":[{"path":"/a"},{"path":"/b","invoice_expiry":"10m"},{"path":"/c"}]}"#);
    assert_eq!(plain.longest_invoice_expiry_s(), 600);
    assert_eq!(plain.ledger_memory_s(1_200), 365 * 86_400);
    let long = valid(r#"{"ledger_retention":"1d","invoice_expiry":"3d","routes":[{"path":"/a"}]}"#);
    assert_eq!(long.ledger_memory_s(1_200), 3 * 86_400 + 1_200);
}
