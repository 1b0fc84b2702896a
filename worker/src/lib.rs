//! The Worker that `wrangler deploy` ships. It adds nothing to edgetoll: the feature `entry` provides the entry point.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub use edgetoll::edge;
