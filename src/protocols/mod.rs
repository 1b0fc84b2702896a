//! How payment is asked for and proven. One module for each protocol; they share [`price`].

pub mod l402;
pub mod price;
