//! The commands of the payment ledger. Each command has a SQL script of the same name in `sql/`, which reads the fields
//! of the command as JSON.

use serde::{Serialize, Serializer};

use super::sql::script;
use super::sync::Cursor;
use crate::payment::WalletSlot;
use crate::protocols::price::Fiat;
use crate::wallet::receipt::Receipt;

/// The state of the limits on invoices and on requests to wallets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// How many invoices the deployment had in the last minute; `None` if this is not known.
    pub invoices_used: Option<u64>,
    /// The setting `invoices_per_minute`.
    pub invoices_per_minute: u64,
    /// The setting `challenges_per_minute`.
    pub challenges_per_minute: u64,
    /// For each configured wallet slot, how many milliseconds its circuit breakers stay open: for invoices, and for
    /// look-ups.
    #[serde(serialize_with = "as_object")]
    pub open_ms: Vec<(&'static str, [u64; 2])>,
}

fn as_object<S: Serializer>(pairs: &[(&'static str, [u64; 2])], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

/// A command of the ledger. Only its fields are serialized, as a JSON object. Its name is sent in a header.
#[derive(Serialize)]
#[serde(untagged)]
pub enum LedgerCommand<'a> {
    /// Deletes a callback that the owner's server has accepted.
    CallbackDelivered { hash: &'a str },
    /// Records that a callback failed. The callback is due again at `next_ms`. If `next_ms` is `None`, it is given up.
    CallbackFailed { hash: &'a str, now_ms: u64, next_ms: Option<u64>, outcome: &'a str },
    /// Adds to what observed routes would have charged.
    CountObserved {
        now_ms: u64,
        /// See [`Traffic`](super::traffic::Traffic).
        routes: &'a [(String, [u64; 4])],
    },
    /// Adds to the request counts.
    CountRequests {
        now_ms: u64,
        /// For each route, the numbers of paid, free, challenged and refused requests.
        routes: &'a [(String, [u64; 4])],
        /// How many requests got each code of a refusal.
        refusals: &'a [(&'static str, u64)],
    },
    /// Returns up to ten callbacks that are due. [`Callback::parse_all`](super::callback::Callback::parse_all) parses
    /// the result.
    DueCallbacks { now_ms: u64 },
    /// Returns a page of the settled payments as CSV, oldest first, after the payment with the hash `after_hash` and the
    /// time `after_ms`. `from` and `to` are the first and the last day of their settlement, in UTC; each may be empty. The
    /// first line of the result has the fields of the command for the next page; it is empty if this is the last page. The
    /// result is empty if a date is malformed.
    ExportPayments { from: &'a str, to: &'a str, after_ms: Option<u64>, after_hash: &'a str },
    /// Returns up to 20 payments as JSON, newest first. If `hash` is not empty, they are the payments whose hash begins
    /// with it. Otherwise they are settled payments that are older than the payment with the hash `before_hash` and the
    /// time `before_ms`.
    ListPayments { hash: &'a str, before_ms: &'a str, before_hash: &'a str },
    /// Returns when the next callback is due, in Unix milliseconds; an empty result if no callback is waiting.
    NextCallback {},
    /// Returns which payments the cron trigger looks up next, and how far the payment list of each wallet was read:
    /// [`SyncPlan`](super::SyncPlan).
    PlanSync { now_ms: u64 },
    /// Deletes what is older than `before_unix`: settled payments, payments that were seen and never settled, and
    /// callbacks that were given up. Also deletes payers without a remaining payment. The sums of routes, hours and
    /// days stay.
    Prune { before_unix: u64 },
    /// Returns the statistics that the dashboard shows, as JSON, with the `limits`.
    ReadStats { now_ms: u64, limits: Option<&'a Limits> },
    /// Records that the Worker accepted a credential for a payment. Returns `settled` if the ledger has the payment as
    /// settled, otherwise `seen`.
    RecordSeen {
        now_ms: u64,
        hash: &'a str,
        route: &'a str,
        sats: u64,
        payer: Option<&'a str>,
        wallet: &'static str,
        protocol: &'static str,
    },
    /// Records payments that a wallet reports as paid. With `has_callback`, also records a callback for each new
    /// payment, unless its invoice is more than a day older than the ledger.
    RecordSettled { now_ms: u64, wallet: &'static str, has_callback: bool, receipts: Vec<ReceiptEntry<'a>> },
    /// Tries callbacks again that were given up: each of them becomes due at `now_ms`.
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
    host: Option<&'a str>,
    uses: Option<u64>,
    fiat: Option<&'a str>,
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
            host: receipt.terms.host.as_deref(),
            uses: receipt.terms.uses,
            fiat: receipt.terms.fiat.as_ref().map(Fiat::as_str),
        });
        Self::RecordSettled { now_ms, wallet: slot.as_str(), has_callback, receipts: entries.collect() }
    }

    /// `wallet_key` identifies the wallet: [`KeySet::wallet_key`](crate::keys::KeySet::wallet_key).
    pub fn save_cursor(wallet_key: &'a str, cursor: &'a Cursor) -> Self {
        let Cursor { cursor, read_to, newest, offset } = cursor;
        Self::SaveCursor { wallet: wallet_key, cursor, read_to, newest, offset: *offset }
    }

    pub fn name(&self) -> CommandName {
        match self {
            Self::CallbackDelivered { .. } => CommandName::CallbackDelivered,
            Self::CallbackFailed { .. } => CommandName::CallbackFailed,
            Self::CountObserved { .. } => CommandName::CountObserved,
            Self::CountRequests { .. } => CommandName::CountRequests,
            Self::DueCallbacks { .. } => CommandName::DueCallbacks,
            Self::ExportPayments { .. } => CommandName::ExportPayments,
            Self::ListPayments { .. } => CommandName::ListPayments,
            Self::NextCallback {} => CommandName::NextCallback,
            Self::PlanSync { .. } => CommandName::PlanSync,
            Self::Prune { .. } => CommandName::Prune,
            Self::ReadStats { .. } => CommandName::ReadStats,
            Self::RecordSeen { .. } => CommandName::RecordSeen,
            Self::RecordSettled { .. } => CommandName::RecordSettled,
            Self::RetryCallbacks { .. } => CommandName::RetryCallbacks,
            Self::SaveCursor { .. } => CommandName::SaveCursor,
        }
    }

    /// Returns the fields of the command as JSON, which its SQL script reads.
    pub fn fields(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The name of a command, which selects its SQL script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandName {
    CallbackDelivered,
    CallbackFailed,
    CountObserved,
    CountRequests,
    DueCallbacks,
    ExportPayments,
    ListPayments,
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
    pub fn parse(word: &str) -> Option<Self> {
        SCRIPTS.into_iter().find(|(_, known, _)| *known == word).map(|(name, ..)| name)
    }

    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// Whether a callback may be due after this command, so that the alarm of the Durable Object must be set.
    /// `PlanSync`, which the cron trigger runs every minute, is included to replace an alarm that was lost.
    pub fn may_make_callback_due(self) -> bool {
        matches!(self, Self::PlanSync | Self::RecordSettled | Self::RetryCallbacks)
    }

    /// Returns the SQL script of the command.
    pub(super) fn script(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        SCRIPTS.into_iter().find(|(name, ..)| *name == self).unwrap_or((self, "", ""))
    }
}

/// Each command, the word that names it in a message to the Durable Object of the ledger, and its SQL script.
const SCRIPTS: [(CommandName, &str, &str); 15] = [
    (CommandName::CallbackDelivered, "callback_delivered", script!("callback_delivered.sql")),
    (CommandName::CallbackFailed, "callback_failed", script!("callback_failed.sql")),
    (CommandName::CountObserved, "count_observed", script!("count_observed.sql")),
    (CommandName::CountRequests, "count_requests", script!("count_requests.sql")),
    (CommandName::DueCallbacks, "due_callbacks", script!("due_callbacks.sql")),
    (CommandName::ExportPayments, "export_payments", script!("export_payments.sql")),
    (CommandName::ListPayments, "list_payments", script!("list_payments.sql")),
    (CommandName::NextCallback, "next_callback", script!("next_callback.sql")),
    (CommandName::PlanSync, "plan_sync", script!("plan_sync.sql")),
    (CommandName::Prune, "prune", script!("prune.sql")),
    (CommandName::ReadStats, "read_stats", script!("read_stats.sql")),
    (CommandName::RecordSeen, "record_seen", script!("record_seen.sql")),
    (CommandName::RecordSettled, "record_settled", script!("record_settled.sql")),
    (CommandName::RetryCallbacks, "retry_callbacks", script!("retry_callbacks.sql")),
    (CommandName::SaveCursor, "save_cursor", script!("save_cursor.sql")),
];
