//! Free requests, counted by many isolates in a store that is a minute stale.

use std::collections::BTreeMap;

use edgetoll::policy::free_tier::exact_counter;
use edgetoll::policy::free_tier::kv_counters::{Failure, KvCounters};
use edgetoll::policy::free_tier::new_clients::NewClients;
use edgetoll::policy::free_tier::{FreeTier, FreeTierDenied};

const QUOTA: u64 = 10;
const HOUR_MS: u64 = 3_600_000;
/// The start of a window.
const START_MS: u64 = 1_800_000_000_000;

/// A store as Workers KV is: what is written is seen at once where it was written, elsewhere only after `stale_ms`, and a
/// second write to a key within a second is refused.
struct Store {
    stale_ms: u64,
    /// Per key: when, by whom, what.
    writes: BTreeMap<String, Vec<(u64, usize, String)>>,
    refuses: bool,
}

impl Store {
    fn new(stale_ms: u64) -> Self {
        Self { stale_ms, writes: BTreeMap::new(), refuses: false }
    }

    fn read(&self, key: &str, reader: usize, now_ms: u64) -> Option<String> {
        let writes = self.writes.get(key)?;
        let is_seen =
            |(at, writer, _): &&(u64, usize, String)| *writer == reader || at + self.stale_ms <= now_ms;
        writes.iter().rev().find(is_seen).map(|(.., value)| value.clone())
    }

    fn write(&mut self, key: &str, writer: usize, value: String, now_ms: u64) -> Result<(), Failure> {
        let writes = self.writes.entry(key.to_owned()).or_default();
        if self.refuses {
            return Err(Failure::Broken);
        }
        if writes.last().is_some_and(|(at, ..)| now_ms < at + 1_000) {
            return Err(Failure::Busy);
        }
        writes.push((now_ms, writer, value));
        Ok(())
    }
}

/// Isolates, as the shell drives them.
struct Edge {
    isolates: Vec<KvCounters>,
    store: Store,
    /// Writes that wait for their second, and whether they were refused before.
    due: Vec<(u64, usize, String, bool)>,
}

impl Edge {
    fn new(isolates: usize, stale_ms: u64) -> Self {
        let isolates = (0..isolates).map(|at| KvCounters::new(format!("i{at}"))).collect();
        Self { isolates, store: Store::new(stale_ms), due: Vec::new() }
    }

    fn take(&mut self, isolate: usize, key: &str, now_ms: u64) -> Result<u64, FreeTierDenied> {
        self.write_what_is_due(now_ms);
        let counters = &mut self.isolates[isolate];
        if counters.needs_read(key, now_ms)? {
            let value = self.store.read(key, isolate, now_ms);
            counters.merge(key, value.as_deref(), START_MS + HOUR_MS, now_ms)?;
        }
        let taken = counters.take(key, QUOTA, now_ms)?;
        if taken.must_write {
            self.write_later(isolate, key, now_ms);
        }
        self.write_what_is_due(now_ms);
        Ok(taken.remaining)
    }

    fn write_later(&mut self, isolate: usize, key: &str, now_ms: u64) {
        if let Some(wait_ms) = self.isolates[isolate].write_in_ms(key, now_ms) {
            self.due.push((now_ms + wait_ms, isolate, key.to_owned(), false));
        }
    }

    fn write_what_is_due(&mut self, now_ms: u64) {
        let due: Vec<_> = self.due.extract_if(.., |(at, ..)| *at <= now_ms).collect();
        for (at, isolate, key, is_second_try) in due {
            let write = self.isolates[isolate].write(&key, at).unwrap();
            let result = self.store.write(&key, isolate, write.value.clone(), at);
            if result == Err(Failure::Busy) && !is_second_try {
                // Not all in the same second again.
                self.due.push((at + 1_000 + 37 * isolate as u64, isolate, key, true));
                continue;
            }
            if self.isolates[isolate].wrote(&key, &write, result, at) {
                self.write_later(isolate, &key, at);
            }
        }
    }
}

/// Plain numbers without a crate: the next of a sequence that looks random.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// How many requests of one client get in, when they reach isolates at random, `every_ms` apart.
fn granted(isolates: usize, stale_ms: u64, every_ms: u64, seed: u64) -> u64 {
    let mut edge = Edge::new(isolates, stale_ms);
    let mut seed = seed;
    let requests = (HOUR_MS / every_ms).min(2_000);
    (0..requests)
        .filter(|at| {
            let isolate = next(&mut seed) as usize % isolates;
            edge.take(isolate, "k", START_MS + at * every_ms).is_ok()
        })
        .count() as u64
}

#[test]
fn no_more_is_given_than_the_quota_in_each_isolate_however_stale_the_store_is() {
    for isolates in [1, 2, 3, 10, 50] {
        for every_ms in [1, 50, 400, 1_500, 20_000] {
            for seed in 0..8 {
                let granted = granted(isolates, 60_000, every_ms, seed);
                let requests = (HOUR_MS / every_ms).min(2_000);
                assert!(granted <= QUOTA * isolates as u64, "{isolates} isolates, {every_ms} ms: {granted}");
                assert!(granted >= QUOTA.min(requests), "{isolates} isolates, {every_ms} ms: {granted}");
            }
        }
    }
}

#[test]
fn the_bound_is_reached_by_a_burst_and_left_far_behind_by_a_client_that_takes_its_time() {
    assert_eq!(granted(10, 60_000, 1, 1), QUOTA * 10);
    // One request in twenty seconds.
    for seed in 0..20 {
        let slow = granted(10, 60_000, 20_000, seed);
        assert!(slow <= QUOTA * 3, "{slow}");
    }
    // A store that is not stale, asked no faster than it takes writes.
    assert_eq!(granted(10, 0, 1_500, 1), QUOTA);
}

#[test]
fn two_isolates_that_write_at_once_lose_nothing() {
    let mut edge = Edge::new(2, 0);
    for at in 0..4 {
        edge.take(0, "k", START_MS + at * 3_000).unwrap();
        edge.take(1, "k", START_MS + at * 3_000 + 1_500).unwrap();
    }
    assert_eq!(edge.take(0, "k", START_MS + 20_000), Ok(1));
    assert_eq!(edge.take(1, "k", START_MS + 40_000), Ok(0));
    assert_eq!(edge.take(0, "k", START_MS + 60_000), Err(FreeTierDenied::UsedUp));
}

#[test]
fn a_key_is_written_at_most_once_a_second_and_ends_with_all_that_was_counted() {
    let mut edge = Edge::new(1, 0);
    for at in 0..QUOTA {
        edge.take(0, "k", START_MS + at * 10).unwrap();
    }
    edge.write_what_is_due(START_MS + 5_000);
    let writes = &edge.store.writes["k"];
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert_eq!(writes[1].2, "i0:10");
}

#[test]
fn who_writes_and_dies_is_followed_by_another() {
    let mut counters = KvCounters::new("a".to_owned());
    assert_eq!(counters.needs_read("k", START_MS), Ok(true));
    counters.merge("k", None, START_MS + HOUR_MS, START_MS).unwrap();
    assert!(counters.take("k", QUOTA, START_MS).unwrap().must_write);
    assert!(!counters.take("k", QUOTA, START_MS + 1).unwrap().must_write, "somebody is writing");
    assert!(counters.take("k", QUOTA, START_MS + 20_000).unwrap().must_write, "nobody has written for 20 s");
}

#[test]
fn what_a_store_holds_is_a_tally_or_nobody_is_let_in() {
    let mut counters = KvCounters::new("a".to_owned());
    for value in ["5", "a:", ":5", "a:x", "a:-1", "a:1;b:2", "a:99999999999999999999", "<html>"] {
        let merged = counters.merge("k", Some(value), START_MS + HOUR_MS, START_MS);
        assert_eq!(merged, Err(FreeTierDenied::StoreUnreadable), "{value}");
    }
    counters.merge("k", Some("b:3,c:6"), START_MS + HOUR_MS, START_MS).unwrap();
    assert_eq!(counters.take("k", QUOTA, START_MS).map(|taken| taken.remaining), Ok(0));
    assert_eq!(counters.take("k", QUOTA, START_MS), Err(FreeTierDenied::UsedUp));
    // Counts that overflow are many, not few.
    counters.merge("big", Some("b:18446744073709551615,c:5"), START_MS + HOUR_MS, START_MS).unwrap();
    assert_eq!(counters.take("big", QUOTA, START_MS), Err(FreeTierDenied::UsedUp));
}

#[test]
fn a_store_that_takes_no_writes_lets_nobody_in_for_a_minute() {
    let mut edge = Edge::new(1, 0);
    edge.store.refuses = true;
    assert!(edge.take(0, "k", START_MS).is_ok());
    assert_eq!(edge.take(0, "k", START_MS + 1), Err(FreeTierDenied::StoreUnwritable));
    assert_eq!(edge.take(0, "another", START_MS + 59_999), Err(FreeTierDenied::StoreUnwritable));
    edge.store.refuses = false;
    assert_eq!(edge.take(0, "k", START_MS + 60_000), Ok(8));
}

#[test]
fn a_key_that_another_isolate_just_wrote_is_closed_here_and_no_other() {
    let mut edge = Edge::new(2, 0);
    assert!(edge.take(1, "k", START_MS).is_ok());
    assert!(edge.take(0, "k", START_MS + 1).is_ok());
    assert!(edge.take(0, "k", START_MS + 2).is_ok(), "it is tried again");
    edge.store.write("k", 1, "i1:2".to_owned(), START_MS + 1_000).unwrap();
    assert_eq!(edge.take(0, "k", START_MS + 1_002), Err(FreeTierDenied::StoreUnwritable));
    assert!(edge.take(0, "another", START_MS + 1_003).is_ok());
}

#[test]
fn an_isolate_lets_in_a_thousand_new_clients_a_minute_and_each_is_new_once() {
    let mut newcomers = NewClients::default();
    for _ in 0..5_000 {
        assert_eq!(newcomers.admit("one", START_MS), Ok(()), "who asks often is one client");
    }
    for client in 1..1_000 {
        assert_eq!(newcomers.admit(&format!("c{client}"), START_MS), Ok(()));
    }
    assert_eq!(newcomers.admit("c1000", START_MS), Err(FreeTierDenied::TooManyClients));
    assert_eq!(newcomers.admit("c5", START_MS), Ok(()));
    assert_eq!(newcomers.admit("c1000", START_MS + 60_000), Ok(()));
    // A regular is no newcomer in the next window, nor on the next route.
    for minute in 2..20 {
        let now_ms = START_MS + minute * 60_000;
        assert_eq!(newcomers.admit("one", now_ms), Ok(()));
        (0..1_000).for_each(|client| {
            assert_eq!(newcomers.admit(&format!("m{minute}-{client}"), now_ms), Ok(()));
        });
        assert_eq!(newcomers.admit("one", now_ms), Ok(()));
    }
}

#[test]
fn an_isolate_that_remembers_all_that_it_can_forgets_nobody_that_others_may_not_know_of() {
    let mut edge = Edge::new(1, 60_000);
    let ask = |edge: &mut Edge, client: u64, now_ms| edge.take(0, &format!("k{client}"), now_ms);
    for client in 0..20_000 {
        assert!(ask(&mut edge, client, START_MS + client).is_ok());
    }
    assert_eq!(ask(&mut edge, 20_000, START_MS + 30_000), Err(FreeTierDenied::TooManyClients));
    assert_eq!(ask(&mut edge, 5, START_MS + 30_000), Ok(8));
    assert!(ask(&mut edge, 20_000, START_MS + 200_000).is_ok(), "all were written long ago");
    assert_eq!(ask(&mut edge, 5, START_MS + 200_000), Ok(7), "the store has them");
}

#[test]
fn who_is_not_written_yet_is_never_forgotten() {
    let mut counters = KvCounters::new("a".to_owned());
    for client in 0..20_000 {
        let key = format!("k{client}");
        assert_eq!(counters.needs_read(&key, START_MS), Ok(true));
        counters.merge(&key, None, START_MS + HOUR_MS, START_MS).unwrap();
        counters.take(&key, QUOTA, START_MS).unwrap();
    }
    assert_eq!(counters.needs_read("another", START_MS + 600_000), Err(FreeTierDenied::TooManyClients));
    assert_eq!(counters.needs_read("another", START_MS + HOUR_MS), Ok(true), "their window is over");
}

#[test]
fn an_exact_count_ends_at_the_quota_and_begins_anew_only_with_a_later_window() {
    let mut stored: Option<String> = None;
    let mut take = |window| {
        let step = exact::take(stored.as_deref(), 2, window)?;
        stored = Some(step.stored);
        Ok::<_, FreeTierDenied>((step.remaining, step.is_first))
    };
    assert_eq!(take(1_000), Ok((1, true)));
    assert_eq!(take(1_000), Ok((0, false)));
    assert_eq!(take(1_000), Err(FreeTierDenied::UsedUp));
    assert_eq!(take(2_000), Ok((1, true)));
    // Asked by a clock behind, it gives nothing and forgets nothing.
    assert_eq!(take(1_000), Err(FreeTierDenied::UsedUp));
    assert_eq!(take(2_000), Ok((0, false)));
    assert_eq!(take(2_000), Err(FreeTierDenied::UsedUp));
}

#[test]
fn windows_are_aligned_to_the_epoch_and_told_in_seconds() {
    // 2026-11-21T10:30:00Z; whole hours and days are whole in Unix time.
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
    // The forms of draft-ietf-httpapi-ratelimit-headers.
    assert_eq!(tier.policy_header(), "\"free\";q=10;w=3600");
    assert_eq!(tier.state_header(7, now_ms + 1_680_000), "\"free\";r=7;t=120");
    assert_eq!(FreeTier { requests: 1, window_ms: 500 }.policy_header(), "\"free\";q=1;w=1");
}
