//! The Durable Object classes. `wrangler.toml` names these classes.

mod free_tier_counter;
mod invoice_limit;
mod ledger;
mod meter;

pub use free_tier_counter::FreeTierCounter;
pub use invoice_limit::InvoiceLimit;
pub use ledger::Ledger;
pub use meter::Meter;
