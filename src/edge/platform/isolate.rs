//! State that an isolate keeps between requests: plain values behind a lock that is never held across an await.

use std::sync::Mutex;

/// Locks the value and returns the result of a function that runs on it.
pub fn with_lock<T, R>(value: &Mutex<T>, run: impl FnOnce(&mut T) -> R) -> R {
    match value.lock() {
        Ok(mut value) => run(&mut value),
        Err(poisoned) => run(&mut poisoned.into_inner()),
    }
}
