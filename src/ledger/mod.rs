//! The payment ledger: every payment once, by its payment hash, and how many requests each route had.
//!
//! The ledger is one SQLite database in one Durable Object. The SQL is in `sql/`, and native tests run the same SQL.
//!
//! A payment is *seen* when the Worker has accepted a credential for it. It is *settled* when LNbits, in response to a
//! request with the configured key, reports it as paid. Revenue and callbacks come from settled payments only. A
//! payment counts once, even if the payment list, a webhook and a client all report it.

pub mod callback;
pub mod command;
pub mod metrics;
mod sql;
pub mod sync;
pub mod traffic;
pub mod webhook;

use serde::Serialize;

use crate::payment::{PaymentHash, WalletSlot};
use crate::strict_json::Json;
use crate::wallet::receipt::Sale;
use command::CommandName;
use sql::script;
use sync::Cursor;

/// A database that runs one statement at a time.
pub trait Database {
    type Error;

    /// Runs a SQL statement. `input` is bound as `?1`, if there is an input. Returns the first column of the first row;
    /// `None` if there is no row or the value is not a text.
    ///
    /// # Errors
    /// Fails if the database refuses the statement.
    fn run(&self, statement: &str, input: Option<&str>) -> Result<Option<String>, Self::Error>;
}

/// Migrates the tables to the newest schema. The caller must run this function in one transaction.
///
/// # Errors
/// Fails if the database refuses a statement.
pub fn migrate<D: Database>(database: &D, now_ms: u64) -> Result<(), D::Error> {
    database.run(META, None)?;
    let schema = database.run("SELECT CAST(value AS TEXT) FROM meta WHERE key = 'schema'", None)?;
    let applied = schema.and_then(|text| text.parse().ok()).unwrap_or(0);
    for (previous, script) in MIGRATIONS.into_iter().enumerate().skip(applied) {
        let input = MigrationInput { now_ms, schema: previous.saturating_add(1) };
        let input = serde_json::to_string(&input).unwrap_or_default();
        run_all(database, script, &input)?;
        run_all(database, SAVE_SCHEMA, &input)?;
    }
    Ok(())
}

/// Runs the SQL script of a command, whose fields are given as JSON. Returns the result of the last statement. The
/// caller must run this function in one transaction.
///
/// # Errors
/// Fails if the database refuses a statement.
pub fn run<D: Database>(database: &D, name: CommandName, fields: &str) -> Result<Option<String>, D::Error> {
    run_all(database, name.script(), fields)
}

fn run_all<D: Database>(database: &D, script: &str, input: &str) -> Result<Option<String>, D::Error> {
    let mut result = None;
    for statement in script.split(";\n") {
        result = database.run(statement, statement.contains("?1").then_some(input))?;
    }
    Ok(result)
}

/// What the cron trigger requests from the wallets next.
#[derive(Debug, PartialEq, Eq)]
pub struct SyncPlan {
    cursors: Json,
    /// The payments to look up now, at most ten, each with the slot of the wallet that created its invoice. The Worker
    /// has accepted a credential for each of these payments, but LNbits has not reported the payment as paid.
    pub unsettled: Vec<Unsettled>,
}

/// A payment whose credential was used, and that its wallet has not reported as paid.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The slot of the wallet that created the invoice.
    pub slot: WalletSlot,
    pub hash: PaymentHash,
    pub sale: Sale,
}

impl SyncPlan {
    /// Parses the result of [`command::LedgerCommand::PlanSync`]; `None` if the result is malformed.
    pub fn parse(result: &str) -> Option<Self> {
        let result = Json::parse(result.as_bytes())?;
        let unsettled = result.get("unsettled")?.as_array()?.iter().filter_map(|one| {
            let string = |key: &str| one.get(key)?.as_str();
            Some(Unsettled {
                slot: WalletSlot::parse(string("wallet")?)?,
                hash: PaymentHash::from_hex(string("hash")?)?,
                sale: Sale { route: string("route")?.to_owned(), client: string("payer").map(str::to_owned) },
            })
        });
        Some(Self { unsettled: unsettled.collect(), cursors: result.get("lists")?.clone() })
    }

    /// Returns how far the payment list of a wallet was read; the start of the list if the ledger has no cursor for the
    /// wallet.
    pub fn cursor(&self, wallet_key: &str) -> Cursor {
        self.cursors.get(wallet_key).and_then(Cursor::parse).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct MigrationInput {
    now_ms: u64,
    schema: usize,
}

const META: &str = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID";
const SAVE_SCHEMA: &str = "INSERT INTO meta (key, value) VALUES ('schema', ?1 ->> 'schema') \
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value";
/// Each script migrates the ledger to the next schema. A script is never changed, because a deployed ledger may have
/// run it already.
const MIGRATIONS: [&str; 5] = [
    script!("schema_1.sql"),
    script!("schema_2.sql"),
    script!("schema_3.sql"),
    script!("schema_4.sql"),
    script!("schema_5.sql"),
];
