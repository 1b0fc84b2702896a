//! The counted uses of a payment: the state of the Durable Object.

use edgetoll::limits::uses::{Lease, MeterRequest, MeterResponse, Uses};
use edgetoll::strict_json::FromJson;
use proptest::prelude::*;
use serde::Serialize;

const NOW_MS: u64 = 1_800_000_000_000;
/// From this time on, a use that is neither spent nor returned counts as spent.
const UNTIL_MS: u64 = NOW_MS + 130_000;

#[test]
fn the_number_of_requests_that_a_payment_allows_is_the_number_of_uses_that_it_bought() {
    let mut uses = Uses::default();
    for ticket in 0..5 {
        assert_eq!(take(&mut uses, 5, NOW_MS), MeterResponse::Taken { ticket, remaining: 4 - ticket });
        spend(&mut uses, 5, &[ticket]);
    }
    assert_eq!(take(&mut uses, 5, NOW_MS), MeterResponse::Spent);
    // A holder can add a `uses` caveat with a smaller number. The uses that were taken before still count.
    assert_eq!(take(&mut uses, 3, NOW_MS), MeterResponse::Spent);
}

#[test]
fn one_request_spends_earlier_uses_and_takes_the_next_one() {
    let mut uses = Uses::default();
    let tickets: Vec<u64> = (0..3).map(|_| take_ticket(&mut uses, 4)).collect();
    let request = MeterRequest { spent: tickets, ..take_request(4) };
    assert_eq!(uses.run(&request, NOW_MS), MeterResponse::Taken { ticket: 3, remaining: 0 });
    assert_eq!(take(&mut uses, 4, NOW_MS), MeterResponse::InFlight, "only the last use is in flight");
    let request = MeterRequest { spent: vec![3], ..take_request(4) };
    assert_eq!(uses.run(&request, NOW_MS), MeterResponse::Spent);
}

// mm-12: each request reads and writes all uses that are in flight.
#[test]
fn a_payment_has_at_most_512_uses_in_flight() {
    let mut uses = Uses::default();
    let tickets: Vec<u64> = (0..512).map(|_| take_ticket(&mut uses, 1_000)).collect();
    assert_eq!(take(&mut uses, 1_000, NOW_MS), MeterResponse::InFlight);
    assert_eq!(spend(&mut uses, 1_000, &[]), MeterResponse::Remaining(488));
    assert_eq!(spend(&mut uses, 1_000, &tickets[..1]), MeterResponse::Remaining(488));
    assert_eq!(take(&mut uses, 1_000, NOW_MS), MeterResponse::Taken { ticket: 512, remaining: 487 });
    assert_eq!(take(&mut uses, 1_000, NOW_MS), MeterResponse::InFlight);
    assert_eq!(take(&mut uses, 1_000, UNTIL_MS), MeterResponse::Taken { ticket: 513, remaining: 486 });
}

#[test]
fn a_check_takes_no_use_and_tells_when_none_is_left() {
    let mut uses = Uses::default();
    for remaining in [2, 1] {
        for _ in 0..3 {
            assert_eq!(spend(&mut uses, 2, &[]), MeterResponse::Remaining(remaining));
        }
        take_ticket(&mut uses, 2);
    }
    assert_eq!(spend(&mut uses, 2, &[]), MeterResponse::InFlight);
    assert_eq!(uses.run(&MeterRequest { take: None, ..take_request(2) }, UNTIL_MS), MeterResponse::Spent);
}

#[test]
fn a_payment_is_unused_until_the_first_use_is_taken_even_if_that_use_is_returned() {
    let mut uses = Uses::default();
    assert!(uses.is_unused());
    spend(&mut uses, 2, &[]);
    assert!(uses.is_unused(), "a check takes no use");
    let ticket = take_ticket(&mut uses, 2);
    assert!(!uses.is_unused());
    give_back(&mut uses, ticket, 2);
    assert!(!uses.is_unused());
}

#[test]
fn a_use_whose_request_has_no_response_yet_can_be_returned() {
    let mut uses = Uses::default();
    let ticket = take_ticket(&mut uses, 1);
    assert_eq!(take(&mut uses, 1, NOW_MS), MeterResponse::InFlight);
    assert_eq!(give_back(&mut uses, ticket, 1), MeterResponse::Remaining(1));
    assert!(matches!(take(&mut uses, 1, NOW_MS), MeterResponse::Taken { .. }));
}

#[test]
fn a_use_that_is_neither_spent_nor_returned_in_time_counts_as_spent() {
    let mut uses = Uses::default();
    let ticket = take_ticket(&mut uses, 1);
    assert_eq!(take(&mut uses, 1, UNTIL_MS - 1), MeterResponse::InFlight);
    assert_eq!(take(&mut uses, 1, UNTIL_MS), MeterResponse::Spent);
    assert_eq!(give_back(&mut uses, ticket, 1), MeterResponse::Spent, "the use was returned too late");
    let mut uses = Uses::default();
    let late = MeterRequest { returned: Some(take_ticket(&mut uses, 1)), take: None, ..take_request(1) };
    assert_eq!(uses.run(&late, UNTIL_MS), MeterResponse::Spent, "no request came before the late return");
}

#[test]
fn a_payment_gets_uses_back_at_most_three_times_for_each_use_that_it_bought() {
    let mut uses = Uses::default();
    for _ in 0..6 {
        let ticket = take_ticket(&mut uses, 2);
        assert_eq!(give_back(&mut uses, ticket, 2), MeterResponse::Remaining(2));
        let again = give_back(&mut uses, ticket, 2);
        assert_eq!(again, MeterResponse::Remaining(2), "a second return of the same ticket changes nothing");
    }
    for response in [MeterResponse::Remaining(1), MeterResponse::Spent] {
        let ticket = take_ticket(&mut uses, 2);
        assert_eq!(give_back(&mut uses, ticket, 2), response);
    }
    assert_eq!(take(&mut uses, 2, NOW_MS), MeterResponse::Spent);
}

#[test]
fn a_use_that_was_spent_cannot_be_returned_and_a_use_that_was_returned_cannot_be_spent() {
    let mut uses = Uses::default();
    let ticket = take_ticket(&mut uses, 2);
    spend(&mut uses, 2, &[ticket]);
    assert_eq!(give_back(&mut uses, ticket, 2), MeterResponse::Remaining(1));
    let ticket = take_ticket(&mut uses, 2);
    assert_eq!(give_back(&mut uses, ticket, 2), MeterResponse::Remaining(1));
    assert_eq!(spend(&mut uses, 2, &[ticket]), MeterResponse::Remaining(1));
}

#[test]
fn messages_and_state_of_the_use_counter_are_read_back_and_malformed_texts_are_refused() {
    let lease = Lease { until_ms: UNTIL_MS, delete_at_ms: UNTIL_MS + 1 };
    for (spent, returned, take) in
        [(vec![], None, None), (vec![0], None, Some(lease)), (vec![1, 2, 3], Some(7), None)]
    {
        let request = MeterRequest { bought: 5, spent, returned, take };
        assert_eq!(MeterRequest::parse(&to_json(&request)), Some(request));
    }
    for response in [
        MeterResponse::Taken { ticket: 3, remaining: 1 },
        MeterResponse::InFlight,
        MeterResponse::Spent,
        MeterResponse::Remaining(2),
    ] {
        assert_eq!(MeterResponse::parse(&to_json(&response)), Some(response));
    }
    for text in [
        "",
        "{}",
        "null",
        r#""take""#,
        r#"{"bought":5}"#,
        r#"{"spent":[]}"#,
        r#"{"bought":-5,"spent":[]}"#,
        r#"{"bought":5,"spent":[-1]}"#,
        r#"{"bought":5,"spent":[],"returned":"1"}"#,
        r#"{"bought":5,"spent":[],"take":{"until_ms":1}}"#,
        r#"{"bought":5,"bought":6,"spent":[]}"#,
    ] {
        assert_eq!(MeterRequest::parse(text), None, "{text}");
    }
    for text in ["", "{}", "null", r#""taken""#, r#"{"taken":{"ticket":1}}"#, r#"{"remaining":"2"}"#] {
        assert_eq!(MeterResponse::parse(text), None, "{text}");
    }
    for text in [
        "",
        "{}",
        r#"{"taken":1,"returned":0,"next_ticket":1}"#,
        r#"{"taken":1,"returned":0,"in_flight":[5],"next_ticket":1}"#,
        r#"{"taken":-1,"returned":0,"in_flight":[],"next_ticket":1}"#,
    ] {
        assert_eq!(Uses::parse(text), None, "{text}");
    }
}

fn take_request(bought: u64) -> MeterRequest {
    let lease = Lease { until_ms: UNTIL_MS, delete_at_ms: UNTIL_MS };
    MeterRequest { bought, spent: vec![], returned: None, take: Some(lease) }
}

fn take(uses: &mut Uses, bought: u64, now_ms: u64) -> MeterResponse {
    uses.run(&take_request(bought), now_ms)
}

/// Takes a use and returns its ticket. Panics if no use is left.
fn take_ticket(uses: &mut Uses, bought: u64) -> u64 {
    match take(uses, bought, NOW_MS) {
        MeterResponse::Taken { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

fn spend(uses: &mut Uses, bought: u64, tickets: &[u64]) -> MeterResponse {
    uses.run(&MeterRequest { spent: tickets.to_vec(), take: None, ..take_request(bought) }, NOW_MS)
}

fn give_back(uses: &mut Uses, ticket: u64, bought: u64) -> MeterResponse {
    uses.run(&MeterRequest { returned: Some(ticket), take: None, ..take_request(bought) }, NOW_MS)
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

proptest! {
    #[test]
    fn no_sequence_of_requests_spends_more_uses_than_the_payment_bought(
        bought in 1_u64..6,
        steps in prop::collection::vec(0_u8..4, 0..60),
    ) {
        let mut uses = Uses::default();
        let (mut in_flight, mut spent) = (Vec::new(), 0);
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                0 | 1 => {
                    if let MeterResponse::Taken { ticket, .. } = take(&mut uses, bought, NOW_MS + index as u64) {
                        in_flight.push(ticket);
                    }
                }
                2 => {
                    if let Some(ticket) = in_flight.pop() {
                        spend(&mut uses, bought, &[ticket]);
                        spent += 1;
                    }
                }
                _ => {
                    if let Some(ticket) = in_flight.pop() {
                        give_back(&mut uses, ticket, bought);
                    }
                }
            }
            prop_assert!(spent + in_flight.len() as u64 <= bought);
            prop_assert_eq!(Uses::parse(&to_json(&uses)), Some(uses.clone()));
        }
    }

    #[test]
    fn no_stored_state_makes_the_use_counter_panic(
        text in "[\\[\\]{}\":,0-9a-z_-]{0,40}",
        [taken, returned, next_ticket, ticket, until_ms, bought] in any::<[u64; 6]>(),
    ) {
        let _ = Uses::parse(&text);
        let _ = MeterRequest::parse(&text);
        let _ = MeterResponse::parse(&text);
        let in_flight = format!(r#"[{{"ticket":{ticket},"until_ms":{until_ms}}}]"#);
        let state = format!(
            r#"{{"taken":{taken},"returned":{returned},"in_flight":{in_flight},"next_ticket":{next_ticket}}}"#
        );
        let mut uses = Uses::parse(&state).unwrap();
        let _ = take(&mut uses, bought, NOW_MS);
        let _ = give_back(&mut uses, ticket, bought);
    }
}
