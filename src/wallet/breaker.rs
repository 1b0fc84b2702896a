//! A breaker: a wallet that fails again and again is left alone for a while, and then tried with one request. What it would
//! have made its client wait for is answered at once.

/// How a wallet did lately.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// One after the other.
    failures: u32,
    /// It is left alone before; 0 while it does well.
    closed_again_ms: u64,
    /// How long it was left alone the last time.
    rest_ms: u64,
    /// One request tries it, and has this long.
    probed_until_ms: u64,
}

impl Breaker {
    /// In how many milliseconds a request may go to the wallet; 0 for now.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        self.closed_again_ms.max(self.probed_until_ms).saturating_sub(now_ms)
    }

    /// Lets a request go to the wallet: any while it does well, one at a time while it is tried.
    ///
    /// # Errors
    /// In how many milliseconds one may.
    pub fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        match self.wait_ms(now_ms) {
            0 if self.closed_again_ms == 0 => Ok(()),
            0 => {
                self.probed_until_ms = now_ms.saturating_add(PROBE_MS);
                Ok(())
            }
            wait_ms => Err(wait_ms),
        }
    }

    /// It answered as it should.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It failed. `rest_ms` is what it asked for itself. Tells whether it is left alone from now on.
    pub fn failed(&mut self, rest_ms: Option<u64>, now_ms: u64) -> bool {
        // What was sent before it was left alone says nothing new.
        if now_ms < self.closed_again_ms {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        if rest_ms.is_none() && self.closed_again_ms == 0 && self.failures < FAILURES {
            return false;
        }
        let longer_ms = self.rest_ms.saturating_mul(2).clamp(REST_MS, MAX_REST_MS);
        self.rest_ms = rest_ms.unwrap_or(longer_ms);
        self.closed_again_ms = now_ms.saturating_add(self.rest_ms);
        self.probed_until_ms = 0;
        true
    }
}

/// So many failures in a row open it.
const FAILURES: u32 = 3;
const REST_MS: u64 = 2_000;
const MAX_REST_MS: u64 = 30_000;
/// As long as a try may take, and a little.
const PROBE_MS: u64 = 6_000;
