//! A secret that is different in each run. A secret that is written in a file must not be accepted anywhere.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

pub static SECRET: LazyLock<String> =
    LazyLock::new(|| (0..4).map(|at| format!("{:016x}", RandomState::new().hash_one(at))).collect());
