//! Payment protocols: how a server requests a payment, and how a client proves the payment. Each protocol is a module,
//! and every protocol uses [`price`].

pub mod l402;
pub mod price;
