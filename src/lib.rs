//! edgetoll: a Lightning paywall (L402) as a Cloudflare Worker in front of any HTTP origin.
//!
//! The crate has a functional core, which computes every decision from plain values without I/O and is tested natively,
//! and a thin shell, `edge`, which is the only module that calls JavaScript. `docs/architecture.md` describes the
//! layers of the crate and the phases of a request.
//!
//! Public API:
//! - `edge` (wasm only): [`edge::Toll`](https://github.com/edgetoll/edgetoll/tree/main/examples/price-by-code), which
//!   lets your own Worker compute prices in code.
//! - `client` (feature `client`): a client that pays, within limits.
//! - [`l402`]: macaroons, credentials and preimages, for direct use.
//!
//! All other modules are internal. They are public only for the tests and for the command line.

#[doc(hidden)]
pub mod admin;
#[doc(hidden)]
pub mod base64;
#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod bolt11;
#[cfg(all(feature = "cli", not(all(target_arch = "wasm32", target_os = "unknown"))))]
#[doc(hidden)]
pub mod cli;
#[cfg(all(feature = "client", not(target_arch = "wasm32")))]
pub mod client;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod crypto;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub mod edge;
#[doc(hidden)]
pub mod endpoints;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod forward;
#[doc(hidden)]
pub mod gate;
#[doc(hidden)]
pub mod hex;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod keys;
#[doc(hidden)]
pub mod ledger;
#[doc(hidden)]
pub mod limits;
#[cfg(feature = "nwc")]
#[doc(hidden)]
pub mod nwc;
#[doc(hidden)]
pub mod pages;
#[doc(hidden)]
pub mod payment;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod protocols;
#[doc(hidden)]
pub mod strict_json;
#[doc(hidden)]
pub mod wallet;

pub use protocols::l402;
