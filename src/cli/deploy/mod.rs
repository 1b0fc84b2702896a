//! `edgetoll deploy`: checks the configuration, sets the missing secrets, tests the wallets, deploys with Wrangler, and tries the
//! deployment from outside.
//!
//! `command` runs the steps. The other modules decide: which secrets a deployment needs, and whether its responses are right.

pub mod command;
pub mod outside;
pub mod routes;
pub mod secrets;
mod wrangler;
