//! The routes of a price list, and the selection of the route of a request. An index finds the routes that match a path, so
//! that a long list costs hardly more time than a short one.

use std::ops::Deref;

use super::route::{HostPattern, PathForm, Route, Segment, Selection, Target, names};

/// The routes in the order in which the owner wrote them. The order does not decide which of several routes that match a
/// request is selected, as long as one of them is more specific than the others.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    as_sent: Index,
    normalized: Index,
}

impl Routes {
    pub fn push(&mut self, route: Route) {
        let at = self.routes.len();
        self.as_sent.add(route.pattern.segments(PathForm::AsSent), at);
        self.normalized.add(route.pattern.segments(PathForm::Normalized), at);
        self.routes.push(route);
    }

    /// Returns the routes for changes. Their patterns must not be changed, because they are in the index.
    pub fn as_mut_slice(&mut self) -> &mut [Route] {
        &mut self.routes
    }

    /// Selects the route of a request from the routes that match its path, host and method. The route with the most
    /// specific path is selected. If several routes have equally specific paths, the one with the most specific host is
    /// selected.
    pub fn select(&self, form: PathForm, path: &str, target: Target<'_>) -> Selection<'_> {
        let mut selected: Option<&Route> = None;
        let (mut other_method, mut other_host) = (None, None);
        for (at, route) in self.matches(form, path) {
            let is_of_host = route.host.matches(target.host);
            if is_of_host && route.has_method(target.method) {
                // Of two routes that are equally specific, the later one is selected.
                if selected.is_none_or(|best| specificity(best, form) <= specificity(route, form)) {
                    selected = Some(route);
                }
            } else if !route.is_free() {
                let first = if is_of_host { &mut other_method } else { &mut other_host };
                if first.is_none_or(|(earlier, _)| at < earlier) {
                    *first = Some((at, route));
                }
            }
        }
        match (selected, other_method, other_host) {
            (Some(route), ..) => Selection::Route(route),
            (None, Some((_, route)), _) => Selection::OtherMethod(route),
            (None, None, Some((_, route))) => Selection::OtherHost(route),
            (None, None, None) => Selection::Unmatched,
        }
    }

    /// Returns the routes whose pattern matches a path, each with its position in the list.
    fn matches(&self, form: PathForm, path: &str) -> impl Iterator<Item = (usize, &Route)> {
        let index = match form {
            PathForm::AsSent => &self.as_sent,
            PathForm::Normalized => &self.normalized,
        };
        let routes = index.candidates(form, path).filter_map(|at| Some((at, self.routes.get(at)?)));
        routes.filter(move |(_, route)| route.pattern.matches(form, path))
    }
}

fn specificity(route: &Route, form: PathForm) -> (&[Segment], &HostPattern) {
    (route.pattern.segments(form), &route.host)
}

impl Deref for Routes {
    type Target = [Route];

    fn deref(&self) -> &[Route] {
        &self.routes
    }
}

/// Finds the patterns that may match a path. Patterns are grouped by their shapes, such as a name, a parameter and a
/// name: a list has few shapes, even if it has many patterns. Each shape hashes a path in its own way, and finds its
/// patterns with this hash.
///
/// Every pattern that matches a path has the shape's hash of the path. The reverse is not true, because two texts may
/// have the same hash. So the caller compares each pattern that it gets with the path.
#[derive(Clone, Debug, Default)]
struct Index(Vec<Shape>);

#[derive(Clone, Debug)]
struct Shape {
    kinds: Vec<Kind>,
    /// In ascending order of their hashes, and of their positions if the hashes are equal.
    patterns: Vec<HashedPattern>,
}

/// A segment of a pattern without its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rest,
    Param,
    Exact,
    End,
}

#[derive(Clone, Copy, Debug)]
struct HashedPattern {
    hash: u32,
    /// The position of the route in the list.
    at: usize,
}

impl Index {
    fn add(&mut self, segments: &[Segment], at: usize) {
        let kinds: Vec<Kind> = segments.iter().map(Kind::of).collect();
        let hash = segments.iter().filter_map(Segment::name).fold(SEED, hash);
        let pattern = HashedPattern { hash, at };
        match self.0.iter_mut().find(|shape| shape.kinds == kinds) {
            Some(shape) => {
                let after = shape.patterns.partition_point(|earlier| earlier.hash <= hash);
                shape.patterns.insert(after, pattern);
            }
            None => self.0.push(Shape { kinds, patterns: vec![pattern] }),
        }
    }

    /// Returns the positions of the patterns that may match a path.
    fn candidates(&self, form: PathForm, path: &str) -> impl Iterator<Item = usize> {
        self.0.iter().flat_map(move |shape| shape.candidates(names(form, path)))
    }
}

impl Shape {
    fn candidates<'a>(&self, path: impl Iterator<Item = &'a str>) -> impl Iterator<Item = usize> {
        let hash = self.hash(path);
        let first = self.patterns.partition_point(|pattern| Some(pattern.hash) < hash);
        let patterns = self.patterns.get(first..).unwrap_or_default().iter();
        patterns.take_while(move |pattern| Some(pattern.hash) == hash).map(|pattern| pattern.at)
    }

    /// Returns the hash of the names of a path that a pattern of this shape compares. Returns `None` if no pattern of
    /// this shape can match the path.
    fn hash<'a>(&self, mut path: impl Iterator<Item = &'a str>) -> Option<u32> {
        let mut hashed = SEED;
        for kind in &self.kinds {
            match kind {
                Kind::Rest => {}
                Kind::Param => path.next().filter(|name| !name.is_empty()).map(drop)?,
                Kind::Exact => hashed = hash(hashed, path.next()?),
                Kind::End => path.next().map_or(Some(()), |_| None)?,
            }
        }
        Some(hashed)
    }
}

impl Kind {
    fn of(segment: &Segment) -> Self {
        match segment {
            Segment::Rest => Self::Rest,
            Segment::Param => Self::Param,
            Segment::Exact(_) => Self::Exact,
            Segment::End => Self::End,
        }
    }
}

/// Adds a name to a hash (FNV-1a).
fn hash(before: u32, name: &str) -> u32 {
    let byte = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    byte(name.bytes().fold(before, byte), b'/')
}

const SEED: u32 = 0x811c_9dc5;
