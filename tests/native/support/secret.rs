//! A random `TOLL_SECRET` for each test run, because a secret that is committed to a public repository protects
//! nothing.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

pub static SECRET: LazyLock<String> =
    LazyLock::new(|| (0..4).map(|at| format!("{:016x}", RandomState::new().hash_one(at))).collect());
