//! The price list's routes, and which of them a request is for.

use super::path::{self, FoldCase};
use crate::l402::caveat::Service;
use crate::l402::percent;

/// One entry of the price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which paths it is for.
    pub pattern: Pattern,
    /// Upper-case methods that the entry prices; empty for every method.
    pub methods: Vec<String>,
    /// What it costs.
    pub toll: Toll,
    /// What its credential opens.
    pub sold: Sold,
    /// Whether a credential is for one client's address only.
    pub by_ip: bool,
    /// What is sold, in Aperture's sense.
    pub service: Service,
    /// What the invoice says; `None` for `API access: GET /path`.
    pub description: Option<String>,
}

/// What a credential of the route opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sold {
    /// The path that was asked for; `by_method`: with the method that was asked for only.
    #[allow(missing_docs, reason = "said above")]
    Endpoint { by_method: bool },
    /// Every route of this realm.
    Realm(String),
}

/// What a route costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toll {
    /// Its entry is broken: it serves nobody until it is mended.
    Shut,
    /// Satoshis a request; 0 is free.
    Sats(u64),
}

impl Route {
    /// Whether the entry prices this method, in any case: an origin may take `patch` for `PATCH`. `HEAD` counts as `GET`.
    pub fn has_method(&self, method: &str) -> bool {
        let as_get = |method: &str| method.eq_ignore_ascii_case("HEAD") || method.eq_ignore_ascii_case("GET");
        let is_it = |one: &String| one.eq_ignore_ascii_case(method) || (as_get(one) && as_get(method));
        self.methods.is_empty() || self.methods.iter().any(is_it)
    }
}

/// A path pattern: exact, with `:param` segments, or with a trailing `*`, which also covers the path before it: whoever
/// prices `/api/*` does not mean to give `/api` away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    strict: Vec<Segment>,
    liberal: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    // In the order of their rank: the more a segment says, the more specific the pattern.
    Rest,
    Param,
    Exact(String),
    End,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str, fold_case: FoldCase) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix('/') else { return Err("a path begins with /".to_owned()) };
        if text.contains(['?', '#', '\\']) {
            return Err("a path has no query, no fragment and no backslash".to_owned());
        }
        let (names, rest) = match inner.strip_suffix('*') {
            Some(before) if before.is_empty() || before.ends_with('/') => {
                (before.strip_suffix('/'), Segment::Rest)
            }
            _ => (Some(inner), Segment::End),
        };
        let mut strict = Vec::new();
        let mut liberal = Vec::new();
        let names: Vec<&str> = names.into_iter().flat_map(|names| names.split('/')).collect();
        for (at, name) in names.iter().enumerate() {
            match *name {
                "." | ".." => return Err("a path has no . and no .. in it".to_owned()),
                ":" => return Err("a : is followed by the parameter's name".to_owned()),
                _ if name.contains('*') => return Err("* stands alone, as the last segment".to_owned()),
                _ if name.starts_with(':') => {
                    strict.push(Segment::Param);
                    liberal.push(Segment::Param);
                }
                _ => {
                    let is_last = rest == Segment::End && names.len() == at.saturating_add(1);
                    strict.push(Segment::Exact(percent::encode(name)));
                    let folded = path::fold_segment(name, is_last, fold_case);
                    liberal.extend(folded.into_iter().map(Segment::Exact));
                }
            }
        }
        strict.push(rest.clone());
        liberal.push(rest);
        Ok(Self { text: text.to_owned(), strict, liberal })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both patterns are the same to a forgiving origin.
    pub fn folds_like(&self, other: &Self) -> bool {
        self.liberal == other.liberal
    }

    fn matches(&self, reading: Reading, path: &str) -> bool {
        let inner = path.strip_prefix('/').unwrap_or(path);
        // The liberal reading of `/` has no segment, the strict one has an empty one.
        let none = reading == Reading::Liberal && inner.is_empty();
        let mut names = inner.split('/').skip(usize::from(none));
        self.segments(reading).iter().all(|segment| match segment {
            Segment::Rest => true,
            Segment::Param => names.next().is_some_and(|name| !name.is_empty()),
            Segment::Exact(expected) => names.next() == Some(expected),
            Segment::End => names.next().is_none(),
        })
    }

    fn segments(&self, reading: Reading) -> &[Segment] {
        match reading {
            Reading::Strict => &self.strict,
            Reading::Liberal => &self.liberal,
        }
    }
}

/// What a price list says of a path and method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection<'a> {
    /// The route of the request.
    Route(&'a Route),
    /// The path is priced, but only under other methods.
    OtherMethod(&'a Route),
    /// No route knows the path.
    Unmatched,
}

impl Selection<'_> {
    /// Whether nobody passes here for nothing.
    pub fn is_priced(&self) -> bool {
        match self {
            Self::Route(route) => route.toll != Toll::Sats(0),
            Self::OtherMethod(_) => true,
            Self::Unmatched => false,
        }
    }
}

/// What `Allow` says of a path: every method that some route of it has.
pub fn allowed(routes: &[Route], path: &str) -> String {
    let mut methods: Vec<&str> = Vec::new();
    let matching = routes.iter().filter(|route| route.pattern.matches(Reading::Strict, path));
    for method in matching.flat_map(|route| &route.methods) {
        if !methods.contains(&method.as_str()) {
            methods.push(method);
        }
    }
    if methods.contains(&"GET") && !methods.contains(&"HEAD") {
        methods.push("HEAD");
    }
    methods.join(", ")
}

/// Which reading of the path is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The path as it arrived.
    Strict,
    /// A path as some origin might read it.
    Liberal,
}

/// The most specific route among those of the method; else, whether another method has one.
pub fn select<'a>(routes: &'a [Route], reading: Reading, path: &str, method: &str) -> Selection<'a> {
    let matching = || routes.iter().filter(|route| route.pattern.matches(reading, path));
    let of_method = matching().filter(|route| route.has_method(method));
    let most_specific = of_method.max_by_key(|route| route.pattern.segments(reading));
    let other = || matching().find(|route| route.toll != Toll::Sats(0));
    most_specific
        .map_or_else(|| other().map_or(Selection::Unmatched, Selection::OtherMethod), Selection::Route)
}
