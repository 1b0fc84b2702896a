//! The books: every payment once, by its payment hash, with what became of it, and how many requests each route had. One
//! database (SQLite, in one Durable Object) keeps them, and its SQL is here whole, so that native tests run it as it is.
//!
//! A payment is *seen* when a credential for it was shown, and *settled* when LNbits, asked with our key, calls it paid.
//! Revenue and callbacks come from settled ones alone, whoever brought the news, and however often.

pub mod callback;
pub mod hook;
pub mod metrics;
pub mod reading;
pub mod step;
pub mod traffic;

use crate::json::Json;
use crate::l402::caveat::Wallet;
use crate::l402::preimage::PaymentHash;
use reading::Place;

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

/// Runs the step of this name with its input, as one transaction; `None` where there is no such step.
///
/// # Errors
/// Where the database refuses it.
pub fn run<D: Database>(database: &D, step: &str, input: &str) -> Option<Result<Option<String>, D::Error>> {
    let (_, script) = SCRIPTS.into_iter().find(|(name, _)| *name == step)?;
    Some(run_all(database, script, input))
}

fn run_all<D: Database>(database: &D, script: &str, input: &str) -> Result<Option<String>, D::Error> {
    let mut answer = None;
    for statement in script.split(";\n") {
        answer = database.run(statement, statement.contains("?1").then_some(input))?;
    }
    Ok(answer)
}

/// What is to be asked of the wallets.
#[derive(Debug, PartialEq, Eq)]
pub struct ToAsk {
    lists: Json,
    /// Payments that were seen and are not settled, and the wallet that made each invoice.
    pub unsettled: Vec<(Wallet, PaymentHash)>,
}

impl ToAsk {
    /// Reads the answer of [`step::Step::Ask`].
    pub fn read(answer: &str) -> Option<Self> {
        let answer = Json::parse(answer.as_bytes())?;
        let unsettled = answer.get("unsettled")?.as_array()?.iter().filter_map(|one| {
            let wallet = Wallet::parse(one.get("wallet")?.as_str()?)?;
            Some((wallet, PaymentHash::from_hex(one.get("hash")?.as_str()?)?))
        });
        Some(Self { unsettled: unsettled.collect(), lists: answer.get("lists")?.clone() })
    }

    /// How far the list of the wallet with this key was read.
    pub fn place(&self, wallet_key: &str) -> Place {
        self.lists.get(wallet_key).and_then(Place::read).unwrap_or_default()
    }
}

const META: &str = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID";
const NOTE_SCHEMA: &str = "INSERT INTO meta (key, value) VALUES ('schema', ?1 ->> 'schema') \
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value";
/// Never changed, only added to: a ledger may be of any of these.
const MIGRATIONS: [&str; 1] = [include_str!("sql/schema_1.sql")];
const SCRIPTS: [(&str, &str); 12] = [
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
