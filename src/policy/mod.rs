//! What a request costs: the price list, and how a request finds its place in it. Pure; knows nothing of the decision.

pub mod client;
pub mod config;
pub mod duration;
pub mod path;
pub mod route;
pub mod url;

pub use config::Policy;
