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

/// The counts that this isolate has not written to the ledger yet.
#[derive(Debug, Default)]
pub struct Traffic {
    counts: Counts,
    /// What observed requests would have got. The name of each row is the status, the pseudonym of the client or
    /// [`NO_CLIENT`], and the route, which is empty if the request has none. The first two numbers are those of requests and
    /// of sats.
    observed: Counts,
    due_ms: u64,
}

/// Request counts that one command writes to the ledger.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// For each route, the numbers of paid, free, challenged and refused requests.
    pub routes: Vec<(String, [u64; 4])>,
    /// How many requests got each code: of an error, or of a refused credential.
    pub refusals: Vec<(&'static str, u64)>,
}

impl Traffic {
    pub const NONE: Self = Self { counts: Counts::NONE, observed: Counts::NONE, due_ms: 0 };

    /// Counts a request, and the code of its refusal. Returns `true` if the caller must wait for [`GATHER_MS`] and then
    /// write all counts.
    pub fn count(&mut self, route: &str, outcome: Outcome, code: Option<&'static str>, now_ms: u64) -> bool {
        let columns = [Outcome::Paid, Outcome::Free, Outcome::Challenged, Outcome::Refused];
        self.counts.add(route, columns.map(|column| u64::from(column == outcome)));
        code.into_iter().for_each(|code| self.counts.add_refusals(code, 1));
        self.is_due(now_ms)
    }

    /// Counts an observed request as [`count`](Self::count) does. `sats` is the amount of the invoice that the request would
    /// have got, and `client` the pseudonym of the client, if there would be an invoice.
    pub fn count_observed(
        &mut self,
        route: &str,
        status: u16,
        sats: u64,
        client: Option<&str>,
        now_ms: u64,
    ) -> bool {
        let client = client.filter(|_| self.observed.routes.len() < MAX_OBSERVED);
        let name = [&status.to_string(), client.unwrap_or(NO_CLIENT), route].concat();
        self.observed.add(&name, [1, sats, 0, 0]);
        self.is_due(now_ms)
    }

    fn is_due(&mut self, now_ms: u64) -> bool {
        let is_due = now_ms >= self.due_ms;
        if is_due {
            self.due_ms = now_ms.saturating_add(GATHER_MS);
        }
        is_due
    }

    /// Returns the counts, and those of observed requests, and resets them.
    pub fn take(&mut self) -> [Counts; 2] {
        [std::mem::take(&mut self.counts), std::mem::take(&mut self.observed)]
    }

    /// Adds counts back that could not be written to the ledger. Of observed requests, at most [`MAX_OBSERVED`] rows are kept.
    pub fn put_back(&mut self, [unwritten, observed]: &[Counts; 2]) {
        unwritten.routes.iter().for_each(|(route, counts)| self.counts.add(route, *counts));
        let left = MAX_OBSERVED.saturating_sub(self.observed.routes.len());
        observed.routes.iter().take(left).for_each(|(name, counts)| self.observed.add(name, *counts));
        unwritten.refusals.iter().for_each(|(code, count)| self.counts.add_refusals(code, *count));
    }
}

impl Counts {
    const NONE: Self = Self { routes: Vec::new(), refusals: Vec::new() };

    fn add(&mut self, route: &str, counts: [u64; 4]) {
        let at = self.routes.iter().position(|(name, _)| name == route);
        match at.and_then(|at| self.routes.get_mut(at)) {
            Some((_, sums)) => {
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count))
            }
            None => self.routes.push((route.to_owned(), counts)),
        }
    }

    fn add_refusals(&mut self, code: &'static str, count: u64) {
        match self.refusals.iter_mut().find(|(known, _)| *known == code) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => self.refusals.push((code, count)),
        }
    }
}

/// How many rows of observed requests are gathered with the pseudonym of a client. The other clients are counted if they send
/// another request later.
pub const MAX_OBSERVED: usize = 500;
/// As long as a pseudonym.
const NO_CLIENT: &str = "--------------------------------";
/// How long counts are gathered before they are written. The runtime ends the work of a request 30 s after the
/// response, so this time must be much shorter.
pub const GATHER_MS: u64 = 5_000;
