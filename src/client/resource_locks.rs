//! Locks, so that only one payment is made for a resource at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// One lock for each resource that a request waits for.
#[derive(Default)]
pub struct ResourceLocks(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl ResourceLocks {
    /// Waits until no other request of this process pays for the resource.
    pub async fn lock(&self, resource: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Removes the locks that no request holds or waits for.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(resource.to_owned()).or_default())
        };
        lock.lock_owned().await
    }
}
