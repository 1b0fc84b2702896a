//! Payment protocols: how a server requests a payment, and how a client proves the payment. Each protocol is a module.
//! All protocols use [`price`]; those whose proofs carry no signature of this deployment use [`record`].

pub mod l402;
pub mod offered;
pub mod own_headers;
pub mod price;
pub mod record;
pub mod x_preimage;
