//! The Worker that `wrangler deploy` ships. It adds nothing to edgetoll: the feature `entry` provides the entry point.

#[cfg(target_arch = "wasm32")]
pub use edgetoll::edge;
