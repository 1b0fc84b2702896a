//! Limits the invoices of the whole deployment. Half of them are reserved for clients that had no invoice in the last
//! minute. So a few clients that ask for many invoices cannot stop all other clients.
//!
//! One Durable Object counts the invoices. An isolate that creates many invoices gets some of them in advance: a lease
//! until the end of the current slot of the sliding window. Leased invoices are never reserved ones, and count as
//! created even if the isolate does not create them.

use serde::Serialize;

use super::rate_limit::{ClientLimits, SLOT_MS, SlidingWindow, WINDOW_MS, slot_left_ms};
use crate::strict_json::{FromJson, Json};

/// A request to admit one more invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceLimitRequest {
    /// The setting `invoices_per_minute`, which is at least 1. With 0, no invoice is admitted, and the response is
    /// [`InvoiceLimitResponse::Used`].
    pub per_minute: u64,
    /// The client, or the IPv6 /48 network of the client. All clients without a known address are one client.
    pub client: String,
    /// Whether the isolate knows that the client had an invoice in the last minute.
    pub is_known: bool,
    /// How many invoices the isolate created in the last minute. With 0, the isolate gets no lease.
    pub recent: u64,
}

/// The numbers are milliseconds, except in `leased` and `Used`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceLimitResponse {
    /// The invoice is admitted. Within `for_ms` after it sent its request, the isolate may create `leased` more invoices.
    Admitted { leased: u64, for_ms: u64 },
    /// The limit is reached: no client gets an invoice for this time.
    Full(u64),
    /// Only the reserved invoices are left, and the client had an invoice in the last minute. The client may retry after
    /// this time.
    Reserved(u64),
    /// The number of invoices that were admitted in the last minute.
    Used(u64),
}

impl InvoiceLimitRequest {
    /// Returns a request for the number of invoices that were admitted in the last minute.
    pub fn used() -> Self {
        Self { per_minute: 0, client: String::new(), is_known: false, recent: 0 }
    }

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
        let is_first = !self.is_known && clients.is_idle(&self.client, now_ms);
        let reserved = self.per_minute.checked_div(2).unwrap_or_default();
        let open = self.per_minute.saturating_sub(reserved);
        match invoices.admit(if is_first { self.per_minute } else { open }, now_ms) {
            Ok(()) => {
                // The result does not matter: this call only records that the client had an invoice.
                let _ = clients.admit(&self.client, u64::MAX, now_ms);
                self.lease(open, invoices, now_ms)
            }
            Err(wait_ms) if is_first => InvoiceLimitResponse::Full(wait_ms),
            Err(wait_ms) => InvoiceLimitResponse::Reserved(wait_ms),
        }
    }

    /// Leases as many invoices as the isolate will probably create until the end of the current slot, and at most an
    /// eighth of those that are left and not reserved.
    fn lease(&self, open: u64, invoices: &mut SlidingWindow, now_ms: u64) -> InvoiceLimitResponse {
        let for_ms = slot_left_ms(now_ms);
        let expected = self.recent.saturating_mul(for_ms).checked_div(WINDOW_MS).unwrap_or_default();
        let left = open.saturating_sub(invoices.count(now_ms));
        let leased = expected.min(left.checked_div(LEASES_OF_ALL_LEFT).unwrap_or_default());
        if leased > 0 {
            invoices.add(leased, now_ms);
        }
        InvoiceLimitResponse::Admitted { leased, for_ms }
    }
}

/// The invoices that an isolate may create without asking the Durable Object.
#[derive(Default)]
pub struct InvoiceLease {
    left: u64,
    until_ms: u64,
    /// The invoices that this isolate created, and the clients that got them.
    created: SlidingWindow,
    clients: ClientLimits,
    /// Until this time, another request of the isolate asks for a lease.
    asking_until_ms: u64,
}

impl InvoiceLease {
    /// Takes one of the leased invoices for a client. Returns `false` if there is none.
    pub fn take(&mut self, client: &str, now_ms: u64) -> bool {
        // A lease that lasts longer than a slot was given before the clock went back. The Durable Object may have forgotten it.
        let left_ms = self.until_ms.saturating_sub(now_ms);
        if self.left == 0 || left_ms == 0 || left_ms > SLOT_MS {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.count(client, now_ms);
        true
    }

    /// Returns the request to the Durable Object for one more invoice. Only one request of the isolate at a time asks
    /// for a lease.
    pub fn ask(&mut self, per_minute: u64, client: &str, now_ms: u64) -> InvoiceLimitRequest {
        let recent = if now_ms < self.asking_until_ms { 0 } else { self.created.count(now_ms) };
        if recent > 0 {
            self.asking_until_ms = now_ms.saturating_add(ASKING_MS);
        }
        let is_known = !self.clients.is_idle(client, now_ms);
        InvoiceLimitRequest { per_minute, client: client.to_owned(), is_known, recent }
    }

    /// Records the response to a request that was sent at `sent_ms`.
    pub fn record(&mut self, request: &InvoiceLimitRequest, response: &InvoiceLimitResponse, sent_ms: u64) {
        if request.recent > 0 {
            self.asking_until_ms = 0;
        }
        let InvoiceLimitResponse::Admitted { leased, for_ms } = *response else { return };
        self.count(&request.client, sent_ms);
        if leased > 0 {
            // What is left of an earlier lease is given up: it may end earlier than this one.
            self.left = leased;
            self.until_ms = sent_ms.saturating_add(for_ms);
        }
    }

    fn count(&mut self, client: &str, now_ms: u64) {
        self.created.add(1, now_ms);
        // The result does not matter: this call only records that the client had an invoice.
        let _ = self.clients.admit(client, u64::MAX, now_ms);
    }
}

impl FromJson for InvoiceLimitRequest {
    fn from_json(json: &Json) -> Option<Self> {
        Some(Self {
            per_minute: json.number("per_minute")?,
            client: json.get("client")?.as_str()?.to_owned(),
            is_known: json.get("is_known")?.as_bool()?,
            recent: json.number("recent")?,
        })
    }
}

impl FromJson for InvoiceLimitResponse {
    fn from_json(json: &Json) -> Option<Self> {
        let (name, value) = json.variant()?;
        match name {
            "admitted" => {
                Some(Self::Admitted { leased: value.number("leased")?, for_ms: value.number("for_ms")? })
            }
            "full" => value.as_u64().map(Self::Full),
            "reserved" => value.as_u64().map(Self::Reserved),
            "used" => value.as_u64().map(Self::Used),
            _ => None,
        }
    }
}

/// A lease is at most this part of the invoices that are left and not reserved.
const LEASES_OF_ALL_LEFT: u64 = 8;
/// The Durable Object answers within this time, or the isolate counts on its own. The runtime may cancel the request
/// that asks.
const ASKING_MS: u64 = 2_000;
