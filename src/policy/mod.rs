//! The price list: which route a request is for, and what it costs.
//!
//! Everything here is computed from plain values. Whether a request is forwarded is decided in [`gate`](crate::gate).

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
