//! What LNbits' own lists and look-ups come to in the books, in answers as it gave them.

use edgetoll::ledger::webhook;
use edgetoll::payment::PaymentHash;
use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::wallet::lnbits::Lnbits;
use edgetoll::wallet::receipt::{Listed, PAGE_ROWS, Pending, Receipt, ending_first};
use edgetoll::wallet::{WalletError, WalletResponse};
use serde_json::Value;

fn recorded() -> Value {
    serde_json::from_str(include_str!("../vectors/lnbits_lists.json")).unwrap()
}

fn lnbits() -> Lnbits {
    Lnbits::new("https://lnbits.example.com/", "0011223344556677").unwrap()
}

fn answer(name: &str) -> WalletResponse {
    let recorded = &recorded()[name];
    answer_of(recorded["status"].as_u64().unwrap() as u16, recorded["body"].as_str().unwrap().to_owned())
}

fn answer_of(status: u16, body: String) -> WalletResponse {
    WalletResponse { status, retry_after_s: None, body }
}

/// The rows of a recorded list, changed.
fn changed(name: &str, change: impl Fn(&mut Vec<Value>)) -> WalletResponse {
    let mut body: Value = serde_json::from_str(&answer(name).body).unwrap();
    change(body["data"].as_array_mut().unwrap());
    answer_of(200, body.to_string())
}

fn hash(name: &str) -> PaymentHash {
    PaymentHash::from_hex(recorded()["hashes"][name].as_str().unwrap()).unwrap()
}

fn names(receipts: &[Receipt]) -> Vec<PaymentHash> {
    receipts.iter().map(|receipt| receipt.payment_hash).collect()
}

#[test]
fn of_a_whole_wallet_what_came_in_with_our_tag_is_ours_and_nothing_else() {
    // LNbits ignores a filter that it cannot read: this is the list without any.
    let page = lnbits().read_paid(&answer("everything")).unwrap();
    assert_eq!(names(&page.payments), [hash("joke"), hash("no_client"), hash("self_paid")]);
    assert_eq!(page.rows, 9);
    assert_eq!(page.payments, lnbits().read_paid(&answer("paid")).unwrap().payments);
    let joke = &page.payments[0];
    assert_eq!((joke.amount_sats, joke.route.as_str()), (5, "/api/joke"));
    assert_eq!(joke.client.as_deref(), Some("00112233445566778899aabbccddeeff"));
    assert_eq!(joke.settled, "2026-11-21T19:39:46.515553+00:00");
    assert_eq!(joke.minted_unix, 1_795_289_986);
    assert_eq!(page.payments[1].client, None);
}

#[test]
fn a_list_says_how_long_it_is_and_when_its_ends_were_changed() {
    let page = lnbits().read_paid(&answer("news")).unwrap();
    assert_eq!(names(&page.payments), [hash("self_paid"), hash("no_client"), hash("joke")]);
    assert_eq!(page.rows, 4, "what is not ours counts, too");
    assert_eq!(page.first.as_deref(), Some("2026-11-21T19:39:47.401898+00:00"));
    assert_eq!(page.last.as_deref(), Some("2026-11-21T19:39:46.515553+00:00"));
    let empty = lnbits().read_paid(&changed("paid", |rows| rows.clear())).unwrap();
    assert_eq!((empty.rows, empty.first, empty.last), (0, None, None));
}

#[test]
fn a_payment_that_does_not_fit_its_own_invoice_is_left_out() {
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
        let page = lnbits().read_paid(&changed("paid", |rows| change(&mut rows[0]))).unwrap();
        assert_eq!(names(&page.payments), [hash("no_client"), hash("self_paid")], "change {at}");
    }
}

#[test]
fn what_is_no_list_is_an_error() {
    for (status, body, error) in [
        (200, "[]", WalletError::NotJson),
        (200, "{}", WalletError::Missing("data")),
        (200, "{\"data\":{}}", WalletError::Missing("data")),
        (500, "{}", WalletError::Status(500)),
        (429, "{}", WalletError::RateLimited { retry_after_s: None }),
    ] {
        assert_eq!(lnbits().read_paid(&answer_of(status, body.to_owned())), Err(error));
    }
}

#[test]
fn what_may_still_be_paid_has_its_end() {
    let pending = lnbits().read_pending(&answer("everything")).unwrap().payments;
    let made_unix = 1_795_289_987;
    let payment_hash = hash("pending");
    assert_eq!(pending, [Pending { payment_hash, made_unix, expires_unix: made_unix + 300 }]);
    assert_eq!(lnbits().read_pending(&answer("pending")).unwrap().payments, pending);
}

#[test]
fn those_that_end_first_are_looked_at_and_neither_the_dead_nor_those_with_time_left() {
    let hash = |n: u64| PaymentHash::from_hex(&format!("{n:02x}").repeat(32)).unwrap();
    let one = |n: u64, expires_unix| Pending { payment_hash: hash(n), made_unix: 0, expires_unix };
    // As it is listed: newest first.
    let all = vec![
        one(7, 1_300),
        one(1, 1_600),
        one(2, 1_000),
        one(3, 1_001),
        one(4, 1_601),
        one(5, 999),
        one(6, 1_300),
    ];
    assert_eq!(ending_first(all.clone(), 1_000, 600, 50), [hash(3), hash(6), hash(7), hash(1)]);
    assert_eq!(ending_first(all, 1_000, 600, 2), [hash(3), hash(6)]);
    assert_eq!(ending_first(Vec::new(), 1_000, 600, 2), []);
}

#[test]
fn a_look_up_gives_a_receipt_for_what_is_paid_and_ours() {
    let read = |hash: &PaymentHash, name: &str| lnbits().read_receipt(hash, &answer(name));
    let listed = lnbits().read_paid(&answer("paid")).unwrap().payments;
    assert_eq!(read(&hash("joke"), "look_up_paid"), Ok(Some(listed[0].clone())));
    assert_eq!(read(&hash("pending"), "look_up_pending"), Ok(None));
    assert_eq!(read(&hash("donation"), "look_up_donation"), Ok(None));
    // LNbits shows the outgoing side of a payment within one wallet; its list has both.
    assert_eq!(read(&hash("self_paid"), "look_up_self_paid"), Ok(None));
    assert_eq!(read(&hash("pending"), "look_up_paid"), Ok(None), "that is another payment");
    assert_eq!(read(&hash("joke"), "look_up_unknown"), Err(WalletError::UnknownPayment));
}

#[test]
fn lists_are_asked_for_with_the_key_and_never_by_time() {
    let url = |listed, offset| lnbits().list(listed, offset, PAGE_ROWS).url;
    let base = "https://lnbits.example.com/api/v1/payments/paginated?tag=edgetoll&status=";
    let paid = url(Listed::Paid, 50);
    assert_eq!(paid, format!("{base}success&sortby=updated_at&direction=desc&limit=50&offset=50"));
    let pending = url(Listed::Pending, 0);
    assert_eq!(pending, format!("{base}pending&sortby=time&direction=desc&limit=50&offset=0"));
    assert_eq!(lnbits().list(Listed::Paid, 0, 1).key.as_deref(), Some("0011223344556677"));
}

#[test]
fn a_webhook_is_read_as_lnbits_sends_it_and_as_it_might() {
    let hash = hash("joke");
    let once = format!("{{\"payment_hash\":\"{}\",\"amount\":5000}}", hash.to_hex());
    let twice = serde_json::to_string(&once).unwrap();
    assert_eq!(hook::payment_hash(&twice), Some(hash));
    assert_eq!(hook::payment_hash(&once), Some(hash));
    let thrice = serde_json::to_string(&twice).unwrap();
    let deep = "[".repeat(100_000);
    for none in [thrice.as_str(), "", "{}", "\"{}\"", "null", "{\"payment_hash\":5}", &deep] {
        assert_eq!(hook::payment_hash(none), None);
    }
}

#[test]
fn the_books_remember_longer_than_any_invoice_lives() {
    let policy = |list: &str| {
        let list = edgetoll::strict_json::Json::parse(list.as_bytes()).unwrap();
        Policy::parse(&list, fold_case).policy.unwrap()
    };
    let plain = policy(r#"{"routes":[{"path":"/a"},{"path":"/b","invoice_expiry":"10m"},{"path":"/c"}]}"#);
    assert_eq!(plain.longest_invoice_expiry_s(), 600);
    assert_eq!(plain.books_memory_s(1_200), 365 * 86_400);
    let long = policy(r#"{"ledger_retention":"1d","invoice_expiry":"3d","routes":[{"path":"/a"}]}"#);
    assert_eq!(long.books_memory_s(1_200), 3 * 86_400 + 1_200);
}
