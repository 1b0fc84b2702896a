//! A circuit breaker: after repeated failures, a wallet gets no requests for a while, so that no client waits for a
//! wallet that is down.

/// The circuit breaker of one wallet.
/// - While the circuit is closed, every request may be sent to the wallet.
/// - While the circuit is open, no request may be sent.
/// - When the open time has passed, one request at a time is sent as a trial. A success closes the circuit. A failure
///   opens the circuit again, for the wait that the wallet requested. If the wallet requested none, the circuit is open
///   for twice the earlier time, but at most 30 s. After any other result, the next request is a trial.
#[derive(Clone, Debug, Default)]
pub struct CircuitBreaker {
    consecutive_failures: u32,
    /// `None` while the circuit is closed.
    open: Option<Open>,
    /// When a request last succeeded; 0 if none has.
    succeeded_at_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since_ms: u64,
    lasts_ms: u64,
    /// When the trial request reaches its time limit, in Unix milliseconds; 0 if no trial request was sent.
    trial_until_ms: u64,
}

impl Open {
    /// Whether a request was sent before the open time had passed. Such a request is not a trial, so its failure does not open the circuit
    /// for longer. (A trial after the clock went back has an earlier time.)
    fn is_before_trial(self, sent_ms: u64, now_ms: u64) -> bool {
        sent_ms < self.since_ms.saturating_add(self.lasts_ms) && now_ms >= self.since_ms
    }
}

impl CircuitBreaker {
    /// Returns the milliseconds until a request may be sent to the wallet; 0 if a request may be sent now.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        // If more time is left than the wait can last, the clock went back. The wait is then over.
        let left_ms = |until_ms: u64, longest_ms: u64| match until_ms.saturating_sub(now_ms) {
            left_ms if left_ms <= longest_ms => left_ms,
            _ => 0,
        };
        self.open.map_or(0, |open| {
            left_ms(open.since_ms.saturating_add(open.lasts_ms), open.lasts_ms)
                .max(left_ms(open.trial_until_ms, TRIAL_MS))
        })
    }

    /// Admits a request to the wallet.
    ///
    /// # Errors
    /// Returns the milliseconds until a request may be sent to the wallet.
    pub fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        let wait_ms = self.wait_ms(now_ms);
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        if let Some(open) = &mut self.open {
            open.trial_until_ms = now_ms.saturating_add(TRIAL_MS);
        }
        Ok(())
    }

    /// Records a success, which closes the circuit.
    pub fn succeeded(&mut self, now_ms: u64) {
        *self = Self { succeeded_at_ms: now_ms, ..Self::default() };
    }

    /// Records a result that is neither a success nor a failure, of a request that was sent at `sent_ms`. The result of a trial ends the
    /// trial, so that another request can be one.
    pub fn undecided(&mut self, sent_ms: u64, now_ms: u64) {
        if let Some(open) = self.open.as_mut().filter(|open| !open.is_before_trial(sent_ms, now_ms)) {
            open.trial_until_ms = 0;
        }
    }

    /// Records the failure of a request that was sent at `sent_ms`. If the wallet requested a wait (`retry_after_ms`),
    /// the circuit opens at once for this wait. Returns whether this failure opened the circuit.
    pub fn failed(&mut self, retry_after_ms: Option<u64>, sent_ms: u64, now_ms: u64) -> bool {
        // Requests that were sent while the wallet was down may fail after it has recovered.
        let is_before_success = sent_ms < self.succeeded_at_ms && self.succeeded_at_ms <= now_ms;
        if self.open.is_some_and(|open| open.is_before_trial(sent_ms, now_ms)) || is_before_success {
            return false;
        }
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        if retry_after_ms.is_none() && self.open.is_none() && self.consecutive_failures < FAILURES_TO_OPEN {
            return false;
        }
        let longer_ms =
            self.open.map_or(FIRST_OPEN_MS, |open| open.lasts_ms.saturating_mul(2).min(MAX_OPEN_MS));
        let lasts_ms = retry_after_ms.unwrap_or(longer_ms);
        self.open = Some(Open { since_ms: now_ms, lasts_ms, trial_until_ms: 0 });
        true
    }
}

const FAILURES_TO_OPEN: u32 = 3;
const FIRST_OPEN_MS: u64 = 5_000;
const MAX_OPEN_MS: u64 = 30_000;
/// How long a trial request may take: slightly longer than `TRY_MS`, the time limit of a request to a wallet.
const TRIAL_MS: u64 = 6_000;
