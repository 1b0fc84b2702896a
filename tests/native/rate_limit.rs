//! Rate limits: sliding windows, one window for each client, and the messages of the invoice limit of the deployment.

use std::collections::BTreeMap;

use edgetoll::limits::invoice_limit::{InvoiceLease, InvoiceLimitRequest, InvoiceLimitResponse};
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
fn if_the_clock_goes_back_by_an_hour_events_count_for_a_minute_of_the_new_time() {
    let mut window = SlidingWindow::default();
    for _ in 0..9 {
        assert_eq!(window.admit(10, NOW_MS + 3_600_000), Ok(()));
    }
    assert_eq!(window.admit(10, NOW_MS), Ok(()));
    let wait_ms = window.admit(10, NOW_MS).unwrap_err();
    assert!((60_000..=65_000).contains(&wait_ms), "{wait_ms}");
    assert!(window.admit(10, NOW_MS + wait_ms - 1).is_err());
    assert_eq!(window.count(NOW_MS + wait_ms), 0);
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
    assert_eq!(limits.check("b", 1, NOW_MS), Ok(()));
    assert_eq!(limits.admit("b", 1, NOW_MS), Ok(()), "a check counts no event");
    assert!(limits.check("b", 1, NOW_MS).is_err());
    assert_eq!(limits.check("b", 1, NOW_MS), limits.admit("b", 1, NOW_MS), "both return the same wait");
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
    let mut admit = |client: &str, now_ms| request(120, client, 0).admit(&mut invoices, &mut clients, now_ms);
    let hostile = (0..120).filter(|n| is_admitted(&admit(&format!("hostile {}", n % 12), NOW_MS + n)));
    assert_eq!(hostile.count(), 60);
    let InvoiceLimitResponse::Reserved(wait_ms) = admit("hostile 0", NOW_MS + 200) else { panic!() };
    assert!((55_000..=65_000).contains(&wait_ms), "{wait_ms}");
    for n in 0..60 {
        assert!(is_admitted(&admit(&format!("honest {n}"), NOW_MS + 200)), "{n}");
    }
    let InvoiceLimitResponse::Full(wait_ms) = admit("honest 60", NOW_MS + 200) else { panic!() };
    assert!((55_000..=65_000).contains(&wait_ms), "{wait_ms}");
    // U18 (CHANGELOG): the dashboard shows how many invoices count, and does not change this number.
    let used = |now_ms, invoices: &mut SlidingWindow| {
        InvoiceLimitRequest::used().admit(invoices, &mut ClientLimits::default(), now_ms)
    };
    assert_eq!(used(NOW_MS + 300, &mut invoices), InvoiceLimitResponse::Used(120));
    assert_eq!(used(NOW_MS + 300, &mut invoices), InvoiceLimitResponse::Used(120));
    assert_eq!(used(NOW_MS + 70_000, &mut invoices), InvoiceLimitResponse::Used(0));
    let (mut invoices, mut clients) = (SlidingWindow::default(), ClientLimits::default());
    assert!(is_admitted(&request(1, "", 0).admit(&mut invoices, &mut clients, NOW_MS)));
}

#[test]
fn an_isolate_leases_the_invoices_that_it_will_probably_create_until_the_end_of_the_slot() {
    // The slots of the sliding window begin at multiples of five seconds.
    assert_eq!(NOW_MS % 5_000, 0);
    for (recent, offset_ms, leased) in
        [(0, 0, 0), (11, 0, 0), (12, 0, 1), (120, 0, 10), (120, 4_000, 2), (120, 4_999, 0)]
    {
        let response = admit_first(1_000_000, recent, NOW_MS + offset_ms);
        assert_eq!(response, InvoiceLimitResponse::Admitted { leased, for_ms: 5_000 - offset_ms });
    }
}

#[test]
fn a_lease_is_at_most_an_eighth_of_the_invoices_that_are_left_and_never_a_reserved_one() {
    let (mut invoices, mut clients) = (SlidingWindow::default(), ClientLimits::default());
    let mut admit =
        |client: &str| match request(160, client, 1_000_000).admit(&mut invoices, &mut clients, NOW_MS) {
            InvoiceLimitResponse::Admitted { leased, .. } => Ok(leased),
            other => Err(other),
        };
    // Of the 80 invoices that are not reserved, 79 are left after the first one, then 69, and so on.
    let leased: Vec<u64> = (0..40).map_while(|_| admit("hostile").ok()).collect();
    assert_eq!(leased[..4], [9, 8, 7, 6]);
    assert_eq!(leased.iter().sum::<u64>() + leased.len() as u64, 80);
    // The reserved invoices are all left, and none of them is leased.
    for n in 0..80 {
        assert_eq!(admit(&format!("honest {n}")), Ok(0), "{n}");
    }
    assert!(matches!(admit("honest 80"), Err(InvoiceLimitResponse::Full(_))));
    // With a small limit, nothing is leased.
    assert_eq!(
        admit_first(16, 1_000_000, NOW_MS),
        InvoiceLimitResponse::Admitted { leased: 0, for_ms: 5_000 }
    );
}

#[test]
fn an_isolate_creates_leased_invoices_until_the_lease_ends() {
    let mut lease = InvoiceLease::default();
    assert!(!lease.take("a", NOW_MS));
    record(&mut lease, InvoiceLimitResponse::Admitted { leased: 2, for_ms: 3_000 });
    assert!(lease.take("a", NOW_MS + 2_999));
    record(&mut lease, InvoiceLimitResponse::Admitted { leased: 0, for_ms: 5_000 });
    assert!(!lease.take("a", NOW_MS + 3_000), "the lease has ended");
    assert!(lease.take("a", NOW_MS + 2_999));
    assert!(!lease.take("a", NOW_MS + 2_999), "all are used");
    for refused in
        [InvoiceLimitResponse::Full(1), InvoiceLimitResponse::Reserved(1), InvoiceLimitResponse::Used(1)]
    {
        record(&mut lease, refused);
        assert!(!lease.take("a", NOW_MS));
    }
    let request = lease.ask(120, "a", NOW_MS + 3_600_000);
    lease.record(&request, &InvoiceLimitResponse::Admitted { leased: 2, for_ms: 5_000 }, NOW_MS + 3_600_000);
    assert!(lease.take("a", NOW_MS + 3_600_000));
    assert!(!lease.take("a", NOW_MS), "the clock went back");
}

#[test]
fn an_isolate_asks_for_a_lease_once_at_a_time_and_names_the_clients_that_it_knows() {
    let mut lease = InvoiceLease::default();
    let first = lease.ask(120, "a", NOW_MS);
    assert_eq!(first, request(120, "a", 0), "an isolate without invoices gets no lease");
    lease.record(&first, &InvoiceLimitResponse::Admitted { leased: 0, for_ms: 5_000 }, NOW_MS);
    let second = lease.ask(120, "a", NOW_MS);
    assert_eq!(second, InvoiceLimitRequest { is_known: true, ..request(120, "a", 1) });
    lease.record(&request(120, "c", 0), &InvoiceLimitResponse::Full(1), NOW_MS);
    assert_eq!(
        lease.ask(120, "b", NOW_MS + 1_999),
        request(120, "b", 0),
        "another request asks for the lease"
    );
    assert_eq!(
        lease.ask(120, "b", NOW_MS + 2_000),
        request(120, "b", 1),
        "the other request got no response"
    );
    lease.record(&second, &InvoiceLimitResponse::Full(1), NOW_MS + 2_000);
    assert_eq!(lease.ask(120, "b", NOW_MS + 2_000), request(120, "b", 1));
    assert_eq!(lease.ask(120, "a", NOW_MS + 70_000), request(120, "a", 0), "a minute later");
    // The object believes the isolate: a client that it knows gets no reserved invoice.
    let (mut invoices, mut clients) = (SlidingWindow::default(), ClientLimits::default());
    for n in 0..60 {
        assert!(is_admitted(&request(120, &format!("{n}"), 0).admit(&mut invoices, &mut clients, NOW_MS)));
    }
    let response = second.admit(&mut invoices, &mut clients, NOW_MS);
    assert!(matches!(response, InvoiceLimitResponse::Reserved(_)), "{response:?}");
}

#[test]
fn messages_of_the_invoice_limit_are_read_back_and_malformed_texts_are_refused() {
    let request =
        InvoiceLimitRequest { per_minute: 120, client: "a\"b".to_owned(), is_known: true, recent: 7 };
    assert_eq!(InvoiceLimitRequest::parse(&to_json(&request)), Some(request));
    for response in [
        InvoiceLimitResponse::Admitted { leased: 3, for_ms: 4_000 },
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
        r#"{"per_minute":120,"client":"","is_known":true}"#,
        r#"{"per_minute":120,"client":"","is_known":1,"recent":0}"#,
        r#"{"per_minute":"120","client":"","is_known":true,"recent":0}"#,
        r#"{"per_minute":-1,"client":"","is_known":true,"recent":0}"#,
    ] {
        assert_eq!(InvoiceLimitRequest::parse(text), None, "{text}");
    }
    for text in [
        "",
        "{}",
        "null",
        r#""full""#,
        r#"{"full":null}"#,
        r#"{"wait":1}"#,
        r#""admitted""#,
        r#"{"admitted":{"leased":1}}"#,
    ] {
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

fn request(per_minute: u64, client: &str, recent: u64) -> InvoiceLimitRequest {
    InvoiceLimitRequest { per_minute, client: client.to_owned(), is_known: false, recent }
}

/// Admits the first invoice of a deployment.
fn admit_first(per_minute: u64, recent: u64, now_ms: u64) -> InvoiceLimitResponse {
    request(per_minute, "a", recent).admit(
        &mut SlidingWindow::default(),
        &mut ClientLimits::default(),
        now_ms,
    )
}

fn is_admitted(response: &InvoiceLimitResponse) -> bool {
    matches!(response, InvoiceLimitResponse::Admitted { .. })
}

/// Lets this many clients ask several isolates for invoices. Each step is the time since the last one, the isolate, and
/// whether the response of the object arrives (not 0). Returns when the invoices were created.
fn create_invoices(per_minute: u64, steps: &[(u64, usize, u8)], clients: usize) -> Vec<u64> {
    let (mut invoices, mut known) = (SlidingWindow::default(), ClientLimits::default());
    let mut leases: [InvoiceLease; 3] = Default::default();
    let mut now_ms = NOW_MS;
    let mut created = Vec::new();
    for (index, (step_ms, isolate, luck)) in steps.iter().enumerate() {
        now_ms += step_ms;
        let client = (index % clients).to_string();
        let lease = &mut leases[*isolate];
        let is_leased = lease.take(&client, now_ms);
        let is_created = is_leased || {
            let request = lease.ask(per_minute, &client, now_ms);
            let response = request.admit(&mut invoices, &mut known, now_ms);
            if *luck > 0 {
                lease.record(&request, &response, now_ms);
            }
            *luck > 0 && is_admitted(&response)
        };
        created.extend(is_created.then_some(now_ms));
    }
    created
}

/// Records the response to a request that was sent at `NOW_MS`.
fn record(lease: &mut InvoiceLease, response: InvoiceLimitResponse) {
    let request = lease.ask(120, "a", NOW_MS);
    lease.record(&request, &response, NOW_MS);
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
    fn isolates_with_leases_never_create_more_invoices_in_60_seconds_than_the_limit(
        steps in prop::collection::vec((0_u64..150, 0_usize..3, 0_u8..10), 500..1_500),
        per_minute in 1_u64..600,
    ) {
        let created = create_invoices(per_minute, &steps, usize::MAX);
        for (index, start_ms) in created.iter().enumerate() {
            let within = created[index..].iter().filter(|at_ms| **at_ms - start_ms < 60_000).count();
            prop_assert!(within as u64 <= per_minute);
        }
    }

    // Each of the four clients may get one reserved invoice: the object does not know of the invoices that isolates had
    // leased.
    #[test]
    fn clients_that_had_an_invoice_in_the_last_minute_get_no_reserved_ones_of_any_isolate(
        steps in prop::collection::vec((0_u64..150, 0_usize..3, 0_u8..10), 500..1_500),
        per_minute in 1_u64..600,
    ) {
        let created = create_invoices(per_minute, &steps, 4);
        for (index, start_ms) in created.iter().enumerate() {
            let within = created[index..].iter().filter(|at_ms| **at_ms - start_ms < 60_000).count();
            prop_assert!(within as u64 <= per_minute - per_minute / 2 + 4);
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
