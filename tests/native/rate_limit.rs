//! How often one may ask.

use edgetoll::limits::rate_limit::{ClientLimits, SlidingWindow};
use proptest::prelude::*;

const NOW_MS: u64 = 1_800_000_000_000;

#[test]
fn so_many_in_a_minute_are_let_through_and_the_next_is_told_when_to_come() {
    let mut minute = SlidingWindow::default();
    for _ in 0..10 {
        assert_eq!(minute.take(10, NOW_MS), Ok(()));
    }
    let wait_ms = minute.take(10, NOW_MS).unwrap_err();
    assert!((60_000..=65_000).contains(&wait_ms), "{wait_ms}");
    assert!(minute.take(10, NOW_MS + wait_ms - 1).is_err());
    assert_eq!(minute.take(10, NOW_MS + wait_ms), Ok(()));
}

#[test]
fn what_is_stored_counts_on() {
    let mut minute = SlidingWindow::default();
    for at in [0, 1, 6_000, 12_000] {
        minute.take(10, NOW_MS + at).unwrap();
    }
    assert_eq!(SlidingWindow::parse(&minute.to_text()), Some(minute));
    assert_eq!(SlidingWindow::parse(""), Some(SlidingWindow::default()));
    for text in ["x", "1", "1:", "1:2:3", "1:-2"] {
        assert_eq!(SlidingWindow::parse(text), None, "{text}");
    }
}

#[test]
fn each_has_its_own_minute() {
    let mut minutes = ClientLimits::default();
    assert_eq!(minutes.take("a", 1, NOW_MS), Ok(()));
    assert!(minutes.take("a", 1, NOW_MS).is_err());
    assert_eq!(minutes.take("b", 1, NOW_MS), Ok(()));
}

#[test]
fn a_crowd_of_names_counts_together_once_memory_is_full() {
    let mut minutes = ClientLimits::default();
    let let_through = |minutes: &mut ClientLimits, from: u32, now_ms| {
        (from..from + 20_000).filter(|n| minutes.take(&n.to_string(), 5, now_ms).is_ok()).count()
    };
    assert_eq!(let_through(&mut minutes, 0, NOW_MS), 10_000 + 5);
    assert_eq!(minutes.take("0", 5, NOW_MS), Ok(()), "whoever is known keeps a minute of its own");
    assert_eq!(let_through(&mut minutes, 50_000, NOW_MS + 70_000), 10_000 + 5, "who is gone makes room");
}

proptest! {
    #[test]
    fn no_sixty_seconds_see_more_than_the_limit(steps in prop::collection::vec(0_u64..4_000, 1..400), limit in 1_u64..20) {
        let mut minute = SlidingWindow::default();
        let mut now_ms = NOW_MS;
        let mut let_through = Vec::new();
        for step in steps {
            now_ms += step;
            if minute.take(limit, now_ms).is_ok() {
                let_through.push(now_ms);
            }
        }
        for (first, at) in let_through.iter().enumerate() {
            let within = let_through[first..].iter().filter(|other| **other - at < 60_000).count();
            prop_assert!(within as u64 <= limit);
        }
    }

    #[test]
    fn who_waits_as_told_is_let_through(steps in prop::collection::vec(0_u64..10_000, 1..60)) {
        let mut minute = SlidingWindow::default();
        let mut now_ms = NOW_MS;
        for step in steps {
            now_ms += step;
            if let Err(wait_ms) = minute.take(3, now_ms) {
                now_ms += wait_ms;
                prop_assert_eq!(minute.take(3, now_ms), Ok(()));
            }
        }
    }
}
