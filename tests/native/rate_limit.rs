//! Rate limits: sliding windows, one window for each client, and the messages of the invoice limit of the deployment.

use std::collections::BTreeMap;

use edgetoll::limits::invoice_limit::{InvoiceLimitRequest, InvoiceLimitResponse};
use edgetoll::limits::keep_where;
use edgetoll::limits::rate_limit::{ClientLimits, SlidingWindow};
use edgetoll::strict_json::FromJson;
use proptest::prelude::*;
use serde::Serialize;

const NOW_MS: u64 = 1_800_000_000_000;

#[test]
fn a_sliding_window_admits_events_up_to_the_limit_and_returns_how_long_the_next_event_must_wait() {
    let mut window = SlidingWindow::default();
    for _ in 0..10 {
        assert_eq!(window.admit(10, NOW_MS), Ok(()));
    }
    let wait_ms = window.admit(10, NOW_MS).unwrap_err();
    assert!((60_000..=65_000).contains(&wait_ms), "{wait_ms}");
    assert!(window.admit(10, NOW_MS + wait_ms - 1).is_err());
    assert_eq!(window.admit(10, NOW_MS + wait_ms), Ok(()));
}

#[test]
fn a_stored_sliding_window_is_read_back_and_malformed_texts_are_refused() {
    let mut window = SlidingWindow::default();
    for offset_ms in [0, 1, 6_000, 12_000] {
        window.admit(10, NOW_MS + offset_ms).unwrap();
    }
    assert_eq!(SlidingWindow::parse(&to_json(&window)), Some(window));
    assert_eq!(SlidingWindow::parse(&to_json(&SlidingWindow::EMPTY)), Some(SlidingWindow::EMPTY));
    for text in [
        "",
        "x",
        "{}",
        "[]",
        r#"{"slots":5}"#,
        r#"{"slots":[1]}"#,
        r#"{"slots":[[1]]}"#,
        r#"{"slots":[[1,2,3]]}"#,
        r#"{"slots":[[1,-2]]}"#,
        r#"{"slots":[[1,2.5]]}"#,
        r#"{"slots":[[1,2]],"slots":[]}"#,
        r#"{"slots":[[1,18446744073709551616]]}"#,
    ] {
        assert_eq!(SlidingWindow::parse(text), None, "{text}");
    }
}

#[test]
fn each_client_has_its_own_rate_limit() {
    let mut limits = ClientLimits::default();
    assert_eq!(limits.admit("a", 1, NOW_MS), Ok(()));
    assert!(limits.admit("a", 1, NOW_MS).is_err());
    assert_eq!(limits.admit("b", 1, NOW_MS), Ok(()));
}

#[test]
fn new_clients_share_one_rate_limit_while_10000_clients_are_remembered() {
    let mut limits = ClientLimits::default();
    let count_admitted = |limits: &mut ClientLimits, first: u32, now_ms| {
        (first..first + 20_000).filter(|n| limits.admit(&n.to_string(), 5, now_ms).is_ok()).count()
    };
    assert_eq!(count_admitted(&mut limits, 0, NOW_MS), 10_000 + 5);
    assert_eq!(limits.admit("0", 5, NOW_MS), Ok(()), "a known client keeps its own window");
    assert_eq!(
        count_admitted(&mut limits, 50_000, NOW_MS + 70_000),
        10_000 + 5,
        "clients without recent events are removed"
    );
}

// A8 (CHANGELOG)
#[test]
fn half_of_all_invoices_are_reserved_for_clients_that_had_no_invoice_in_the_last_minute() {
    let (mut invoices, mut clients) = (SlidingWindow::default(), ClientLimits::default());
    let mut admit = |client: &str, now_ms| {
        let request = InvoiceLimitRequest { per_minute: 120, client: client.to_owned() };
        request.admit(&mut invoices, &mut clients, now_ms)
    };
    let hostile = (0..120)
        .filter(|n| admit(&format!("hostile {}", n % 12), NOW_MS + n) == InvoiceLimitResponse::Admitted);
    assert_eq!(hostile.count(), 60);
    let InvoiceLimitResponse::Reserved(wait_ms) = admit("hostile 0", NOW_MS + 200) else { panic!() };
    assert!((55_000..=65_000).contains(&wait_ms), "{wait_ms}");
    for n in 0..60 {
        assert_eq!(admit(&format!("honest {n}"), NOW_MS + 200), InvoiceLimitResponse::Admitted, "{n}");
    }
    let InvoiceLimitResponse::Full(wait_ms) = admit("honest 60", NOW_MS + 200) else { panic!() };
    assert!((55_000..=65_000).contains(&wait_ms), "{wait_ms}");
    // U18 (CHANGELOG): the dashboard shows how many invoices count, and does not change this number.
    let used = |now_ms, invoices: &mut SlidingWindow| {
        let request = InvoiceLimitRequest { per_minute: 0, client: String::new() };
        request.admit(invoices, &mut ClientLimits::default(), now_ms)
    };
    assert_eq!(used(NOW_MS + 300, &mut invoices), InvoiceLimitResponse::Used(120));
    assert_eq!(used(NOW_MS + 300, &mut invoices), InvoiceLimitResponse::Used(120));
    assert_eq!(used(NOW_MS + 70_000, &mut invoices), InvoiceLimitResponse::Used(0));
    let only_one = InvoiceLimitRequest { per_minute: 1, client: String::new() };
    let (mut invoices, mut clients) = (SlidingWindow::default(), ClientLimits::default());
    assert_eq!(only_one.admit(&mut invoices, &mut clients, NOW_MS), InvoiceLimitResponse::Admitted);
}

#[test]
fn messages_of_the_invoice_limit_are_read_back_and_malformed_texts_are_refused() {
    let request = InvoiceLimitRequest { per_minute: 120, client: "a\"b".to_owned() };
    assert_eq!(InvoiceLimitRequest::parse(&to_json(&request)), Some(request));
    for response in [
        InvoiceLimitResponse::Admitted,
        InvoiceLimitResponse::Full(1_500),
        InvoiceLimitResponse::Reserved(1),
        InvoiceLimitResponse::Used(0),
    ] {
        assert_eq!(InvoiceLimitResponse::parse(&to_json(&response)), Some(response));
    }
    for text in [
        "",
        "{}",
        "null",
        "120",
        r#"{"per_minute":120}"#,
        r#"{"per_minute":"120","client":""}"#,
        r#"{"per_minute":-1,"client":""}"#,
    ] {
        assert_eq!(InvoiceLimitRequest::parse(text), None, "{text}");
    }
    for text in ["", "{}", "null", r#""full""#, r#"{"full":null}"#, r#"{"wait":1}"#, r#"{"admitted":1}"#] {
        assert_eq!(InvoiceLimitResponse::parse(text), None, "{text}");
    }
}

#[test]
fn keep_where_removes_exactly_the_map_entries_that_do_not_meet_the_condition() {
    let mut map: BTreeMap<String, u32> = (0..10).map(|n| (format!("k{n}"), n)).collect();
    keep_where(&mut map, |n| n % 2 == 0);
    let kept: Vec<(&str, u32)> = map.iter().map(|(key, n)| (key.as_str(), *n)).collect();
    assert_eq!(kept, [("k0", 0), ("k2", 2), ("k4", 4), ("k6", 6), ("k8", 8)]);
    keep_where(&mut map, |_| false);
    assert!(map.is_empty());
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

proptest! {
    #[test]
    fn no_60_seconds_contain_more_events_than_the_limit(
        steps_ms in prop::collection::vec(0_u64..4_000, 1..400),
        limit in 1_u64..20,
    ) {
        let mut window = SlidingWindow::default();
        let mut now_ms = NOW_MS;
        let mut admitted = Vec::new();
        for step_ms in steps_ms {
            now_ms += step_ms;
            if window.admit(limit, now_ms).is_ok() {
                admitted.push(now_ms);
            }
        }
        for (index, start_ms) in admitted.iter().enumerate() {
            let within = admitted[index..].iter().filter(|at_ms| **at_ms - start_ms < 60_000).count();
            prop_assert!(within as u64 <= limit);
        }
    }

    #[test]
    fn an_event_after_the_returned_wait_is_admitted(steps_ms in prop::collection::vec(0_u64..10_000, 1..60)) {
        let mut window = SlidingWindow::default();
        let mut now_ms = NOW_MS;
        for step_ms in steps_ms {
            now_ms += step_ms;
            if let Err(wait_ms) = window.admit(3, now_ms) {
                now_ms += wait_ms;
                prop_assert_eq!(window.admit(3, now_ms), Ok(()));
            }
        }
    }

    #[test]
    fn no_stored_window_causes_a_panic(
        text in "[\\[\\]{}\":,0-9a-z-]{0,40}",
        slots in prop::collection::vec((any::<u64>(), any::<u64>()), 0..4),
        limit in any::<u64>(),
        now_ms in any::<u64>(),
    ) {
        let _ = SlidingWindow::parse(&text);
        let slots = to_json(&slots);
        let mut window = SlidingWindow::parse(&format!(r#"{{"slots":{slots}}}"#)).unwrap();
        let _ = window.admit(limit, now_ms);
    }
}
