//! Reads the list of paid payments of a wallet with Nostr Wallet Connect.

use super::{RecordError, WalletSync};
use crate::edge::platform::clock::now_unix;
use crate::edge::services::ledger;
use crate::ledger::command::LedgerCommand;
use crate::ledger::sync::Cursor;
use crate::wallet::nwc::NwcWallet;
use crate::wallet::receipt::Receipt;
use crate::wallet::{WalletError, WalletRequest};

impl WalletSync<'_> {
    /// Reads the list of paid payments and records the payments. The next run continues where this run stops. A connection
    /// that may not list payments has no list.
    pub(super) async fn read_transactions(
        &self,
        nwc: &NwcWallet,
        wallet_key: &str,
        mut cursor: Cursor,
    ) -> Result<(), RecordError> {
        let longest_expiry_s = self.policy.longest_invoice_expiry_s();
        for _ in 0..self.shares.paid_pages {
            let now_unix = now_unix();
            let from_unix = cursor.from_unix(now_unix);
            let response = self.send(&WalletRequest::Nwc(nwc.list_paid(from_unix, cursor.offset))).await?;
            let page = match nwc.read_paid(&response) {
                Err(WalletError::Restricted) => return Ok(()),
                page => page?,
            };
            let is_new = |receipt: &Receipt| !ledger::is_settled(&receipt.payment_hash);
            self.record(page.payments.into_iter().filter(is_new).collect()).await?;
            cursor = cursor.after_transactions(now_unix, longest_expiry_s, page.rows, page.is_full);
            self.budget.run(self.env, &LedgerCommand::save_cursor(wallet_key, &cursor)).await?;
            if !page.is_full {
                break;
            }
        }
        Ok(())
    }
}
