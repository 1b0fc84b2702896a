//! Traffic: the number of requests of each route, by outcome.
//!
//! An isolate gathers counts for some seconds and writes them to the ledger together. Counts that an isolate has not
//! written when it ends are lost.

/// The outcome of a request to a route of the price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Forwarded with payment.
    Paid,
    /// Forwarded without payment: within the free tier, or at a price of 0.
    Free,
    /// Answered with a challenge or a price.
    Challenged,
    /// Answered with an error of edgetoll.
    Refused,
}

/// The counts that are not written yet: for each route the paid, free, challenged and refused requests.
#[derive(Debug, Default)]
pub struct Traffic {
    routes: Vec<(String, [u64; 4])>,
    due_ms: u64,
}

impl Traffic {
    pub const NONE: Self = Self { routes: Vec::new(), due_ms: 0 };

    /// Counts a request. Returns whether the caller must write all counts, after waiting for [`GATHER_MS`].
    pub fn count(&mut self, route: &str, outcome: Outcome, now_ms: u64) -> bool {
        let counts = [Outcome::Paid, Outcome::Free, Outcome::Challenged, Outcome::Refused]
            .map(|column| u64::from(column == outcome));
        self.add(route, counts);
        let is_due = now_ms >= self.due_ms;
        if is_due {
            self.due_ms = now_ms.saturating_add(GATHER_MS);
        }
        is_due
    }

    /// Returns all counts and resets them.
    pub fn take(&mut self) -> Vec<(String, [u64; 4])> {
        std::mem::take(&mut self.routes)
    }

    /// Adds counts back that could not be written.
    pub fn put_back(&mut self, unwritten: &[(String, [u64; 4])]) {
        unwritten.iter().for_each(|(route, counts)| self.add(route, *counts));
    }

    fn add(&mut self, route: &str, counts: [u64; 4]) {
        let at = self.routes.iter().position(|(name, _)| name == route);
        match at.and_then(|at| self.routes.get_mut(at)) {
            Some((_, sums)) => {
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count))
            }
            None => self.routes.push((route.to_owned(), counts)),
        }
    }
}

/// How long counts are gathered. It must be well below 30 s, after which the runtime ends work that outlives its
/// response.
pub const GATHER_MS: u64 = 5_000;
