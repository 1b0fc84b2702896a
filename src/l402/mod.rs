//! The protocol: macaroons, caveats, credentials, challenges, invoices. No I/O, no clock, nothing above it.

pub mod bolt11;
pub mod caveat;
pub mod challenge;
pub mod cookie;
pub mod credential;
pub mod keys;
pub mod macaroon;
pub mod percent;
pub mod preimage;
pub mod refusal;
pub mod verify;

pub(crate) mod base64;
pub(crate) mod hex;
pub(crate) mod mac;
