//! The name that was meant.

use strsim::osa_distance;

/// The known name that is most like this one, where one is near enough: one slip for every four letters begun.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .iter()
        .map(|one| (osa_distance(&name, &one.to_lowercase()), *one))
        .filter(|(slips, one)| *slips <= one.len().div_ceil(4))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, one)| one)
}
