//! Rate limits, and the counted uses of a payment.

pub mod exhausted;
pub mod invoice_limit;
pub mod isolate_uses;
pub mod rate_limit;
pub mod uses;

use std::collections::BTreeMap;
use std::mem;

/// Removes every entry whose value `is_kept` rejects. `BTreeMap::retain` is not used, because it would add 5 KB of
/// compressed wasm.
pub fn keep_where<V>(map: &mut BTreeMap<String, V>, is_kept: impl Fn(&V) -> bool) {
    for (key, value) in mem::take(map) {
        if is_kept(&value) {
            map.insert(key, value);
        }
    }
}
