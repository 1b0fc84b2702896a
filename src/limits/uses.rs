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

/// A request to the Durable Object that counts the uses of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterRequest {
    /// Returns how many of the `bought` uses are left, without taking one.
    Check { bought: u64 },
    /// Takes one of `bought` uses. Unless it is returned, the use counts as spent at `until_ms`. The Durable Object
    /// deletes its state at `delete_at_ms`.
    Take { bought: u64, until_ms: u64, delete_at_ms: u64 },
    /// Spends the use with this ticket, because the origin has responded with a status below 500.
    Spend { ticket: u64 },
    /// Returns the use with this ticket, because the origin has not responded with a status below 500. The payment
    /// bought `bought` uses.
    Return { ticket: u64, bought: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterResponse {
    /// A use was taken, and `remaining` uses are left. The ticket identifies the use when it is spent or returned.
    Taken { ticket: u64, remaining: u64 },
    /// No use is left, but one or more uses are in flight and may still be returned.
    InFlight,
    /// All uses are spent, and no use is in flight.
    Spent,
    /// The number of uses that are left. In the response to `Spend`, the number is always 0 and has no meaning.
    Remaining(u64),
}

impl Uses {
    /// Carries out a request of the Worker: checks, takes, spends or returns a use. Returns the response to the Worker.
    pub fn run(&mut self, request: &MeterRequest, now_ms: u64) -> MeterResponse {
        match *request {
            MeterRequest::Check { bought } => match bought.saturating_sub(self.taken) {
                0 => self.none_left(now_ms),
                remaining => MeterResponse::Remaining(remaining),
            },
            MeterRequest::Take { bought, until_ms, .. } => self.take(bought, until_ms, now_ms),
            MeterRequest::Spend { ticket } => {
                self.end_flight(ticket);
                MeterResponse::Remaining(0)
            }
            MeterRequest::Return { ticket, bought } => {
                MeterResponse::Remaining(self.give_back(ticket, bought))
            }
        }
    }

    fn take(&mut self, bought: u64, until_ms: u64, now_ms: u64) -> MeterResponse {
        self.in_flight.retain(|flight| flight.until_ms > now_ms);
        let Some(remaining) = bought.checked_sub(self.taken).and_then(|left| left.checked_sub(1)) else {
            return self.none_left(now_ms);
        };
        let ticket = self.next_ticket;
        self.next_ticket = ticket.saturating_add(1);
        self.taken = self.taken.saturating_add(1);
        self.in_flight.push(InFlight { ticket, until_ms });
        MeterResponse::Taken { ticket, remaining }
    }

    fn none_left(&self, now_ms: u64) -> MeterResponse {
        let is_in_flight = self.in_flight.iter().any(|flight| flight.until_ms > now_ms);
        if is_in_flight { MeterResponse::InFlight } else { MeterResponse::Spent }
    }

    fn end_flight(&mut self, ticket: u64) -> bool {
        let before = self.in_flight.len();
        self.in_flight.retain(|flight| flight.ticket != ticket);
        self.in_flight.len() < before
    }

    /// Makes a use that is in flight available again. Returns the number of uses that are left. A payment that bought n
    /// uses gets at most 3n uses back. Without this limit, a client could send requests without end to an origin that
    /// does its work and then fails.
    fn give_back(&mut self, ticket: u64, bought: u64) -> u64 {
        if self.end_flight(ticket) && self.returned < bought.saturating_mul(MAX_RETURNS_PER_USE) {
            self.returned = self.returned.saturating_add(1);
            self.taken = self.taken.saturating_sub(1);
        }
        bought.saturating_sub(self.taken)
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
        let (name, fields) = json.variant()?;
        Some(match name {
            "check" => Self::Check { bought: fields.number("bought")? },
            "take" => Self::Take {
                bought: fields.number("bought")?,
                until_ms: fields.number("until_ms")?,
                delete_at_ms: fields.number("delete_at_ms")?,
            },
            "spend" => Self::Spend { ticket: fields.number("ticket")? },
            "return" => Self::Return { ticket: fields.number("ticket")?, bought: fields.number("bought")? },
            _ => return None,
        })
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
