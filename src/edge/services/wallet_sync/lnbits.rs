//! Reads the payment lists of an LNbits.

use std::sync::Mutex;

use super::{RecordError, WalletSync};
use crate::edge::platform::clock::now_unix;
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::log;
use crate::edge::services::ledger;
use crate::ledger::command::LedgerCommand;
use crate::ledger::sync::{Cursor, ListPage};
use crate::wallet::lnbits::Lnbits;
use crate::wallet::receipt::{PAGE_ROWS, PaymentList, PaymentPage, Pending, Receipt, expiring_first};
use crate::wallet::slots::BySlot;
use crate::wallet::{WalletError, WalletRequest, WalletResponse};

impl WalletSync<'_> {
    /// Reads the list of paid payments and records the payments. The next run continues where this run stops.
    pub(super) async fn read_paid(
        &self,
        lnbits: &Lnbits,
        wallet_key: &str,
        mut cursor: Cursor,
    ) -> Result<(), RecordError> {
        for _ in 0..self.shares.paid_pages {
            let (page, limit) =
                self.read_page(lnbits, PaymentList::Paid, cursor.offset, Lnbits::read_paid).await?;
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

    /// Returns a page of a list of payments, and the number of rows that were requested. If the response is too
    /// large or not JSON, the request is repeated with fewer rows, down to one. A row that cannot be read even alone is
    /// skipped.
    async fn read_page<T>(
        &self,
        lnbits: &Lnbits,
        list: PaymentList,
        offset: usize,
        read: impl Fn(&Lnbits, &WalletResponse) -> Result<PaymentPage<T>, WalletError>,
    ) -> Result<(PaymentPage<T>, usize), RecordError> {
        for limit in PAGE_SIZES {
            let response = self.send(&WalletRequest::Http(lnbits.list(list, offset, limit))).await;
            match response.and_then(|response| Ok(read(lnbits, &response)?)) {
                Err(RecordError::Wallet(WalletError::TooLarge | WalletError::NotJson)) => {}
                page => return Ok((page?, limit)),
            }
        }
        log::wallet(self.slot, "has a payment that cannot be read: it is skipped");
        Ok((PaymentPage { payments: Vec::new(), rows: 1, first: None, last: None }, 1))
    }

    /// Looks up pending payments whose invoices expire soon, and records payments that are paid.
    pub(super) async fn look_up_expiring(&self, lnbits: &Lnbits) -> Result<(), RecordError> {
        let now_unix = now_unix();
        let oldest_unix = now_unix.saturating_sub(self.policy.longest_invoice_expiry_s());
        let previous = with_lock(&PROGRESS, |progress| *progress.get(self.slot));
        let mut next = Progress { offset: previous.offset, ..previous };
        let mut pending: Vec<Pending> = Vec::new();
        for _ in 0..self.shares.pending_pages {
            let (page, limit) =
                self.read_page(lnbits, PaymentList::Pending, next.offset, Lnbits::read_pending).await?;
            let is_last = page.rows < limit || page.payments.iter().any(|one| one.minted_unix < oldest_unix);
            pending.extend(page.payments);
            next.offset = next.offset.saturating_add(limit);
            if is_last {
                next.offset = 0;
                break;
            }
        }
        let first = expiring_first(pending, now_unix, SOON_S, self.shares.look_ups, previous.last);
        next.last = first.last().copied();
        with_lock(&PROGRESS, |progress| *progress.get_mut(self.slot) = next);
        self.look_up_all(first.into_iter().map(|one| (one.payment_hash, None))).await
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

/// The page sizes in rows. They are tried in this order until a response can be read.
const PAGE_SIZES: [usize; 3] = [PAGE_ROWS, 7, 1];
/// Invoices that expire within this time are looked up.
const SOON_S: u64 = 600;
