//! What an isolate remembers of counted uses: the spent uses that no Durable Object knows of yet, and the payments whose
//! uses are all spent.
//!
//! A Durable Object need not know at once that a use is spent, because a use that is in flight cannot be taken again. So
//! the isolate tells it with the next request about the same payment, and sends a request of its own only after the last
//! use or after [`SEND_AFTER_MS`]. If the isolate ends before, the use counts as spent at the end of its lease.

use super::exhausted::Exhausted;

#[derive(Default)]
pub struct IsolateUses {
    /// For each payment, the spent uses that the Durable Object does not know of yet.
    unsent: Vec<(String, Unsent)>,
    /// For each payment without a use left, how many uses it bought.
    all_spent: Exhausted,
}

#[derive(Default)]
struct Unsent {
    tickets: Vec<u64>,
    /// Until this time, a request of this isolate waits to send the tickets.
    sent_by_ms: u64,
}

/// When the Durable Object is told that a use is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The caller must send the tickets now.
    Now,
    /// The caller must send the tickets after [`SEND_AFTER_MS`], if they are still unsent.
    Later,
    /// Another request of this isolate sends the tickets, at the latest after [`SEND_AFTER_MS`].
    ByOther,
}

impl IsolateUses {
    /// Records that a use is spent. `is_last` tells that no use was left when this use was taken.
    pub fn spend(&mut self, payment: &str, ticket: u64, is_last: bool, now_ms: u64) -> Notice {
        if self.unsent.len() >= MAX_PAYMENTS {
            // Tickets that are overdue belong to a request that the runtime has ended. Their leases end soon.
            self.unsent.retain(|(_, unsent)| unsent.sent_by_ms > now_ms);
        }
        let is_full = self.unsent.len() >= MAX_PAYMENTS;
        let at = self.position(payment).unwrap_or(self.unsent.len());
        if at == self.unsent.len() {
            self.unsent.push((payment.to_owned(), Unsent::default()));
        }
        let Some((_, unsent)) = self.unsent.get_mut(at) else { return Notice::Now };
        unsent.tickets.push(ticket);
        if is_last || is_full || unsent.tickets.len() >= MAX_TICKETS {
            return Notice::Now;
        }
        if unsent.sent_by_ms > now_ms {
            return Notice::ByOther;
        }
        unsent.sent_by_ms = now_ms.saturating_add(SEND_AFTER_MS);
        Notice::Later
    }

    /// Returns the tickets of spent uses that the next request to the Durable Object of this payment must contain. They
    /// then no longer count as unsent. If the request fails, nothing is lost: these uses count as spent at the end of
    /// their leases.
    pub fn take_unsent(&mut self, payment: &str) -> Vec<u64> {
        let Some((_, unsent)) = self.position(payment).and_then(|at| self.unsent.get_mut(at)) else {
            return Vec::new();
        };
        std::mem::take(&mut unsent.tickets)
    }

    /// Records that the Durable Object of a payment has answered with
    /// [`MeterResponse::Spent`](super::uses::MeterResponse::Spent).
    pub fn record_all_spent(&mut self, payment: &str, bought: u64) {
        self.all_spent.record(payment, bought);
    }

    /// Whether a payment that bought this number of uses is known to have no use left. A credential for more uses of the
    /// same payment may still have some.
    pub fn is_all_spent(&self, payment: &str, bought: u64) -> bool {
        self.all_spent.contains(payment, bought)
    }

    fn position(&self, payment: &str) -> Option<usize> {
        self.unsent.iter().position(|(name, _)| name == payment)
    }
}

/// After this time, a spent use is reported to the Durable Object by a request of its own.
pub const SEND_AFTER_MS: u64 = 2_000;
/// The number of payments with unsent tickets. Beyond it, each spent use is reported at once.
const MAX_PAYMENTS: usize = 200;
/// This number of tickets is sent at once. They take about 5 KB of a header.
const MAX_TICKETS: usize = 500;
