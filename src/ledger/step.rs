//! What can be asked of the books: each step has a script of its name in `sql/`, which reads its fields as JSON.

use serde::Serialize;

use super::reading::Place;
use crate::l402::caveat::Wallet;
use crate::wallet::receipt::Receipt;

/// A step.
#[derive(Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "fields are named for what they are")]
pub enum Step<'a> {
    /// Callbacks that were given up are due again.
    Again { now_ms: u64 },
    /// Answers what is to be asked of the wallets: [`super::ToAsk`].
    Ask { now_ms: u64 },
    /// Adds requests to their routes: each with how many were paid, free, challenged and refused.
    Count { routes: &'a [(String, [u64; 4])] },
    /// A callback was taken.
    Delivered { hash: &'a str },
    /// Answers which callbacks are due: [`super::callback::Callback::read_all`].
    Due { now_ms: u64 },
    /// A callback was not taken, and is due again then, or never.
    Failed { hash: &'a str, now_ms: u64, next_ms: Option<u64>, outcome: &'a str },
    /// Removes what was settled before.
    Forget { before_unix: u64 },
    /// How far the list of the wallet with this key was read: a [`super::reading::Place`].
    Listed { wallet: &'a str, cursor: &'a str, read_to: &'a str, newest: &'a str, offset: usize },
    /// Answers when the next callback is due, in milliseconds, where there is one.
    Next {},
    /// A credential was shown; answers `seen`, or `settled`.
    See {
        now_ms: u64,
        hash: &'a str,
        route: &'a str,
        sats: u64,
        payer: Option<&'a str>,
        wallet: &'static str,
    },
    /// A wallet calls these paid. `tells` is whether the owner's server wants to know.
    Settle { now_ms: u64, wallet: &'static str, tells: bool, receipts: Vec<Entry<'a>> },
    /// Answers the numbers of the dashboard.
    Stats { now_ms: u64 },
}

/// A payment as `settle.sql` reads it.
#[derive(Serialize)]
pub struct Entry<'a> {
    hash: String,
    route: &'a str,
    sats: u64,
    payer: Option<&'a str>,
    minted_unix: u64,
    settled: &'a str,
}

impl<'a> Step<'a> {
    /// A wallet calls these paid.
    pub fn settle(wallet: Wallet, receipts: &'a [Receipt], tells: bool, now_ms: u64) -> Self {
        let entries = receipts.iter().map(|receipt| Entry {
            hash: receipt.payment_hash.to_hex(),
            route: &receipt.route,
            sats: receipt.amount_sats,
            payer: receipt.client.as_deref(),
            minted_unix: receipt.minted_unix,
            settled: &receipt.settled,
        });
        Self::Settle { now_ms, wallet: wallet.as_str(), tells, receipts: entries.collect() }
    }

    /// The list of the wallet with this key was read as far as this.
    pub fn listed(wallet_key: &'a str, place: &'a Place) -> Self {
        let Place { cursor, read_to, newest, offset } = place;
        Self::Listed { wallet: wallet_key, cursor, read_to, newest, offset: *offset }
    }

    /// The name of its script.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Again { .. } => "again",
            Self::Ask { .. } => "ask",
            Self::Count { .. } => "count",
            Self::Delivered { .. } => "delivered",
            Self::Due { .. } => "due",
            Self::Failed { .. } => "failed",
            Self::Forget { .. } => "forget",
            Self::Listed { .. } => "listed",
            Self::Next {} => "next",
            Self::See { .. } => "see",
            Self::Settle { .. } => "settle",
            Self::Stats { .. } => "stats",
        }
    }

    /// What its script reads.
    pub fn input(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
