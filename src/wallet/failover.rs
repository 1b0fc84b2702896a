//! Chooses the wallet that creates an invoice. A wallet whose circuit is open gets no request, and after a failure the
//! next wallet is asked. A look-up needs no choice: only the wallet that created the invoice knows the payment.

use super::WalletError;
use super::circuit_breaker::CircuitBreaker;
use super::slots::BySlot;
use crate::payment::WalletSlot;
use crate::policy::wallet_order::WalletOrder;

/// The circuit breakers of all wallets for one kind of request: creating invoices, or looking up payments.
#[derive(Default)]
pub struct Failover {
    breakers: BySlot<CircuitBreaker>,
    /// The slot that began the last order of [`WalletOrder::Spread`].
    last_first: Option<WalletSlot>,
}

impl Failover {
    /// Returns the milliseconds until a request may be sent to one of the wallets in `slots`; `None` if a request may
    /// be sent now.
    pub fn wait_ms(&self, slots: impl Iterator<Item = WalletSlot>, now_ms: u64) -> Option<u64> {
        let shortest = slots.map(|slot| self.wait_ms_of(slot, now_ms)).min();
        shortest.filter(|wait_ms| *wait_ms > 0)
    }

    /// Returns the milliseconds until a request may be sent to this wallet; 0 if a request may be sent now.
    pub fn wait_ms_of(&self, slot: WalletSlot, now_ms: u64) -> u64 {
        self.breakers.get(slot).wait_ms(now_ms)
    }

    /// Returns the slots in the order in which their wallets are asked for a new invoice. `slots` is sorted by number.
    pub fn order(&mut self, order: WalletOrder, slots: impl Iterator<Item = WalletSlot>) -> Vec<WalletSlot> {
        let mut slots: Vec<_> = slots.collect();
        match order {
            WalletOrder::Failover => {}
            WalletOrder::Last => slots.reverse(),
            WalletOrder::Spread => {
                let last = self.last_first.map_or(0, WalletSlot::number);
                let next = slots.iter().position(|slot| slot.number() > last).unwrap_or(0);
                slots.rotate_left(next);
                self.last_first = slots.first().copied();
            }
        }
        slots
    }

    /// Chooses the wallet for a new request: the first wallet in `slots` whose circuit breaker admits the request.
    ///
    /// # Errors
    /// Returns the milliseconds until a request may be sent to one of the wallets in `slots`.
    pub fn choose(&mut self, slots: &[WalletSlot], now_ms: u64) -> Result<WalletSlot, u64> {
        let mut shortest_ms = u64::MAX;
        for slot in slots {
            match self.admit(*slot, now_ms) {
                Ok(()) => return Ok(*slot),
                Err(wait_ms) => shortest_ms = shortest_ms.min(wait_ms),
            }
        }
        Err(shortest_ms)
    }

    /// Chooses the wallet for the next attempt after the wallet in the slot `failed` has failed. Returns the first slot
    /// in this list whose circuit breaker admits the request; `None` if there is no next attempt:
    /// - the slots `others`, whose wallets were not asked yet;
    /// - the slot `failed`, if the error is transient.
    pub fn choose_after(
        &mut self,
        failed: WalletSlot,
        error: &WalletError,
        others: &[WalletSlot],
        now_ms: u64,
    ) -> Option<WalletSlot> {
        let other = self.choose(others, now_ms).ok();
        other.or_else(|| (error.is_transient() && self.admit(failed, now_ms).is_ok()).then_some(failed))
    }

    /// Admits a request to this wallet.
    ///
    /// # Errors
    /// Returns the milliseconds until a request may be sent to this wallet.
    pub fn admit(&mut self, slot: WalletSlot, now_ms: u64) -> Result<(), u64> {
        self.breakers.get_mut(slot).admit(now_ms)
    }

    /// Records the result of a request that was sent at `sent_ms`. Returns whether this result opened the circuit of
    /// the wallet.
    pub fn record<T>(
        &mut self,
        slot: WalletSlot,
        result: &Result<T, WalletError>,
        sent_ms: u64,
        now_ms: u64,
    ) -> bool {
        let breaker = self.breakers.get_mut(slot);
        match result.as_ref().err().map_or(Some(false), WalletError::is_fault_of_wallet) {
            Some(true) => breaker.failed(retry_after_ms(result), sent_ms, now_ms),
            Some(false) => {
                breaker.succeeded(now_ms);
                false
            }
            None => {
                breaker.undecided(sent_ms, now_ms);
                false
            }
        }
    }
}

/// Returns the wait after [`WalletError::RateLimited`], in milliseconds: the time in `Retry-After`, or else a default.
/// Returns `None` for every other result.
fn retry_after_ms<T>(result: &Result<T, WalletError>) -> Option<u64> {
    let error = result.as_ref().err()?;
    matches!(error, WalletError::RateLimited { .. }).then(|| error.retry_after_s().saturating_mul(1_000))
}
