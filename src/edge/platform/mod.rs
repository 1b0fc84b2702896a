//! The Workers runtime: thin wrappers over its JavaScript APIs.
//!
//! `web-sys` does not declare the APIs of Cloudflare. Their bindings are declared here.

pub mod assets;
pub mod body;
pub mod clock;
pub mod durable_object;
pub mod environment;
pub mod fetch;
pub mod isolate;
pub mod kv;
pub mod log;
pub mod runtime;
pub mod shell;
pub mod storage;
