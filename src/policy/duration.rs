//! Durations in the price list.

use crate::strict_json::Json;

/// Parses the setting `free_window`, a duration or a number of milliseconds. Returns milliseconds, never zero; `None`
/// for any other value.
pub fn window_ms(value: &Json) -> Option<u64> {
    let ms = value.as_u64().or_else(|| parse_ms(value.as_str()?))?;
    (ms > 0).then_some(ms)
}

/// Parses a number and a unit, such as `"500ms"`, `"30s"`, `"5m"`, `"1h"` or `"7d"`. Returns milliseconds; `None` for
/// any other text.
pub fn parse_ms(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let unit_ms = match text.strip_prefix(digits)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit_ms)
}
