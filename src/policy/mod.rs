//! The price list: which route a request is for, and what the request costs.
//!
//! This module uses only the values that are passed in; it sends no request. The module [`gate`](crate::gate) decides
//! whether a request is forwarded.

pub mod aliases;
pub mod catalog;
pub mod client;
pub mod cors;
pub mod description;
pub mod duration;
pub mod facts;
pub mod fetch_metadata;
pub mod free_tier;
pub mod mode;
pub mod names;
pub mod normalization;
pub mod outlets;
pub mod owner;
pub mod plain_path;
pub mod price;
pub mod price_list;
pub mod resolve;
pub mod route;
pub mod routes;
pub mod settlement;
pub mod sold_as;
pub mod wallet_order;

pub use price_list::Policy;
