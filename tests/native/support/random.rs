//! Random numbers with a fixed seed, for tests with more cases than `proptest` runs in reasonable time.

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `limit`, computed as in SplitMix64.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }

    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Returns how many random cases a test tries: `usual`, or `full` with `make test FULL=1`, which sets EDGETOLL_FULL=1. Without
/// `FULL`, make sets the variable to an empty text.
pub fn cases(usual: usize, full: usize) -> usize {
    if std::env::var("EDGETOLL_FULL").as_deref() == Ok("1") { full } else { usual }
}
