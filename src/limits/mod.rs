//! Limits of how often: rate limits, and the counted uses of a payment.

pub mod rate_limit;
pub mod uses;
