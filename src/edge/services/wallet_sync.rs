//! What the cron trigger does every minute: it records payments that no client and no webhook has reported.
//!
//! A run deletes old payments from the ledger and reads the wallets' lists of paid payments. It also looks up:
//! - payments whose credentials were used;
//! - payments whose invoices expire soon. If LNbits was down while its node was paid, a look-up must come before the
//!   invoice expires, because LNbits reports the payment as failed afterwards.
//!
//! A run sends at most 48 requests. The next run continues where a run stops.

use std::cell::Cell;
use std::sync::Mutex;

use crate::edge::platform::runtime::Env;

use super::ledger::{self, RecordError};
use super::wallets;
use crate::config::Settings;
use crate::edge::platform::clock::{now_ms, now_unix};
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::{environment, log};
use crate::ledger::SyncPlan;
use crate::ledger::command::LedgerCommand;
use crate::ledger::sync::{Cursor, ListPage, slots_of_run};
use crate::payment::{PaymentHash, WalletSlot};
use crate::policy::Policy;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::receipt::{PAGE_ROWS, PaymentList, PaymentPage, Pending, Receipt, expiring_first};
use crate::wallet::slots::BySlot;
use crate::wallet::{WalletError, WalletRequest, WalletResponse};

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
        Some(WalletSync { env, settings, policy, slot, lnbits: wallets.get(slot)?, budget: &budget, shares })
    };
    for sync in slots.iter().copied().filter_map(sync) {
        let seen = plan.unsettled.iter().filter(|(slot, _)| *slot == sync.slot).map(|(_, hash)| *hash);
        sync.report(sync.look_up_all(seen).await);
    }
    let turn = slots_of_run(&slots, now_unix());
    for sync in turn.iter().copied().filter_map(sync) {
        // After a change of its URL or its key, the wallet counts as a new wallet. Its list is then read from the
        // start.
        let wallet_key = keys.current().wallet_key(sync.lnbits.identity());
        sync.report(sync.read_paid(&wallet_key, plan.cursor(&wallet_key)).await);
    }
    for sync in turn.iter().copied().filter_map(sync) {
        sync.report(sync.look_up_expiring().await);
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
    lnbits: &'a Lnbits,
    budget: &'a Budget,
    shares: Shares,
}

impl WalletSync<'_> {
    /// Reads the list of paid payments and records the payments. The next run continues where this run stops.
    async fn read_paid(&self, wallet_key: &str, mut cursor: Cursor) -> Result<(), RecordError> {
        for _ in 0..self.shares.paid_pages {
            let (page, limit) = self.read_page(cursor.offset).await?;
            let is_new = |receipt: &Receipt| !ledger::is_settled(&receipt.payment_hash);
            self.record(page.payments.into_iter().filter(is_new).collect()).await?;
            let (first, last) = (page.first.as_deref(), page.last.as_deref());
            let is_full = page.rows >= limit;
            let (next, is_complete) = cursor.after(ListPage { first, last, rows: page.rows, is_full });
            self.budget.run(self.env, &LedgerCommand::save_cursor(wallet_key, &next)).await?;
            if is_complete {
                break;
            }
            cursor = next;
        }
        Ok(())
    }

    /// Returns a page of the list of paid payments, and the number of rows that were requested. If the response is too
    /// large or not JSON, the request is repeated with fewer rows, down to one. A row that cannot be read even alone is
    /// skipped.
    async fn read_page(&self, offset: usize) -> Result<(PaymentPage<Receipt>, usize), RecordError> {
        for limit in PAGE_SIZES {
            let response = self.send(&self.lnbits.list(PaymentList::Paid, offset, limit)).await;
            match response.and_then(|response| Ok(self.lnbits.read_paid(&response)?)) {
                Err(RecordError::Wallet(WalletError::TooLarge | WalletError::NotJson)) => {}
                page => return Ok((page?, limit)),
            }
        }
        log::wallet(self.slot, "has a payment that cannot be read: the ledger skips it");
        Ok((PaymentPage { payments: Vec::new(), rows: 1, first: None, last: None }, 1))
    }

    /// Looks up pending payments whose invoices expire soon, and records payments that are paid.
    async fn look_up_expiring(&self) -> Result<(), RecordError> {
        let now_unix = now_unix();
        let oldest_unix = now_unix.saturating_sub(self.policy.longest_invoice_expiry_s());
        let previous = with_lock(&PROGRESS, |progress| *progress.get(self.slot));
        let mut next = Progress { offset: previous.offset, ..previous };
        let mut pending: Vec<Pending> = Vec::new();
        for _ in 0..self.shares.pending_pages {
            let response = self.send(&self.lnbits.list(PaymentList::Pending, next.offset, PAGE_ROWS)).await?;
            let page = self.lnbits.read_pending(&response)?;
            let is_last =
                page.rows < PAGE_ROWS || page.payments.iter().any(|one| one.minted_unix < oldest_unix);
            pending.extend(page.payments);
            next.offset = next.offset.saturating_add(PAGE_ROWS);
            if is_last {
                next.offset = 0;
                break;
            }
        }
        let first = expiring_first(pending, now_unix, SOON_S, self.shares.look_ups, previous.last);
        next.last = first.last().copied();
        with_lock(&PROGRESS, |progress| *progress.get_mut(self.slot) = next);
        self.look_up_all(first.into_iter().map(|one| one.payment_hash)).await
    }

    /// Looks up payments, and records those that are paid. An error about one payment does not stop the look-up of other
    /// payments.
    async fn look_up_all(&self, hashes: impl Iterator<Item = PaymentHash>) -> Result<(), RecordError> {
        let (mut receipts, mut result) = (Vec::new(), Ok(()));
        for hash in hashes {
            match self.look_up(&hash).await {
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

    async fn look_up(&self, hash: &PaymentHash) -> Result<Option<Receipt>, RecordError> {
        self.budget.take()?;
        match wallets::receipt(self.lnbits, self.slot, hash).await {
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
        Ok(wallets::send_for_ledger(self.slot, request).await?)
    }

    fn report(&self, result: Result<(), RecordError>) {
        if let Err(error) = result
            && !matches!(error, RecordError::NoRequestLeft)
        {
            log::wallet(self.slot, &format!("could not be synchronized with the ledger: {error}"));
        }
    }
}

/// The position in a wallet's list of pending payments at which the next run of this isolate continues.
#[derive(Clone, Copy)]
struct Progress {
    /// The first row to read. New invoices come first in the list and move the others back, so reading on from here may
    /// repeat a row, but never skips one.
    offset: usize,
    /// The invoice that was looked up last.
    last: Option<Pending>,
}

static PROGRESS: Mutex<BySlot<Progress>> = {
    const START: Progress = Progress { offset: 0, last: None };
    Mutex::new(BySlot::all(START))
};

/// Two requests below the limit of Workers' free plan.
const MAX_SUBREQUESTS: u32 = 48;
const ONE_WALLET: Shares = Shares { paid_pages: 6, pending_pages: 6, look_ups: 10 };
const TWO_WALLETS: Shares = Shares { paid_pages: 2, pending_pages: 3, look_ups: 6 };
/// The page sizes in rows. They are tried in this order until a response can be read.
const PAGE_SIZES: [usize; 3] = [PAGE_ROWS, 7, 1];
/// Invoices that expire within this time are looked up.
const SOON_S: u64 = 600;
/// The ledger keeps a payment at least this long after its invoice has expired: clocks differ, and LNbits may learn of
/// the payment late.
const LATE_S: u64 = 86_400;
