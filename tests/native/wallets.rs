//! Which wallet is asked, how long a failing one is left alone, and when a preimage is proof enough.

use edgetoll::payment::PaymentHash;
use edgetoll::payment::WalletSlot;
use edgetoll::policy::settlement::SettlementMode;
use edgetoll::protocols::l402::macaroon::Encoding;
use edgetoll::protocols::l402::verify::{BoundCaveats, Grant};
use edgetoll::wallet::WalletError;
use edgetoll::wallet::circuit_breaker::CircuitBreaker;
use edgetoll::wallet::failover::Failover;
use edgetoll::wallet::probe::Probe;
use edgetoll::wallet::settlement::{SettledPayments, trusts_preimage};

const NOW_MS: u64 = 1_800_000_000_000;
const NOW: u64 = 1_800_000_000;

#[test]
fn a_wallet_that_fails_three_times_in_a_row_is_left_alone() {
    let mut breaker = CircuitBreaker::default();
    assert!(!breaker.failed(None, NOW_MS, NOW_MS));
    assert!(!breaker.failed(None, NOW_MS, NOW_MS));
    assert_eq!(breaker.admit(NOW_MS), Ok(()));
    breaker.succeeded();
    assert!(!breaker.failed(None, NOW_MS, NOW_MS));
    assert!(!breaker.failed(None, NOW_MS, NOW_MS));
    assert!(breaker.failed(None, NOW_MS, NOW_MS));
    assert_eq!(breaker.admit(NOW_MS), Err(5_000));
    assert_eq!(breaker.admit(NOW_MS + 4_500), Err(500));
}

/// That of a wallet that has just failed three times.
fn resting() -> CircuitBreaker {
    let mut breaker = CircuitBreaker::default();
    for _ in 0..3 {
        breaker.failed(None, NOW_MS, NOW_MS);
    }
    breaker
}

#[test]
fn one_request_at_a_time_tries_a_wallet_that_was_left_alone() {
    let mut breaker = resting();
    let later = NOW_MS + 5_000;
    assert_eq!(breaker.admit(later), Ok(()));
    assert_eq!(breaker.admit(later), Err(6_000));
    breaker.succeeded();
    assert_eq!(breaker.admit(later), Ok(()));
    assert_eq!(breaker.admit(later), Ok(()));
}

#[test]
fn a_request_that_never_comes_back_keeps_nobody_from_trying_again() {
    let mut breaker = resting();
    assert_eq!(breaker.admit(NOW_MS + 5_000), Ok(()));
    assert_eq!(breaker.admit(NOW_MS + 10_999), Err(1));
    assert_eq!(breaker.admit(NOW_MS + 11_000), Ok(()));
}

#[test]
fn a_wallet_that_goes_on_failing_is_left_alone_for_longer_and_never_for_more_than_half_a_minute() {
    let mut breaker = resting();
    let mut now_ms = NOW_MS;
    for rest_ms in [5_000, 10_000, 20_000, 30_000, 30_000] {
        assert_eq!(breaker.wait_ms(now_ms), rest_ms);
        now_ms += rest_ms;
        assert_eq!(breaker.admit(now_ms), Ok(()));
        assert!(breaker.failed(None, now_ms, now_ms));
    }
}

#[test]
fn what_was_sent_before_a_wallet_was_left_alone_makes_it_no_worse() {
    let mut breaker = CircuitBreaker::default();
    for _ in 0..20 {
        breaker.failed(None, NOW_MS, NOW_MS);
    }
    assert_eq!(breaker.wait_ms(NOW_MS), 5_000);
    // Even when it comes back late, while the wallet is tried again.
    let later = NOW_MS + 5_000;
    assert_eq!(breaker.admit(later), Ok(()));
    assert!(!breaker.failed(None, NOW_MS + 4_999, later));
    assert!(breaker.failed(None, later, later));
}

#[test]
fn a_wallet_that_asks_to_be_left_alone_is_at_once_and_for_so_long() {
    let mut breaker = CircuitBreaker::default();
    assert!(breaker.failed(Some(7_000), NOW_MS, NOW_MS));
    assert_eq!(breaker.wait_ms(NOW_MS), 7_000);
}

#[test]
fn the_second_wallet_is_asked_while_the_first_fails_and_the_first_again_when_it_is_back() {
    let mut turns = Failover::default();
    let error = WalletError::Timeout;
    let failed: Result<(), _> = Err(error);
    for _ in 0..3 {
        assert_eq!(turns.begin(true, NOW_MS), Ok(WalletSlot::One));
        turns.note(WalletSlot::One, &failed, NOW_MS, NOW_MS);
        assert_eq!(turns.go_on(WalletSlot::One, &error, true, NOW_MS), Some(WalletSlot::Two));
        turns.note(WalletSlot::Two, &Ok(()), NOW_MS, NOW_MS);
    }
    assert_eq!(turns.begin(true, NOW_MS), Ok(WalletSlot::Two));
    assert_eq!(turns.wait_ms(true, NOW_MS), None);
    let later = NOW_MS + 5_000;
    assert_eq!(turns.begin(true, later), Ok(WalletSlot::One));
    turns.note(WalletSlot::One, &Ok(()), later, later);
    assert_eq!(turns.begin(true, later), Ok(WalletSlot::One));
}

#[test]
fn with_one_wallet_only_what_may_pass_at_once_is_tried_again() {
    let mut turns = Failover::default();
    for (error, again) in [
        (WalletError::Unreachable, Some(WalletSlot::One)),
        (WalletError::Status(502), Some(WalletSlot::One)),
        (WalletError::Timeout, None),
        (WalletError::Status(520), None),
        (WalletError::FundingSource, None),
        (WalletError::Status(404), None),
        (WalletError::RateLimited { retry_after_s: None }, None),
        (WalletError::OtherAmount, None),
    ] {
        assert_eq!(turns.go_on(WalletSlot::One, &error, false, NOW_MS), again, "{error}");
    }
}

#[test]
fn with_all_wallets_left_alone_nobody_waits() {
    let mut turns = Failover::default();
    let failed: Result<(), _> = Err(WalletError::Unreachable);
    for _ in 0..3 {
        turns.note(WalletSlot::One, &failed, NOW_MS, NOW_MS);
    }
    assert_eq!(turns.begin(false, NOW_MS + 500), Err(4_500));
    assert_eq!(turns.wait_ms(false, NOW_MS + 500), Some(4_500));
    assert_eq!(turns.wait_ms(true, NOW_MS + 500), None);
    for _ in 0..3 {
        turns.note(WalletSlot::Two, &failed, NOW_MS + 500, NOW_MS + 500);
    }
    assert_eq!(turns.begin(true, NOW_MS + 500), Err(4_500));
    assert_eq!(turns.go_on(WalletSlot::One, &WalletError::Unreachable, true, NOW_MS + 500), None);
}

#[test]
fn what_one_request_alone_brings_about_keeps_no_other_from_buying() {
    let mut turns = Failover::default();
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
            assert!(!turns.note(WalletSlot::One, &failed, NOW_MS, NOW_MS), "{error}");
        }
        assert_eq!(turns.wait_ms(false, NOW_MS), None, "{error}");
    }
}

#[test]
fn what_says_nothing_of_a_wallet_neither_blames_nor_clears_it() {
    let mut turns = Failover::default();
    let failed: Result<(), _> = Err(WalletError::Timeout);
    for _ in 0..2 {
        assert!(!turns.note(WalletSlot::One, &failed, NOW_MS, NOW_MS));
        for error in [
            WalletError::NoTimeLeft,
            WalletError::DeadlineReached,
            WalletError::FundingSource,
            WalletError::StatusUnknown,
        ] {
            assert!(!turns.note(WalletSlot::One, &Err::<(), _>(error), NOW_MS, NOW_MS), "{error}");
        }
    }
    assert!(turns.note(WalletSlot::One, &failed, NOW_MS, NOW_MS), "the third failure in a row");
}

#[test]
fn a_wallet_is_left_alone_as_long_as_it_says_and_never_for_more_than_a_minute() {
    for (retry_after_s, wait_ms) in
        [(None, 5_000), (Some(7), 7_000), (Some(0), 1_000), (Some(86_400), 60_000)]
    {
        let mut turns = Failover::default();
        let failed: Result<(), _> = Err(WalletError::RateLimited { retry_after_s });
        assert!(turns.note(WalletSlot::One, &failed, NOW_MS, NOW_MS));
        assert_eq!(turns.wait_ms(false, NOW_MS), Some(wait_ms));
    }
}

fn grant() -> Grant {
    Grant {
        payment_hash: PaymentHash::from_bytes([7; 32]),
        encoding: Encoding::Standard,
        is_proven: true,
        other_issuer: false,
        expires_at_unix: NOW + 3_600,
        sold_until_unix: NOW + 3_600,
        amount_sats: Some(5),
        binds: BoundCaveats::default(),
        uses: None,
        wallet: None,
        payable_until_unix: Some(NOW + 300),
    }
}

#[test]
fn a_preimage_is_proof_while_the_invoice_can_be_paid_and_lnbits_keeps_preimages() {
    let trusts = |probe, now| trusts_preimage(SettlementMode::Auto, probe, &grant(), now);
    assert!(trusts(Probe::PreimageHidden, NOW));
    // Seconds begin elsewhere on another clock: not up to the last one.
    assert!(trusts(Probe::PreimageHidden, NOW + 295));
    assert!(!trusts(Probe::PreimageHidden, NOW + 296));
    for probe in [Probe::Unknown, Probe::PreimageExposed, Probe::AdminKey] {
        assert!(!trusts(probe, NOW), "{probe:?}");
    }
    let boundless = Grant { payable_until_unix: None, ..grant() };
    assert!(!trusts_preimage(SettlementMode::Auto, Probe::PreimageHidden, &boundless, NOW));
}

#[test]
fn the_setting_says_whose_word_counts() {
    for probe in [Probe::Unknown, Probe::PreimageHidden, Probe::PreimageExposed] {
        assert!(!trusts_preimage(SettlementMode::Lnbits, probe, &grant(), NOW));
        assert!(trusts_preimage(SettlementMode::Preimage, probe, &grant(), NOW + 3_000));
    }
}

#[test]
fn without_a_preimage_lnbits_is_always_asked() {
    let unproven = Grant { is_proven: false, ..grant() };
    let foreign = Grant { other_issuer: true, ..unproven.clone() };
    for settlement in [SettlementMode::Auto, SettlementMode::Lnbits, SettlementMode::Preimage] {
        assert!(!trusts_preimage(settlement, Probe::PreimageHidden, &unproven, NOW));
        assert!(!trusts_preimage(settlement, Probe::PreimageHidden, &foreign, NOW));
    }
}

#[test]
fn the_invoice_of_another_server_is_not_ours_to_ask_about() {
    let foreign = Grant { other_issuer: true, payable_until_unix: None, ..grant() };
    for settlement in [SettlementMode::Auto, SettlementMode::Lnbits, SettlementMode::Preimage] {
        assert!(trusts_preimage(settlement, Probe::Unknown, &foreign, NOW));
    }
}

#[test]
fn what_has_arrived_is_remembered_and_old_ones_make_room() {
    let hash = |n: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        PaymentHash::from_bytes(bytes)
    };
    let mut settled = SettledPayments::default();
    assert!(!settled.knows(&hash(0)));
    for n in 0..10_000 {
        settled.remember(&hash(n), NOW + u64::from(n), NOW);
    }
    assert!(settled.knows(&hash(0)) && settled.knows(&hash(9_999)));
    settled.remember(&hash(10_000), NOW + 50_000, NOW);
    assert!(!settled.knows(&hash(10_000)), "full, and nothing of it has ended");
    settled.remember(&hash(10_001), NOW + 50_000, NOW + 5_000);
    assert!(settled.knows(&hash(10_001)));
    assert!(!settled.knows(&hash(4_999)) && settled.knows(&hash(5_000)));
}
