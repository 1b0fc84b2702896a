//! The operations that the handlers and the cron trigger use: requests to wallets, settlement checks, rate limits, the
//! counts of free requests and of uses, and commands of the ledger.

pub mod free_tier;
pub mod ledger;
pub mod meter;
pub mod rate_limits;
pub mod settlement;
pub mod wallet_sync;
pub mod wallets;
