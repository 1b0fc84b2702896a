//! Remembers macaroons whose signatures are valid, so that a signature is not computed again for each request of a client.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The digests of macaroons whose signatures are valid under the keys that own this memory. There is room for 1,024
/// digests, in 33 KB.
#[derive(Default)]
pub struct VerifiedMacaroons(Mutex<Vec<Group>>);

/// The digests with the same first byte.
type Group = [Option<[u8; 32]>; GROUP_SIZE];

impl VerifiedMacaroons {
    /// The comparison need not take constant time, because a client cannot choose the digest of a macaroon.
    pub fn contains(&self, digest: &[u8; 32]) -> bool {
        self.lock().get(usize::from(digest[0])).is_some_and(|group| group.contains(&Some(*digest)))
    }

    /// Remembers a digest. If there is no room for it, another digest is forgotten.
    pub fn insert(&self, digest: [u8; 32]) {
        let mut groups = self.lock();
        if groups.is_empty() {
            groups.resize(GROUPS, [None; GROUP_SIZE]);
        }
        let Some(group) = groups.get_mut(usize::from(digest[0])) else { return };
        // The newest digest is the first.
        group.rotate_right(1);
        group[0] = Some(digest);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One for each value of the first byte of a digest.
const GROUPS: usize = 256;
const GROUP_SIZE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_keeps_the_newest_digests_of_each_group() {
        let memory = VerifiedMacaroons::default();
        let digest = |number: u32| crate::crypto::sha256(&number.to_be_bytes());
        assert!(!memory.contains(&digest(0)));
        for number in 0..20_000 {
            memory.insert(digest(number));
            assert!(memory.contains(&digest(number)));
            assert_eq!(memory.lock().capacity(), GROUPS);
        }
        let remembered: Vec<u32> = (0..20_000).filter(|number| memory.contains(&digest(*number))).collect();
        assert_eq!(remembered.len(), GROUPS * GROUP_SIZE);
        assert!(remembered.iter().all(|number| *number > 10_000));
        assert!(size_of::<Group>() * GROUPS <= 33_792);
    }
}
