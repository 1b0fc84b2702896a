//! What the cron trigger does every minute: it records payments that no client and no webhook has reported.
//!
//! A run deletes old payments from the ledger and reads the wallets' lists of paid payments. It also looks up:
//! - payments whose credentials were used;
//! - payments whose invoices expire soon. If LNbits was down while its node was paid, a look-up must come before the
//!   invoice expires, because LNbits reports the payment as failed afterwards.
//!
//! A run sends at most 48 requests. The next run continues where a run stops.

mod lnbits;
#[cfg(feature = "nwc")]
mod nwc;

use std::cell::Cell;

use crate::edge::platform::runtime::Env;

use super::ledger::{self, RecordError};
use super::wallets;
use crate::config::Settings;
use crate::edge::platform::clock::{now_ms, now_unix};
use crate::edge::platform::{environment, log};
use crate::ledger::SyncPlan;
use crate::ledger::command::LedgerCommand;
use crate::ledger::sync::slots_of_run;
use crate::payment::{PaymentHash, WalletSlot};
use crate::policy::Policy;
use crate::wallet::receipt::{Receipt, Sale};
use crate::wallet::{Wallet, WalletError, WalletRequest, WalletResponse};

/// Synchronizes the ledger with the wallets. The next run repeats what failed, and does what was left when this run had
/// sent all its requests.
pub async fn run(env: &Env) {
    let settings = environment::settings(env);
    let (Some(policy), Some((keys, wallets))) = (settings.policy(), settings.keys_and_wallets()) else {
        return;
    };
    let budget = Budget(Cell::new(MAX_SUBREQUESTS));
    let before_unix = now_unix().saturating_sub(policy.ledger_memory_s(LATE_S));
    let _ = budget.run(env, &LedgerCommand::Prune { before_unix }).await;
    let plan = budget.run(env, &LedgerCommand::PlanSync { now_ms: now_ms() }).await.ok();
    let Some(plan) = plan.and_then(|result| SyncPlan::parse(&result)) else { return };
    let slots: Vec<_> = wallets.slots().collect();
    let shares = if slots.len() == 1 { ONE_WALLET } else { TWO_WALLETS };
    let sync = |slot| {
        Some(WalletSync { env, settings, policy, slot, wallet: wallets.get(slot)?, budget: &budget, shares })
    };
    for sync in slots.iter().copied().filter_map(sync) {
        let seen = plan.unsettled.iter().filter(|seen| seen.slot == sync.slot);
        sync.report(sync.look_up_all(seen.map(|seen| (seen.hash, Some(&seen.sale)))).await);
    }
    let turn = slots_of_run(&slots, now_unix());
    for sync in turn.iter().copied().filter_map(sync) {
        // After a change of its URL or its key, the wallet counts as a new wallet. Its list is then read from the
        // start.
        let wallet_key = keys.current().wallet_key(sync.wallet.identity());
        let cursor = plan.cursor(&wallet_key);
        sync.report(match sync.wallet {
            Wallet::Lnbits(lnbits) => sync.read_paid(lnbits, &wallet_key, cursor).await,
            #[cfg(feature = "nwc")]
            Wallet::Nwc(nwc) => sync.read_transactions(nwc, &wallet_key, cursor).await,
        });
    }
    for sync in turn.iter().copied().filter_map(sync) {
        match sync.wallet {
            Wallet::Lnbits(lnbits) => sync.report(sync.look_up_expiring(lnbits).await),
            // An NWC wallet also reports a late payment as settled.
            #[cfg(feature = "nwc")]
            Wallet::Nwc(_) => {}
        }
    }
}

/// The requests that a run may still send. Workers' free plan allows 50 for each run: calls of Durable Objects and
/// requests to wallets together.
struct Budget(Cell<u32>);

impl Budget {
    /// Takes one request from the budget.
    fn take(&self) -> Result<(), RecordError> {
        let left = self.0.get().checked_sub(1).ok_or(RecordError::NoRequestLeft)?;
        self.0.set(left);
        Ok(())
    }

    async fn run(&self, env: &Env, command: &LedgerCommand<'_>) -> Result<String, RecordError> {
        self.take()?;
        ledger::run(env, command).await.ok_or(RecordError::NotRecorded)
    }
}

/// How much a run does for each wallet. With these limits, no kind of work uses the requests of another. For one
/// wallet, a run sends at most 48 requests: 2 for the plan, 11 for seen payments, 18 for paid payments and 17 for
/// expiring invoices.
#[derive(Clone, Copy)]
struct Shares {
    /// How many pages of the list of paid payments a run reads. A page takes at most three requests, unless its
    /// response is too large.
    paid_pages: usize,
    /// How many pages of the list of pending payments a run reads.
    pending_pages: usize,
    /// How many invoices that expire soon a run looks up.
    look_ups: usize,
}

/// The synchronization with one wallet.
struct WalletSync<'a> {
    env: &'a Env,
    settings: &'a Settings,
    policy: &'a Policy,
    slot: WalletSlot,
    wallet: &'a Wallet,
    budget: &'a Budget,
    shares: Shares,
}

impl WalletSync<'_> {
    /// Looks up payments, and records those that are paid. An error about one payment does not stop the look-up of other
    /// payments.
    async fn look_up_all(
        &self,
        payments: impl Iterator<Item = (PaymentHash, Option<&Sale>)>,
    ) -> Result<(), RecordError> {
        let (mut receipts, mut result) = (Vec::new(), Ok(()));
        for (hash, sale) in payments {
            match self.look_up(&hash, sale).await {
                Ok(receipt) => receipts.extend(receipt),
                Err(error) if error.is_of_one_payment() => result = Err(error),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.record(receipts).await?;
        result
    }

    async fn look_up(&self, hash: &PaymentHash, sale: Option<&Sale>) -> Result<Option<Receipt>, RecordError> {
        self.budget.take()?;
        match wallets::receipt(self.env, self.wallet, self.slot, hash, sale).await {
            Err(WalletError::UnknownPayment) => Ok(None),
            receipt => Ok(receipt?),
        }
    }

    async fn record(&self, receipts: Vec<Receipt>) -> Result<(), RecordError> {
        if receipts.is_empty() {
            return Ok(());
        }
        self.budget.take()?;
        ledger::record_settled(self.env, self.settings, self.slot, &receipts).await
    }

    async fn send(&self, request: &WalletRequest) -> Result<WalletResponse, RecordError> {
        self.budget.take()?;
        Ok(wallets::send_for_ledger(self.env, self.slot, request).await?)
    }

    fn report(&self, result: Result<(), RecordError>) {
        if let Err(error) = result
            && !matches!(error, RecordError::NoRequestLeft)
        {
            log::wallet(self.slot, &format!("could not be synchronized with the ledger: {error}"));
        }
    }
}

/// Two requests below the limit of Workers' free plan.
const MAX_SUBREQUESTS: u32 = 48;
const ONE_WALLET: Shares = Shares { paid_pages: 6, pending_pages: 6, look_ups: 10 };
const TWO_WALLETS: Shares = Shares { paid_pages: 2, pending_pages: 3, look_ups: 6 };
/// The ledger keeps a payment at least this long after its invoice has expired: clocks differ, and LNbits may learn of
/// the payment late.
const LATE_S: u64 = 86_400;
