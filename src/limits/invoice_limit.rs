//! Limits the invoices of the whole deployment. Half of them are reserved for clients that had no invoice in the last
//! minute. So a few clients that ask for many invoices cannot stop all other clients.

use serde::Serialize;

use super::rate_limit::{ClientLimits, SlidingWindow};
use crate::strict_json::{FromJson, Json};

/// A request to admit one more invoice.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceLimitRequest {
    /// The setting `invoices_per_minute`, which is at least 1. With 0, no invoice is admitted, and the response is
    /// [`InvoiceLimitResponse::Used`].
    pub per_minute: u64,
    /// The client, or the IPv6 /48 network of the client. All clients without a known address are one client.
    pub client: String,
}

/// The numbers are milliseconds, except in `Used`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceLimitResponse {
    Admitted,
    /// The limit is reached: no client gets an invoice for this time.
    Full(u64),
    /// Only the reserved invoices are left, and the client had an invoice in the last minute. The client may retry after
    /// this time.
    Reserved(u64),
    /// The number of invoices that were admitted in the last minute.
    Used(u64),
}

impl InvoiceLimitRequest {
    /// Admits one more invoice, which is then counted in `invoices` and `clients`.
    pub fn admit(
        &self,
        invoices: &mut SlidingWindow,
        clients: &mut ClientLimits,
        now_ms: u64,
    ) -> InvoiceLimitResponse {
        if self.per_minute == 0 {
            return InvoiceLimitResponse::Used(invoices.count(now_ms));
        }
        let is_first = clients.is_idle(&self.client, now_ms);
        let reserved = self.per_minute.checked_div(2).unwrap_or_default();
        let limit = if is_first { self.per_minute } else { self.per_minute.saturating_sub(reserved) };
        match invoices.admit(limit, now_ms) {
            Ok(()) => {
                // The result does not matter: this call only records that the client had an invoice.
                let _ = clients.admit(&self.client, u64::MAX, now_ms);
                InvoiceLimitResponse::Admitted
            }
            Err(wait_ms) if is_first => InvoiceLimitResponse::Full(wait_ms),
            Err(wait_ms) => InvoiceLimitResponse::Reserved(wait_ms),
        }
    }
}

impl FromJson for InvoiceLimitRequest {
    fn from_json(json: &Json) -> Option<Self> {
        Some(Self {
            per_minute: json.number("per_minute")?,
            client: json.get("client")?.as_str()?.to_owned(),
        })
    }
}

impl FromJson for InvoiceLimitResponse {
    fn from_json(json: &Json) -> Option<Self> {
        if json.as_str() == Some("admitted") {
            return Some(Self::Admitted);
        }
        let (name, number) = json.variant()?;
        let number = number.as_u64()?;
        match name {
            "full" => Some(Self::Full(number)),
            "reserved" => Some(Self::Reserved(number)),
            "used" => Some(Self::Used(number)),
            _ => None,
        }
    }
}
