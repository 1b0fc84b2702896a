//! Tests of the ledger: SQL scripts, the reading of payment lists, traffic counts, callbacks and metrics. The SQL
//! scripts run in SQLite.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use crate::support::slots::SECOND;
use edgetoll::ledger::callback::{Callback, CallbackConfigError, OnPayment};
use edgetoll::ledger::command::{CommandName, LedgerCommand};
use edgetoll::ledger::metrics::metrics;
use edgetoll::ledger::sync::{Cursor, ListPage, slots_of_run};
use edgetoll::ledger::traffic::{Counts, GATHER_MS, MAX_OBSERVED, Outcome, Traffic};
use edgetoll::ledger::{self, Database, SyncPlan};
use edgetoll::payment::{PaymentHash, WalletSlot};
use edgetoll::protocols::price::Fiat;
use edgetoll::strict_json::Json;
use edgetoll::wallet::receipt::{Receipt, Sale, SaleTerms};
use proptest::prelude::*;
use rusqlite::StatementStatus;
use rusqlite::types::Value;

/// 2026-11-21, 12:00:00 UTC.
const NOON_MS: u64 = 1_795_262_400_000;
const NOON_UNIX: u64 = NOON_MS / 1_000;

/// A ledger in an SQLite database in memory, and the number of steps that SQLite has run in it.
struct TestLedger(RefCell<rusqlite::Connection>, Cell<i32>);

impl Database for TestLedger {
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
        drop(rows);
        self.1.set(self.1.get() + prepared.get_status(StatementStatus::VmStep));
        Ok(first.and_then(|value| if let Value::Text(text) = value { Some(text) } else { None }))
    }
}

impl TestLedger {
    fn new() -> Self {
        let ledger = Self(RefCell::new(rusqlite::Connection::open_in_memory().unwrap()), Cell::new(0));
        ledger::migrate(&ledger, NOON_MS).unwrap();
        ledger
    }

    fn run_command(&self, command: LedgerCommand<'_>) -> String {
        ledger::run(self, command.name(), &command.fields()).unwrap().unwrap_or_default()
    }

    /// Runs a command, and returns how many steps of SQLite's virtual machine it took.
    fn steps_of(&self, command: LedgerCommand<'_>) -> i32 {
        let before = self.1.get();
        self.run_command(command);
        self.1.get() - before
    }

    fn record_settled(&self, receipts: &[Receipt], now_ms: u64) {
        self.run_command(LedgerCommand::record_settled(WalletSlot::FIRST, receipts, true, now_ms));
    }

    fn record_seen(&self, hash: PaymentHash, now_ms: u64) -> String {
        let (hash, wallet) = (&hash.to_hex(), WalletSlot::FIRST.as_str());
        self.run_command(LedgerCommand::RecordSeen {
            now_ms,
            hash,
            route: "/seen",
            sats: 5,
            payer: Some("bb"),
            wallet,
            protocol: "l402",
        })
    }

    fn read_stats(&self, now_ms: u64) -> serde_json::Value {
        serde_json::from_str(&self.run_command(LedgerCommand::ReadStats { now_ms, limits: None })).unwrap()
    }

    fn due_callbacks(&self, now_ms: u64) -> Vec<Callback> {
        Callback::parse_all(&self.run_command(LedgerCommand::DueCallbacks { now_ms }))
    }

    /// Records a failed attempt to send a callback. Returns when the next attempt is due; `None` if the callback is
    /// given up.
    fn fail_callback(&self, callback: &Callback, now_ms: u64) -> Option<u64> {
        let next_ms = callback.next_ms(now_ms);
        self.run_command(LedgerCommand::CallbackFailed {
            hash: &callback.hash,
            now_ms,
            next_ms,
            outcome: "answered 500",
        });
        next_ms
    }

    fn plan_sync(&self, now_ms: u64) -> SyncPlan {
        SyncPlan::parse(&self.run_command(LedgerCommand::PlanSync { now_ms })).unwrap()
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
        terms: SaleTerms::default(),
    }
}

#[test]
fn a_payment_counts_once_if_two_wallets_report_it_several_times() {
    let ledger = TestLedger::new();
    assert_eq!(ledger.record_seen(hash(1), NOON_MS), "seen");
    assert_eq!(ledger.read_stats(NOON_MS)["totalRevenue"], 0);
    assert_eq!(ledger.read_stats(NOON_MS)["unsettled"], 1);
    let twice = [receipt(1, 5), receipt(1, 5)];
    for (wallet, now_ms) in
        [(WalletSlot::FIRST, NOON_MS), (SECOND, NOON_MS + 1), (WalletSlot::FIRST, NOON_MS + 99)]
    {
        ledger.run_command(LedgerCommand::record_settled(wallet, &twice, true, now_ms));
    }
    assert_eq!(ledger.record_seen(hash(1), NOON_MS), "settled");
    let stats = ledger.read_stats(NOON_MS);
    assert_eq!(stats["totalRevenue"], 5);
    assert_eq!(stats["totalPayments"], 1);
    assert_eq!(stats["unsettled"], 0);
    assert_eq!(stats["recentPayments"].as_array().unwrap().len(), 1);
    assert_eq!(ledger.due_callbacks(NOON_MS + 100).len(), 1);
}

#[test]
fn a_second_report_of_a_settled_payment_changes_nothing() {
    let ledger = TestLedger::new();
    ledger.record_settled(&[receipt(1, 5)], NOON_MS);
    let before = ledger.read_stats(NOON_MS);
    let other = Receipt { route: "/other".to_owned(), settled: String::new(), ..receipt(1, 500) };
    ledger.record_settled(&[other], NOON_MS);
    assert_eq!(ledger.read_stats(NOON_MS), before);
}

#[test]
fn the_statistics_have_the_keys_of_lightning_toll_and_the_values_that_lnbits_reported() {
    let ledger = TestLedger::new();
    // The route, amount and payer that LNbits reports replace the values from the credential.
    ledger.record_seen(hash(1), NOON_MS);
    let plain = Receipt { client: None, route: "/b".to_owned(), ..receipt(2, 100) };
    ledger.record_settled(&[receipt(1, 5), plain], NOON_MS);
    let stats = ledger.read_stats(NOON_MS);
    let keys = ["totalRevenue", "totalRequests", "totalPaid", "uniquePayers", "endpoints", "recentPayments"];
    let text = ledger.run_command(LedgerCommand::ReadStats { now_ms: NOON_MS, limits: None });
    let positions: Vec<usize> = keys.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(positions.is_sorted(), "{text}");
    assert_eq!(stats["totalRevenue"], 105);
    assert_eq!(stats["uniquePayers"], 1);
    assert_eq!(stats["endpoints"]["/api/joke"]["revenue"], 5);
    assert_eq!(stats["endpoints"]["/b"]["revenue"], 100);
    assert!(stats["endpoints"].get("/seen").is_none());
    let payment = stats["recentPayments"]
        .as_array()
        .unwrap()
        .iter()
        .find(|payment| payment["endpoint"] == "/api/joke")
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
fn the_statistics_list_the_last_twenty_payments_newest_first() {
    let ledger = TestLedger::new();
    let receipts: Vec<Receipt> = (1..=30)
        .map(|n| Receipt {
            settled: format!("2026-11-21T11:00:{n:02}+00:00"),
            minted_unix: NOON_UNIX - 7_200,
            ..receipt(n, 1)
        })
        .collect();
    ledger.record_settled(&receipts, NOON_MS);
    let stats = ledger.read_stats(NOON_MS);
    let listed: Vec<&str> = stats["recentPayments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| payment["paymentHash"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (11..=30).rev().map(|n| hash(n).to_hex()).collect();
    assert_eq!(listed, expected);
}

#[test]
fn a_settlement_time_that_is_malformed_or_in_the_future_is_replaced_by_the_current_time() {
    let ledger = TestLedger::new();
    for (n, settled) in [(1, "yesterday"), (2, ""), (3, "2036-01-01T00:00:00+00:00")] {
        ledger.record_settled(&[Receipt { settled: settled.to_owned(), ..receipt(n, 1) }], NOON_MS);
    }
    for payment in ledger.read_stats(NOON_MS)["recentPayments"].as_array().unwrap() {
        assert_eq!(payment["timestamp"], NOON_MS);
    }
}

#[test]
fn a_settlement_time_in_unix_seconds_is_a_time_like_one_in_iso_8601() {
    let settled_ms = |settled: &str, minted_unix| {
        let ledger = TestLedger::new();
        let settled = settled.to_owned();
        ledger.record_settled(&[Receipt { settled, minted_unix, ..receipt(1, 1) }], NOON_MS);
        let payment = &ledger.read_stats(NOON_MS)["recentPayments"][0];
        payment["timestamp"].as_u64().unwrap_or_else(|| panic!("{payment}"))
    };
    let minted_unix = NOON_UNIX - 60;
    let seconds = (NOON_UNIX - 30).to_string();
    assert_eq!(settled_ms(&seconds, minted_unix), NOON_MS - 30_000);
    assert_eq!(settled_ms("2026-11-21T11:59:30+00:00", minted_unix), NOON_MS - 30_000);
    // A time before the invoice: 0 and 5 could also be days of the Julian calendar.
    for early in ["0", "5", "5373485", "-1", &(NOON_UNIX - 61).to_string()] {
        assert_eq!(settled_ms(early, minted_unix), NOON_MS - 60_000, "{early}");
    }
    // A time in the future, in milliseconds, or none at all. The second is a day in the year 9999.
    for late in [
        (NOON_UNIX + 1).to_string(),
        "5373484".to_owned(),
        NOON_MS.to_string(),
        "253402300799".to_owned(),
        "253402300800".to_owned(),
        u64::MAX.to_string(),
        "9".repeat(400),
        "NaN".to_owned(),
        "now".to_owned(),
    ] {
        assert_eq!(settled_ms(&late, minted_unix), NOON_MS, "{late}");
    }
    // The latest timestamp of an invoice (BOLT 11).
    assert_eq!(settled_ms(&seconds, (1 << 35) - 1), ((1 << 35) - 1) * 1_000);
}

fn count_requests(counts: &Counts, now_ms: u64) -> LedgerCommand<'_> {
    LedgerCommand::CountRequests { now_ms, routes: &counts.routes, refusals: &counts.refusals }
}

// A8 (CHANGELOG)
#[test]
fn statistics_and_metrics_show_that_invoices_per_minute_was_reached() {
    let ledger = TestLedger::new();
    let none = serde_json::json!({"requests": 0, "last": null});
    assert_eq!(ledger.read_stats(NOON_MS)["noInvoiceLeft"], none);
    for at_ms in [NOON_MS, NOON_MS + 60_000] {
        let mut traffic = Traffic::NONE;
        for code in ["too_many_invoices", "ambiguous_path", "too_many_invoices"] {
            traffic.count("/a", Outcome::Refused, Some(code), at_ms);
        }
        let taken = traffic.take();
        traffic.put_back(&taken);
        ledger.run_command(count_requests(&traffic.take()[0], at_ms));
    }
    let mut traffic = Traffic::NONE;
    traffic.count("/a", Outcome::Challenged, Some("expired"), NOON_MS + 90_000);
    ledger.run_command(count_requests(&traffic.take()[0], NOON_MS + 90_000));
    let stats = ledger.read_stats(NOON_MS);
    assert_eq!(stats["noInvoiceLeft"], serde_json::json!({"requests": 4, "last": NOON_MS + 60_000}));
    // U18 (CHANGELOG): the dashboard shows why requests were refused, and why credentials were.
    let expected = serde_json::json!([
        {"code": "too_many_invoices", "requests": 4, "last": NOON_MS + 60_000},
        {"code": "ambiguous_path", "requests": 2, "last": NOON_MS + 60_000},
        {"code": "expired", "requests": 1, "last": NOON_MS + 90_000},
    ]);
    assert_eq!(stats["refusals"], expected);
    assert_eq!(stats["endpoints"]["/a"]["refused"], 6);
    let text = metrics(&Json::parse(stats.to_string().as_bytes()).unwrap()).unwrap();
    assert!(text.contains("\nedgetoll_no_invoice_left_total 4\n"), "{text}");
    assert!(text.contains("\nedgetoll_refusals_total{code=\"expired\"} 1\n"), "{text}");
}

#[test]
fn the_ledger_counts_requests_by_route_and_outcome() {
    let ledger = TestLedger::new();
    let mut traffic = Traffic::NONE;
    assert!(
        traffic.count("/a\"b", Outcome::Paid, None, NOON_MS),
        "the first request of an isolate writes the counts"
    );
    for outcome in [Outcome::Free, Outcome::Challenged, Outcome::Challenged, Outcome::Refused] {
        assert!(!traffic.count("/a\"b", outcome, None, NOON_MS + GATHER_MS - 1));
    }
    assert!(!traffic.count("/c", Outcome::Paid, None, NOON_MS + 1));
    let taken = traffic.take();
    assert_eq!(traffic.take(), [Counts::default(), Counts::default()]);
    ledger.run_command(count_requests(&taken[0], NOON_MS));
    traffic.put_back(&taken);
    assert!(
        traffic.count("/c", Outcome::Free, None, NOON_MS + GATHER_MS),
        "the counts that were put back are due again"
    );
    ledger.run_command(count_requests(&traffic.take()[0], NOON_MS));
    let stats = ledger.read_stats(NOON_MS);
    let expected = serde_json::json!({
        "revenue": 0, "requests": 10, "paid": 2, "free": 2, "challenged": 4, "refused": 2, "payments": 0,
    });
    assert_eq!(stats["endpoints"]["/a\"b"], expected);
    let total = |key: &str| stats[key].as_u64().unwrap();
    let totals = ["totalRequests", "totalPaid", "totalFree", "totalChallenged", "totalRefused"].map(total);
    assert_eq!(totals, [13, 4, 3, 4, 2]);
}

fn client(n: usize) -> String {
    format!("{n:032x}")
}

fn count_observed(ledger: &TestLedger, traffic: &mut Traffic, now_ms: u64) {
    let [_, observed] = traffic.take();
    ledger.run_command(LedgerCommand::CountObserved { now_ms, routes: &observed.routes });
}

#[test]
fn the_ledger_says_what_observed_routes_would_have_charged() {
    let ledger = TestLedger::new();
    assert_eq!(ledger.read_stats(NOON_MS)["observed"], serde_json::json!({}));
    let mut traffic = Traffic::NONE;
    assert!(
        traffic.count_observed("/a\"b", 402, 5, Some(&client(1)), NOON_MS),
        "the first request of an isolate writes the counts"
    );
    for (route, status, sats, client_of) in [
        ("/a\"b", 402, 5, Some(1)),
        ("/a\"b", 402, 7, Some(2)),
        ("/a\"b", 402, 5, None),
        ("/a\"b", 200, 0, None),
        ("/c", 402, 3, Some(1)),
        ("", 400, 0, None),
    ] {
        let client = client_of.map(client);
        assert!(!traffic.count_observed(route, status, sats, client.as_deref(), NOON_MS + 1));
    }
    let taken = traffic.take();
    traffic.put_back(&taken);
    count_observed(&ledger, &mut traffic, NOON_MS);
    // The same client is counted once for a route.
    traffic.count_observed("/a\"b", 402, 5, Some(&client(2)), NOON_MS + 60_000);
    traffic.count_observed("/a\"b", 402, 5, Some(&client(3)), NOON_MS + 60_000);
    count_observed(&ledger, &mut traffic, NOON_MS + 60_000);
    let stats = ledger.read_stats(NOON_MS);
    let expected = serde_json::json!({
        "": {"400": 1, "sats": 0},
        "/a\"b": {"200": 1, "402": 6, "clients": 3, "sats": 32},
        "/c": {"402": 1, "clients": 1, "sats": 3},
    });
    assert_eq!(stats["observed"], expected);
    assert_eq!(stats["totalRequests"], 0);
    let text = metrics(&Json::parse(stats.to_string().as_bytes()).unwrap()).unwrap();
    for sample in [
        "edgetoll_observed_requests_total{route=\"/a\\\"b\",status=\"402\"} 6",
        "edgetoll_observed_requests_total{route=\"\",status=\"400\"} 1",
        "edgetoll_observed_sats_total{route=\"/c\"} 3",
        "edgetoll_observed_clients{route=\"/a\\\"b\"} 3",
    ] {
        assert!(text.contains(&format!("\n{sample}\n")), "{sample}\n{text}");
    }
    let samples = |name: &str| text.matches(&format!("\nedgetoll_observed_{name}{{")).count();
    assert_eq!(["requests_total", "sats_total", "clients"].map(samples), [4, 3, 2], "{text}");
    // The ledger keeps no pseudonym for longer than payments, and keeps the sums.
    let clients =
        || ledger.run("SELECT CAST(count(*) AS TEXT) FROM observed_clients", None).unwrap().unwrap();
    assert_eq!(clients(), "4");
    ledger.run_command(LedgerCommand::Prune { before_unix: NOON_UNIX });
    assert_eq!(clients(), "4");
    ledger.run_command(LedgerCommand::Prune { before_unix: NOON_UNIX + 86_400 });
    assert_eq!(clients(), "0");
    assert_eq!(ledger.read_stats(NOON_MS)["observed"], expected);
}

#[test]
fn observed_clients_are_bounded_in_the_isolate_and_in_the_ledger() {
    let ledger = TestLedger::new();
    let mut traffic = Traffic::NONE;
    let mut steps = Vec::new();
    for batch in 0..20 {
        for n in 0..MAX_OBSERVED + 50 {
            traffic.count_observed("/a", 402, 1, Some(&client(batch * 600 + n)), NOON_MS);
        }
        let [_, observed] = traffic.take();
        assert_eq!(observed.routes.len(), MAX_OBSERVED + 1);
        let command = LedgerCommand::CountObserved { now_ms: NOON_MS, routes: &observed.routes };
        steps.push(ledger.steps_of(command));
    }
    let stats = ledger.read_stats(NOON_MS);
    assert_eq!(stats["observed"]["/a"]["clients"], 1_000);
    assert_eq!(stats["observed"]["/a"]["402"], 20 * (MAX_OBSERVED + 50));
    let rows = ledger.run("SELECT CAST(count(*) AS TEXT) FROM observed_clients", None).unwrap().unwrap();
    assert!(rows.parse::<usize>().unwrap() <= 1_000, "{rows}");
    assert!(steps[19] <= steps[1] * 2, "{steps:?}");
}

#[test]
fn a_pruned_payment_stays_in_the_revenue_and_never_counts_again() {
    let ledger = TestLedger::new();
    let of_other_payer = Receipt { client: Some("cc".to_owned()), ..receipt(4, 1) };
    ledger.record_settled(&[receipt(1, 5), of_other_payer], NOON_MS);
    ledger.record_seen(hash(2), NOON_MS);
    assert_eq!(ledger.read_stats(NOON_MS)["uniquePayers"], 2);
    let before_unix = NOON_UNIX + 60;
    ledger.run_command(LedgerCommand::Prune { before_unix });
    let pruned = ledger.read_stats(NOON_MS);
    assert_eq!(pruned["recentPayments"], serde_json::json!([]));
    assert_eq!(pruned["uniquePayers"], 0);
    assert_eq!(pruned["unsettled"], 0);
    assert_eq!(pruned["totalRevenue"], 6);
    assert_eq!(pruned["revenueByDay"][0]["sats"], 6);
    ledger.record_settled(&[receipt(1, 5)], NOON_MS);
    assert_eq!(ledger.read_stats(NOON_MS)["totalRevenue"], 6);
    let later = Receipt { minted_unix: NOON_UNIX + 61, ..receipt(3, 7) };
    ledger.record_settled(&[later], NOON_MS + 90_000);
    assert_eq!(ledger.read_stats(NOON_MS)["totalRevenue"], 13);
    assert_eq!(ledger.read_stats(NOON_MS)["uniquePayers"], 1);
    // Pruning with an earlier time must not let a pruned payment count again.
    ledger.run_command(LedgerCommand::Prune { before_unix: 1 });
    ledger.record_settled(&[receipt(1, 5)], NOON_MS);
    assert_eq!(ledger.read_stats(NOON_MS)["totalRevenue"], 13);
}

#[test]
fn a_credential_for_a_pruned_payment_adds_no_revenue_and_no_unsettled_payment() {
    let ledger = TestLedger::new();
    ledger.record_settled(&[receipt(1, 5)], NOON_MS);
    ledger.run_command(LedgerCommand::Prune { before_unix: NOON_UNIX });
    assert_eq!(ledger.record_seen(hash(1), NOON_MS), "seen");
    ledger.record_settled(&[receipt(1, 5)], NOON_MS);
    let stats = ledger.read_stats(NOON_MS);
    assert_eq!((&stats["unsettled"], &stats["totalRevenue"]), (&0.into(), &5.into()));
}

#[test]
fn a_payment_whose_invoice_has_a_timestamp_after_the_settlement_counts_once() {
    let ledger = TestLedger::new();
    // The clock of the node is ahead of the clock of LNbits, so the invoice seems to be created after it was paid.
    let from_future = Receipt { minted_unix: NOON_UNIX + 30, ..receipt(1, 5) };
    ledger.record_settled(std::slice::from_ref(&from_future), NOON_MS);
    ledger.run_command(LedgerCommand::Prune { before_unix: NOON_UNIX });
    ledger.record_settled(&[from_future], NOON_MS + 1);
    assert_eq!(ledger.read_stats(NOON_MS)["totalRevenue"], 5);
    assert_eq!(ledger.due_callbacks(NOON_MS + 2).len(), 1);
}

#[test]
fn a_payer_of_several_payments_counts_as_one_unique_payer() {
    let ledger = TestLedger::new();
    let of = |n: u8, client: Option<&str>| Receipt { client: client.map(str::to_owned), ..receipt(n, 1) };
    ledger.record_settled(&[of(1, Some("aa")), of(2, Some("aa")), of(3, None)], NOON_MS);
    ledger.record_settled(&[of(4, Some("aa")), of(5, Some("bb"))], NOON_MS);
    assert_eq!(ledger.read_stats(NOON_MS)["uniquePayers"], 2);
}

#[test]
fn the_cron_trigger_looks_up_at_most_ten_unsettled_payments_and_none_that_was_seen_over_two_days_ago() {
    let ledger = TestLedger::new();
    (1..=12).for_each(|n| drop(ledger.record_seen(hash(n), NOON_MS)));
    assert_eq!(
        ledger.plan_sync(NOON_MS + 1_000).unsettled,
        [],
        "the request with the credential looks up the payment first"
    );
    let first = ledger.plan_sync(NOON_MS + 60_000).unsettled;
    assert_eq!(first.len(), 10);
    let second = ledger.plan_sync(NOON_MS + 61_000).unsettled;
    assert_eq!(second.len(), 2);
    assert!(second.iter().all(|payment| !first.contains(payment)));
    ledger.record_settled(&[receipt(1, 5)], NOON_MS + 62_000);
    let third = ledger.plan_sync(NOON_MS + 180_000).unsettled;
    assert!(!third.iter().any(|payment| payment.hash == hash(1)));
    let sale = Sale { route: "/seen".to_owned(), client: Some("bb".to_owned()) };
    assert!(third.iter().all(|payment| payment.slot == WalletSlot::FIRST && payment.sale == sale));
    assert_eq!(
        ledger.plan_sync(NOON_MS + 3 * 86_400_000).unsettled,
        [],
        "a payment that was seen two days ago is not looked up any more"
    );
}

#[test]
fn a_run_reads_the_lists_of_at_most_two_wallets_and_the_runs_take_turns() {
    let turns = |count: usize| -> Vec<String> {
        let numbers = |slots: Vec<WalletSlot>| slots.into_iter().map(WalletSlot::as_str).collect::<String>();
        (0..5).map(|run| numbers(slots_of_run(&WalletSlot::ALL[..count], 1_800_000_000 + run * 60))).collect()
    };
    assert_eq!(turns(0), ["", "", "", "", ""]);
    assert_eq!(turns(1), ["1", "1", "1", "1", "1"]);
    assert_eq!(turns(2), ["12", "12", "12", "12", "12"]);
    assert_eq!(turns(3), ["12", "3", "12", "3", "12"]);
    assert_eq!(turns(8), ["12", "34", "56", "78", "12"]);
}

#[test]
fn with_gaps_between_the_slots_the_runs_take_turns_over_the_slots_that_have_a_wallet() {
    let slots = [WalletSlot::FIRST, WalletSlot::ALL[3], WalletSlot::ALL[7]];
    let [one, four, eight] = slots;
    let at = |now_unix| slots_of_run(&slots, now_unix);
    // All seconds of a minute belong to one run.
    assert_eq!(
        [at(0), at(59), at(60), at(119), at(120)],
        [vec![one, four], vec![one, four], vec![eight], vec![eight], vec![one, four]]
    );
    assert!(!at(u64::MAX).is_empty());
}

/// A list of an NWC wallet: the times at which the invoices were created and paid. The list starts with the invoice that was
/// created last.
#[derive(Default)]
struct TransactionList(Vec<(u64, u64)>);

impl TransactionList {
    /// Returns a page of the invoices that were paid at `now_unix`, as `list_transactions` of NIP-47 does.
    fn page(&self, from_unix: u64, offset: usize, limit: usize, now_unix: u64) -> Vec<(u64, u64)> {
        let mut paid: Vec<_> = self
            .0
            .iter()
            .copied()
            .filter(|(created, paid)| *created >= from_unix && *paid <= now_unix)
            .collect();
        paid.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        paid.into_iter().skip(offset).take(limit).collect()
    }
}

#[test]
fn a_pass_over_the_list_of_an_nwc_wallet_starts_early_enough_for_invoices_that_are_paid_late() {
    let cursor = |cursor: u64, read_to: &str, newest: &str, offset| Cursor {
        cursor: cursor.to_string(),
        read_to: read_to.to_owned(),
        newest: newest.to_owned(),
        offset,
    };
    let new = Cursor::default();
    assert_eq!((new.from_unix(NOON_UNIX), new.from_unix(5)), (NOON_UNIX - 86_400, 0));
    for unreadable in ["2026-11-21T11:00:00+00:00", "-1", "1e9", "18446744073709551616"] {
        let cursor = Cursor { cursor: unreadable.to_owned(), ..Cursor::default() };
        assert_eq!(cursor.from_unix(NOON_UNIX), NOON_UNIX - 86_400, "{unreadable}");
    }
    // The next pass starts before the oldest invoice that can still be paid, and an hour earlier.
    let first = new.after_transactions(NOON_UNIX, 600, 3, false);
    assert_eq!(first, cursor(NOON_UNIX - 600 - 3_600, &NOON_UNIX.to_string(), "", 0));
    assert_eq!(first.from_unix(u64::MAX), NOON_UNIX - 4_200);
    // A pass of several runs keeps its start, and the next pass starts from the time at which it began.
    let began = NOON_UNIX.to_string();
    let half = new.after_transactions(NOON_UNIX, 600, 20, true);
    assert_eq!(half, cursor(NOON_UNIX - 86_400, "", &began, 20));
    let more = half.after_transactions(NOON_UNIX + 60, 600, 25, true);
    assert_eq!(more, cursor(NOON_UNIX - 86_400, "", &began, 45));
    assert_eq!(
        more.after_transactions(NOON_UNIX + 120, 600, 0, false),
        cursor(NOON_UNIX - 4_200, &began, "", 0)
    );
    // No numbers cause an overflow.
    let far = Cursor { offset: usize::MAX, newest: "x".to_owned(), ..Cursor::default() };
    assert_eq!(far.after_transactions(0, u64::MAX, usize::MAX, true).offset, usize::MAX);
    assert_eq!(far.after_transactions(0, u64::MAX, 0, false).cursor, "0");
    assert_eq!(new.after_transactions(5, u64::MAX, 0, false), cursor(0, "5", "", 0));
}

proptest! {
    #[test]
    fn every_payment_in_the_list_of_an_nwc_wallet_is_read_although_it_changes_between_the_runs(
        events in proptest::collection::vec((0_u64..600, 0_u64..900, 0_u64..120, 0_usize..4), 0..120),
    ) {
        let (mut list, mut cursor, mut now_unix) = (TransactionList::default(), Cursor::default(), NOON_UNIX);
        let mut read = BTreeSet::new();
        let mut run = |list: &TransactionList, cursor: &mut Cursor, now_unix: u64, pages: usize| {
            for _ in 0..pages {
                let page = list.page(cursor.from_unix(now_unix), cursor.offset, 3, now_unix);
                read.extend(page.iter().copied());
                *cursor = cursor.after_transactions(now_unix, 600, page.len(), page.len() == 3);
            }
        };
        // The invoices expire after 600 s, and the wallet may report a payment later still. Each run reads few pages.
        for (wait_s, paid_after_s, until_next_s, pages) in events {
            now_unix += until_next_s;
            list.0.push((now_unix - wait_s, now_unix - wait_s + paid_after_s.max(wait_s)));
            run(&list, &mut cursor, now_unix, pages);
        }
        run(&list, &mut cursor, now_unix + 900, 2 * list.0.len() + 4);
        for payment in &list.0 {
            prop_assert!(read.contains(payment), "{payment:?}");
        }
    }
}

#[test]
fn each_wallet_has_its_own_cursor_in_its_payment_list() {
    let ledger = TestLedger::new();
    assert_eq!(ledger.plan_sync(NOON_MS).cursor("aa"), Cursor::default());
    let cursor = |offset| Cursor {
        cursor: "2026-11-21T11:00:00+00:00".to_owned(),
        read_to: "2026-11-21T11:30:00+00:00".to_owned(),
        newest: "2026-11-21T11:59:00.5+00:00".to_owned(),
        offset,
    };
    for (wallet_key, offset) in [("aa", 50), ("bb", 100), ("aa", 150)] {
        ledger.run_command(LedgerCommand::save_cursor(wallet_key, &cursor(offset)));
    }
    let plan = ledger.plan_sync(NOON_MS);
    assert_eq!((plan.cursor("aa"), plan.cursor("bb")), (cursor(150), cursor(100)));
    assert_eq!(plan.cursor("cc"), Cursor::default());
}

/// A simulated payment list of a wallet: for each payment, its identifying number and the time of its last change in
/// microseconds. The payment that changed last comes first.
#[derive(Default)]
struct PaymentList(Vec<(u32, u64)>);

impl PaymentList {
    fn change(&mut self, payment: u32, at_us: u64) {
        self.0.retain(|(known, _)| *known != payment);
        self.0.insert(0, (payment, at_us));
    }
}

/// Reads at most `max_pages` pages of a payment list, as one run of the cron trigger does, and calls `record` for each
/// payment. Returns whether the pass over the list is complete.
fn read_pages(
    list: &PaymentList,
    cursor: &mut Cursor,
    max_pages: usize,
    mut record: impl FnMut(u32),
) -> bool {
    const PAGE_ROWS: usize = 5;
    for _ in 0..max_pages {
        let rows: Vec<_> = list.0.iter().skip(cursor.offset).take(PAGE_ROWS).collect();
        rows.iter().for_each(|(payment, _)| record(*payment));
        let time =
            |row: Option<&&(u32, u64)>| row.map(|(_, at_us)| format!("2026-11-21T11:59:00.{at_us:06}+00:00"));
        let (first, last) = (time(rows.first()), time(rows.last()));
        let page = ListPage {
            first: first.as_deref(),
            last: last.as_deref(),
            rows: rows.len(),
            is_full: rows.len() == PAGE_ROWS,
        };
        let (next, is_complete) = cursor.after(page);
        *cursor = next;
        if is_complete {
            return true;
        }
    }
    false
}

proptest! {
    #[test]
    fn every_payment_is_read_although_the_list_changes_between_the_runs(
        runs in prop::collection::vec((prop::collection::vec(0_u32..60, 0..12), 1_usize..4), 1..30)
    ) {
        let (mut list, mut cursor, mut now_us) = (PaymentList::default(), Cursor::default(), 0);
        let (mut paid, mut recorded) = (BTreeSet::new(), BTreeSet::new());
        for (payments, max_pages) in runs {
            for payment in payments {
                now_us += 1;
                list.change(payment, now_us);
                paid.insert(payment);
            }
            read_pages(&list, &mut cursor, max_pages, |payment| { recorded.insert(payment); });
        }
        // If no payment changes any more, later runs read the rest of the list.
        for _ in 0..20 {
            read_pages(&list, &mut cursor, 3, |payment| { recorded.insert(payment); });
        }
        prop_assert_eq!(recorded, paid);
    }
}

#[test]
fn a_full_page_that_ends_with_the_time_of_the_cursor_is_not_the_last_page_of_a_pass() {
    let cursor = Cursor { cursor: "t2".to_owned(), ..Cursor::default() };
    let is_complete = |last: &str| {
        let page = ListPage { first: Some("t3"), last: Some(last), rows: 5, is_full: true };
        cursor.after(page).1
    };
    // Payments with the same time can be on both pages.
    assert_eq!(["t3", "t2", "t1"].map(is_complete), [false, false, true]);
    let read_to_t3 = Cursor { read_to: "t3".to_owned(), ..cursor.clone() };
    let empty = ListPage { first: None, last: None, rows: 0, is_full: false };
    let next = Cursor { cursor: "t3".to_owned(), ..read_to_t3.clone() };
    assert_eq!(read_to_t3.after(empty), (next, true), "an empty list does not move the cursor back");
}

#[test]
fn after_a_complete_pass_over_a_payment_list_a_new_payment_is_found_in_at_most_two_pages() {
    let (mut list, mut cursor) = (PaymentList::default(), Cursor::default());
    (0..200).for_each(|n| list.change(n, u64::from(n)));
    while !read_pages(&list, &mut cursor, 3, |_| {}) {}
    for n in 200..210 {
        list.change(n, u64::from(n));
        let mut recorded = Vec::new();
        while !read_pages(&list, &mut cursor, 1, |payment| recorded.push(payment)) {}
        assert!(recorded.contains(&n) && recorded.len() <= 10, "{recorded:?}");
    }
}

#[test]
fn the_body_of_a_callback_has_the_keys_of_lightning_toll() {
    let ledger = TestLedger::new();
    ledger.record_settled(&[receipt(1, 5), Receipt { client: None, ..receipt(2, 6) }], NOON_MS);
    let due = ledger.due_callbacks(NOON_MS);
    let expected = format!(
        "{{\"paymentHash\":\"{}\",\"amountSats\":5,\"endpoint\":\"/api/joke\",\"settledAt\":{},\"clientId\":\"aa\"}}",
        hash(1).to_hex(),
        NOON_UNIX - 30,
    );
    assert_eq!(due[0].body, expected);
    assert!(due[1].body.ends_with("\"clientId\":null}"));
}

#[test]
fn no_callback_is_recorded_if_callbacks_are_off_or_the_invoice_is_over_a_day_older_than_the_ledger() {
    let ledger = TestLedger::new();
    ledger.run_command(LedgerCommand::record_settled(WalletSlot::FIRST, &[receipt(1, 5)], false, NOON_MS));
    let old = Receipt { minted_unix: NOON_UNIX - 86_401, ..receipt(2, 6) };
    ledger.record_settled(&[old], NOON_MS);
    assert_eq!(ledger.due_callbacks(NOON_MS), []);
    assert_eq!(ledger.read_stats(NOON_MS)["totalRevenue"], 11);
}

#[test]
fn a_failed_callback_is_retried_after_waits_that_double_up_to_three_hours_and_given_up_after_three_days() {
    let ledger = TestLedger::new();
    ledger.record_settled(&[receipt(1, 5)], NOON_MS);
    // The three days begin with the first failed attempt. Here, the first failed attempt is a week after the payment.
    let first_ms = NOON_MS + 7 * 86_400_000;
    let (mut now_ms, mut waits_s) = (first_ms, Vec::new());
    loop {
        let due = ledger.due_callbacks(now_ms);
        let [callback] = due.as_slice() else { panic!("no callback is due at {now_ms}") };
        let Some(next_ms) = ledger.fail_callback(callback, now_ms) else { break };
        assert_eq!(ledger.due_callbacks(next_ms - 1), []);
        waits_s.push((next_ms - now_ms) / 1_000);
        now_ms = next_ms;
    }
    assert_eq!(waits_s[..5], [5, 10, 20, 40, 80]);
    assert_eq!(waits_s.iter().max(), Some(&10_800));
    let given_up_ms = first_ms + 3 * 86_400_000;
    assert!((given_up_ms..given_up_ms + 10_800_000).contains(&now_ms));
    let stats = ledger.read_stats(now_ms);
    let given_up = &stats["callbacks"]["dead"][0];
    assert_eq!(given_up["paymentHash"], hash(1).to_hex());
    assert_eq!(given_up["endpoint"], "/api/joke");
    assert_eq!(given_up["amountSats"], 5);
    assert_eq!(given_up["outcome"], "answered 500");
    assert_eq!(given_up["tries"], waits_s.len() + 1);
    assert_eq!((&stats["callbacks"]["waiting"], &stats["callbacks"]["givenUp"]), (&0.into(), &1.into()));
    assert_eq!(ledger.run_command(LedgerCommand::NextCallback {}), "");
    // After `retry_callbacks`, the callback is due at once. If attempts fail again, it is retried for another three days.
    ledger.run_command(LedgerCommand::RetryCallbacks { now_ms });
    assert_eq!(ledger.run_command(LedgerCommand::NextCallback {}), now_ms.to_string());
    assert_eq!(ledger.fail_callback(&ledger.due_callbacks(now_ms)[0], now_ms), Some(now_ms + 5_000));
    ledger.run_command(LedgerCommand::CallbackDelivered { hash: &hash(1).to_hex() });
    assert_eq!(ledger.due_callbacks(now_ms + 5_000), []);
}

#[test]
fn a_delivered_callback_is_not_sent_again_if_the_payment_is_reported_again() {
    let ledger = TestLedger::new();
    ledger.record_settled(&[receipt(1, 5)], NOON_MS);
    ledger.run_command(LedgerCommand::CallbackDelivered { hash: &hash(1).to_hex() });
    ledger.record_settled(&[receipt(1, 5)], NOON_MS + 1);
    assert_eq!(ledger.due_callbacks(NOON_MS + 2), []);
}

impl TestLedger {
    /// Returns the hashes of the payments that a command lists, as numbers.
    fn list_payments(&self, hash: &str, before_ms: &str, before_hash: &str) -> Vec<u64> {
        let list = self.run_command(LedgerCommand::ListPayments { hash, before_ms, before_hash });
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let number = |payment: &serde_json::Value| {
            u64::from_str_radix(payment["paymentHash"].as_str().unwrap(), 16).unwrap()
        };
        list.as_array().unwrap().iter().map(number).collect()
    }
}

/// U18 (CHANGELOG)
#[test]
fn every_settled_payment_is_on_one_page_of_payments_even_if_many_have_the_same_time() {
    let ledger = ledger_of(45);
    ledger.record_seen(hash(0xff), NOON_MS);
    let late = Receipt { settled: "2026-11-21T11:59:59+00:00".to_owned(), ..numbered_receipt(100) };
    ledger.record_settled(&[late], NOON_MS);
    let recent = &ledger.read_stats(NOON_MS)["recentPayments"];
    let (mut pages, mut before_ms, mut before_hash) = (Vec::new(), "9999999999999".to_owned(), String::new());
    loop {
        let page = ledger.list_payments("", &before_ms, &before_hash);
        let Some(last) = page.last() else { break };
        (before_hash, before_ms) = (format!("{last:064x}"), (NOON_MS - 30_000).to_string());
        pages.push(page);
    }
    let expected: Vec<u64> = [100].into_iter().chain((0..45).rev()).collect();
    assert_eq!(pages.concat(), expected);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 6]);
    assert_eq!(
        recent[19]["paymentHash"],
        format!("{:064x}", pages[0][19]),
        "the statistics have the first page"
    );
}

/// U18 (CHANGELOG)
#[test]
fn a_payment_is_found_by_the_first_digits_of_its_hash_even_if_it_is_not_settled() {
    let ledger = ledger_of(300);
    ledger.record_seen(hash(0xab), NOON_MS);
    let of = |prefix: &str| ledger.list_payments(prefix, "", "");
    assert_eq!(of(&format!("{:064x}", 7)), [7]);
    assert_eq!(of(&format!("{:063x}", 1)), (16..32).collect::<Vec<_>>());
    assert_eq!(of("0"), (0..20).collect::<Vec<_>>(), "at most 20");
    for none in ["AB", "f", "0g", "%", "_", "' OR 1"] {
        assert_eq!(of(none), [0_u64; 0], "{none}");
    }
    let found =
        ledger.run_command(LedgerCommand::ListPayments { hash: "abab", before_ms: "", before_hash: "" });
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found[0]["paymentHash"], &found[0]["timestamp"]), (&hash(0xab).to_hex().into(), &().into()));
}

/// A8, U18 (CHANGELOG)
#[test]
fn a_migration_keeps_how_often_invoices_per_minute_was_reached() {
    let ledger = TestLedger(RefCell::new(rusqlite::Connection::open_in_memory().unwrap()), Cell::new(0));
    ledger::migrate(&ledger, NOON_MS).unwrap();
    let to_schema_2 = "DROP TABLE observed; DROP TABLE observed_clients; DROP TABLE refusals; DROP INDEX payments_unsettled; DROP INDEX callbacks_given_up; ALTER TABLE payments DROP host; \
                       ALTER TABLE payments DROP protocol; ALTER TABLE payments DROP uses; ALTER TABLE payments DROP fiat; UPDATE meta SET value = 2 WHERE key = 'schema'; \
                       INSERT INTO meta (key, value) VALUES ('no_invoice_left', 7), ('no_invoice_left_ms', 5)";
    ledger.0.borrow().execute_batch(to_schema_2).unwrap();
    ledger::migrate(&ledger, NOON_MS).unwrap();
    let reached = serde_json::json!({"requests": 7, "last": 5});
    assert_eq!(ledger.read_stats(NOON_MS)["noInvoiceLeft"], reached);
}

/// Attack A6 (CHANGELOG): to record one payment, the ledger read all earlier payments, and each run of the cron trigger
/// read all payers.
#[test]
fn a_command_costs_as_much_in_a_ledger_of_10000_payments_as_in_one_of_10() {
    let (small, large) = (ledger_of(10), ledger_of(10_000));
    let receipt = |n: u32| Receipt { client: Some(format!("new {n}")), ..numbered_receipt(n) };
    let (first, second) = (receipt(1_000_000), receipt(1_000_001));
    let (hash, now_ms) = (&first.payment_hash.to_hex(), NOON_MS);
    let (routes, cursor) = ([("/api/joke".to_owned(), [1, 1, 1, 1])], Cursor::default());
    let (paid_ms, middle) = ((NOON_MS - 30_000).to_string(), format!("{:064x}", 9));
    let commands = || {
        [
            LedgerCommand::RecordSeen {
                now_ms,
                hash,
                route: "/seen",
                sats: 5,
                payer: Some("bb"),
                wallet: "1",
                protocol: "l402",
            },
            LedgerCommand::PlanSync { now_ms: NOON_MS + 60_000 },
            LedgerCommand::record_settled(WalletSlot::FIRST, std::slice::from_ref(&first), true, NOON_MS),
            LedgerCommand::record_settled(WalletSlot::FIRST, std::slice::from_ref(&second), true, NOON_MS),
            LedgerCommand::record_settled(WalletSlot::FIRST, std::slice::from_ref(&second), true, NOON_MS),
            LedgerCommand::DueCallbacks { now_ms },
            LedgerCommand::NextCallback {},
            LedgerCommand::CallbackDelivered { hash },
            LedgerCommand::CountRequests { now_ms, routes: &routes, refusals: &[("expired", 1)] },
            LedgerCommand::ListPayments { hash: &middle, before_ms: "", before_hash: "" },
            LedgerCommand::ListPayments { hash: "", before_ms: &paid_ms, before_hash: &middle },
            LedgerCommand::ExportPayments { from: "2026-11-22", to: "", after_ms: None, after_hash: "" },
            LedgerCommand::save_cursor("aa", &cursor),
            LedgerCommand::Prune { before_unix: NOON_UNIX - 86_400 },
        ]
    };
    for (a, b) in commands().into_iter().zip(commands()) {
        let name = a.name();
        let (few, many) = (small.steps_of(a), large.steps_of(b));
        assert!(many <= few + few / 4 + 20, "{name:?}: {few} steps with 10 payments, {many} with 10,000");
    }
}

/// Attack A6 (CHANGELOG): to delete an old payment, the cron trigger read all kept payments of the same payer.
#[test]
fn an_old_payment_is_deleted_as_cheaply_from_a_payer_with_4000_payments_as_from_one_with_10() {
    let ledger_of_one_payer = |payments: u32| {
        let ledger = TestLedger::new();
        let minted_unix = NOON_UNIX - 40 * 86_400;
        let old = Receipt {
            minted_unix,
            settled: "2026-10-12T12:00:00+00:00".to_owned(),
            ..numbered_receipt(9_999)
        };
        let receipts: Vec<Receipt> = (0..payments)
            .map(numbered_receipt)
            .chain([old])
            .map(|receipt| Receipt { client: Some("one".to_owned()), ..receipt })
            .collect();
        ledger.run_command(LedgerCommand::record_settled(WalletSlot::FIRST, &receipts, false, NOON_MS));
        ledger
    };
    let steps = |payments: u32| {
        let ledger = ledger_of_one_payer(payments);
        let steps = ledger.steps_of(LedgerCommand::Prune { before_unix: NOON_UNIX - 30 * 86_400 });
        let (kept, of_payer): (u32, u32) = ledger
            .0
            .borrow()
            .query_row("SELECT (SELECT count(*) FROM payments), payments FROM payers", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!((kept, of_payer), (payments, payments));
        steps
    };
    let (few, many) = (steps(10), steps(4_000));
    assert!(many <= few + few / 4 + 20, "{few} steps with 10 payments, {many} with 4,000");
}

/// Attack A6 (CHANGELOG): rows that stay for a long time after a wallet was replaced, or while the owner's server is down.
#[test]
fn rows_that_wait_for_a_wallet_or_for_the_owner_do_not_make_the_cron_trigger_and_the_dashboard_slow() {
    let seen_before = |rows: u32, ms: u64| {
        let ledger = ledger_of(10);
        for n in 0..rows {
            ledger.record_seen(
                PaymentHash::from_hex(&format!("{:064x}", 5_000_000 + n)).unwrap(),
                NOON_MS - ms,
            );
        }
        ledger
    };
    let unsettled = |rows: u32| seen_before(rows, 3 * 86_400_000);
    let to_look_up = |rows: u32| seen_before(rows, 3_600_000);
    let callbacks = |rows: u32| {
        let ledger = TestLedger::new();
        let receipts: Vec<Receipt> = (0..rows).map(numbered_receipt).collect();
        ledger.run_command(LedgerCommand::record_settled(WalletSlot::FIRST, &receipts, true, NOON_MS));
        ledger
    };
    let given_up = |rows: u32| {
        let ledger = callbacks(rows);
        ledger.0.borrow().execute_batch("UPDATE callbacks SET next_ms = NULL, tries = 30").unwrap();
        ledger
    };
    let observed = |rows: u32| {
        let ledger = ledger_of(10);
        let clients = format!(
            "INSERT INTO observed VALUES ('/0', 'clients', 1000), ('/1', 'clients', 1000), ('/2', 'clients', 1000), ('/3', 'clients', 1000); \
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows}) \
             INSERT INTO observed_clients SELECT '/' || n % 4, n, '2026-11-21' FROM n"
        );
        ledger.0.borrow().execute_batch(&clients).unwrap();
        // The first run of a day reads all clients.
        ledger.run_command(LedgerCommand::Prune { before_unix: NOON_UNIX - 30 * 86_400 });
        ledger
    };
    let ledgers: [(&str, &dyn Fn(u32) -> TestLedger); 6] = [
        ("clients of observed routes", &observed),
        ("unsettled", &unsettled),
        ("unsettled, and seen in the last two days", &to_look_up),
        ("waiting callbacks", &callbacks),
        ("given-up callbacks", &given_up),
        ("settled at the same time", &ledger_of),
    ];
    for (name, ledger_with) in ledgers {
        let (few, many) = (ledger_with(1_000), ledger_with(4_000));
        for command in [
            || LedgerCommand::PlanSync { now_ms: NOON_MS },
            || LedgerCommand::Prune { before_unix: NOON_UNIX - 30 * 86_400 },
            || LedgerCommand::ReadStats { now_ms: NOON_MS, limits: None },
            || LedgerCommand::DueCallbacks { now_ms: NOON_MS },
        ] {
            let (a, b) = (few.steps_of(command()), many.steps_of(command()));
            assert!(
                b <= a + a / 4 + 20,
                "{name}, {:?}: {a} steps with 1,000 rows, {b} with 4,000",
                command().name()
            );
        }
    }
}

/// Returns a ledger with this number of settled payments, each of another payer.
fn ledger_of(payments: u32) -> TestLedger {
    let ledger = TestLedger::new();
    let receipts: Vec<Receipt> = (0..payments).map(numbered_receipt).collect();
    ledger.run_command(LedgerCommand::record_settled(WalletSlot::FIRST, &receipts, false, NOON_MS));
    ledger
}

impl TestLedger {
    /// Returns the pages of an export: the text of each page, and the steps that it took.
    fn export(&self, from: &str, to: &str) -> Vec<(String, i32)> {
        let command = LedgerCommand::ExportPayments { from, to, after_ms: None, after_hash: "" };
        let mut pages = Vec::new();
        let mut fields = command.fields();
        while !fields.is_empty() {
            let before = self.1.get();
            let page = ledger::run(self, command.name(), &fields).unwrap().unwrap();
            let (next, rows) = page.split_once('\n').unwrap();
            pages.push((rows.to_owned(), self.1.get() - before));
            fields = next.to_owned();
        }
        pages
    }

    fn export_text(&self, from: &str, to: &str) -> String {
        self.export(from, to).into_iter().map(|(rows, _)| rows).collect()
    }
}

const EXPORT_HEADER: &str = "created,settled,amount_sats,amount_msat,route,host,wallet,payment_hash,protocol,uses,\
                             fiat_currency,fiat_amount\r\n";

#[test]
fn the_export_has_a_row_for_each_settled_payment_and_no_text_in_it_is_a_formula_for_a_spreadsheet() {
    let ledger = TestLedger::new();
    assert_eq!(ledger.export_text("", ""), EXPORT_HEADER);
    ledger.record_seen(hash(1), NOON_MS);
    ledger.record_seen(hash(9), NOON_MS);
    let terms = |host: &str, uses, fiat: &str| SaleTerms {
        host: Some(host.to_owned()),
        uses,
        fiat: Fiat::parse(fiat),
    };
    let sold = |n: u8, route: &str, terms| Receipt {
        route: route.to_owned(),
        terms,
        settled: format!("2026-11-21T11:59:{n:02}Z"),
        ..receipt(n, u64::from(n))
    };
    ledger.record_settled(
        &[
            sold(1, "/say \"hi\", *", terms("api.example.com", Some(32), "0.01 USD")),
            sold(2, "=HYPERLINK(\"http://x\")", terms("-1+1", None, "12.5 EUR")),
            sold(3, "\t=1", SaleTerms::default()),
            sold(4, "＝1", terms("\t=1", None, "")),
            sold(5, "/a", terms("＋1", None, "")),
        ],
        NOON_MS,
    );
    let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|n| hash(n).to_hex());
    let rows = [
        EXPORT_HEADER.to_owned(),
        format!(
            "2026-11-21T11:59:00Z,2026-11-21T11:59:01Z,1,1000,\"/say \"\"hi\"\", *\",\"api.example.com\",1,{one},l402,32,USD,0.01\r\n"
        ),
        format!(
            "2026-11-21T11:59:00Z,2026-11-21T11:59:02Z,2,2000,\"'=HYPERLINK(\"\"http://x\"\")\",\"'-1+1\",1,{two},,,EUR,12.5\r\n"
        ),
        format!("2026-11-21T11:59:00Z,2026-11-21T11:59:03Z,3,3000,\"'\t=1\",\"\",1,{three},,,,\r\n"),
        format!("2026-11-21T11:59:00Z,2026-11-21T11:59:04Z,4,4000,\"'＝1\",\"'\t=1\",1,{four},,,,\r\n"),
        format!("2026-11-21T11:59:00Z,2026-11-21T11:59:05Z,5,5000,\"/a\",\"'＋1\",1,{five},,,,\r\n"),
    ];
    assert_eq!(ledger.export_text("", ""), rows.concat());
    ledger.run_command(LedgerCommand::RecordSeen {
        now_ms: NOON_MS,
        hash: &two,
        route: "/",
        sats: 2,
        payer: None,
        wallet: "1",
        protocol: "x-preimage",
    });
    ledger.record_seen(hash(2), NOON_MS);
    assert!(ledger.export_text("", "").contains(&format!("{two},x-preimage,")), "the first use counts");
}

#[test]
fn the_days_of_an_export_are_in_utc_and_inclusive_and_any_other_text_is_refused() {
    let ledger = TestLedger::new();
    let at = |n: u8, settled: &str| Receipt { settled: settled.to_owned(), minted_unix: 1, ..receipt(n, 1) };
    ledger.record_settled(
        &[at(1, "2026-10-31T23:59:59Z"), at(2, "2026-11-01T00:00:00Z"), at(3, "2026-11-20T23:59:59Z")],
        NOON_MS,
    );
    for (from, to, expected) in [
        ("", "", &[1, 2, 3][..]),
        ("2026-11-01", "", &[2, 3]),
        ("", "2026-10-31", &[1]),
        ("2026-11-01", "2026-11-01", &[2]),
        ("2026-11-20", "2026-11-20", &[3]),
        ("2026-11-21", "2026-11-21", &[]),
        ("2026-11-02", "2026-11-01", &[]),
    ] {
        let text = ledger.export_text(from, to);
        let found: Vec<u8> = (1..=3).filter(|n| text.contains(&hash(*n).to_hex())).collect();
        assert_eq!(found, expected, "{from} to {to}");
        assert!(text.starts_with(EXPORT_HEADER));
    }
    for wrong in [
        "2026-11-31",
        "2026-1-1",
        "2026-11",
        "now",
        "1795262400",
        "2026-11-01T00:00",
        " ",
        "'",
        "2026-11-01 ",
    ] {
        for (from, to) in [(wrong, ""), ("", wrong)] {
            let command = LedgerCommand::ExportPayments { from, to, after_ms: None, after_hash: "" };
            assert_eq!(ledger.run_command(command), "", "{wrong}");
        }
    }
}

/// Attack A6 (CHANGELOG): no page reads more rows than it returns, however many payments there are.
#[test]
fn an_export_has_each_payment_once_and_each_page_costs_the_same_in_a_ledger_of_any_size() {
    let (small, large) = (ledger_of(501), ledger_of(4_000));
    let (few, many) = (small.export("", ""), large.export("2026-11-01", "2026-12-31"));
    assert_eq!((few.len(), many.len()), (3, 17), "4,000 payments are 16 full pages, and one that is empty");
    let text: String = many.iter().map(|(rows, _)| rows.as_str()).collect();
    let hashes: Vec<&str> = text.split("\r\n").skip(1).filter_map(|row| row.split(',').nth(7)).collect();
    let expected: Vec<String> = (0..4_000).map(|n| format!("{n:064x}")).collect();
    assert!(hashes == expected, "{} rows", hashes.len());
    let steps: Vec<i32> = many.iter().take(16).map(|(_, steps)| *steps).collect();
    let most = few.iter().map(|(_, steps)| *steps).max().unwrap();
    assert!(steps.iter().all(|steps| *steps <= most + most / 10), "{most} {steps:?}");
}

#[test]
fn a_page_of_an_export_is_short_even_if_the_wallet_reports_long_routes() {
    let ledger = TestLedger::new();
    let receipts: Vec<Receipt> =
        (0..250).map(|n| Receipt { route: "\"".repeat(10_000), ..numbered_receipt(n) }).collect();
    ledger.record_settled(&receipts, NOON_MS);
    assert!(ledger.export("", "")[0].0.len() < 1_000_000);
}

fn numbered_receipt(n: u32) -> Receipt {
    let payment_hash = PaymentHash::from_hex(&format!("{n:064x}")).unwrap();
    Receipt { payment_hash, client: Some(format!("{n:032x}")), ..receipt(1, 5) }
}

#[test]
fn a_second_migration_of_the_ledger_keeps_its_payments() {
    let ledger = TestLedger::new();
    ledger.record_settled(&[receipt(1, 5)], NOON_MS);
    ledger::migrate(&ledger, NOON_MS + 1).unwrap();
    assert_eq!(ledger.read_stats(NOON_MS)["totalRevenue"], 5);
}

#[test]
fn each_ledger_command_runs_and_is_parsed_only_from_its_exact_name() {
    for word in ["", "drop", "Prune", "prune ", "meta"] {
        assert_eq!(CommandName::parse(word), None, "{word}");
    }
    for command in [
        LedgerCommand::CallbackDelivered { hash: "" },
        LedgerCommand::CallbackFailed { hash: "", now_ms: 0, next_ms: None, outcome: "" },
        LedgerCommand::CountRequests { now_ms: 0, routes: &[], refusals: &[] },
        LedgerCommand::ListPayments { hash: "", before_ms: "", before_hash: "" },
        LedgerCommand::DueCallbacks { now_ms: 0 },
        LedgerCommand::ExportPayments { from: "", to: "", after_ms: None, after_hash: "" },
        LedgerCommand::NextCallback {},
        LedgerCommand::PlanSync { now_ms: 0 },
        LedgerCommand::Prune { before_unix: 0 },
        LedgerCommand::ReadStats { now_ms: 0, limits: None },
        LedgerCommand::RecordSeen {
            now_ms: 0,
            hash: "",
            route: "",
            sats: 0,
            payer: None,
            wallet: "1",
            protocol: "",
        },
        LedgerCommand::record_settled(WalletSlot::FIRST, &[], false, 0),
        LedgerCommand::RetryCallbacks { now_ms: 0 },
        LedgerCommand::save_cursor("", &Cursor::default()),
    ] {
        let name = command.name();
        assert_eq!(CommandName::parse(name.as_str()), Some(name));
        // Only these commands record a payment, repeat a callback, or replace an alarm that was lost.
        let makes_due = ["record_settled", "retry_callbacks", "plan_sync"].contains(&name.as_str());
        assert_eq!(name.may_make_callback_due(), makes_due, "{name:?}");
        TestLedger::new().run_command(command);
    }
}

/// All values are from the example in the specification (standardwebhooks.com, "Verifying webhook authenticity").
#[test]
fn a_callback_is_signed_as_standard_webhooks_specifies() {
    let on_payment =
        OnPayment::new("https://example.com/x", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    assert_eq!(on_payment.url(), "https://example.com/x");
    let signature = on_payment.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn the_error_for_an_invalid_callback_setting_says_whether_the_url_or_the_secret_is_wrong() {
    let secret = "0f".repeat(32);
    for url in ["http://example.com/", "ftp://x/", "https://", "https://u@h/", "https://h/#x", "x"] {
        assert!(matches!(OnPayment::new(url, &secret), Err(CallbackConfigError::Url(_))), "{url}");
    }
    // R7 (CHANGELOG), https://github.com/standard-webhooks/standard-webhooks/issues/235: the libraries read every secret as
    // base64, and differ in how they read the last three.
    let (url_safe, unpadded) =
        ("whsec_-_KQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA");
    let text = "a long text of more than 24 bytes";
    for secret in ["", "short", "whsec_", "whsec_!!!!", "whsec_MfKQ9r8G", url_safe, unpadded, text] {
        assert!(
            matches!(OnPayment::new("https://example.com/?a=b", secret), Err(CallbackConfigError::Secret(_))),
            "{secret}"
        );
    }
    assert!(OnPayment::new("http://127.0.0.1:9/x", &secret).is_ok());
}

#[test]
fn metrics_escape_quotes_backslashes_and_line_breaks_in_route_labels() {
    let ledger = TestLedger::new();
    ledger.record_settled(&[Receipt { route: "/a\"\\\n".to_owned(), ..receipt(1, 5) }], NOON_MS);
    let stats = Json::parse(
        ledger.run_command(LedgerCommand::ReadStats { now_ms: NOON_MS, limits: None }).as_bytes(),
    )
    .unwrap();
    let text = metrics(&stats).unwrap();
    assert!(text.contains("\nedgetoll_revenue_sats_total{route=\"/a\\\"\\\\\\n\"} 5\n"), "{text}");
    assert_eq!(metrics(&Json::Null), None);
}
