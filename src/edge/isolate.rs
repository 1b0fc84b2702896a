//! What an isolate keeps between requests: plain values behind a lock that nobody holds over an await.

use std::sync::Mutex;

/// Looks at such a value.
pub fn held<T, R>(value: &Mutex<T>, look: impl FnOnce(&mut T) -> R) -> R {
    match value.lock() {
        Ok(mut value) => look(&mut value),
        Err(poisoned) => look(&mut poisoned.into_inner()),
    }
}
