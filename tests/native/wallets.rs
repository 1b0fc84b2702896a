//! Circuit breakers of wallets, failover between wallets, and when a preimage proves a payment.

use crate::support::slots::SECOND;
use edgetoll::payment::{PaymentHash, WalletSlot};
use edgetoll::policy::settlement::SettlementMode;
use edgetoll::policy::wallet_order::WalletOrder;
use edgetoll::protocols::l402::macaroon::Encoding;
use edgetoll::protocols::l402::verify::Grant;
use edgetoll::wallet::WalletError;
use edgetoll::wallet::circuit_breaker::CircuitBreaker;
use edgetoll::wallet::failover::Failover;
use edgetoll::wallet::probe::Probe;
use edgetoll::wallet::settlement::{RunningLookUps, SettledPayments, trusts_preimage};

const NOW_MS: u64 = 1_800_000_000_000;
const NOW_UNIX: u64 = 1_800_000_000;

#[test]
fn a_client_retries_when_the_wallet_accepts_requests_again_but_at_most_after_a_minute() {
    let limited = |retry_after_s| WalletError::RateLimited { retry_after_s };
    let payment_limited = |retry_after_s| WalletError::PaymentRateLimited { retry_after_s };
    for (error, expected_s) in [
        (WalletError::CircuitOpen { retry_in_ms: 0 }, 1),
        (WalletError::CircuitOpen { retry_in_ms: 2_000 }, 2),
        (WalletError::CircuitOpen { retry_in_ms: 2_001 }, 3),
        (limited(Some(0)), 1),
        (limited(Some(7)), 7),
        (payment_limited(Some(8)), 8),
        (payment_limited(Some(3_600)), 60),
        (limited(None), 5),
        (WalletError::Unreachable, 5),
    ] {
        assert_eq!(error.retry_after_s(), expected_s, "{error:?}");
    }
}

#[test]
fn three_failed_requests_in_a_row_open_the_circuit_of_a_wallet() {
    let mut breaker = CircuitBreaker::default();
    assert!(!breaker.failed(None, NOW_MS, NOW_MS));
    assert!(!breaker.failed(None, NOW_MS, NOW_MS));
    assert_eq!(breaker.admit(NOW_MS), Ok(()));
    breaker.succeeded(NOW_MS);
    assert!(!breaker.failed(None, NOW_MS, NOW_MS));
    assert!(!breaker.failed(None, NOW_MS, NOW_MS));
    assert!(breaker.failed(None, NOW_MS, NOW_MS));
    assert_eq!(breaker.admit(NOW_MS), Err(5_000));
    assert_eq!(breaker.admit(NOW_MS + 4_500), Err(500));
}

/// Returns a breaker that three failures have just opened.
fn open_breaker() -> CircuitBreaker {
    let mut breaker = CircuitBreaker::default();
    for _ in 0..3 {
        breaker.failed(None, NOW_MS, NOW_MS);
    }
    breaker
}

#[test]
fn after_the_open_time_the_wallet_gets_one_request_at_a_time_until_a_request_succeeds() {
    let mut breaker = open_breaker();
    let later_ms = NOW_MS + 5_000;
    assert_eq!(breaker.admit(later_ms), Ok(()));
    assert_eq!(breaker.admit(later_ms), Err(6_000));
    breaker.succeeded(later_ms);
    assert_eq!(breaker.admit(later_ms), Ok(()));
    assert_eq!(breaker.admit(later_ms), Ok(()));
}

#[test]
fn a_trial_request_without_a_result_blocks_other_requests_for_at_most_six_seconds() {
    let mut breaker = open_breaker();
    assert_eq!(breaker.admit(NOW_MS + 5_000), Ok(()));
    assert_eq!(breaker.admit(NOW_MS + 10_999), Err(1));
    assert_eq!(breaker.admit(NOW_MS + 11_000), Ok(()));
}

// A8: a client whose requests the wallet refuses with `INTERNAL` kept the circuit open, with a trial every six seconds.
#[test]
fn after_a_trial_request_that_says_nothing_about_the_wallet_the_next_request_is_a_trial() {
    let mut failover = Failover::default();
    let slot = WalletSlot::FIRST;
    let unreachable: Result<(), _> = Err(WalletError::Unreachable);
    for _ in 0..3 {
        failover.record(slot, &unreachable, NOW_MS, NOW_MS);
    }
    let later_ms = NOW_MS + 5_000;
    assert_eq!(failover.admit(slot, later_ms), Ok(()));
    let internal: Result<(), _> = Err(WalletError::Internal);
    // This request was sent before the trial.
    failover.record(slot, &internal, NOW_MS, later_ms);
    assert_eq!(failover.admit(slot, later_ms), Err(6_000));
    failover.record(slot, &internal, later_ms, later_ms);
    assert_eq!(failover.admit(slot, later_ms), Ok(()));
    assert_eq!(failover.admit(slot, later_ms), Err(6_000));
    failover.record(slot, &Ok(()), later_ms, later_ms);
    assert_eq!(failover.admit(slot, later_ms), Ok(()));
}

#[test]
fn each_failed_trial_request_doubles_the_wait_until_the_next_trial_up_to_30_seconds() {
    let mut breaker = open_breaker();
    let mut now_ms = NOW_MS;
    for wait_ms in [5_000, 10_000, 20_000, 30_000, 30_000] {
        assert_eq!(breaker.wait_ms(now_ms), wait_ms);
        now_ms += wait_ms;
        assert_eq!(breaker.admit(now_ms), Ok(()));
        assert!(breaker.failed(None, now_ms, now_ms));
    }
}

#[test]
fn failures_of_requests_sent_before_the_circuit_opened_are_ignored() {
    let mut breaker = CircuitBreaker::default();
    for _ in 0..20 {
        breaker.failed(None, NOW_MS, NOW_MS);
    }
    assert_eq!(breaker.wait_ms(NOW_MS), 5_000);
    // During a trial request, a late failure of a request that was sent before the trial is ignored too.
    let later_ms = NOW_MS + 5_000;
    assert_eq!(breaker.admit(later_ms), Ok(()));
    assert!(!breaker.failed(None, NOW_MS + 4_999, later_ms));
    assert!(breaker.failed(None, later_ms, later_ms));
}

#[test]
fn failures_of_requests_sent_before_the_wallet_recovered_do_not_open_the_circuit_again() {
    let mut breaker = open_breaker();
    let recovered_ms = NOW_MS + 5_000;
    assert_eq!(breaker.admit(recovered_ms), Ok(()));
    breaker.succeeded(recovered_ms);
    for _ in 0..9 {
        assert!(!breaker.failed(None, recovered_ms - 1, recovered_ms + 4_000));
    }
    assert!(!breaker.failed(None, recovered_ms, recovered_ms + 4_000));
    assert!(!breaker.failed(None, recovered_ms, recovered_ms + 4_000));
    assert!(breaker.failed(None, recovered_ms, recovered_ms + 4_000));
}

#[test]
fn a_retry_after_header_opens_the_circuit_at_once_for_the_time_in_the_header() {
    let mut breaker = CircuitBreaker::default();
    assert!(breaker.failed(Some(7_000), NOW_MS, NOW_MS));
    assert_eq!(breaker.wait_ms(NOW_MS), 7_000);
}

#[test]
fn if_the_clock_goes_back_the_wallet_gets_a_trial_request_at_once_and_its_failure_opens_the_circuit_again() {
    let earlier_ms = NOW_MS - 1_200_000;
    let mut breaker = open_breaker();
    assert_eq!(breaker.wait_ms(earlier_ms), 0);
    assert_eq!(breaker.admit(earlier_ms), Ok(()));
    assert_eq!(breaker.admit(earlier_ms), Err(6_000));
    assert!(breaker.failed(None, earlier_ms, earlier_ms));
    assert_eq!(breaker.wait_ms(earlier_ms), 10_000);
    // The clock goes back during a trial request.
    let mut breaker = open_breaker();
    assert_eq!(breaker.admit(NOW_MS + 5_000), Ok(()));
    assert_eq!(breaker.admit(earlier_ms), Ok(()));
}

const BOTH: [WalletSlot; 2] = [WalletSlot::FIRST, SECOND];
const FIRST_ONLY: [WalletSlot; 1] = [WalletSlot::FIRST];

#[test]
fn the_wallet_in_slot_2_takes_over_while_the_wallet_in_slot_1_fails() {
    let mut failover = Failover::default();
    let error = WalletError::Timeout;
    let failed: Result<(), _> = Err(error);
    for _ in 0..3 {
        assert_eq!(failover.choose(&BOTH, NOW_MS), Ok(WalletSlot::FIRST));
        failover.record(WalletSlot::FIRST, &failed, NOW_MS, NOW_MS);
        assert_eq!(failover.choose_after(WalletSlot::FIRST, &error, &[SECOND], NOW_MS), Some(SECOND));
        failover.record(SECOND, &Ok(()), NOW_MS, NOW_MS);
    }
    assert_eq!(failover.choose(&BOTH, NOW_MS), Ok(SECOND));
    assert_eq!(failover.wait_ms(BOTH.into_iter(), NOW_MS), None);
    let later_ms = NOW_MS + 5_000;
    assert_eq!(failover.choose(&BOTH, later_ms), Ok(WalletSlot::FIRST));
    failover.record(WalletSlot::FIRST, &Ok(()), later_ms, later_ms);
    assert_eq!(failover.choose(&BOTH, later_ms), Ok(WalletSlot::FIRST));
}

#[test]
fn a_single_wallet_is_retried_only_after_a_transient_error() {
    let mut failover = Failover::default();
    for (error, next) in [
        (WalletError::Unreachable, Some(WalletSlot::FIRST)),
        (WalletError::Status(502), Some(WalletSlot::FIRST)),
        (WalletError::Timeout, None),
        (WalletError::Status(520), None),
        (WalletError::FundingSource, None),
        (WalletError::Status(404), None),
        (WalletError::RateLimited { retry_after_s: None }, None),
        (WalletError::OtherAmount, None),
    ] {
        assert_eq!(failover.choose_after(WalletSlot::FIRST, &error, &[], NOW_MS), next, "{error}");
    }
}

#[test]
fn no_wallet_is_chosen_while_all_circuits_are_open() {
    let mut failover = Failover::default();
    let failed: Result<(), _> = Err(WalletError::Unreachable);
    for _ in 0..3 {
        failover.record(WalletSlot::FIRST, &failed, NOW_MS, NOW_MS);
    }
    let now_ms = NOW_MS + 500;
    assert_eq!(failover.choose(&FIRST_ONLY, now_ms), Err(4_500));
    assert_eq!(failover.wait_ms(FIRST_ONLY.into_iter(), now_ms), Some(4_500));
    assert_eq!(failover.wait_ms(BOTH.into_iter(), now_ms), None);
    for _ in 0..3 {
        failover.record(SECOND, &failed, now_ms, now_ms);
    }
    assert_eq!(failover.choose(&BOTH, now_ms), Err(4_500));
    assert_eq!(failover.choose_after(WalletSlot::FIRST, &WalletError::Unreachable, &[SECOND], now_ms), None);
}

/// Asks the wallets until one creates an invoice, and returns the slots that were asked. The wallets in `down` fail.
fn asked(failover: &mut Failover, order: WalletOrder, down: &[WalletSlot], now_ms: u64) -> Vec<String> {
    let mut others = failover.order(order, WalletSlot::ALL.into_iter());
    let mut next = failover.choose(&others, now_ms).ok();
    let mut asked = Vec::new();
    while let Some(slot) = next {
        asked.push(slot.as_str().to_owned());
        others.retain(|other| *other != slot);
        let error = WalletError::Timeout;
        let result = if down.contains(&slot) { Err(error) } else { Ok(()) };
        failover.record(slot, &result, now_ms, now_ms);
        next = result.err().and_then(|error| failover.choose_after(slot, &error, &others, now_ms));
    }
    asked
}

#[test]
fn with_the_order_failover_the_next_wallets_are_asked_in_the_order_of_their_numbers() {
    let mut failover = Failover::default();
    let mut request = |down: &[WalletSlot]| asked(&mut failover, WalletOrder::Failover, down, NOW_MS);
    let down = &WalletSlot::ALL[..2];
    assert_eq!(request(&[]), ["1"]);
    assert_eq!(request(&[]), ["1"]);
    for _ in 0..3 {
        assert_eq!(request(down), ["1", "2", "3"]);
    }
    assert_eq!(request(down), ["3"], "three failures open the circuits of the wallets in slots 1 and 2");
    assert_eq!(request(&WalletSlot::ALL), ["3", "4", "5", "6", "7", "8"]);
}

#[test]
fn with_the_order_last_the_wallet_in_the_highest_slot_is_asked_first() {
    let mut failover = Failover::default();
    let mut request = |down: &[WalletSlot]| asked(&mut failover, WalletOrder::Last, down, NOW_MS);
    assert_eq!(request(&[]), ["8"]);
    assert_eq!(request(&[]), ["8"]);
    assert_eq!(request(&WalletSlot::ALL[6..]), ["8", "7", "6"]);
}

#[test]
fn with_the_order_spread_the_wallets_take_turns_and_a_wallet_whose_circuit_is_open_is_left_out() {
    let mut failover = Failover::default();
    let down = &WalletSlot::ALL[1..2];
    let mut request = |now_ms| asked(&mut failover, WalletOrder::Spread, down, now_ms).join(" ");
    let first: Vec<_> = (0..24).map(|_| request(NOW_MS)).collect();
    assert_eq!(first[..8], ["1", "2 3", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(first[8..16], first[..8]);
    assert_eq!(first[16..], first[..8]);
    let second: Vec<_> = (0..8).map(|_| request(NOW_MS)).collect();
    assert_eq!(second, ["1", "3", "3", "4", "5", "6", "7", "8"]);
    let third: Vec<_> = (0..8).map(|_| request(NOW_MS + 5_000)).collect();
    assert_eq!(third[..2], ["1", "2 3"], "after the open time, the wallet gets a trial request");
}

#[test]
fn with_the_order_spread_only_configured_wallets_take_turns() {
    let mut failover = Failover::default();
    let slots = [WalletSlot::FIRST, WalletSlot::ALL[4]];
    let mut first = || failover.order(WalletOrder::Spread, slots.into_iter())[0].as_str();
    assert_eq!([first(), first(), first()], ["1", "5", "1"]);
}

#[test]
fn each_slot_has_its_own_circuit_breakers() {
    for down in WalletSlot::ALL {
        let mut failover = Failover::default();
        for _ in 0..3 {
            failover.record(down, &Err::<(), _>(WalletError::Timeout), NOW_MS, NOW_MS);
        }
        for slot in WalletSlot::ALL {
            assert_eq!(failover.wait_ms_of(slot, NOW_MS) > 0, slot == down);
        }
    }
}

#[test]
fn a_slot_has_the_number_and_the_settings_of_its_wallet() {
    for (slot, number) in WalletSlot::ALL.into_iter().zip(1..) {
        assert_eq!((slot.number(), slot.as_str()), (number, number.to_string().as_str()));
        assert_eq!(WalletSlot::parse(&number.to_string()), Some(slot));
        let suffix = if number == 1 { String::new() } else { format!("_{number}") };
        assert_eq!(slot.url_setting(), format!("LNBITS_URL{suffix}"));
        assert_eq!(slot.key_setting(), format!("LNBITS_KEY{suffix}"));
    }
    for text in ["", "0", "9", "01", "1 ", "+1", "one"] {
        assert_eq!(WalletSlot::parse(text), None, "{text}");
    }
}

#[test]
fn errors_that_a_single_request_can_cause_never_open_the_circuit_of_a_wallet() {
    let mut failover = Failover::default();
    for error in [
        WalletError::Status(400),
        WalletError::Status(520),
        WalletError::PaymentRateLimited { retry_after_s: None },
        WalletError::UnknownPayment,
        WalletError::OtherAmount,
        WalletError::OutOfBounds { amount_sats: 1 },
    ] {
        let failed: Result<(), _> = Err(error);
        for _ in 0..10 {
            assert!(!failover.record(WalletSlot::FIRST, &failed, NOW_MS, NOW_MS), "{error}");
        }
        assert_eq!(failover.wait_ms(FIRST_ONLY.into_iter(), NOW_MS), None, "{error}");
    }
}

#[test]
fn errors_that_say_nothing_about_the_wallet_leave_its_count_of_failures_unchanged() {
    let mut failover = Failover::default();
    let failed: Result<(), _> = Err(WalletError::Timeout);
    for _ in 0..2 {
        assert!(!failover.record(WalletSlot::FIRST, &failed, NOW_MS, NOW_MS));
        for error in [
            WalletError::NoTimeLeft,
            WalletError::DeadlineReached,
            WalletError::FundingSource,
            WalletError::StatusUnknown,
        ] {
            assert!(!failover.record(WalletSlot::FIRST, &Err::<(), _>(error), NOW_MS, NOW_MS), "{error}");
        }
    }
    assert!(failover.record(WalletSlot::FIRST, &failed, NOW_MS, NOW_MS), "the third failure in a row");
}

#[test]
fn a_rate_limited_wallet_is_skipped_for_the_time_in_its_retry_after_header_and_for_a_minute_at_most() {
    for (retry_after_s, wait_ms) in
        [(None, 5_000), (Some(7), 7_000), (Some(0), 1_000), (Some(86_400), 60_000)]
    {
        let mut failover = Failover::default();
        let failed: Result<(), _> = Err(WalletError::RateLimited { retry_after_s });
        assert!(failover.record(WalletSlot::FIRST, &failed, NOW_MS, NOW_MS));
        assert_eq!(failover.wait_ms(FIRST_ONLY.into_iter(), NOW_MS), Some(wait_ms));
    }
}

fn grant() -> Grant {
    Grant {
        payment_hash: PaymentHash::from_bytes([7; 32]),
        encoding: Encoding::Standard,
        is_proven: true,
        other_issuer: false,
        expires_at_unix: NOW_UNIX + 3_600,
        issued_until_unix: NOW_UNIX + 3_600,
        amount_sats: 5,
        uses: None,
        wallet: WalletSlot::FIRST,
        payable_until_unix: Some(NOW_UNIX + 300),
    }
}

#[test]
fn settlement_auto_trusts_a_preimage_only_while_the_invoice_is_payable_and_lnbits_hides_preimages() {
    let trusts = |probe, now_unix| trusts_preimage(SettlementMode::Auto, probe, &grant(), now_unix);
    assert!(trusts(Probe::PreimageHidden, NOW_UNIX));
    // A preimage is trusted until five seconds before the invoice expires, because the clock of LNbits may be ahead.
    assert!(trusts(Probe::PreimageHidden, NOW_UNIX + 295));
    assert!(!trusts(Probe::PreimageHidden, NOW_UNIX + 296));
    for probe in [Probe::Unknown, Probe::PreimageExposed, Probe::AdminKey] {
        assert!(!trusts(probe, NOW_UNIX), "{probe:?}");
    }
    let without_end = Grant { payable_until_unix: None, ..grant() };
    assert!(!trusts_preimage(SettlementMode::Auto, Probe::PreimageHidden, &without_end, NOW_UNIX));
}

#[test]
fn for_an_invoice_of_edgetoll_settlement_preimage_trusts_a_preimage_and_settlement_lnbits_does_not() {
    for probe in [Probe::Unknown, Probe::PreimageHidden, Probe::PreimageExposed] {
        assert!(!trusts_preimage(SettlementMode::Lnbits, probe, &grant(), NOW_UNIX));
        assert!(trusts_preimage(SettlementMode::Preimage, probe, &grant(), NOW_UNIX + 3_000));
    }
}

#[test]
fn a_credential_without_a_preimage_never_proves_its_payment() {
    let unproven = Grant { is_proven: false, ..grant() };
    let of_other_issuer = Grant { other_issuer: true, ..unproven.clone() };
    for mode in [SettlementMode::Auto, SettlementMode::Lnbits, SettlementMode::Preimage] {
        assert!(!trusts_preimage(mode, Probe::PreimageHidden, &unproven, NOW_UNIX));
        assert!(!trusts_preimage(mode, Probe::PreimageHidden, &of_other_issuer, NOW_UNIX));
    }
}

#[test]
fn a_preimage_for_an_invoice_of_another_issuer_is_trusted_because_no_wallet_knows_the_invoice() {
    let of_other_issuer = Grant { other_issuer: true, payable_until_unix: None, ..grant() };
    for mode in [SettlementMode::Auto, SettlementMode::Lnbits, SettlementMode::Preimage] {
        assert!(trusts_preimage(mode, Probe::Unknown, &of_other_issuer, NOW_UNIX));
    }
}

#[test]
fn a_payment_is_looked_up_by_one_request_at_a_time_until_the_mark_ends() {
    let hash = |n: u8| PaymentHash::from_bytes([n; 32]);
    let mut running = RunningLookUps::default();
    assert_eq!(running.begin(hash(1), 1_000), None);
    assert_eq!(running.begin(hash(2), 1_000), None, "another payment");
    assert_eq!(running.begin(hash(1), 10_999), Some(11_000));
    assert!(running.is_running(hash(1), 11_000, 10_999) && !running.is_running(hash(1), 11_000, 11_000));
    // The request that set the mark was cancelled.
    assert_eq!(running.begin(hash(1), 11_000), None);
    assert!(
        !running.is_running(hash(1), 11_000, 10_999),
        "a request that waits does not wait for the next look-up"
    );
    running.end(hash(1), false);
    assert!(!running.is_running(hash(1), 21_000, 11_001) && !running.has_failed(hash(1), 21_000));
    // A11 (CHANGELOG): after a look-up that failed, each request that waited looked the payment up at the same time.
    assert_eq!(running.begin(hash(1), 11_001), None);
    running.end(hash(1), true);
    assert!(running.has_failed(hash(1), 21_001) && !running.has_failed(hash(2), 11_000));
    assert_eq!(running.begin(hash(1), 11_002), None);
    assert_eq!(running.begin(hash(1), 11_002), Some(21_002));
    assert!(!running.has_failed(hash(1), 21_002));
    running.begin(hash(1), 21_002);
    assert!(!running.has_failed(hash(1), 21_001), "marks of failures end too");
    for n in 3..=250 {
        running.begin(hash(n), 11_001);
    }
    assert_eq!(running.begin(hash(250), 11_002), None, "too many marks");
}

#[test]
fn a_settled_payment_is_forgotten_only_if_it_has_expired_and_the_memory_is_full() {
    let hash = |n: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        PaymentHash::from_bytes(bytes)
    };
    let mut settled = SettledPayments::default();
    assert!(!settled.contains(&hash(0)));
    for n in 0..10_000 {
        settled.insert(&hash(n), NOW_UNIX + u64::from(n), NOW_UNIX);
    }
    assert!(settled.contains(&hash(0)) && settled.contains(&hash(9_999)));
    settled.insert(&hash(10_000), NOW_UNIX + 50_000, NOW_UNIX);
    assert!(!settled.contains(&hash(10_000)), "the memory is full and no remembered payment has expired");
    settled.insert(&hash(10_001), NOW_UNIX + 50_000, NOW_UNIX + 5_000);
    assert!(settled.contains(&hash(10_001)));
    assert!(!settled.contains(&hash(4_999)) && settled.contains(&hash(5_000)));
    // A full memory is searched for expired payments at most once in ten seconds, because a search takes long.
    for n in 10_002..15_001 {
        settled.insert(&hash(n), NOW_UNIX + 50_000, NOW_UNIX + 5_000);
    }
    settled.insert(&hash(15_001), NOW_UNIX + 50_000, NOW_UNIX + 5_009);
    assert!(!settled.contains(&hash(15_001)) && settled.contains(&hash(5_000)));
    settled.insert(&hash(15_001), NOW_UNIX + 50_000, NOW_UNIX + 5_010);
    assert!(settled.contains(&hash(15_001)) && !settled.contains(&hash(5_000)));
}
