//! The Workers runtime: thin wrappers over its JavaScript APIs.
//!
//! Bindings are declared here where `worker`'s own wrappers would add several KB to the wasm.

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
