//! The pages that a router may serve at a path with parentheses or double slashes: Angular serves `/sold` at `/(x//primary:sold)`, and Expo
//! Router at `/(tabs)/sold`.

use super::route::{PathForm, Pattern, Segment};

/// A path as such a router may read it. A page at the path has the names before the first parenthesis or double slash, and then some of
/// the names in and after the parentheses, in their order. So more paths are refused than these routers serve.
pub struct Outlets<'p> {
    folder: &'p str,
    /// Each with what follows the name of its outlet, if it has one.
    names: Vec<[&'p str; 2]>,
}

impl<'p> Outlets<'p> {
    /// Returns `None` if the path has no parenthesis, and no double slash after its beginning.
    pub fn read(path: &'p str) -> Option<Self> {
        let path = path.trim_start_matches('/');
        let end = [path.find("//"), path.find(['(', ')'])].into_iter().flatten().min()?;
        let (folder, rest) = path.split_at_checked(end)?;
        let inner = if rest.starts_with('(') { rest } else { "" };
        Some(Self { folder: folder.trim_end_matches('/'), names: names_in(inner).map(with_page).collect() })
    }

    /// The number of comparisons of [`may_be_of`](Self::may_be_of).
    pub fn comparisons(&self) -> usize {
        self.names.len().saturating_add(1)
    }

    /// Whether a pattern may match a page at the path.
    pub fn may_be_of(&self, pattern: &Pattern) -> bool {
        let mut folder = names_in(self.folder);
        let mut others = self.names.iter();
        pattern.segments(PathForm::Normalized).iter().all(|segment| match segment {
            Segment::Rest => true,
            Segment::Param => folder.next().is_some() || others.next().is_some(),
            Segment::Exact(name) => match folder.next() {
                Some(of_folder) => of_folder == name,
                None => others.any(|pages| pages.contains(&name.as_str())),
            },
            Segment::End => folder.next().is_none(),
        })
    }

    /// Whether a pattern matches all pages at the path.
    pub fn are_all_of(&self, pattern: &Pattern) -> bool {
        let ends_with_rest = pattern.segments(PathForm::Normalized).last() == Some(&Segment::Rest);
        ends_with_rest && pattern.matches(PathForm::Normalized, self.folder)
    }
}

/// Returns the names of a part of a path, without their matrix parameters.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    let names = path.split(['/', '(', ')']).map(|name| name.split(';').next().unwrap_or_default());
    names.filter(|name| !name.is_empty())
}

/// Returns a name in parentheses, and what follows the name of the outlet in it.
fn with_page(name: &str) -> [&str; 2] {
    [name, name.split_once(':').map_or(name, |(_, page)| page)]
}
