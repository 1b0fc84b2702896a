//! A circuit breaker: after repeated failures, a wallet gets no requests for a while, and no client waits for it.

/// The state of one wallet. While the circuit is closed, every request may go to the wallet. While it is open, none
/// may. After that, one request at a time tries the wallet, and the first success closes the circuit.
#[derive(Clone, Debug, Default)]
pub struct CircuitBreaker {
    consecutive_failures: u32,
    /// `None` while the circuit is closed.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since_ms: u64,
    lasts_ms: u64,
    /// The time limit of the request that tries the wallet after the circuit was open; 0 before that request.
    trial_until_ms: u64,
}

impl CircuitBreaker {
    /// Returns the milliseconds until a request may go to the wallet; 0 if one may now.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        self.open.map_or(0, |open| {
            open.since_ms.saturating_add(open.lasts_ms).max(open.trial_until_ms).saturating_sub(now_ms)
        })
    }

    /// Admits a request to the wallet.
    ///
    /// # Errors
    /// Returns the milliseconds until a request may go to the wallet.
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
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Records the failure of a request that was sent at `sent_ms`. `retry_after_ms` is the wait that the wallet
    /// requested; it opens the circuit at once. Returns whether this failure opened the circuit.
    pub fn failed(&mut self, retry_after_ms: Option<u64>, sent_ms: u64, now_ms: u64) -> bool {
        // A failure of a request that was sent before the circuit opened is not counted again.
        if self.open.is_some_and(|open| sent_ms < open.since_ms.saturating_add(open.lasts_ms)) {
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
/// Slightly longer than the time limit of one request to a wallet.
const TRIAL_MS: u64 = 6_000;
