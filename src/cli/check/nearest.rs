//! Suggestions for misspelled names.

use strsim::osa_distance;

/// Returns the known name that is most similar to `name`; `None` if no known name is similar enough. A known name is
/// similar enough if the number of edits is at most a quarter of the length of the known name, rounded up. A known name
/// of at most four letters must also begin with the same letter: otherwise `cost` would be similar to `host`.
pub(in crate::cli) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .iter()
        .filter(|known| known.len() > 4 || name.chars().next() == known.to_lowercase().chars().next())
        .map(|known| (osa_distance(&name, &known.to_lowercase()), *known))
        .filter(|(edits, known)| *edits <= known.len().div_ceil(4))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, known)| known)
}
