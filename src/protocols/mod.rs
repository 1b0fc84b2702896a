//! Payment protocols: how a server requests a payment, and how a client proves it. Each protocol is a module; all of
//! them use [`price`].

pub mod l402;
pub mod price;
