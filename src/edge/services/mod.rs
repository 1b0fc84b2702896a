//! What handlers do: they ask wallets, count in stores, and write the ledger.

pub mod free_tier;
pub mod ledger;
pub mod meter;
pub mod rate_limits;
pub mod settlement;
pub mod wallet_sync;
pub mod wallets;
