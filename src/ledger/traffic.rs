//! Traffic: the number of requests of each route, by outcome.
//!
//! An isolate gathers counts for five seconds, and then writes them to the ledger with one command. Counts that are not
//! written when the isolate ends are lost.

/// The outcome of a request to a route of the price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Forwarded with payment.
    Paid,
    /// Forwarded without payment: within the free tier, or at a price of 0.
    Free,
    /// Answered with a challenge, or with the price alone.
    Challenged,
    /// Refused with an error of edgetoll.
    Refused,
}

/// The counts that this isolate has not written to the ledger yet: for each route, the numbers of paid, free,
/// challenged and refused requests.
#[derive(Debug, Default)]
pub struct Traffic {
    routes: Vec<(String, [u64; 4])>,
    due_ms: u64,
}

impl Traffic {
    pub const NONE: Self = Self { routes: Vec::new(), due_ms: 0 };

    /// Counts a request. Returns `true` if the caller must wait for [`GATHER_MS`] and then write all counts.
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

    /// Adds counts back that could not be written to the ledger.
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

/// How long counts are gathered before they are written. The runtime ends the work of a request 30 s after the
/// response, so this time must be much shorter.
pub const GATHER_MS: u64 = 5_000;
