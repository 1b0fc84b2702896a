//! How many requests a payment has bought, and how many it has had. Exact: whoever holds this state makes one step at a time.
//!
//! A request takes a use before it is forwarded. A use is spent when the origin has answered, and given back when it failed;
//! one that nobody comes back for counts as spent.

/// The uses of one payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Spent, or on their way.
    taken: u64,
    /// How often one was given back.
    given_back: u64,
    /// Requests on their way: a number for each, and when it counts as spent.
    in_flight: Vec<(u64, u64)>,
    next_ticket: u64,
}

/// A use that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// By this number it is spent or given back.
    pub ticket: u64,
    /// How many are left.
    pub remaining: u64,
}

/// Why none could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// All are on their way: one may come back.
    InFlight,
    /// All are gone.
    Spent,
}

impl Uses {
    /// Takes one of `bought` uses; it counts as spent at `until_ms`, unless it is spent or given back before.
    ///
    /// # Errors
    /// Where none is left.
    pub fn take(&mut self, bought: u64, until_ms: u64, now_ms: u64) -> Result<Taken, NotTaken> {
        self.in_flight.retain(|(_, until_ms)| *until_ms > now_ms);
        let Some(remaining) = bought.checked_sub(self.taken).and_then(|left| left.checked_sub(1)) else {
            return Err(if self.in_flight.is_empty() { NotTaken::Spent } else { NotTaken::InFlight });
        };
        let ticket = self.next_ticket;
        self.next_ticket = ticket.saturating_add(1);
        self.taken = self.taken.saturating_add(1);
        self.in_flight.push((ticket, until_ms));
        Ok(Taken { ticket, remaining })
    }

    /// The origin has answered.
    pub fn spend(&mut self, ticket: u64) {
        self.in_flight.retain(|(known, _)| *known != ticket);
    }

    /// The origin failed: the use is there again, three times for each that was bought at most. Tells how many are left.
    pub fn give_back(&mut self, ticket: u64, bought: u64) -> u64 {
        let is_known = self.in_flight.iter().any(|(known, _)| *known == ticket);
        self.spend(ticket);
        if is_known && self.given_back < bought.saturating_mul(MAX_GIVEN_BACK) {
            self.given_back = self.given_back.saturating_add(1);
            self.taken = self.taken.saturating_sub(1);
        }
        bought.saturating_sub(self.taken)
    }

    /// As it is stored.
    pub fn to_text(&self) -> String {
        let in_flight: Vec<String> =
            self.in_flight.iter().map(|(ticket, until_ms)| format!("{ticket}:{until_ms}")).collect();
        format!("{} {} {} {}", self.taken, self.given_back, self.next_ticket, in_flight.join(","))
    }

    /// Reads what was stored.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (taken, given_back, next_ticket) = (number()?, number()?, number()?);
        let flight = |part: &str| -> Option<(u64, u64)> {
            let (ticket, until_ms) = part.split_once(':')?;
            Some((ticket.parse().ok()?, until_ms.parse().ok()?))
        };
        let flights = parts.next()?.split(',').filter(|part| !part.is_empty());
        let in_flight = flights.map(flight).collect::<Option<_>>()?;
        Some(Self { taken, given_back, in_flight, next_ticket })
    }
}

const MAX_GIVEN_BACK: u64 = 3;
