//! Counts the uses of one payment: how many it bought, and how many are spent or in flight.
//!
//! A request takes a use before it is forwarded. The use is spent when the origin responds, and returned when the
//! origin fails. A use that is neither spent nor returned in time counts as spent. One Durable Object holds the state
//! of one payment and runs one step at a time, so the count is exact.

use serde::Serialize;

use crate::strict_json::{FromJson, Json};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Uses {
    /// The number of uses that are spent or in flight.
    taken: u64,
    /// The number of times that a use was returned.
    returned: u64,
    in_flight: Vec<InFlight>,
    next_ticket: u64,
}

/// A use whose request has been forwarded and has no response yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct InFlight {
    ticket: u64,
    /// When the use counts as spent.
    until_ms: u64,
}

/// A request to the Durable Object of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterRequest {
    /// Takes one of `bought` uses, which counts as spent at `until_ms`. The object deletes its state at `delete_at_ms`.
    Take { bought: u64, until_ms: u64, delete_at_ms: u64 },
    /// Spends the use: the origin has responded.
    Spend { ticket: u64 },
    /// Returns the use: the origin failed.
    Return { ticket: u64, bought: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterResponse {
    /// A use was taken. The ticket spends or returns it.
    Taken { ticket: u64, remaining: u64 },
    /// All uses are taken, and some are in flight: one may be returned.
    InFlight,
    /// All uses are spent.
    Spent,
    /// How many uses are left after a use was spent or returned.
    Remaining(u64),
}

impl Uses {
    /// Runs one request.
    pub fn run(&mut self, request: &MeterRequest, now_ms: u64) -> MeterResponse {
        match *request {
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
            return if self.in_flight.is_empty() { MeterResponse::Spent } else { MeterResponse::InFlight };
        };
        let ticket = self.next_ticket;
        self.next_ticket = ticket.saturating_add(1);
        self.taken = self.taken.saturating_add(1);
        self.in_flight.push(InFlight { ticket, until_ms });
        MeterResponse::Taken { ticket, remaining }
    }

    fn end_flight(&mut self, ticket: u64) -> bool {
        let before = self.in_flight.len();
        self.in_flight.retain(|flight| flight.ticket != ticket);
        self.in_flight.len() < before
    }

    /// Returns a use, at most three times for each use that was bought, so that a failing origin does not serve
    /// forever.
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
