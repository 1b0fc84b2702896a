//! The operations that handlers share: requests to wallets, counts in stores, and commands of the ledger.

pub mod free_tier;
pub mod ledger;
pub mod meter;
pub mod rate_limits;
pub mod settlement;
pub mod wallet_sync;
pub mod wallets;
