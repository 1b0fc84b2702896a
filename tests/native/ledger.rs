//! The books, in the real SQL and a real SQLite.

use std::cell::RefCell;
use std::collections::BTreeSet;

use edgetoll::ledger::callback::{Callback, Fault, OnPayment};
use edgetoll::ledger::command::LedgerCommand;
use edgetoll::ledger::metrics::metrics;
use edgetoll::ledger::sync::{Cursor, ListPage};
use edgetoll::ledger::traffic::{GATHER_MS, Outcome, Traffic};
use edgetoll::ledger::{self, Database, SyncPlan};
use edgetoll::payment::PaymentHash;
use edgetoll::payment::WalletSlot;
use edgetoll::strict_json::Json;
use edgetoll::wallet::receipt::Receipt;
use proptest::prelude::*;
use rusqlite::types::Value;

/// 2026-11-21, 12:00:00 UTC.
const NOON_MS: u64 = 1_795_262_400_000;
const NOON_UNIX: u64 = NOON_MS / 1_000;

struct Books(RefCell<rusqlite::Connection>);

impl Database for Books {
    type Error = rusqlite::Error;

    fn run(&self, statement: &str, input: Option<&str>) -> Result<Option<String>, rusqlite::Error> {
        let connection = self.0.borrow();
        let mut prepared = connection.prepare(statement)?;
        let mut rows = match input {
            Some(input) => prepared.query([input])?,
            None => prepared.query([])?,
        };
        let first = rows.next()?.map(|row| row.get::<_, Value>(0)).transpose()?;
        while rows.next()?.is_some() {}
        Ok(first.and_then(|value| if let Value::Text(text) = value { Some(text) } else { None }))
    }
}

impl Books {
    fn new() -> Self {
        let books = Self(RefCell::new(rusqlite::Connection::open_in_memory().unwrap()));
        ledger::migrate(&books, NOON_MS).unwrap();
        books
    }

    fn take(&self, step: LedgerCommand<'_>) -> String {
        ledger::run(self, step.name(), &step.input()).expect("a step").unwrap().unwrap_or_default()
    }

    fn settle(&self, receipts: &[Receipt], now_ms: u64) {
        self.take(LedgerCommand::record_settled(WalletSlot::One, receipts, true, now_ms));
    }

    fn see(&self, hash: PaymentHash, now_ms: u64) -> String {
        let (hash, wallet) = (&hash.to_hex(), WalletSlot::One.as_str());
        self.take(LedgerCommand::RecordSeen {
            now_ms,
            hash,
            route: "/seen",
            sats: 5,
            payer: Some("bb"),
            wallet,
        })
    }

    fn stats(&self, now_ms: u64) -> serde_json::Value {
        serde_json::from_str(&self.take(LedgerCommand::ReadStats { now_ms })).unwrap()
    }

    fn due(&self, now_ms: u64) -> Vec<Callback> {
        Callback::read_all(&self.take(LedgerCommand::DueCallbacks { now_ms }))
    }

    fn fail(&self, callback: &Callback, now_ms: u64) -> Option<u64> {
        let next_ms = callback.next_ms(now_ms);
        self.take(LedgerCommand::CallbackFailed {
            hash: &callback.hash,
            now_ms,
            next_ms,
            outcome: "answered 500",
        });
        next_ms
    }

    fn ask(&self, now_ms: u64) -> SyncPlan {
        SyncPlan::read(&self.take(LedgerCommand::PlanSync { now_ms })).unwrap()
    }
}

fn hash(n: u8) -> PaymentHash {
    PaymentHash::from_hex(&format!("{n:02x}").repeat(32)).unwrap()
}

fn receipt(n: u8, sats: u64) -> Receipt {
    Receipt {
        payment_hash: hash(n),
        amount_sats: sats,
        route: "/api/joke".to_owned(),
        client: Some("aa".to_owned()),
        minted_unix: NOON_UNIX - 60,
        settled: "2026-11-21T11:59:30.123456+00:00".to_owned(),
    }
}

#[test]
fn a_payment_counts_once_however_often_and_from_wherever_it_is_told() {
    let books = Books::new();
    assert_eq!(books.see(hash(1), NOON_MS), "seen");
    assert_eq!(books.stats(NOON_MS)["totalRevenue"], 0);
    assert_eq!(books.stats(NOON_MS)["unsettled"], 1);
    let twice = [receipt(1, 5), receipt(1, 5)];
    for (wallet, now_ms) in
        [(WalletSlot::One, NOON_MS), (WalletSlot::Two, NOON_MS + 1), (WalletSlot::One, NOON_MS + 99)]
    {
        books.take(LedgerCommand::record_settled(wallet, &twice, true, now_ms));
    }
    assert_eq!(books.see(hash(1), NOON_MS), "settled");
    let stats = books.stats(NOON_MS);
    assert_eq!(stats["totalRevenue"], 5);
    assert_eq!(stats["totalPayments"], 1);
    assert_eq!(stats["unsettled"], 0);
    assert_eq!(stats["recentPayments"].as_array().unwrap().len(), 1);
    assert_eq!(books.due(NOON_MS + 100).len(), 1);
}

#[test]
fn what_is_settled_stays_as_it_was_settled() {
    let books = Books::new();
    books.settle(&[receipt(1, 5)], NOON_MS);
    let before = books.stats(NOON_MS);
    let other = Receipt { route: "/other".to_owned(), settled: String::new(), ..receipt(1, 500) };
    books.settle(&[other], NOON_MS);
    assert_eq!(books.stats(NOON_MS), before);
}

#[test]
fn the_dashboard_has_the_keys_of_lightning_toll_and_what_lnbits_said() {
    let books = Books::new();
    // What LNbits says of it goes before what the credential did.
    books.see(hash(1), NOON_MS);
    let plain = Receipt { client: None, route: "/b".to_owned(), ..receipt(2, 100) };
    books.settle(&[receipt(1, 5), plain], NOON_MS);
    let stats = books.stats(NOON_MS);
    let theirs =
        ["totalRevenue", "totalRequests", "totalPaid", "uniquePayers", "endpoints", "recentPayments"];
    let text = books.take(LedgerCommand::ReadStats { now_ms: NOON_MS });
    let places: Vec<usize> = theirs.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted());
    assert_eq!(stats["totalRevenue"], 105);
    assert_eq!(stats["uniquePayers"], 1);
    assert_eq!(stats["endpoints"]["/api/joke"]["revenue"], 5);
    assert_eq!(stats["endpoints"]["/b"]["revenue"], 100);
    assert!(stats["endpoints"].get("/seen").is_none());
    let payment = stats["recentPayments"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["endpoint"] == "/api/joke")
        .unwrap();
    assert_eq!(payment["amountSats"], 5);
    assert_eq!(payment["payerId"], "aa");
    assert_eq!(payment["paymentHash"], hash(1).to_hex());
    assert_eq!(payment["timestamp"], (NOON_UNIX - 30) * 1_000);
    assert_eq!(
        stats["revenueByDay"],
        serde_json::json!([{ "day": "2026-11-21", "sats": 105, "payments": 2 }])
    );
    let hour = (NOON_UNIX - 3_600) * 1_000;
    assert_eq!(stats["revenueByHour"], serde_json::json!([{ "hour": hour, "sats": 105, "payments": 2 }]));
}

#[test]
fn only_the_last_twenty_payments_are_shown_newest_first() {
    let books = Books::new();
    let receipts: Vec<Receipt> = (1..=30)
        .map(|n| Receipt {
            settled: format!("2026-11-21T11:00:{n:02}+00:00"),
            minted_unix: NOON_UNIX - 7_200,
            ..receipt(n, 1)
        })
        .collect();
    books.settle(&receipts, NOON_MS);
    let stats = books.stats(NOON_MS);
    let shown: Vec<&str> = stats["recentPayments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["paymentHash"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (11..=30).rev().map(|n| hash(n).to_hex()).collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_time_that_cannot_be_read_or_has_not_come_is_now() {
    let books = Books::new();
    for (n, settled) in [(1, "yesterday"), (2, ""), (3, "2036-01-01T00:00:00+00:00")] {
        books.settle(&[Receipt { settled: settled.to_owned(), ..receipt(n, 1) }], NOON_MS);
    }
    for one in books.stats(NOON_MS)["recentPayments"].as_array().unwrap() {
        assert_eq!(one["timestamp"], NOON_MS);
    }
}

#[test]
fn traffic_adds_up_by_route_and_outcome() {
    let books = Books::new();
    let mut traffic = Traffic::NONE;
    assert!(traffic.count("/a\"b", Outcome::Paid, NOON_MS), "the first one is to write all");
    for outcome in [Outcome::Free, Outcome::Challenged, Outcome::Challenged, Outcome::Refused] {
        assert!(!traffic.count("/a\"b", outcome, NOON_MS + GATHER_MS - 1));
    }
    assert!(!traffic.count("/c", Outcome::Paid, NOON_MS + 1));
    let taken = traffic.take();
    assert_eq!(traffic.take(), []);
    books.take(LedgerCommand::CountRequests { routes: &taken });
    traffic.put_back(&taken);
    assert!(traffic.count("/c", Outcome::Free, NOON_MS + GATHER_MS), "what was put back is written again");
    books.take(LedgerCommand::CountRequests { routes: &traffic.take() });
    let stats = books.stats(NOON_MS);
    let expected = serde_json::json!({
        "revenue": 0, "requests": 10, "paid": 2, "free": 2, "challenged": 4, "refused": 2, "payments": 0,
    });
    assert_eq!(stats["endpoints"]["/a\"b"], expected);
    let total = |key: &str| stats[key].as_u64().unwrap();
    let totals = ["totalRequests", "totalPaid", "totalFree", "totalChallenged", "totalRefused"].map(total);
    assert_eq!(totals, [13, 4, 3, 4, 2]);
}

#[test]
fn what_is_forgotten_stays_in_the_sums_and_never_counts_again() {
    let books = Books::new();
    let of_another = Receipt { client: Some("cc".to_owned()), ..receipt(4, 1) };
    books.settle(&[receipt(1, 5), of_another], NOON_MS);
    books.see(hash(2), NOON_MS);
    assert_eq!(books.stats(NOON_MS)["uniquePayers"], 2);
    let before_unix = NOON_UNIX + 60;
    books.take(LedgerCommand::Prune { before_unix });
    let forgotten = books.stats(NOON_MS);
    assert_eq!(forgotten["recentPayments"], serde_json::json!([]));
    assert_eq!(forgotten["uniquePayers"], 0);
    assert_eq!(forgotten["unsettled"], 0);
    assert_eq!(forgotten["totalRevenue"], 6);
    assert_eq!(forgotten["revenueByDay"][0]["sats"], 6);
    books.settle(&[receipt(1, 5)], NOON_MS);
    assert_eq!(books.stats(NOON_MS)["totalRevenue"], 6);
    let later = Receipt { minted_unix: NOON_UNIX + 61, ..receipt(3, 7) };
    books.settle(&[later], NOON_MS + 90_000);
    assert_eq!(books.stats(NOON_MS)["totalRevenue"], 13);
    assert_eq!(books.stats(NOON_MS)["uniquePayers"], 1);
    // A shorter memory than before brings nothing back.
    books.take(LedgerCommand::Prune { before_unix: 1 });
    books.settle(&[receipt(1, 5)], NOON_MS);
    assert_eq!(books.stats(NOON_MS)["totalRevenue"], 13);
}

#[test]
fn a_credential_for_what_was_forgotten_is_no_riddle() {
    let books = Books::new();
    books.settle(&[receipt(1, 5)], NOON_MS);
    books.take(LedgerCommand::Prune { before_unix: NOON_UNIX });
    assert_eq!(books.see(hash(1), NOON_MS), "seen");
    books.settle(&[receipt(1, 5)], NOON_MS);
    let stats = books.stats(NOON_MS);
    assert_eq!((&stats["unsettled"], &stats["totalRevenue"]), (&0.into(), &5.into()));
}

#[test]
fn a_clock_that_is_ahead_makes_nothing_count_twice() {
    let books = Books::new();
    // The node's clock made the invoice a minute after LNbits' called it paid.
    let odd = Receipt { minted_unix: NOON_UNIX + 30, ..receipt(1, 5) };
    books.settle(std::slice::from_ref(&odd), NOON_MS);
    books.take(LedgerCommand::Prune { before_unix: NOON_UNIX });
    books.settle(&[odd], NOON_MS + 1);
    assert_eq!(books.stats(NOON_MS)["totalRevenue"], 5);
    assert_eq!(books.due(NOON_MS + 2).len(), 1);
}

#[test]
fn payers_are_counted_once_each() {
    let books = Books::new();
    let of = |n: u8, client: Option<&str>| Receipt { client: client.map(str::to_owned), ..receipt(n, 1) };
    books.settle(&[of(1, Some("aa")), of(2, Some("aa")), of(3, None)], NOON_MS);
    books.settle(&[of(4, Some("aa")), of(5, Some("bb"))], NOON_MS);
    assert_eq!(books.stats(NOON_MS)["uniquePayers"], 2);
}

#[test]
fn what_was_seen_is_asked_about_until_it_is_settled_and_not_all_at_once() {
    let books = Books::new();
    (1..=12).for_each(|n| drop(books.see(hash(n), NOON_MS)));
    assert_eq!(books.ask(NOON_MS + 1_000).unsettled, [], "whoever saw it asks first");
    let first = books.ask(NOON_MS + 60_000).unsettled;
    assert_eq!(first.len(), 10);
    let second = books.ask(NOON_MS + 61_000).unsettled;
    assert_eq!(second.len(), 2);
    assert!(second.iter().all(|one| !first.contains(one)));
    books.settle(&[receipt(1, 5)], NOON_MS + 62_000);
    let third = books.ask(NOON_MS + 180_000).unsettled;
    assert!(!third.contains(&(WalletSlot::One, hash(1))));
    assert_eq!(books.ask(NOON_MS + 3 * 86_400_000).unsettled, [], "two days are enough");
}

#[test]
fn how_far_each_wallet_was_read_is_noted_by_its_key() {
    let books = Books::new();
    assert_eq!(books.ask(NOON_MS).place("aa"), Cursor::default());
    let place = |offset| Cursor {
        cursor: "2026-11-21T11:00:00+00:00".to_owned(),
        read_to: "2026-11-21T11:30:00+00:00".to_owned(),
        newest: "2026-11-21T11:59:00.5+00:00".to_owned(),
        offset,
    };
    for (wallet_key, offset) in [("aa", 50), ("bb", 100), ("aa", 150)] {
        books.take(LedgerCommand::save_cursor(wallet_key, &place(offset)));
    }
    let asked = books.ask(NOON_MS);
    assert_eq!((asked.place("aa"), asked.place("bb")), (place(150), place(100)));
    assert_eq!(asked.place("cc"), Cursor::default());
}

/// A wallet's list, last changed first: each payment's number and when it was changed.
#[derive(Default)]
struct List(Vec<(u32, u64)>);

impl List {
    fn change(&mut self, payment: u32, at: u64) {
        self.0.retain(|(known, _)| *known != payment);
        self.0.insert(0, (payment, at));
    }
}

/// One run over a list, as the cron makes it: so many pages at most.
fn read(list: &List, place: &mut Cursor, pages: usize, mut meet: impl FnMut(u32)) -> bool {
    const LIMIT: usize = 5;
    for _ in 0..pages {
        let rows: Vec<_> = list.0.iter().skip(place.offset).take(LIMIT).collect();
        rows.iter().for_each(|(payment, _)| meet(*payment));
        let time =
            |row: Option<&&(u32, u64)>| row.map(|(_, at)| format!("2026-11-21T11:59:00.{at:06}+00:00"));
        let (first, last) = (time(rows.first()), time(rows.last()));
        let piece = ListPage {
            first: first.as_deref(),
            last: last.as_deref(),
            rows: rows.len(),
            is_full: rows.len() == LIMIT,
        };
        let (next, is_done) = place.after(piece);
        *place = next;
        if is_done {
            return true;
        }
    }
    false
}

proptest! {
    #[test]
    fn every_payment_is_read_however_the_list_changes_between_the_runs(
        steps in prop::collection::vec((prop::collection::vec(0_u32..60, 0..12), 1_usize..4), 1..30)
    ) {
        let (mut list, mut place, mut at) = (List::default(), Cursor::default(), 0);
        let (mut paid, mut met) = (BTreeSet::new(), BTreeSet::new());
        for (payments, pages) in steps {
            for payment in payments {
                at += 1;
                list.change(payment, at);
                paid.insert(payment);
            }
            read(&list, &mut place, pages, |payment| { met.insert(payment); });
        }
        // When the shop is quiet, what was too much for the runs before is read to its end.
        for _ in 0..20 {
            read(&list, &mut place, 3, |payment| { met.insert(payment); });
        }
        prop_assert_eq!(met, paid);
    }
}

#[test]
fn a_list_that_was_read_costs_one_page() {
    let (mut list, mut place) = (List::default(), Cursor::default());
    (0..200).for_each(|n| list.change(n, u64::from(n)));
    while !read(&list, &mut place, 3, |_| {}) {}
    for n in 200..210 {
        list.change(n, u64::from(n));
        let mut met = Vec::new();
        while !read(&list, &mut place, 1, |payment| met.push(payment)) {}
        assert!(met.contains(&n) && met.len() <= 10, "{met:?}");
    }
}

#[test]
fn a_callback_says_what_lightning_toll_says() {
    let books = Books::new();
    books.settle(&[receipt(1, 5), Receipt { client: None, ..receipt(2, 6) }], NOON_MS);
    let due = books.due(NOON_MS);
    let expected = format!(
        "{{\"paymentHash\":\"{}\",\"amountSats\":5,\"endpoint\":\"/api/joke\",\"settledAt\":{},\"clientId\":\"aa\"}}",
        hash(1).to_hex(),
        NOON_UNIX - 30,
    );
    assert_eq!(due[0].body, expected);
    assert!(due[1].body.ends_with("\"clientId\":null}"));
}

#[test]
fn nobody_is_told_where_nobody_wants_to_be_nor_of_what_is_long_past() {
    let books = Books::new();
    books.take(LedgerCommand::record_settled(WalletSlot::One, &[receipt(1, 5)], false, NOON_MS));
    let old = Receipt { minted_unix: NOON_UNIX - 86_401, ..receipt(2, 6) };
    books.settle(&[old], NOON_MS);
    assert_eq!(books.due(NOON_MS), []);
    assert_eq!(books.stats(NOON_MS)["totalRevenue"], 11);
}

#[test]
fn a_callback_is_tried_again_ever_less_often_and_given_up_after_three_days() {
    let books = Books::new();
    books.settle(&[receipt(1, 5)], NOON_MS);
    // That nobody could be told for a week does not count.
    let first_ms = NOON_MS + 7 * 86_400_000;
    let (mut now_ms, mut waits_s) = (first_ms, Vec::new());
    loop {
        let due = books.due(now_ms);
        let [callback] = due.as_slice() else { panic!("one is due at {now_ms}") };
        let Some(next_ms) = books.fail(callback, now_ms) else { break };
        assert_eq!(books.due(next_ms - 1), []);
        waits_s.push((next_ms - now_ms) / 1_000);
        now_ms = next_ms;
    }
    assert_eq!(waits_s[..5], [5, 10, 20, 40, 80]);
    assert_eq!(waits_s.iter().max(), Some(&10_800));
    let given_up_ms = first_ms + 3 * 86_400_000;
    assert!((given_up_ms..given_up_ms + 10_800_000).contains(&now_ms));
    let stats = books.stats(now_ms);
    let dead = &stats["callbacks"]["dead"][0];
    assert_eq!(dead["paymentHash"], hash(1).to_hex());
    assert_eq!(dead["endpoint"], "/api/joke");
    assert_eq!(dead["amountSats"], 5);
    assert_eq!(dead["outcome"], "answered 500");
    assert_eq!(dead["tries"], waits_s.len() + 1);
    assert_eq!((&stats["callbacks"]["waiting"], &stats["callbacks"]["givenUp"]), (&0.into(), &1.into()));
    assert_eq!(books.take(LedgerCommand::NextCallback {}), "");
    // Sent again by hand, it has three days more.
    books.take(LedgerCommand::RetryCallbacks { now_ms });
    assert_eq!(books.take(LedgerCommand::NextCallback {}), now_ms.to_string());
    assert_eq!(books.fail(&books.due(now_ms)[0], now_ms), Some(now_ms + 5_000));
    books.take(LedgerCommand::CallbackDelivered { hash: &hash(1).to_hex() });
    assert_eq!(books.due(now_ms + 5_000), []);
}

#[test]
fn a_callback_that_was_delivered_is_not_made_again() {
    let books = Books::new();
    books.settle(&[receipt(1, 5)], NOON_MS);
    books.take(LedgerCommand::CallbackDelivered { hash: &hash(1).to_hex() });
    books.settle(&[receipt(1, 5)], NOON_MS + 1);
    assert_eq!(books.due(NOON_MS + 2), []);
}

#[test]
fn a_second_start_finds_everything_as_it_was() {
    let books = Books::new();
    books.settle(&[receipt(1, 5)], NOON_MS);
    ledger::migrate(&books, NOON_MS + 1).unwrap();
    assert_eq!(books.stats(NOON_MS)["totalRevenue"], 5);
}

#[test]
fn no_step_has_another_name() {
    assert!(ledger::run(&Books::new(), "drop", "{}").is_none());
}

/// The values are those of the specification's own example (standardwebhooks.com, "Verifying webhook authenticity").
#[test]
fn a_callback_is_signed_as_standard_webhooks_are() {
    let on_payment =
        OnPayment::new("https://example.com/x", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signature = on_payment.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn settings_of_callbacks_that_are_no_good_are_named() {
    let secret = "0f".repeat(32);
    for url in ["http://example.com/", "ftp://x/", "https://", "https://u@h/", "https://h/#x", "x"] {
        assert!(matches!(OnPayment::new(url, &secret), Err(Fault::Url(_))), "{url}");
    }
    for secret in ["", "short", "whsec_", "whsec_!!!!", "whsec_MfKQ9r8G"] {
        assert!(
            matches!(OnPayment::new("https://example.com/?a=b", secret), Err(Fault::Secret(_))),
            "{secret}"
        );
    }
    assert!(OnPayment::new("http://127.0.0.1:9/x", &secret).is_ok());
}

#[test]
fn metrics_escape_what_a_label_may_not_hold() {
    let books = Books::new();
    books.settle(&[Receipt { route: "/a\"\\\n".to_owned(), ..receipt(1, 5) }], NOON_MS);
    let stats = Json::parse(books.take(LedgerCommand::ReadStats { now_ms: NOON_MS }).as_bytes()).unwrap();
    let text = metrics(&stats).unwrap();
    assert!(text.contains("\nedgetoll_revenue_sats_total{route=\"/a\\\"\\\\\\n\"} 5\n"), "{text}");
    assert_eq!(metrics(&Json::Null), None);
}
