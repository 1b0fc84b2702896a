//! The Worker that is deployed: edgetoll with its own entry point, and nothing else.

#[cfg(target_arch = "wasm32")]
pub use edgetoll::edge;
