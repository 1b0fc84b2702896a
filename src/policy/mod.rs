//! What a request costs: the price list, and how a request finds its place in it. Pure; knows nothing of the decision.

pub mod catalog;
pub mod client;
pub mod config;
pub mod cors;
pub mod description;
pub mod duration;
pub mod facts;
pub mod free;
pub mod header;
pub mod path;
pub mod price;
pub mod reach;
pub mod route;
pub mod settlement;
pub mod url;

pub use config::Policy;
