//! Counts the uses that one payment bought: how many are spent, and how many are in flight.
//!
//! A request takes a use before it is forwarded. A `HEAD` request only checks that a use is left. The use is spent if
//! the origin responds with a status below 500; otherwise it is returned. A use that is neither spent nor returned in
//! time counts as spent. One Durable Object holds the count of one payment and runs one request at a time, so the count
//! is exact.

use serde::Serialize;

use crate::strict_json::{FromJson, Json};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Uses {
    /// The number of uses that are spent or in flight.
    taken: u64,
    /// How often a returned use became available again.
    returned: u64,
    in_flight: Vec<InFlight>,
    next_ticket: u64,
}

/// A use that a forwarded request has taken, and that is neither spent nor returned yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct InFlight {
    ticket: u64,
    /// When the use counts as spent, unless it was returned before.
    until_ms: u64,
}

/// A request to the Durable Object that counts the uses of a payment. First the uses in `spent` and `returned` end.
/// Then a use is taken, or the object only says how many are left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeterRequest {
    /// The number of uses that the payment bought.
    pub bought: u64,
    /// The tickets of uses whose requests the origin has answered with a status below 500.
    pub spent: Vec<u64>,
    /// The ticket of a use whose request the origin has not answered with a status below 500.
    pub returned: Option<u64>,
    pub take: Option<Lease>,
}

/// The terms on which a use is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// When the use counts as spent, unless it was returned before.
    pub until_ms: u64,
    /// When the Durable Object deletes its state.
    pub delete_at_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterResponse {
    /// A use was taken, and `remaining` uses are left. The ticket identifies the use when it is spent or returned.
    Taken { ticket: u64, remaining: u64 },
    /// No use is left, but one or more uses are in flight and may still be returned.
    InFlight,
    /// All uses are spent, and no use is in flight. This never changes.
    Spent,
    /// No use was to be taken, and this number of uses is left.
    Remaining(u64),
}

impl Uses {
    /// Whether no use was ever taken.
    pub fn is_unused(&self) -> bool {
        self.next_ticket == 0
    }

    /// Carries out a request of the Worker.
    pub fn run(&mut self, request: &MeterRequest, now_ms: u64) -> MeterResponse {
        // The time of a use that ends late is over for good. Otherwise a use could come back after the response `Spent`.
        self.in_flight.retain(|flight| flight.until_ms > now_ms);
        self.in_flight.retain(|flight| !request.spent.contains(&flight.ticket));
        if let Some(ticket) = request.returned {
            self.give_back(ticket, request.bought);
        }
        match (request.bought.saturating_sub(self.taken), request.take) {
            (0, _) if self.in_flight.is_empty() => MeterResponse::Spent,
            (0, _) => MeterResponse::InFlight,
            (left, None) => MeterResponse::Remaining(left),
            (_, Some(_)) if self.in_flight.len() >= MAX_IN_FLIGHT => MeterResponse::InFlight,
            (left, Some(lease)) => self.take(left, lease),
        }
    }

    fn take(&mut self, left: u64, lease: Lease) -> MeterResponse {
        let ticket = self.next_ticket;
        self.next_ticket = ticket.saturating_add(1);
        self.taken = self.taken.saturating_add(1);
        self.in_flight.push(InFlight { ticket, until_ms: lease.until_ms });
        MeterResponse::Taken { ticket, remaining: left.saturating_sub(1) }
    }

    /// Makes a use that is in flight available again. A payment that bought n uses gets at most 3n uses back. Without
    /// this limit, a client could send requests without end to an origin that does its work and then fails.
    fn give_back(&mut self, ticket: u64, bought: u64) {
        let before = self.in_flight.len();
        self.in_flight.retain(|flight| flight.ticket != ticket);
        let has_ended = self.in_flight.len() < before;
        if has_ended && self.returned < bought.saturating_mul(MAX_RETURNS_PER_USE) {
            self.returned = self.returned.saturating_add(1);
            self.taken = self.taken.saturating_sub(1);
        }
    }
}

impl FromJson for Uses {
    fn from_json(json: &Json) -> Option<Self> {
        let in_flight = json.get("in_flight")?.as_array()?.iter();
        Some(Self {
            taken: json.number("taken")?,
            returned: json.number("returned")?,
            in_flight: in_flight.map(InFlight::from_json).collect::<Option<_>>()?,
            next_ticket: json.number("next_ticket")?,
        })
    }
}

impl FromJson for InFlight {
    fn from_json(json: &Json) -> Option<Self> {
        Some(Self { ticket: json.number("ticket")?, until_ms: json.number("until_ms")? })
    }
}

impl FromJson for MeterRequest {
    fn from_json(json: &Json) -> Option<Self> {
        let optional = |key: &str| json.get(key).filter(|value| **value != Json::Null);
        let spent = json.get("spent")?.as_array()?.iter();
        Some(Self {
            bought: json.number("bought")?,
            spent: spent.map(Json::as_u64).collect::<Option<_>>()?,
            returned: match optional("returned") {
                Some(ticket) => Some(ticket.as_u64()?),
                None => None,
            },
            take: match optional("take") {
                Some(lease) => Some(Lease::from_json(lease)?),
                None => None,
            },
        })
    }
}

impl FromJson for Lease {
    fn from_json(json: &Json) -> Option<Self> {
        Some(Self { until_ms: json.number("until_ms")?, delete_at_ms: json.number("delete_at_ms")? })
    }
}

impl FromJson for MeterResponse {
    fn from_json(json: &Json) -> Option<Self> {
        match json.as_str() {
            Some("in_flight") => return Some(Self::InFlight),
            Some("spent") => return Some(Self::Spent),
            _ => {}
        }
        let (name, value) = json.variant()?;
        match name {
            "taken" => {
                Some(Self::Taken { ticket: value.number("ticket")?, remaining: value.number("remaining")? })
            }
            "remaining" => value.as_u64().map(Self::Remaining),
            _ => None,
        }
    }
}

const MAX_RETURNS_PER_USE: u64 = 3;
/// The uses of one payment that may be in flight. Each request reads and writes all of them.
const MAX_IN_FLIGHT: usize = 512;
