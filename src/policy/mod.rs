//! What a request costs: the price list, and how a request finds its place in it. Pure; knows nothing of the decision.

pub mod catalog;
pub mod client;
pub mod cors;
pub mod description;
pub mod duration;
pub mod facts;
pub mod free_tier;
pub mod normalization;
pub mod price;
pub mod price_list;
pub mod resolve;
pub mod route;
pub mod settlement;

pub use price_list::Policy;
