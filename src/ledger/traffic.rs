//! How many requests each route had, and what became of them; gathered, and written now and then.

/// What became of a request of a route of the price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Served for a payment.
    Paid,
    /// Served for nothing: within the free tier, or since this very request costs nothing.
    Free,
    /// Answered with its price.
    Challenged,
    /// Answered with anything else of ours.
    Refused,
}

/// The requests since they were written last: of each route how many were paid, free, challenged and refused.
#[derive(Debug, Default)]
pub struct Traffic {
    routes: Vec<(String, [u64; 4])>,
    due_ms: u64,
}

impl Traffic {
    /// No request.
    pub const NONE: Self = Self { routes: Vec::new(), due_ms: 0 };

    /// Counts a request. Tells whether whoever counted it is to write all of it, [`GATHER_MS`] later.
    pub fn count(&mut self, route: &str, outcome: Outcome, now_ms: u64) -> bool {
        let one = [Outcome::Paid, Outcome::Free, Outcome::Challenged, Outcome::Refused]
            .map(|column| u64::from(column == outcome));
        self.add(route, one);
        let is_due = now_ms >= self.due_ms;
        if is_due {
            self.due_ms = now_ms.saturating_add(GATHER_MS);
        }
        is_due
    }

    /// Takes all of it, to be written.
    pub fn take(&mut self) -> Vec<(String, [u64; 4])> {
        std::mem::take(&mut self.routes)
    }

    /// Puts back what could not be written.
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

/// How long requests are gathered. (A request may go on for 30 s after its answer.)
pub const GATHER_MS: u64 = 5_000;
