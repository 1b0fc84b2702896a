//! What an isolate remembers of counters that have nothing left, so that it does not ask their Durable Objects again.

use std::collections::BTreeMap;

/// For each counter by its name, up to which number it has nothing left: the number of uses that were bought, or the end of a
/// window.
#[derive(Default)]
pub struct Exhausted(BTreeMap<String, u64>);

impl Exhausted {
    pub fn record(&mut self, name: &str, number: u64) {
        if self.0.len() >= MAX_COUNTERS {
            self.0.clear();
        }
        let known = self.0.entry(name.to_owned()).or_default();
        *known = number.max(*known);
    }

    pub fn contains(&self, name: &str, number: u64) -> bool {
        self.0.get(name).is_some_and(|known| number <= *known)
    }
}

/// This number of counters takes about a megabyte.
const MAX_COUNTERS: usize = 10_000;
