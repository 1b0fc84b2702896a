//! The books: every payment once, by its payment hash, with what became of it, and how many requests each route had. One
//! database (SQLite, in one Durable Object) keeps them, and its SQL is here whole, so that native tests run it as it is.
//!
//! A payment is *seen* when a credential for it was shown, and *settled* when LNbits, asked with our key, calls it paid.
//! Revenue and callbacks come from settled ones alone, whoever brought the news, and however often.

pub mod callback;
pub mod hook;
pub mod metrics;
pub mod traffic;

use serde::Serialize;

use crate::l402::caveat::Wallet;
use crate::l402::preimage::PaymentHash;
use crate::wallet::receipt::Receipt;

/// A database that runs one statement at a time. `input` is the text bound as `?1`; what comes back is the first column of
/// the first row, where it is a text.
pub trait Database {
    /// Why it would not.
    type Error;

    /// Runs a statement.
    ///
    /// # Errors
    /// Where the database refuses it.
    fn run(&self, statement: &str, input: Option<&str>) -> Result<Option<String>, Self::Error>;
}

/// Brings the tables to the newest form; each form adds to the one before. To be run as one transaction.
///
/// # Errors
/// Where the database refuses it.
pub fn migrate<D: Database>(database: &D, now_ms: u64) -> Result<(), D::Error> {
    database.run(META, None)?;
    let schema = database.run("SELECT CAST(value AS TEXT) FROM meta WHERE key = 'schema'", None)?;
    let schema = schema.and_then(|text| text.parse().ok()).unwrap_or(0);
    for (older, script) in MIGRATIONS.into_iter().enumerate().skip(schema) {
        let input = format!("{{\"now_ms\":{now_ms},\"schema\":{}}}", older.saturating_add(1));
        run_all(database, script, &input)?;
        run_all(database, NOTE_SCHEMA, &input)?;
    }
    Ok(())
}

/// Runs a step with its input, as one transaction; `None` where there is no such step.
///
/// # Errors
/// Where the database refuses it.
pub fn run<D: Database>(database: &D, step: &str, input: &str) -> Option<Result<Option<String>, D::Error>> {
    let (_, script) = STEPS.into_iter().find(|(name, _)| *name == step)?;
    Some(run_all(database, script, input))
}

fn run_all<D: Database>(database: &D, script: &str, input: &str) -> Result<Option<String>, D::Error> {
    let mut answer = None;
    for statement in script.split(";\n") {
        answer = database.run(statement, statement.contains("?1").then_some(input))?;
    }
    Ok(answer)
}

/// The input of `see`: a credential was shown. It answers `seen`, or `settled`.
#[derive(Serialize)]
pub struct Seen<'a> {
    /// When.
    pub now_ms: u64,
    /// Of which payment, in hex.
    pub hash: String,
    /// For which route's pattern.
    pub route: &'a str,
    /// What it says was paid.
    pub sats: u64,
    /// The pseudonym of who showed it.
    pub payer: Option<String>,
    /// Which wallet made its invoice.
    pub wallet: &'static str,
}

/// The input of `settle`: LNbits calls these paid. `tells` is whether the owner's server wants to know.
pub fn settled(wallet: Wallet, receipts: &[Receipt], tells: bool, now_ms: u64) -> String {
    let receipts = receipts.iter().map(|receipt| Settled {
        hash: receipt.payment_hash.to_hex(),
        route: &receipt.route,
        sats: receipt.amount_sats,
        payer: receipt.client.as_deref(),
        minted_unix: receipt.minted_unix,
        settled: &receipt.settled,
    });
    let input = Receipts { now_ms, wallet: wallet.as_str(), tells, receipts: receipts.collect() };
    serde_json::to_string(&input).unwrap_or_default()
}

/// What `ask` answers: what is to be asked of LNbits.
#[derive(Debug, PartialEq, Eq)]
pub struct ToAsk {
    /// Until when the list of each wallet is in the books.
    pub cursors: Vec<(Wallet, u64)>,
    /// Payments that were seen, and the wallet that made each invoice.
    pub unsettled: Vec<(Wallet, PaymentHash)>,
}

impl ToAsk {
    /// Reads an answer.
    pub fn read(answer: &str) -> Option<Self> {
        let answer = crate::json::Json::parse(answer.as_bytes())?;
        let cursor = |wallet: Wallet| Some((wallet, answer.get("cursors")?.get(wallet.as_str())?.as_u64()?));
        let unsettled = answer.get("unsettled")?.as_array()?.iter().filter_map(|one| {
            let wallet = Wallet::parse(one.get("wallet")?.as_str()?)?;
            Some((wallet, PaymentHash::from_hex(one.get("hash")?.as_str()?)?))
        });
        Some(Self {
            cursors: Wallet::ALL.into_iter().filter_map(cursor).collect(),
            unsettled: unsettled.collect(),
        })
    }

    /// Until when the list of a wallet is in the books.
    pub fn cursor(&self, wallet: Wallet) -> u64 {
        self.cursors.iter().find(|(name, _)| *name == wallet).map_or(0, |(_, unix)| *unix)
    }
}

#[derive(Serialize)]
struct Receipts<'a> {
    now_ms: u64,
    wallet: &'static str,
    tells: bool,
    receipts: Vec<Settled<'a>>,
}

#[derive(Serialize)]
struct Settled<'a> {
    hash: String,
    route: &'a str,
    sats: u64,
    payer: Option<&'a str>,
    minted_unix: u64,
    settled: &'a str,
}

const META: &str = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID";
const NOTE_SCHEMA: &str = "INSERT INTO meta (key, value) VALUES ('schema', ?1 ->> 'schema') \
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value";
/// Never changed, only added to: a ledger may be of any of these.
const MIGRATIONS: [&str; 1] = [include_str!("sql/schema_1.sql")];
const STEPS: [(&str, &str); 12] = [
    ("again", include_str!("sql/again.sql")),
    ("ask", include_str!("sql/ask.sql")),
    ("count", include_str!("sql/count.sql")),
    ("delivered", include_str!("sql/delivered.sql")),
    ("due", include_str!("sql/due.sql")),
    ("failed", include_str!("sql/failed.sql")),
    ("forget", include_str!("sql/forget.sql")),
    ("listed", include_str!("sql/listed.sql")),
    ("next", include_str!("sql/next.sql")),
    ("see", include_str!("sql/see.sql")),
    ("settle", include_str!("sql/settle.sql")),
    ("stats", include_str!("sql/stats.sql")),
];
