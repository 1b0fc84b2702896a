//! Reads durations in the notations of people and of other tools.

/// Returns a duration as the price list writes it, for a text such as `1 hour`, `1h30m`, `2 weeks` or `PT5M`; `None` for
/// any other text.
pub(super) fn read(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    if let Some((_, duration)) = WORDS.iter().find(|(words, _)| words.contains(&text.as_str())) {
        return Some((*duration).to_owned());
    }
    let text = text.strip_prefix("pt").or_else(|| text.strip_prefix('p')).unwrap_or(&text);
    let mut rest = text.trim();
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, after) = rest.split_at_checked(digits_end)?;
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let (_, unit_s) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
        seconds = seconds.checked_add(digits.parse::<u64>().ok()?.checked_mul(*unit_s)?)?;
        rest = after.trim_start_matches([' ', ',', 't']);
    }
    Some(written(seconds))
}

/// Writes a duration with the largest unit that divides it.
fn written(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let unit = units.into_iter().find(|(_, unit_s)| seconds.checked_rem(*unit_s) == Some(0));
    let (unit, unit_s) = unit.unwrap_or(("s", 1));
    format!("{}{unit}", seconds.checked_div(unit_s).unwrap_or_default())
}

const UNITS: [(&[&str], u64); 7] = [
    (&["s", "sec", "secs", "second", "seconds"], 1),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600),
    (&["d", "day", "days"], 86_400),
    (&["w", "week", "weeks"], 604_800),
    (&["mo", "month", "months"], 2_592_000),
    (&["y", "yr", "year", "years"], 31_536_000),
];
const WORDS: [(&[&str], &str); 6] = [
    (&["minute", "per minute"], "1m"),
    (&["hour", "hourly", "per hour"], "1h"),
    (&["daily", "day", "per day"], "1d"),
    (&["per week", "week", "weekly"], "7d"),
    (&["month", "monthly", "per month"], "30d"),
    (&["per year", "year", "yearly"], "365d"),
];
