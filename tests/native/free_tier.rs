//! The free tier: approximate counts in Workers KV by many isolates, exact counts in a Durable Object, and the windows
//! in which free requests are counted.

use std::collections::BTreeMap;

use edgetoll::policy::free_tier::exact_counter::{ExactCounter, FreeTierRequest, FreeTierResponse};
use edgetoll::policy::free_tier::kv_counters::{KvCounters, KvWriteError};
use edgetoll::policy::free_tier::network_shares::NetworkShares;
use edgetoll::policy::free_tier::new_clients::NewClients;
use edgetoll::policy::free_tier::{FreeTier, FreeTierDenied};
use edgetoll::strict_json::FromJson;
use proptest::prelude::*;
use serde::Serialize;

const QUOTA: u64 = 10;
/// More writes than any test needs, unless the test is about this limit.
const WRITES_PER_DAY: u64 = 1_000_000;
const HOUR_MS: u64 = 3_600_000;
/// The start of a window of one hour, in Unix milliseconds.
const START_MS: u64 = 1_800_000_000_000;

/// A simulated Workers KV. The isolate that wrote a value reads it at once. Other isolates read it only after
/// `stale_ms`. A second write to a key within a second is refused.
struct Store {
    stale_ms: u64,
    writes: BTreeMap<String, Vec<StoredWrite>>,
    refuses_writes: bool,
}

struct StoredWrite {
    at_ms: u64,
    isolate: usize,
    value: String,
}

impl Store {
    fn new(stale_ms: u64) -> Self {
        Self { stale_ms, writes: BTreeMap::new(), refuses_writes: false }
    }

    fn read(&self, key: &str, isolate: usize, now_ms: u64) -> Option<String> {
        let writes = self.writes.get(key)?;
        let is_visible =
            |write: &&StoredWrite| write.isolate == isolate || write.at_ms + self.stale_ms <= now_ms;
        writes.iter().rev().find(is_visible).map(|write| write.value.clone())
    }

    fn write(&mut self, key: &str, isolate: usize, value: String, now_ms: u64) -> Result<(), KvWriteError> {
        let writes = self.writes.entry(key.to_owned()).or_default();
        if self.refuses_writes {
            return Err(KvWriteError::Broken);
        }
        if writes.last().is_some_and(|last| now_ms < last.at_ms + 1_000) {
            return Err(KvWriteError::Busy);
        }
        writes.push(StoredWrite { at_ms: now_ms, isolate, value });
        Ok(())
    }
}

/// Isolates that share a store, and their scheduled writes. The methods call the counters as the Worker does.
struct Edge {
    isolates: Vec<KvCounters>,
    store: Store,
    scheduled: Vec<ScheduledWrite>,
}

struct ScheduledWrite {
    at_ms: u64,
    isolate: usize,
    key: String,
    is_retry: bool,
}

impl Edge {
    fn new(isolates: usize, stale_ms: u64) -> Self {
        let isolates = (0..isolates).map(|index| KvCounters::new(format!("i{index}"))).collect();
        Self { isolates, store: Store::new(stale_ms), scheduled: Vec::new() }
    }

    /// Takes a free request on an isolate. Returns how many free requests remain.
    fn take(&mut self, isolate: usize, key: &str, now_ms: u64) -> Result<u64, FreeTierDenied> {
        self.run_scheduled_writes(now_ms);
        let counters = &mut self.isolates[isolate];
        if counters.needs_read(key, QUOTA, now_ms)? {
            let value = self.store.read(key, isolate, now_ms);
            counters.merge(key, value.as_deref(), START_MS + HOUR_MS, now_ms)?;
        }
        let taken = counters.take(key, QUOTA, WRITES_PER_DAY, now_ms)?;
        if taken.must_write {
            self.schedule_write(isolate, key, now_ms);
        }
        self.run_scheduled_writes(now_ms);
        Ok(taken.remaining)
    }

    fn schedule_write(&mut self, isolate: usize, key: &str, now_ms: u64) {
        if let Some(wait_ms) = self.isolates[isolate].write_in_ms(key, now_ms) {
            let write =
                ScheduledWrite { at_ms: now_ms + wait_ms, isolate, key: key.to_owned(), is_retry: false };
            self.scheduled.push(write);
        }
    }

    fn run_scheduled_writes(&mut self, now_ms: u64) {
        let due: Vec<_> = self.scheduled.extract_if(.., |write| write.at_ms <= now_ms).collect();
        for ScheduledWrite { at_ms, isolate, key, is_retry } in due {
            let write = self.isolates[isolate].write(&key, WRITES_PER_DAY, at_ms).unwrap();
            let result = self.store.write(&key, isolate, write.value.clone(), at_ms);
            if result == Err(KvWriteError::Busy) && !is_retry {
                // Each isolate waits for a different time before its retry, so that the retries do not collide again.
                let at_ms = at_ms + 1_000 + 37 * isolate as u64;
                self.scheduled.push(ScheduledWrite { at_ms, isolate, key, is_retry: true });
                continue;
            }
            if self.isolates[isolate].wrote(&key, &write, result, at_ms) {
                self.schedule_write(isolate, &key, at_ms);
            }
        }
    }
}

/// Returns the next number of a pseudorandom sequence.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Sends one request every `every_ms`, all of one client, each to a random isolate. Returns how many of them are free.
fn count_granted(isolates: usize, stale_ms: u64, every_ms: u64, seed: u64) -> u64 {
    let mut edge = Edge::new(isolates, stale_ms);
    let mut random = seed;
    let requests = (HOUR_MS / every_ms).min(2_000);
    (0..requests)
        .filter(|index| {
            let isolate = next_random(&mut random) as usize % isolates;
            edge.take(isolate, "k", START_MS + index * every_ms).is_ok()
        })
        .count() as u64
}

#[test]
fn a_client_gets_at_most_the_quota_from_each_isolate_if_kv_reads_are_a_minute_old() {
    for isolates in [1, 2, 3, 10, 50] {
        for every_ms in [1, 50, 400, 1_500, 20_000] {
            for seed in 0..8 {
                let granted = count_granted(isolates, 60_000, every_ms, seed);
                let requests = (HOUR_MS / every_ms).min(2_000);
                assert!(granted <= QUOTA * isolates as u64, "{isolates} isolates, {every_ms} ms: {granted}");
                assert!(granted >= QUOTA.min(requests), "{isolates} isolates, {every_ms} ms: {granted}");
            }
        }
    }
}

#[test]
fn with_10_isolates_a_burst_gets_10_quotas_and_a_slow_client_at_most_3() {
    assert_eq!(count_granted(10, 60_000, 1, 1), QUOTA * 10);
    // The slow client sends one request every 20 seconds.
    for seed in 0..20 {
        let granted = count_granted(10, 60_000, 20_000, seed);
        assert!(granted <= QUOTA * 3, "{granted}");
    }
    // The client gets exactly the quota if reads are never stale and requests are not more frequent than writes.
    assert_eq!(count_granted(10, 0, 1_500, 1), QUOTA);
}

#[test]
fn the_counts_of_two_isolates_for_the_same_client_add_up() {
    let mut edge = Edge::new(2, 0);
    for round in 0..4 {
        edge.take(0, "k", START_MS + round * 3_000).unwrap();
        edge.take(1, "k", START_MS + round * 3_000 + 1_500).unwrap();
    }
    assert_eq!(edge.take(0, "k", START_MS + 20_000), Ok(1));
    assert_eq!(edge.take(1, "k", START_MS + 40_000), Ok(0));
    assert_eq!(edge.take(0, "k", START_MS + 60_000), Err(FreeTierDenied::UsedUp));
}

#[test]
fn a_kv_key_is_written_at_most_once_a_second_and_the_last_write_has_the_whole_count() {
    let mut edge = Edge::new(1, 0);
    for index in 0..QUOTA {
        edge.take(0, "k", START_MS + index * 10).unwrap();
    }
    edge.run_scheduled_writes(START_MS + 5_000);
    let values: Vec<&str> = edge.store.writes["k"].iter().map(|write| write.value.as_str()).collect();
    assert_eq!(values.len(), 2, "{values:?}");
    assert_eq!(values[1], "i0:10");
}

#[test]
fn a_second_task_writes_the_count_if_the_first_task_has_not_written_it_for_20_seconds() {
    let mut counters = KvCounters::new("a".to_owned());
    assert_eq!(counters.needs_read("k", QUOTA, START_MS), Ok(true));
    counters.merge("k", None, START_MS + HOUR_MS, START_MS).unwrap();
    assert!(counters.take("k", QUOTA, WRITES_PER_DAY, START_MS).unwrap().must_write);
    assert!(
        !counters.take("k", QUOTA, WRITES_PER_DAY, START_MS + 1).unwrap().must_write,
        "another task is responsible for the write"
    );
    assert!(
        counters.take("k", QUOTA, WRITES_PER_DAY, START_MS + 20_000).unwrap().must_write,
        "the time of the responsible task is over"
    );
}

#[test]
fn a_task_writes_again_after_a_slow_write_only_while_no_second_task_is_responsible() {
    for (slow_ms, must_write_again) in [(19_999, true), (20_000, false), (20_001, false)] {
        let mut counters = KvCounters::new("a".to_owned());
        counters.merge("k", None, START_MS + HOUR_MS, START_MS).unwrap();
        assert!(counters.take("k", QUOTA, WRITES_PER_DAY, START_MS).unwrap().must_write);
        let write = counters.write("k", WRITES_PER_DAY, START_MS).unwrap();
        // This request is counted during the write.
        counters.take("k", QUOTA, WRITES_PER_DAY, START_MS + 1).unwrap();
        let again = counters.wrote("k", &write, Ok(()), START_MS + slow_ms);
        assert_eq!(again, must_write_again, "{slow_ms}");
    }
}

// A9 (CHANGELOG)
#[test]
fn an_isolate_that_has_made_its_writes_of_the_day_counts_in_memory_and_writes_again_on_the_next_day() {
    const DAY_MS: u64 = 86_400_000;
    let midnight_ms = START_MS / DAY_MS * DAY_MS;
    let mut counters = KvCounters::new("a".to_owned());
    let mut writes_of = |clients: std::ops::Range<u32>, now_ms: u64| {
        clients
            .filter(|client| {
                let key = format!("k{client}");
                if counters.needs_read(&key, QUOTA, now_ms).unwrap() {
                    counters.merge(&key, None, midnight_ms + 2 * DAY_MS, now_ms).unwrap();
                }
                let taken = counters.take(&key, QUOTA, 500, now_ms).unwrap();
                let write = counters.write(&key, 500, now_ms);
                assert_eq!(taken.must_write, write.is_some(), "{client}");
                write.is_some_and(|write| {
                    counters.wrote(&key, &write, Ok(()), now_ms);
                    true
                })
            })
            .count()
    };
    assert_eq!(writes_of(0..1_000, midnight_ms), 500);
    assert_eq!(writes_of(1_000..1_100, midnight_ms + DAY_MS - 1), 0);
    assert_eq!(
        writes_of(600..700, midnight_ms + DAY_MS),
        100,
        "each of these clients had an unwritten count"
    );
    for used in 2..QUOTA {
        assert_eq!(
            counters.take("k999", QUOTA, 500, midnight_ms).map(|taken| taken.remaining),
            Ok(QUOTA - used)
        );
    }
    assert!(counters.take("k999", QUOTA, 500, midnight_ms).is_ok());
    assert_eq!(counters.take("k999", QUOTA, 500, midnight_ms), Err(FreeTierDenied::UsedUp));
}

// A9 (CHANGELOG)
#[test]
fn the_clients_of_one_ipv6_network_together_get_the_free_requests_of_four_clients() {
    let tier = FreeTier { requests: 3, window_ms: HOUR_MS };
    let mut networks = NetworkShares::default();
    let granted = (0..120).filter(|_| networks.take("a", tier).is_ok()).count();
    assert_eq!(granted, 12);
    assert_eq!(networks.take("b", tier), Ok(()), "another network has its own share");
    networks.give_back("a");
    assert_eq!(networks.take("a", tier), Ok(()));
    assert_eq!(networks.take("a", tier), Err(FreeTierDenied::NetworkUsedUp));
}

// A9 (CHANGELOG)
#[test]
fn an_isolate_remembers_20000_networks_and_then_forgets_all_of_them() {
    let tier = FreeTier { requests: 1, window_ms: HOUR_MS };
    let mut networks = NetworkShares::default();
    let use_up =
        |networks: &mut NetworkShares, key: &str| (0..4).for_each(|_| networks.take(key, tier).unwrap());
    use_up(&mut networks, "a");
    for network in 0..19_999 {
        assert_eq!(networks.take(&network.to_string(), tier), Ok(()));
    }
    assert_eq!(networks.take("a", tier), Err(FreeTierDenied::NetworkUsedUp));
    assert_eq!(networks.take("another", tier), Ok(()));
    use_up(&mut networks, "a");
    assert_eq!(networks.take("a", tier), Err(FreeTierDenied::NetworkUsedUp));
}

#[test]
fn no_request_is_free_if_the_value_in_kv_is_malformed_or_uses_up_the_quota() {
    let mut counters = KvCounters::new("a".to_owned());
    for value in ["5", "a:", ":5", "a:x", "a:-1", "a:1;b:2", "a:99999999999999999999", "<html>"] {
        let merged = counters.merge("k", Some(value), START_MS + HOUR_MS, START_MS);
        assert_eq!(merged, Err(FreeTierDenied::StoreUnreadable), "{value}");
    }
    counters.merge("k", Some("b:3,c:6"), START_MS + HOUR_MS, START_MS).unwrap();
    assert_eq!(counters.take("k", QUOTA, WRITES_PER_DAY, START_MS).map(|taken| taken.remaining), Ok(0));
    assert_eq!(counters.take("k", QUOTA, WRITES_PER_DAY, START_MS), Err(FreeTierDenied::UsedUp));
    // The sum of these counts overflows. It must not become a small number, because requests would then be free.
    counters.merge("big", Some("b:18446744073709551615,c:5"), START_MS + HOUR_MS, START_MS).unwrap();
    assert_eq!(counters.take("big", QUOTA, WRITES_PER_DAY, START_MS), Err(FreeTierDenied::UsedUp));
}

#[test]
fn an_isolate_grants_no_free_request_for_a_minute_after_an_error_of_kv_that_is_no_conflict() {
    let mut edge = Edge::new(1, 0);
    edge.store.refuses_writes = true;
    assert!(edge.take(0, "k", START_MS).is_ok());
    assert_eq!(edge.take(0, "k", START_MS + 1), Err(FreeTierDenied::StoreUnwritable));
    assert_eq!(edge.take(0, "another", START_MS + 59_999), Err(FreeTierDenied::StoreUnwritable));
    edge.store.refuses_writes = false;
    assert_eq!(edge.take(0, "k", START_MS + 60_000), Ok(8));
}

#[test]
fn if_the_clock_goes_back_an_earlier_error_of_kv_no_longer_closes_the_free_tier() {
    let mut edge = Edge::new(1, 0);
    edge.store.refuses_writes = true;
    assert!(edge.take(0, "k", START_MS).is_ok());
    edge.store.refuses_writes = false;
    assert!(edge.take(0, "another", START_MS - 1_200_000).is_ok());
}

#[test]
fn if_the_retry_of_a_write_conflicts_too_only_the_client_of_that_write_gets_no_free_requests() {
    let mut edge = Edge::new(2, 0);
    assert!(edge.take(1, "k", START_MS).is_ok());
    assert!(edge.take(0, "k", START_MS + 1).is_ok());
    assert!(edge.take(0, "k", START_MS + 2).is_ok(), "the first conflict is retried");
    edge.store.write("k", 1, "i1:2".to_owned(), START_MS + 1_000).unwrap();
    assert_eq!(edge.take(0, "k", START_MS + 1_002), Err(FreeTierDenied::StoreUnwritable));
    assert!(edge.take(0, "another", START_MS + 1_003).is_ok());
}

#[test]
fn a_write_error_of_workers_kv_is_classified_by_its_status() {
    for (message, error) in [
        ("KV PUT failed: 429 Too Many Requests", KvWriteError::Busy),
        ("KV PUT failed: 429", KvWriteError::Busy),
        ("KV PUT failed: 500 Internal Server Error", KvWriteError::Broken),
        ("KV PUT failed: 503 Retry after 429 ms", KvWriteError::Broken),
        ("KV GET failed: 429 Too Many Requests", KvWriteError::Broken),
        ("KV PUT failed: 4290", KvWriteError::Broken),
        ("KV PUT failed: ", KvWriteError::Broken),
        ("429", KvWriteError::Broken),
        ("", KvWriteError::Broken),
    ] {
        assert_eq!(KvWriteError::from_message(message), error, "{message:?}");
    }
}

#[test]
fn an_isolate_admits_1000_new_clients_a_minute_and_always_admits_known_clients() {
    let mut clients = NewClients::default();
    for _ in 0..5_000 {
        assert_eq!(clients.admit("one", None, START_MS), Ok(()), "all these requests are of one client");
    }
    for client in 1..1_000 {
        assert_eq!(clients.admit(&format!("c{client}"), None, START_MS), Ok(()));
    }
    assert_eq!(clients.admit("c1000", None, START_MS), Err(FreeTierDenied::TooManyClients));
    assert_eq!(clients.admit("c5", None, START_MS), Ok(()));
    // A new client counts toward the limit until a minute after the end of the 5-second slot in which it was admitted.
    assert_eq!(clients.admit("c1000", None, START_MS + 64_999), Err(FreeTierDenied::TooManyClients));
    assert_eq!(clients.admit("c1000", None, START_MS + 65_000), Ok(()));
    // A client that keeps sending requests stays known, so it is admitted even while the limit is reached.
    for round in 2..24 {
        let now_ms = START_MS + round * 65_000;
        assert_eq!(clients.admit("one", None, now_ms), Ok(()));
        for client in 0..1_000 {
            assert_eq!(clients.admit(&format!("m{round}-{client}"), None, now_ms), Ok(()));
        }
        assert_eq!(clients.admit("one", None, now_ms), Ok(()));
    }
}

#[test]
fn an_ipv6_network_has_50_new_clients_a_minute_and_leaves_the_others_to_other_networks() {
    let mut clients = NewClients::default();
    let mut admit = |client: &str, network, now_ms| clients.admit(client, network, now_ms).is_ok();
    let network = Some("2001:db8:7::/48");
    let admitted =
        (0..65_536).filter(|n| admit(&format!("2001:db8:7:{n:x}::/64"), network, START_MS)).count();
    assert_eq!(admitted, 50);
    assert!(admit("2001:db8:7:0::/64", network, START_MS), "this client is known");
    assert!(admit("2001:db8:8::/64", Some("2001:db8:8::/48"), START_MS));
    assert!(admit("192.0.2.1", None, START_MS));
    assert!(admit("2001:db8:7:ffff::/64", network, START_MS + 65_000));
}

#[test]
fn an_isolate_with_20000_clients_forgets_only_clients_whose_counts_all_isolates_can_read() {
    let mut edge = Edge::new(1, 60_000);
    let take = |edge: &mut Edge, client: u64, now_ms| edge.take(0, &format!("k{client}"), now_ms);
    for client in 0..20_000 {
        assert!(take(&mut edge, client, START_MS + client).is_ok());
    }
    assert_eq!(take(&mut edge, 20_000, START_MS + 30_000), Err(FreeTierDenied::TooManyClients));
    assert_eq!(take(&mut edge, 5, START_MS + 30_000), Ok(8));
    assert!(take(&mut edge, 20_000, START_MS + 200_000).is_ok(), "all counts were written long ago");
    assert_eq!(take(&mut edge, 5, START_MS + 200_000), Ok(7), "the count is read from the store");
}

/// Returns the counters of an isolate that remembers the maximum of 20,000 clients and has written no count to KV.
fn full_isolate() -> KvCounters {
    let mut counters = KvCounters::new("a".to_owned());
    for client in 0..20_000 {
        let key = format!("k{client}");
        assert_eq!(counters.needs_read(&key, QUOTA, START_MS), Ok(true));
        counters.merge(&key, None, START_MS + HOUR_MS, START_MS).unwrap();
        counters.take(&key, QUOTA, WRITES_PER_DAY, START_MS).unwrap();
    }
    counters
}

#[test]
fn an_isolate_keeps_a_client_whose_count_is_not_in_kv_until_the_window_ends() {
    let mut counters = full_isolate();
    assert_eq!(
        counters.needs_read("another", QUOTA, START_MS + 600_000),
        Err(FreeTierDenied::TooManyClients)
    );
    assert_eq!(counters.needs_read("another", QUOTA, START_MS + HOUR_MS), Ok(true), "all windows have ended");
}

#[test]
fn an_isolate_with_20000_clients_looks_for_clients_to_forget_at_most_once_a_second() {
    let mut counters = full_isolate();
    let end_ms = START_MS + HOUR_MS;
    for now_ms in [end_ms - 1, end_ms, end_ms + 998] {
        assert_eq!(counters.needs_read("another", QUOTA, now_ms), Err(FreeTierDenied::TooManyClients));
    }
    assert_eq!(counters.needs_read("another", QUOTA, end_ms + 999), Ok(true));
}

#[test]
fn the_exact_counter_grants_the_quota_in_each_window_and_refuses_requests_for_an_earlier_window() {
    let mut stored = to_json(&ExactCounter::default());
    let mut take = |window_ends_ms| {
        let mut counter = ExactCounter::parse(&stored).unwrap();
        let response = counter.take(FreeTierRequest { quota: 2, window_ends_ms });
        stored = to_json(&counter);
        response
    };
    let granted = |remaining, is_first| FreeTierResponse::Granted { remaining, is_first };
    assert_eq!(take(1_000), granted(1, true));
    assert_eq!(take(1_000), granted(0, false));
    assert_eq!(take(1_000), FreeTierResponse::UsedUp);
    assert_eq!(take(2_000), granted(1, true));
    // A request for an earlier window comes from an isolate whose clock is behind. It is refused and changes nothing.
    assert_eq!(take(1_000), FreeTierResponse::UsedUp);
    assert_eq!(take(2_000), granted(0, false));
    assert_eq!(take(2_000), FreeTierResponse::UsedUp);
}

#[test]
fn a_window_of_the_exact_counter_has_ended_at_its_end() {
    let mut counter = ExactCounter::default();
    counter.take(FreeTierRequest { quota: 2, window_ends_ms: 1_000 });
    assert_eq!([999, 1_000, 1_001].map(|now_ms| counter.has_ended(now_ms)), [false, true, true]);
}

/// Programs read these words in the log, so they never change.
#[test]
fn the_document_on_operations_lists_each_reason_for_no_free_request() {
    let document = include_str!("../../docs/operations.md");
    let (_, table) = document.split_once("| `free` | why the client had to pay |").unwrap();
    let words: Vec<&str> = table.lines().skip(2).map_while(|row| row.split('`').nth(1)).collect();
    let reasons = [
        FreeTierDenied::UsedUp,
        FreeTierDenied::NetworkUsedUp,
        FreeTierDenied::UnknownClient,
        FreeTierDenied::NoStore,
        FreeTierDenied::StoreUnreadable,
        FreeTierDenied::StoreUnwritable,
        FreeTierDenied::TooManyClients,
    ];
    assert_eq!(words, reasons.map(FreeTierDenied::as_str));
}

#[test]
fn messages_of_the_exact_counter_are_read_back_and_malformed_messages_are_refused() {
    let request = FreeTierRequest { quota: 2, window_ends_ms: START_MS };
    assert_eq!(FreeTierRequest::parse(&to_json(&request)), Some(request));
    for response in [FreeTierResponse::Granted { remaining: 1, is_first: true }, FreeTierResponse::UsedUp] {
        assert_eq!(FreeTierResponse::parse(&to_json(&response)), Some(response));
    }
    for text in ["", "5", "{}", "null", r#"{"quota":2}"#, r#"{"quota":2,"window_ends_ms":"1"}"#] {
        assert_eq!(FreeTierRequest::parse(text), None, "{text}");
    }
    for text in ["", "{}", r#""granted""#, r#"{"granted":{"remaining":1}}"#, r#"{"used_up":1}"#] {
        assert_eq!(FreeTierResponse::parse(text), None, "{text}");
    }
    for text in ["", "5", "{}", r#"{"window_ends_ms":5}"#, r#"{"window_ends_ms":5,"used":-1}"#, "1000 1"] {
        assert_eq!(ExactCounter::parse(text), None, "{text}");
    }
}

#[test]
fn free_tier_windows_start_at_multiples_of_their_length_and_the_headers_state_seconds() {
    // 2026-11-21T10:30:00Z. Hours and days of UTC begin at multiples of their length in Unix time.
    let now_ms = 1_795_257_000_000;
    for (window_ms, ends_at_ms) in [
        (3_600_000, 1_795_258_800_000),
        (86_400_000, 1_795_305_600_000),
        (500, 1_795_257_000_500),
        (1, 1_795_257_000_001),
    ] {
        let tier = FreeTier { requests: 10, window_ms };
        assert_eq!(tier.window_ends_ms(now_ms), ends_at_ms, "{window_ms}");
    }
    let tier = FreeTier { requests: 10, window_ms: 3_600_000 };
    // The headers have the syntax of draft-ietf-httpapi-ratelimit-headers.
    assert_eq!(tier.policy_header(), "\"free\";q=10;w=3600");
    assert_eq!(tier.state_header(7, now_ms + 1_680_000), "\"free\";r=7;t=120");
    assert_eq!(FreeTier { requests: 1, window_ms: 500 }.policy_header(), "\"free\";q=1;w=1");
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

proptest! {
    #[test]
    fn no_stored_count_or_message_makes_the_free_tier_panic(
        text in "[\\[\\]{}\":,0-9a-z_-]{0,40}",
        [window_ends_ms, used, quota, now_ms] in any::<[u64; 4]>(),
    ) {
        let _ = ExactCounter::parse(&text);
        let _ = FreeTierRequest::parse(&text);
        let _ = FreeTierResponse::parse(&text);
        let state = format!(r#"{{"window_ends_ms":{window_ends_ms},"used":{used}}}"#);
        let _ = ExactCounter::parse(&state).unwrap().take(FreeTierRequest { quota, window_ends_ms: now_ms });
        let mut counters = KvCounters::new("a".to_owned());
        if counters.merge("k", Some(&text), window_ends_ms, now_ms).is_ok() {
            let _ = counters.take("k", quota, WRITES_PER_DAY, now_ms);
            let _ = counters.write("k", WRITES_PER_DAY, now_ms);
        }
    }
}

// A11 (CHANGELOG)
#[test]
fn kv_is_not_read_again_in_a_window_whose_free_requests_are_used_up() {
    let mut counters = KvCounters::new("a".to_owned());
    for (stored, is_read_again) in [("b:9", true), ("b:10", false)] {
        let key = format!("k{stored}");
        counters.merge(&key, Some(stored), START_MS + HOUR_MS, START_MS).unwrap();
        assert_eq!(counters.needs_read(&key, 10, START_MS + 999), Ok(false));
        assert_eq!(counters.needs_read(&key, 10, START_MS + 1_000), Ok(is_read_again));
    }
    // The owner has raised the quota.
    assert_eq!(counters.needs_read("kb:10", 11, START_MS + 1_000), Ok(true));
}
