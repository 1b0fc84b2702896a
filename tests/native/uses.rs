//! Uses of a payment: each is had once.

use edgetoll::limits::uses::{NotTaken, Taken, Uses};
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000_000;
const LATER: u64 = NOW + 130_000;

#[test]
fn as_many_are_had_as_were_bought() {
    let mut uses = Uses::default();
    for ticket in 0..5 {
        assert_eq!(uses.take(5, LATER, NOW), Ok(Taken { ticket, remaining: 4 - ticket }));
        uses.spend(ticket);
    }
    assert_eq!(uses.take(5, LATER, NOW), Err(NotTaken::Spent));
    // A holder may say fewer, never more than were had.
    assert_eq!(uses.take(3, LATER, NOW), Err(NotTaken::Spent));
}

#[test]
fn while_all_are_on_their_way_the_next_may_come_back() {
    let mut uses = Uses::default();
    let Ok(taken) = uses.take(1, LATER, NOW) else { panic!() };
    assert_eq!(uses.take(1, LATER, NOW), Err(NotTaken::InFlight));
    assert_eq!(uses.give_back(taken.ticket, 1), 1);
    assert!(uses.take(1, LATER, NOW).is_ok());
}

#[test]
fn one_that_nobody_comes_back_for_is_spent() {
    let mut uses = Uses::default();
    let Ok(lost) = uses.take(1, LATER, NOW) else { panic!() };
    assert_eq!(uses.take(1, LATER, LATER - 1), Err(NotTaken::InFlight));
    assert_eq!(uses.take(1, LATER, LATER), Err(NotTaken::Spent));
    assert_eq!(uses.give_back(lost.ticket, 1), 0, "too late");
}

#[test]
fn one_is_given_back_three_times_for_each_that_was_bought() {
    let mut uses = Uses::default();
    for _ in 0..6 {
        let Ok(taken) = uses.take(2, LATER, NOW) else { panic!() };
        assert_eq!(uses.give_back(taken.ticket, 2), 2);
        assert_eq!(uses.give_back(taken.ticket, 2), 2, "twice is once");
    }
    for left in [1, 0] {
        let Ok(taken) = uses.take(2, LATER, NOW) else { panic!() };
        assert_eq!(uses.give_back(taken.ticket, 2), left);
    }
    assert_eq!(uses.take(2, LATER, NOW), Err(NotTaken::Spent));
}

proptest! {
    #[test]
    fn whatever_happens_no_more_are_spent_than_were_bought(bought in 1_u64..6, steps in proptest::collection::vec(0_u8..4, 0..60)) {
        let mut uses = Uses::default();
        let (mut open, mut spent) = (Vec::new(), 0);
        for (at, step) in steps.into_iter().enumerate() {
            let now_ms = NOW + at as u64;
            match step {
                0 | 1 => open.extend(uses.take(bought, LATER, now_ms).map(|taken| taken.ticket)),
                2 => if let Some(ticket) = open.pop() { uses.spend(ticket); spent += 1; },
                _ => if let Some(ticket) = open.pop() { uses.give_back(ticket, bought); },
            }
            prop_assert!(spent + open.len() as u64 <= bought);
            prop_assert_eq!(Uses::parse(&uses.to_text()), Some(uses.clone()));
        }
    }

    #[test]
    fn no_stored_text_makes_a_panic(text in "[0-9 :,a-]{0,40}") {
        if let Some(mut uses) = Uses::parse(&text) {
            let _ = uses.take(3, LATER, NOW);
            let _ = uses.give_back(0, 3);
        }
    }
}
