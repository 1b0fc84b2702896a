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

/// The requests since they were written last.
#[derive(Debug, Default)]
pub struct Traffic {
    routes: Vec<(String, [u64; 4])>,
}

impl Traffic {
    /// No request.
    pub const NONE: Self = Self { routes: Vec::new() };

    /// Counts a request. Tells whether it is the first since the last writing.
    pub fn count(&mut self, route: &str, outcome: Outcome) -> bool {
        let is_first = self.routes.is_empty();
        let one = [Outcome::Paid, Outcome::Free, Outcome::Challenged, Outcome::Refused]
            .map(|column| u64::from(column == outcome));
        self.add(route, one);
        is_first
    }

    /// Takes all of it, to be written.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Puts back what could not be written.
    pub fn put_back(&mut self, unwritten: Self) {
        unwritten.routes.into_iter().for_each(|(route, counts)| self.add(&route, counts));
    }

    /// The input of `count`; `None` where there is nothing to write.
    pub fn to_input(&self, now_ms: u64) -> Option<String> {
        let rows = self.routes.iter().map(|(route, [paid, free, challenged, refused])| {
            let route = serde_json::to_string(route).unwrap_or_default();
            format!("[{route},{paid},{free},{challenged},{refused}]")
        });
        let rows: Vec<String> = rows.collect();
        (!rows.is_empty()).then(|| format!("{{\"now_ms\":{now_ms},\"routes\":[{}]}}", rows.join(",")))
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
