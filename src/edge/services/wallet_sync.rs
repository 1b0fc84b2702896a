//! What the cron trigger does every minute: it records payments that no client and no webhook has reported.
//!
//! A run deletes old payments from the ledger and reads the wallets' lists of paid payments. It also looks up:
//! - payments whose credentials were used;
//! - payments whose invoices expire soon. If LNbits was down while its node was paid, a look-up must come before the
//!   invoice expires, because LNbits reports the payment as failed afterwards.

use worker::Env;

use super::ledger::{self, RecordError};
use super::wallets;
use crate::config::Settings;
use crate::edge::platform::clock::{now_ms, now_unix};
use crate::edge::platform::{environment, log};
use crate::ledger::SyncPlan;
use crate::ledger::command::LedgerCommand;
use crate::ledger::sync::{Cursor, ListPage};
use crate::payment::{PaymentHash, WalletSlot};
use crate::policy::Policy;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::receipt::{PAGE_ROWS, PaymentList, PaymentPage, Pending, Receipt, expiring_first};
use crate::wallet::slots::Wallets;
use crate::wallet::{WalletError, WalletRequest, WalletResponse};

/// Synchronizes the ledger with the wallets. What fails in this run is tried again in the next run.
pub async fn run(env: &Env) {
    let settings = environment::settings(env);
    let (Some(policy), Some((keys, wallets))) = (settings.policy(), settings.keys_and_wallets()) else {
        return;
    };
    let before_unix = now_unix().saturating_sub(policy.ledger_memory_s(LATE_S));
    ledger::run(env, &LedgerCommand::Prune { before_unix }).await;
    let plan = ledger::run(env, &LedgerCommand::PlanSync { now_ms: now_ms() }).await;
    let Some(plan) = plan.and_then(|result| SyncPlan::parse(&result)) else { return };
    let sync = |slot| Some(WalletSync { env, settings, policy, wallets, slot, lnbits: wallets.get(slot)? });
    for sync in WalletSlot::ALL.into_iter().filter_map(sync) {
        // After a change of its URL or its key, the wallet counts as a new wallet. Its list is then read from the
        // start.
        let wallet_key = keys.current().wallet_key(sync.lnbits.identity());
        sync.report(sync.read_paid(&wallet_key, plan.cursor(&wallet_key)).await);
    }
    for sync in WalletSlot::ALL.into_iter().filter_map(sync) {
        let seen = plan.unsettled.iter().filter(|(slot, _)| *slot == sync.slot).map(|(_, hash)| *hash);
        sync.report(sync.look_up_all(seen).await);
        sync.report(sync.look_up_expiring().await);
    }
}

/// The synchronization with one wallet.
struct WalletSync<'a> {
    env: &'a Env,
    settings: &'a Settings,
    policy: &'a Policy,
    wallets: &'a Wallets,
    slot: WalletSlot,
    lnbits: &'a Lnbits,
}

impl WalletSync<'_> {
    /// Reads the list of paid payments and records the payments. The next run continues where this run stops.
    async fn read_paid(&self, wallet_key: &str, mut cursor: Cursor) -> Result<(), RecordError> {
        for _ in 0..MAX_PAGES {
            let (page, limit) = self.read_page(cursor.offset).await?;
            let is_new = |receipt: &Receipt| !ledger::is_settled(&receipt.payment_hash);
            let receipts: Vec<Receipt> = page.payments.into_iter().filter(is_new).collect();
            ledger::record_settled(self.env, self.settings, self.slot, &receipts).await?;
            let (first, last) = (page.first.as_deref(), page.last.as_deref());
            let is_full = page.rows >= limit;
            let (next, is_complete) = cursor.after(ListPage { first, last, rows: page.rows, is_full });
            let saved = ledger::run(self.env, &LedgerCommand::save_cursor(wallet_key, &next)).await;
            saved.ok_or(RecordError::NotRecorded)?;
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
            match response.and_then(|response| self.lnbits.read_paid(&response)) {
                Err(WalletError::TooLarge | WalletError::NotJson) => {}
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
        let mut pending: Vec<Pending> = Vec::new();
        for page in 0..MAX_PENDING_PAGES {
            let offset = page.saturating_mul(PAGE_ROWS);
            let response = self.send(&self.lnbits.list(PaymentList::Pending, offset, PAGE_ROWS)).await?;
            let page = self.lnbits.read_pending(&response)?;
            let is_last =
                page.rows < PAGE_ROWS || page.payments.iter().any(|one| one.minted_unix < oldest_unix);
            pending.extend(page.payments);
            if is_last {
                break;
            }
        }
        let first = expiring_first(pending, now_unix, SOON_S, MAX_LOOK_UPS);
        self.look_up_all(first.into_iter()).await
    }

    /// Looks up payments, and records paid payments. An error about one payment does not stop the look-up of other
    /// payments.
    async fn look_up_all(&self, hashes: impl Iterator<Item = PaymentHash>) -> Result<(), RecordError> {
        let mut result = Ok(());
        for hash in hashes {
            match ledger::look_up_and_record(self.env, self.settings, self.wallets, self.slot, &hash).await {
                Ok(_) => {}
                Err(error) if error.is_of_one_payment() => result = Err(error),
                Err(error) => return Err(error),
            }
        }
        result
    }

    async fn send(&self, request: &WalletRequest) -> Result<WalletResponse, WalletError> {
        wallets::send_for_ledger(self.slot, request).await
    }

    fn report(&self, result: Result<(), RecordError>) {
        if let Err(error) = result {
            log::wallet(self.slot, &format!("could not be synchronized with the ledger: {error}"));
        }
    }
}

/// A run reads at most ten pages (500 rows) of a wallet's list of paid payments.
const MAX_PAGES: usize = 10;
/// Enough pages for all invoices that the default `invoices_per_minute` allows in five minutes.
const MAX_PENDING_PAGES: usize = 14;
/// The page sizes in rows. They are tried in this order until a response can be read.
const PAGE_SIZES: [usize; 3] = [PAGE_ROWS, 7, 1];
/// The largest number of invoices that a run looks up because they expire soon. Each look-up is a request to LNbits,
/// which may send a request to its node.
const MAX_LOOK_UPS: usize = 50;
/// An invoice that expires within this time is looked up in every run, unless [`MAX_LOOK_UPS`] invoices expire earlier.
const SOON_S: u64 = 600;
/// The ledger keeps a payment at least this long after its invoice has expired: clocks differ, and LNbits may learn of
/// the payment late.
const LATE_S: u64 = 86_400;
