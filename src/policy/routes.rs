//! The routes of a price list, and the selection of the route of a request. An index finds the routes that match a path, so
//! that a long list costs hardly more time than a short one.

use std::ops::Deref;
use std::sync::OnceLock;

use super::route::{HostPattern, PathForm, Pricing, Route, Segment, Selection, Target, names};

/// The routes in the order in which the owner wrote them. The order does not decide which of several routes that match a
/// request is selected, as long as one of them is more specific than the others.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    as_sent: Index,
    normalized: Index,
    /// The hashes of the names in normalized patterns, in ascending order. Only paths with a list of names need them.
    names: OnceLock<Vec<u32>>,
}

impl Routes {
    pub fn with_capacity(capacity: usize) -> Self {
        Self { routes: Vec::with_capacity(capacity), ..Self::default() }
    }

    /// Adds a route. Returns the positions of the earlier routes that overlap it: an origin may read a request to one of
    /// the two routes as a request to the other.
    pub fn push(&mut self, route: Route) -> Vec<usize> {
        let at = self.routes.len();
        self.as_sent.add(route.pattern.segments(PathForm::AsSent), at);
        let may_overlap = self.normalized.add(route.pattern.segments(PathForm::Normalized), at).iter();
        let overlaps = |at: &usize| self.routes.get(*at).is_some_and(|earlier| earlier.overlaps(&route));
        let overlapping = may_overlap.map(|pattern| pattern.at).filter(overlaps).collect();
        self.routes.push(route);
        overlapping
    }

    /// Whether a pattern has this name. May return `true` for a name with the hash of another one.
    pub fn may_have_name(&self, name: &str) -> bool {
        let names = self.names.get_or_init(|| {
            let segments = self.routes.iter().flat_map(|route| route.pattern.segments(PathForm::Normalized));
            let mut names: Vec<u32> = Vec::new();
            for hash in segments.filter_map(Segment::name).map(hash) {
                // Code that sorts would add 2 KB to the wasm.
                names.insert(names.partition_point(|earlier| *earlier < hash), hash);
            }
            names
        });
        names.binary_search(&hash(name)).is_ok()
    }

    /// Makes a route invalid: requests to it are refused.
    pub fn invalidate(&mut self, at: usize) {
        if let Some(route) = self.routes.get_mut(at) {
            route.pricing = Pricing::Invalid;
        }
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
/// name: a list has few shapes, even if it has many patterns. The names of a path are hashed once. Each shape combines these
/// hashes in its own way, and finds its patterns with the result.
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
    /// Adds the pattern of the route at this position. Returns the earlier patterns with the same shape and hash.
    fn add(&mut self, segments: &[Segment], at: usize) -> &[HashedPattern] {
        let hash = segments.iter().filter_map(Segment::name).map(hash).fold(SEED, combine);
        let shape = match self.0.iter().position(|shape| shape.has(segments)) {
            Some(shape) => shape,
            None => {
                self.0.push(Shape { kinds: segments.iter().map(Kind::of).collect(), patterns: Vec::new() });
                self.0.len().saturating_sub(1)
            }
        };
        let Some(Shape { patterns, .. }) = self.0.get_mut(shape) else { return &[] };
        let first = patterns.partition_point(|earlier| earlier.hash < hash);
        let equal = patterns.iter().skip(first).take_while(|earlier| earlier.hash == hash).count();
        let end = first.saturating_add(equal);
        patterns.insert(end, HashedPattern { hash, at });
        patterns.get(first..end).unwrap_or_default()
    }

    /// Returns the positions of the patterns that may match a path.
    fn candidates(&self, form: PathForm, path: &str) -> impl Iterator<Item = usize> {
        let hashes: Vec<Option<u32>> =
            names(form, path).map(|name| (!name.is_empty()).then(|| hash(name))).collect();
        self.0.iter().flat_map(move |shape| shape.candidates(&hashes))
    }
}

impl Shape {
    fn has(&self, segments: &[Segment]) -> bool {
        self.kinds.iter().copied().eq(segments.iter().map(Kind::of))
    }

    /// `path` has the hashes of the names of a path; `None` for an empty name.
    fn candidates(&self, path: &[Option<u32>]) -> impl Iterator<Item = usize> + use<'_> {
        let hash = self.hash(path.iter().copied());
        let first = self.patterns.partition_point(|pattern| Some(pattern.hash) < hash);
        let patterns = self.patterns.get(first..).unwrap_or_default().iter();
        patterns.take_while(move |pattern| Some(pattern.hash) == hash).map(|pattern| pattern.at)
    }

    /// Returns the hash of the names of a path that a pattern of this shape compares. Returns `None` if no pattern of
    /// this shape can match the path.
    fn hash(&self, mut path: impl Iterator<Item = Option<u32>>) -> Option<u32> {
        let mut hashed = SEED;
        for kind in &self.kinds {
            match kind {
                Kind::Rest => {}
                Kind::Param => path.next().flatten().map(drop)?,
                Kind::Exact => hashed = combine(hashed, path.next()?.unwrap_or(SEED)),
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

/// Returns the hash of a name (FNV-1a).
fn hash(name: &str) -> u32 {
    name.bytes().map(u32::from).fold(SEED, combine)
}

/// Adds a byte or the hash of a name to a hash.
fn combine(before: u32, next: u32) -> u32 {
    (before ^ next).wrapping_mul(0x0100_0193)
}

/// The hash of an empty name.
const SEED: u32 = 0x811c_9dc5;
