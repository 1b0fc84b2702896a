//! Counting exactly: one holder of the count, one step at a time.

use super::Denied;

/// What one step makes of a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many are left.
    pub remaining: u64,
    /// The count as it is to be stored.
    pub stored: String,
    /// Whether it is the first of its window.
    pub is_first: bool,
}

/// Takes one request of a quota in the window that ends at `ends_at_ms`. `stored` is what the last step left.
///
/// # Errors
/// Where none is left, or where the window is over: whoever asks late, by a clock behind, takes nothing from it.
pub fn take(stored: Option<&str>, quota: u64, ends_at_ms: u64) -> Result<Step, Denied> {
    let (window, count) = stored.and_then(read).unwrap_or_default();
    if window > ends_at_ms {
        return Err(Denied::UsedUp);
    }
    let is_first = window != ends_at_ms;
    let used = if is_first { 0 } else { count };
    let remaining = quota.checked_sub(used).and_then(|left| left.checked_sub(1)).ok_or(Denied::UsedUp)?;
    let stored = format!("{ends_at_ms}/{}", used.saturating_add(1));
    Ok(Step { remaining, stored, is_first })
}

/// The window that was counted in, by its end, and the count.
fn read(stored: &str) -> Option<(u64, u64)> {
    let (ends_at_ms, count) = stored.split_once('/')?;
    Some((ends_at_ms.parse().ok()?, count.parse().ok()?))
}
