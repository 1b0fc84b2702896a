//! The Workers runtime: thin wrappers over its JavaScript APIs.
//!
//! For some APIs, the wrapper of the crate `worker` would add several KB to the wasm. Their bindings are declared here.

pub mod assets;
pub mod body;
pub mod clock;
pub mod durable_object;
pub mod environment;
pub mod fetch;
pub mod isolate;
pub mod kv;
pub mod log;
pub mod storage;
