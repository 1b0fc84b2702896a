//! A breaker: a wallet that fails again and again is left alone for a while, and then tried with one request. What it would
//! have made its client wait for is answered at once.

/// How a wallet did lately.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// One after the other.
    failures: u32,
    /// Since when it is left alone, and for how long; `None` while it does well.
    rest: Option<Rest>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    began_ms: u64,
    lasts_ms: u64,
    /// One request tries it after that, and has until then.
    tried_until_ms: u64,
}

impl Breaker {
    /// In how many milliseconds a request may go to the wallet; 0 for now.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        self.rest.map_or(0, |rest| {
            rest.began_ms.saturating_add(rest.lasts_ms).max(rest.tried_until_ms).saturating_sub(now_ms)
        })
    }

    /// Lets a request go to the wallet: any while it does well, one at a time while it is tried.
    ///
    /// # Errors
    /// In how many milliseconds one may.
    pub fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        let wait_ms = self.wait_ms(now_ms);
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        if let Some(rest) = &mut self.rest {
            rest.tried_until_ms = now_ms.saturating_add(TRIED_FOR_MS);
        }
        Ok(())
    }

    /// It answered as it should.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A request that was sent then has failed. `rest_ms` is what the wallet asked for itself. Tells whether it is left alone
    /// from now on.
    pub fn failed(&mut self, rest_ms: Option<u64>, sent_ms: u64, now_ms: u64) -> bool {
        // What was sent before it was left alone says nothing new.
        if self.rest.is_some_and(|rest| sent_ms < rest.began_ms.saturating_add(rest.lasts_ms)) {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        if rest_ms.is_none() && self.rest.is_none() && self.failures < FAILURES {
            return false;
        }
        let longer_ms = self.rest.map_or(REST_MS, |rest| rest.lasts_ms.saturating_mul(2).min(MAX_REST_MS));
        let lasts_ms = rest_ms.unwrap_or(longer_ms);
        self.rest = Some(Rest { began_ms: now_ms, lasts_ms, tried_until_ms: 0 });
        true
    }
}

/// So many failures in a row, and it is left alone.
const FAILURES: u32 = 3;
const REST_MS: u64 = 5_000;
const MAX_REST_MS: u64 = 30_000;
/// As long as a try may take, and a little.
const TRIED_FOR_MS: u64 = 6_000;
