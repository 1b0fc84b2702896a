//! The commands of the ledger. Each has a SQL script of its name in `sql/`, which reads the command's fields as JSON.

use serde::{Deserialize, Serialize};

use super::sync::Cursor;
use crate::payment::WalletSlot;
use crate::wallet::receipt::Receipt;

/// A command, as the Worker sends it to the ledger: its name in `command`, and its fields beside it.
#[derive(Serialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum LedgerCommand<'a> {
    /// A callback was accepted by the owner's server.
    CallbackDelivered { hash: &'a str },
    /// A callback failed. It is due again at `next_ms`, or given up if that is `None`.
    CallbackFailed { hash: &'a str, now_ms: u64, next_ms: Option<u64>, outcome: &'a str },
    /// Adds requests to the counts of their routes: paid, free, challenged and refused.
    CountRequests { routes: &'a [(String, [u64; 4])] },
    /// Returns the callbacks that are due: [`Callback::parse_all`](super::callback::Callback::parse_all).
    DueCallbacks { now_ms: u64 },
    /// Returns when the next callback is due, in Unix milliseconds; nothing if none is.
    NextCallback,
    /// Returns what the wallets are asked next: [`SyncPlan`](super::SyncPlan).
    PlanSync { now_ms: u64 },
    /// Deletes the rows of payments that settled before then. Sums stay.
    Prune { before_unix: u64 },
    /// Returns the numbers of the dashboard.
    ReadStats { now_ms: u64 },
    /// Records that a credential was shown. Returns `seen` or `settled`.
    RecordSeen {
        now_ms: u64,
        hash: &'a str,
        route: &'a str,
        sats: u64,
        payer: Option<&'a str>,
        wallet: &'static str,
    },
    /// Records payments that a wallet reports as paid. `has_callback` tells whether the owner's server is called.
    RecordSettled { now_ms: u64, wallet: &'static str, has_callback: bool, receipts: Vec<ReceiptEntry<'a>> },
    /// Makes callbacks that were given up due again.
    RetryCallbacks { now_ms: u64 },
    /// Saves how far the payment list of a wallet was read.
    SaveCursor { wallet: &'a str, cursor: &'a str, read_to: &'a str, newest: &'a str, offset: usize },
}

/// A payment as `record_settled.sql` reads it.
#[derive(Serialize)]
pub struct ReceiptEntry<'a> {
    hash: String,
    route: &'a str,
    sats: u64,
    payer: Option<&'a str>,
    minted_unix: u64,
    settled: &'a str,
}

impl<'a> LedgerCommand<'a> {
    pub fn record_settled(
        slot: WalletSlot,
        receipts: &'a [Receipt],
        has_callback: bool,
        now_ms: u64,
    ) -> Self {
        let entries = receipts.iter().map(|receipt| ReceiptEntry {
            hash: receipt.payment_hash.to_hex(),
            route: &receipt.route,
            sats: receipt.amount_sats,
            payer: receipt.client.as_deref(),
            minted_unix: receipt.minted_unix,
            settled: &receipt.settled,
        });
        Self::RecordSettled { now_ms, wallet: slot.as_str(), has_callback, receipts: entries.collect() }
    }

    /// `wallet_key` names the wallet: [`KeySet::wallet_key`](crate::keys::KeySet::wallet_key).
    pub fn save_cursor(wallet_key: &'a str, cursor: &'a Cursor) -> Self {
        let Cursor { cursor, read_to, newest, offset } = cursor;
        Self::SaveCursor { wallet: wallet_key, cursor, read_to, newest, offset: *offset }
    }

    /// Returns the command as JSON: what the Worker sends, and the input of the script.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The name of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandName {
    CallbackDelivered,
    CallbackFailed,
    CountRequests,
    DueCallbacks,
    NextCallback,
    PlanSync,
    Prune,
    ReadStats,
    RecordSeen,
    RecordSettled,
    RetryCallbacks,
    SaveCursor,
}

impl CommandName {
    /// Reads the name of a command in JSON.
    pub fn parse(command: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Named {
            command: CommandName,
        }
        serde_json::from_str::<Named>(command).ok().map(|named| named.command)
    }

    /// Whether a callback may be due after this command. `PlanSync` runs every minute and is included in case an alarm was lost.
    pub fn may_make_callback_due(self) -> bool {
        matches!(self, Self::PlanSync | Self::RecordSettled | Self::RetryCallbacks)
    }

    /// Returns the SQL script of the command.
    pub(super) fn script(self) -> &'static str {
        match self {
            Self::CallbackDelivered => include_str!("sql/callback_delivered.sql"),
            Self::CallbackFailed => include_str!("sql/callback_failed.sql"),
            Self::CountRequests => include_str!("sql/count_requests.sql"),
            Self::DueCallbacks => include_str!("sql/due_callbacks.sql"),
            Self::NextCallback => include_str!("sql/next_callback.sql"),
            Self::PlanSync => include_str!("sql/plan_sync.sql"),
            Self::Prune => include_str!("sql/prune.sql"),
            Self::ReadStats => include_str!("sql/read_stats.sql"),
            Self::RecordSeen => include_str!("sql/record_seen.sql"),
            Self::RecordSettled => include_str!("sql/record_settled.sql"),
            Self::RetryCallbacks => include_str!("sql/retry_callbacks.sql"),
            Self::SaveCursor => include_str!("sql/save_cursor.sql"),
        }
    }
}
