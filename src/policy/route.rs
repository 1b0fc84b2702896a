//! The price list's routes, and which of them a request is for.

use std::num::NonZeroU32;

use super::description::Description;
use super::free_tier::FreeTier;
use super::normalization::{self, FoldCase};
use super::price::{Condition, PriceAmount, PriceRule};
use crate::http::percent;
use crate::protocols::l402::caveat::{ScopeRule, Service};
use crate::protocols::price::Price;

/// One entry of the price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which paths it is for.
    pub pattern: Pattern,
    /// Which hosts.
    pub host: HostPattern,
    /// Upper-case methods that the entry prices; empty for every method.
    pub methods: Vec<String>,
    /// What it costs.
    pub pricing: Pricing,
    /// What its credential opens.
    pub scope: ScopeRule,
    /// Whether a credential is for one client's address only.
    pub binds_ip: bool,
    /// How many requests a credential buys; `None` for as many as fit into its time.
    pub uses: Option<NonZeroU32>,
    /// What is sold, in Aperture's sense.
    pub service: Service,
    /// What the invoice says; `None` for `API access: GET /path`.
    pub description: Option<Description>,
    /// What is given away first.
    pub free_tier: Option<FreeTier>,
    /// How long an invoice can be paid, in seconds.
    pub invoice_expiry_s: u64,
    /// How long a credential is good, in seconds from the challenge on; never shorter than the invoice.
    pub credential_expiry_s: u64,
    /// Whether the public price list has it.
    pub is_listed: bool,
    /// Whether the cache behind the Worker may keep the origin's answers.
    pub may_cache: bool,
}

/// What a route costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// Its entry is broken: it serves nobody until it is mended.
    Invalid,
    /// The Worker's own code says it.
    Code,
    /// The first price whose conditions hold; the last one has none.
    Rules(Vec<PriceRule>),
}

impl Pricing {
    /// The one price in satoshis, where there is no other.
    pub fn fixed_sats(&self) -> Option<u64> {
        match self {
            Self::Rules(rules) => match rules.as_slice() {
                [PriceRule { amount: PriceAmount::Fixed(Price::Sats(sats)), .. }] => Some(*sats),
                _ => None,
            },
            Self::Invalid | Self::Code => None,
        }
    }

    /// Whether a price may depend on the length of the body.
    pub fn may_look_at_length(&self) -> bool {
        let looks = |price: &PriceRule| {
            let is_length = |condition: &Condition| matches!(condition, Condition::ContentLength(_));
            matches!(price.amount, PriceAmount::SatsPerKib(_)) || price.when.iter().any(is_length)
        };
        match self {
            Self::Rules(rules) => rules.iter().any(looks),
            Self::Code => true,
            Self::Invalid => false,
        }
    }

    /// Whether a price may depend on anything but the URL.
    pub fn looks_beyond_url(&self) -> bool {
        match self {
            Self::Rules(rules) => {
                rules.iter().flat_map(|rule| &rule.when).any(|one| !matches!(one, Condition::Query { .. }))
            }
            Self::Code => true,
            Self::Invalid => false,
        }
    }

    /// Whether a price may depend on the query.
    pub fn looks_at_query(&self) -> bool {
        match self {
            Self::Rules(rules) => {
                rules.iter().flat_map(|rule| &rule.when).any(|one| matches!(one, Condition::Query { .. }))
            }
            Self::Code => true,
            Self::Invalid => false,
        }
    }

    /// The headers that a price depends on.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let prices = match self {
            Self::Rules(rules) => rules.as_slice(),
            Self::Invalid | Self::Code => &[],
        };
        prices.iter().flat_map(|price| &price.when).filter_map(|condition| match condition {
            Condition::Header { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }
}

impl Route {
    /// Whether nobody ever pays here.
    pub fn is_free(&self) -> bool {
        self.pricing.fixed_sats() == Some(0)
    }

    /// A name that no other route has.
    pub fn id(&self) -> String {
        format!("{} {}{}", self.methods.join(","), self.host.as_str(), self.pattern.as_str())
    }

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
    as_sent: Vec<Segment>,
    normalized: Vec<Segment>,
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
        let mut as_sent = Vec::new();
        let mut normalized = Vec::new();
        let names: Vec<&str> = names.into_iter().flat_map(|names| names.split('/')).collect();
        for (at, name) in names.iter().enumerate() {
            match *name {
                "." | ".." => return Err("a path has no . and no .. in it".to_owned()),
                ":" => return Err("a : is followed by the parameter's name".to_owned()),
                _ if name.contains('*') => return Err("* stands alone, as the last segment".to_owned()),
                _ if name.starts_with(':') => {
                    as_sent.push(Segment::Param);
                    normalized.push(Segment::Param);
                }
                _ => {
                    let is_last = rest == Segment::End && names.len() == at.saturating_add(1);
                    as_sent.push(Segment::Exact(percent::encode_path(name)));
                    let folded = normalization::fold_segment(name, is_last, fold_case);
                    normalized.extend(folded.into_iter().map(Segment::Exact));
                }
            }
        }
        as_sent.push(rest.clone());
        normalized.push(rest);
        Ok(Self { text: text.to_owned(), as_sent, normalized })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A path that it is for, and hardly any other pattern.
    pub fn sample(&self) -> String {
        let name = |segment: &Segment| match segment {
            Segment::Rest | Segment::Param => Some("any-0".to_owned()),
            Segment::Exact(name) => Some(name.clone()),
            Segment::End => None,
        };
        let names: Vec<String> = self.as_sent.iter().filter_map(name).collect();
        format!("/{}", names.join("/"))
    }

    /// Whether both patterns are the same to a forgiving origin.
    pub fn folds_like(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }

    fn matches(&self, form: PathForm, path: &str) -> bool {
        let inner = path.strip_prefix('/').unwrap_or(path);
        // The liberal reading of `/` has no segment, the strict one has an empty one.
        let none = form == PathForm::Normalized && inner.is_empty();
        let mut names = inner.split('/').skip(usize::from(none));
        self.segments(form).iter().all(|segment| match segment {
            Segment::Rest => true,
            Segment::Param => names.next().is_some_and(|name| !name.is_empty()),
            Segment::Exact(expected) => names.next() == Some(expected),
            Segment::End => names.next().is_none(),
        })
    }

    fn segments(&self, form: PathForm) -> &[Segment] {
        match form {
            PathForm::AsSent => &self.as_sent,
            PathForm::Normalized => &self.normalized,
        }
    }
}

/// Which hosts a route is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    // In the order of their rank.
    /// Every host.
    Any,
    /// `*.example.com`: every host below it. The longer says more.
    Below(usize, String),
    /// One host.
    Exact(String),
}

impl HostPattern {
    /// Reads `api.example.com` or `*.example.com`, without a port; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (is_below, name) = text.strip_prefix("*.").map_or((false, text.as_str()), |name| (true, name));
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.[]:".contains(&b);
        let is_bracketed = name.starts_with('[') && name.ends_with(']');
        let is_name = !name.is_empty()
            && name.bytes().all(is_letter)
            && !name.starts_with('.')
            && !name.ends_with('.')
            && (is_bracketed || !name.contains(['[', ']', ':']));
        let length = name.len();
        is_name.then_some(if is_below { Self::Below(length, text) } else { Self::Exact(text) })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Any => "",
            Self::Below(_, text) | Self::Exact(text) => text,
        }
    }

    /// Whether a host, lower case and without port, is one of them.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(_, text) => text.strip_prefix('*').is_some_and(|end| host.ends_with(end)),
            Self::Exact(text) => text == host,
        }
    }
}

/// What a price list says of a path, host and method.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// The route of the request.
    Route(&'a Route),
    /// The path is priced, but only under other methods.
    OtherMethod(&'a Route),
    /// The path is priced, but only on other hosts.
    OtherHost(&'a Route),
    /// No route knows the path.
    Unmatched,
}

impl Selection<'_> {
    /// Whether nobody passes here for nothing.
    pub fn is_priced(&self) -> bool {
        match self {
            Self::Route(route) => !route.is_free(),
            Self::OtherMethod(_) | Self::OtherHost(_) => true,
            Self::Unmatched => false,
        }
    }
}

impl PartialEq for Selection<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Route(a), Self::Route(b))
            | (Self::OtherMethod(a), Self::OtherMethod(b))
            | (Self::OtherHost(a), Self::OtherHost(b)) => std::ptr::eq(*a, *b),
            (Self::Unmatched, Self::Unmatched) => true,
            _ => false,
        }
    }
}

/// What `Allow` says of a path: every method that some route of it has on this host.
pub fn allowed(routes: &[Route], path: &str, host: &str) -> String {
    let mut methods: Vec<&str> = Vec::new();
    let is_it = |route: &&Route| route.pattern.matches(PathForm::AsSent, path) && route.host.matches(host);
    for method in routes.iter().filter(is_it).flat_map(|route| &route.methods) {
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
pub enum PathForm {
    /// The path as it arrived.
    AsSent,
    /// A path as some origin might read it.
    Normalized,
}

/// Where a request goes, but for its path.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Lower case, without port.
    pub host: &'a str,
    /// As it was sent.
    pub method: &'a str,
}

/// The most specific route among those of the host and the method, a route for this host before one for any; else, whether
/// another method or another host has a price for the path.
pub fn select<'a>(routes: &'a [Route], form: PathForm, path: &str, target: Target<'_>) -> Selection<'a> {
    let of_path = || routes.iter().filter(|route| route.pattern.matches(form, path));
    let of_host = || of_path().filter(|route| route.host.matches(target.host));
    let of_method = of_host().filter(|route| route.has_method(target.method));
    if let Some(route) = of_method.max_by_key(|route| (route.pattern.segments(form), &route.host)) {
        return Selection::Route(route);
    }
    if let Some(route) = of_host().find(|route| !route.is_free()) {
        return Selection::OtherMethod(route);
    }
    of_path().find(|route| !route.is_free()).map_or(Selection::Unmatched, Selection::OtherHost)
}
