//! The Durable Object classes. `wrangler.toml` names these classes.

mod free_tier_counter;
mod invoice_limit;
mod ledger;
mod meter;
#[cfg(feature = "nwc")]
mod nwc_connection;

pub use free_tier_counter::FreeTierCounter;
pub use invoice_limit::InvoiceLimit;
pub use ledger::Ledger;
pub use meter::Meter;
