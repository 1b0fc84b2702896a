//! The routes of the price list, and the selection of the route of a request.

use std::num::NonZeroU32;

use super::description::Description;
use super::free_tier::FreeTier;
use super::mode::Mode;
use super::normalization::{self, FoldCase};
use super::price::{Condition, PriceAmount, PriceRule};
use super::sold_as::SoldAs;
use crate::http::{percent, url};
use crate::protocols::l402::caveat::{ScopeRule, Service};
use crate::protocols::offered::Protocols;
use crate::protocols::price::Price;
use crate::protocols::x_preimage::ErrorStyle;

/// One route of the price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub pattern: Pattern,
    pub host: HostPattern,
    /// The methods in upper case. If the list is empty, the route is for every method.
    pub methods: Vec<String>,
    pub mode: Mode,
    pub pricing: Pricing,
    pub scope: ScopeRule,
    /// Whether a credential is valid only for the client address that bought it.
    pub binds_ip: bool,
    /// The number of requests that a credential buys; `None` if the number is not limited.
    pub uses: Option<NonZeroU32>,
    /// The service name in the `services` caveat.
    pub service: Service,
    /// The description of the invoice; `None` for the default, such as `API access: GET /path`.
    pub description: Option<Description>,
    pub free_tier: Option<FreeTier>,
    /// How long an invoice can be paid, in seconds.
    pub invoice_expiry_s: u64,
    /// How long a credential is valid after the challenge, in seconds. It is never shorter than `invoice_expiry_s`.
    pub credential_expiry_s: u64,
    /// Whether a credential stays valid until it expires, even if the price of the route changes.
    pub honors_paid: bool,
    /// See [`Route::sold_as`].
    pub sold_as: SoldAs,
    /// Whether the public price list contains the route.
    pub is_listed: bool,
    /// Whether Cloudflare's cache may store responses of the origin.
    pub may_cache: bool,
    /// The payment protocols that the route offers.
    pub protocols: Protocols,
    /// What a client gets if its preimage is refused, where the route offers X-Preimage.
    pub x_preimage_errors: ErrorStyle,
}

impl Route {
    /// Whether every request to this route is free: the route has no price, or a mode in which no request is charged. A
    /// route with a mistake is never free.
    pub fn is_free(&self) -> bool {
        match self.mode {
            Mode::Charge => self.pricing.fixed_sats() == Some(0),
            Mode::Observe | Mode::Off => !matches!(self.pricing, Pricing::Invalid),
        }
    }

    /// Whether the route has a price that is charged, or that would be charged if the route were not observed.
    pub fn has_price(&self) -> bool {
        self.mode != Mode::Off && self.pricing.fixed_sats() != Some(0)
    }

    /// Whether requests to this route are forwarded without payment, and counted as if they were charged.
    pub fn is_observed(&self) -> bool {
        self.mode == Mode::Observe && self.has_price() && self.pricing != Pricing::Invalid
    }

    /// Whether requests to this route can be bought: the route has a price, and no mistake.
    pub fn is_sold(&self) -> bool {
        !self.is_free() && self.pricing != Pricing::Invalid
    }

    /// Whether the route has a price in a currency, which a wallet converts to satoshis.
    pub fn has_price_in_currency(&self) -> bool {
        let is_in_currency = |rule: &PriceRule| matches!(rule.amount, PriceAmount::Fixed(Price::Fiat(_)));
        self.pricing.rules().iter().any(is_in_currency)
    }

    /// Returns the methods, host and path as one text. No other valid route of the price list has the same text.
    pub fn id(&self) -> String {
        format!("{} {}{}", self.methods.join(","), self.host.as_str(), self.pattern.as_str())
    }

    /// Whether an origin may read a request to this route as a request to the other route.
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_for_a_method_of = |other: &Self| self.methods.iter().any(|method| other.has_method(method));
        self.pattern.has_same_normalized_form(&other.pattern)
            && self.host == other.host
            && (self.methods.is_empty() || is_for_a_method_of(other))
    }

    /// Returns what distinguishes the credentials of a route from others of its realm: how long they are valid, and the service.
    pub fn kind(&self) -> String {
        format!("{} {}", self.credential_expiry_s, self.service.as_str())
    }

    /// Whether two routes have the same fixed price and the same terms, so that an origin may read a request to one of them as a request
    /// to the other.
    pub fn has_terms_of(&self, other: &Self) -> bool {
        let has_fixed_price = self.pricing.fixed().is_some() && self.pricing.fixed() == other.pricing.fixed();
        has_fixed_price
            && (&self.host, &self.methods, &self.scope) == (&other.host, &other.methods, &other.scope)
            && self.has_conditions_of(other)
    }

    /// Whether a request to this route costs at least as many sats as one to the other route, and buys nothing more.
    pub fn costs_no_less_than(&self, other: &Self) -> bool {
        let sats = self.pricing.fixed_sats().zip(other.pricing.fixed_sats());
        sats.is_some_and(|(own, of_other)| own >= of_other)
            && (self.scope.realm().is_none() || self.scope == other.scope)
            && self.has_conditions_of(other)
    }

    /// Whether a payment for one of two routes is needed as often as a payment for the other, and in the same way. A client has free
    /// requests for each route, so a route with a free tier is like no other.
    fn has_conditions_of(&self, other: &Self) -> bool {
        (self.mode, self.uses, self.binds_ip) == (other.mode, other.uses, other.binds_ip)
            && (self.honors_paid, self.credential_expiry_s) == (other.honors_paid, other.credential_expiry_s)
            && (&self.service, &self.protocols) == (&other.service, &other.protocols)
            && self.free_tier.is_none()
            && other.free_tier.is_none()
    }

    /// Whether the route is for this method. Case is ignored, because an origin may read `patch` as `PATCH`. `HEAD`
    /// counts as `GET`.
    pub fn has_method(&self, method: &str) -> bool {
        let is_get = |method: &str| method.eq_ignore_ascii_case("GET") || method.eq_ignore_ascii_case("HEAD");
        let is_same = |own: &String| own.eq_ignore_ascii_case(method) || (is_get(own) && is_get(method));
        self.methods.is_empty() || self.methods.iter().any(is_same)
    }
}

/// How a route is priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// The route has a mistake in the price list. Requests to it are refused until the owner corrects the mistake.
    Invalid,
    /// The owner's code computes the price (`price = "code"`).
    Code,
    /// The price is that of the first rule whose conditions all match. The last rule has no conditions.
    Rules(Vec<PriceRule>),
}

impl Pricing {
    /// Returns the price if it is the same for every request; otherwise `None`.
    pub fn fixed(&self) -> Option<&Price> {
        match self.rules() {
            [PriceRule { amount: PriceAmount::Fixed(price), .. }] => Some(price),
            _ => None,
        }
    }

    /// Returns the price in satoshis if it is the same for every request; otherwise `None`.
    pub fn fixed_sats(&self) -> Option<u64> {
        match self.fixed() {
            Some(Price::Sats(sats)) => Some(*sats),
            _ => None,
        }
    }

    /// Whether the price may depend on the length of the body.
    pub fn depends_on_length(&self) -> bool {
        let is_length = |condition: &Condition| matches!(condition, Condition::ContentLength(_));
        let is_per_kib = |rule: &PriceRule| matches!(rule.amount, PriceAmount::SatsPerKib(_));
        matches!(self, Self::Code) || self.rules().iter().any(is_per_kib) || self.conditions().any(is_length)
    }

    /// Whether the price may depend on the query.
    pub fn depends_on_query(&self) -> bool {
        matches!(self, Self::Code)
            || self.conditions().any(|condition| matches!(condition, Condition::Query { .. }))
    }

    /// Whether the price may depend on something that is not in the URL.
    pub fn depends_on_more_than_url(&self) -> bool {
        matches!(self, Self::Code)
            || self.conditions().any(|condition| !matches!(condition, Condition::Query { .. }))
    }

    /// Returns the names of the headers that the price depends on. Headers that the owner's code reads are not known
    /// and not returned.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let named = self.conditions().filter_map(|condition| match condition {
            Condition::Header { name, .. } => Some(name.as_str()),
            _ => None,
        });
        let of_length = ["Content-Length", "Content-Encoding"];
        let of_query = Some("Content-Type").filter(|_| self.depends_on_query());
        named.chain(of_length.into_iter().filter(|_| self.depends_on_length())).chain(of_query)
    }

    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.rules().iter().flat_map(|rule| &rule.when)
    }

    fn rules(&self) -> &[PriceRule] {
        match self {
            Self::Rules(rules) => rules,
            Self::Invalid | Self::Code => &[],
        }
    }
}

/// A path pattern: a path, a path with `:param` segments, or a path that ends with `*`.
///
/// `/api/*` matches `/api` too: an owner who prices everything below a path does not expect the path itself to be free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    as_sent: Vec<Segment>,
    /// `None` if normalization changes no segment of `as_sent`.
    normalized: Option<Vec<Segment>>,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Returns an error message without its subject, such as `must begin with /`. The caller puts the place of the
    /// pattern in front of it.
    pub fn parse(text: &str, fold_case: FoldCase) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix('/') else {
            return Err("must begin with /, such as \"/api/joke\"".to_owned());
        };
        check_characters(text)?;
        let (names, end) = match inner.strip_suffix('*') {
            Some(before) if before.is_empty() || before.ends_with('/') => {
                (before.strip_suffix('/'), Segment::Rest)
            }
            _ => (Some(inner), Segment::End),
        };
        let mut pattern = Self { text: text.to_owned(), as_sent: Vec::new(), normalized: None };
        let mut names = names.into_iter().flat_map(|names| names.split('/')).peekable();
        while let Some(name) = names.next() {
            match name {
                _ if is_normalized(name) => pattern.push(Segment::Exact(name.to_owned())),
                "." | ".." => return Err("must be a path without the segments . and ..".to_owned()),
                ":" => return Err("must have a name after each :, such as \"/users/:id\"".to_owned()),
                _ if name.contains('*') => {
                    return Err("must have * only as its whole last segment, such as \"/api/*\"".to_owned());
                }
                _ if name.starts_with(':') => pattern.push(Segment::Param),
                _ => {
                    let is_last = end == Segment::End && names.peek().is_none();
                    let normalized = normalization::normalize_segment(name, is_last, fold_case);
                    let of_other = pattern.normalized.get_or_insert_with(|| pattern.as_sent.clone());
                    of_other.extend(normalized.into_iter().map(Segment::Exact));
                    pattern.as_sent.push(Segment::Exact(upper_case_encodings(&percent::encode_path(name))));
                }
            }
        }
        pattern.push(end);
        Ok(pattern)
    }

    /// Adds a segment that is the same in both forms.
    fn push(&mut self, segment: Segment) {
        if let Some(normalized) = &mut self.normalized {
            normalized.push(segment.clone());
        }
        self.as_sent.push(segment);
    }

    /// Returns the pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches a single path.
    pub fn is_exact(&self) -> bool {
        !self.as_sent.iter().any(|segment| matches!(segment, Segment::Param | Segment::Rest))
    }

    /// Whether the pattern contains the last name of a normalized path that it matches. `/socket.io/*` contains the name of
    /// `/socket.io`, but not that of `/socket.io/a.js`.
    pub fn has_last_name_of(&self, path: &str) -> bool {
        let last = names(PathForm::Normalized, path).count().checked_sub(1);
        last.is_some_and(|last| self.has_name_at(last))
    }

    /// Whether the pattern contains each name of a normalized path that another path has in another way. If the other path has fewer names or
    /// more, only the last name counts.
    pub fn has_names_instead_of(&self, path: &str, other: &str) -> bool {
        let names = |path| names(PathForm::Normalized, path);
        if names(path).count() != names(other).count() {
            return self.has_last_name_of(path);
        }
        let mut pairs = names(path).zip(names(other)).enumerate();
        pairs.all(|(at, (name, other))| name == other || self.has_name_at(at))
    }

    fn has_name_at(&self, at: usize) -> bool {
        self.segments(PathForm::Normalized).get(at).is_some_and(|segment| segment.name().is_some())
    }

    /// Returns paths that match the pattern. If the pattern ends with `*`, the paths have different lengths: more
    /// specific routes may match some of them, but not all.
    pub fn samples(&self) -> Vec<String> {
        let sample = self.sample();
        match self.as_sent.last() {
            Some(Segment::Rest) => {
                let folder = sample.strip_suffix("/any-0").unwrap_or_default().to_owned();
                vec![
                    format!("{sample}/any-1"),
                    sample,
                    if folder.is_empty() { "/".to_owned() } else { folder },
                ]
            }
            _ => vec![sample],
        }
    }

    /// Returns a path that matches the pattern, and that hardly any other pattern matches.
    pub fn sample(&self) -> String {
        let name = |segment: &Segment| match segment {
            Segment::Rest | Segment::Param => Some("any-0".to_owned()),
            Segment::Exact(name) => Some(name.clone()),
            Segment::End => None,
        };
        let names: Vec<String> = self.as_sent.iter().filter_map(name).collect();
        format!("/{}", names.join("/"))
    }

    /// Whether the two patterns have the same normalized form, such as `/a` and `/A/`. An origin may read a path of one
    /// pattern as a path of the other pattern.
    pub fn has_same_normalized_form(&self, other: &Self) -> bool {
        self.segments(PathForm::Normalized) == other.segments(PathForm::Normalized)
    }

    pub fn matches(&self, form: PathForm, path: &str) -> bool {
        let mut names = names(form, path);
        self.segments(form).iter().all(|segment| match segment {
            Segment::Rest => true,
            Segment::Param => names.next().is_some_and(|name| !name.is_empty()),
            Segment::Exact(expected) => names.next() == Some(expected),
            Segment::End => names.next().is_none(),
        })
    }

    pub fn segments(&self, form: PathForm) -> &[Segment] {
        match form {
            PathForm::AsSent => &self.as_sent,
            PathForm::Normalized => self.normalized.as_ref().unwrap_or(&self.as_sent),
        }
    }
}

/// Checks that a pattern has only characters with which edgetoll writes patterns.
///
/// # Errors
/// Returns an error message without its subject.
fn check_characters(text: &str) -> Result<(), String> {
    let is_common = |b: u8| b.is_ascii_alphanumeric() || b"/-_.:*".contains(&b);
    if text.bytes().all(is_common) {
        return Ok(());
    }
    if text.contains(['?', '#', '\\']) {
        return Err("must be a path without query, fragment and backslash".to_owned());
    }
    if text.contains(FOREIGN_SYNTAX) {
        let path = with_params(text);
        let suggestion = match path.contains(FOREIGN_SYNTAX) {
            true => "write :name for one segment, and * at the end for everything below a path".to_owned(),
            false => format!("did you mean \"{path}\"?"),
        };
        return Err(format!(
            "must not have ( ) {{ }} [ ] < > | $ or +: they are patterns of other tools; {suggestion}"
        ));
    }
    Ok(())
}

/// Whether normalization does not change a name.
fn is_normalized(name: &str) -> bool {
    let is_unchanged = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    !name.is_empty() && name.bytes().all(is_unchanged) && !normalization::is_index(name.as_bytes())
}

/// Returns the names of a path, with which the segments of a pattern are compared.
pub fn names(form: PathForm, path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    // For the path `/`, `split` returns one empty segment. The normalized pattern `/` has no segments, so the empty
    // segment is skipped.
    let is_without_segments = form == PathForm::Normalized && inner.is_empty();
    inner.split('/').skip(usize::from(is_without_segments))
}

/// Returns the path with the parameters of other tools, such as `{id}`, `[id]`, `<int:id>` and `$id`, as `:id`.
fn with_params(text: &str) -> String {
    let param = |segment: &str| {
        let inner = segment.strip_prefix('$').or_else(|| {
            let pairs = [("{", "}"), ("[", "]"), ("<", ">")];
            pairs.iter().find_map(|(open, close)| segment.strip_prefix(open)?.strip_suffix(close))
        });
        let name = inner.and_then(|inner| inner.rsplit(':').next()).unwrap_or_default();
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_name { format!(":{name}") } else { segment.to_owned() }
    };
    text.split('/').map(param).collect::<Vec<_>>().join("/")
}

/// Characters of the patterns of other tools. If edgetoll took them literally, the route would match no request, and
/// its content would be free.
const FOREIGN_SYNTAX: [char; 11] = ['(', ')', '{', '}', '[', ']', '<', '>', '|', '$', '+'];

/// A segment of a pattern. The variants are in ascending order of specificity: if two patterns match a path, the
/// greater pattern is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// `*`: zero or more segments.
    Rest,
    /// `:param`: any segment that is not empty.
    Param,
    Exact(String),
    /// The end of the path.
    End,
}

impl Segment {
    /// Returns the name that a path must have here; `None` if it may have any.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Exact(name) => Some(name),
            Self::Rest | Self::Param | Self::End => None,
        }
    }
}

/// The form in which a path is compared with patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathForm {
    /// The path as it was sent.
    AsSent,
    /// The path as an origin may read it: see [`normalization`].
    Normalized,
}

/// The hosts of a route. The variants are in ascending order of specificity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    Any,
    /// `*.example.com`: every host below `example.com`. The first field is the length of the name, because it decides
    /// the order: of two such patterns, the one with the longer name is more specific.
    Below(usize, String),
    Exact(String),
}

impl HostPattern {
    /// Parses `api.example.com` or `*.example.com`, without a port; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (is_below, name) = text.strip_prefix("*.").map_or((false, text.as_str()), |name| (true, name));
        let is_host = url::host(name) == name
            && url::is_authority(name)
            && !name.starts_with('.')
            && !name.ends_with('.');
        let length = name.len();
        is_host.then_some(if is_below { Self::Below(length, text) } else { Self::Exact(text) })
    }

    /// Returns the pattern in lower case; an empty text for every host.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Any => "",
            Self::Below(_, text) | Self::Exact(text) => text,
        }
    }

    /// Whether the pattern matches a host, which is in lower case and without a port.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(_, text) => text.strip_prefix('*').is_some_and(|suffix| host.ends_with(suffix)),
            Self::Exact(text) => text == host,
        }
    }
}

/// What the price list says about a path, a host and a method.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// The route of the request.
    Route(&'a Route),
    /// The path has a price, but only for other methods.
    OtherMethod(&'a Route),
    /// The path has a price, but only on other hosts.
    OtherHost(&'a Route),
    /// No route matches the request. The path may have free routes for other methods or hosts.
    Unmatched,
}

impl<'a> Selection<'a> {
    /// Returns the route that the path matches.
    pub fn route(&self) -> Option<&'a Route> {
        match self {
            Self::Route(route) | Self::OtherMethod(route) | Self::OtherHost(route) => Some(route),
            Self::Unmatched => None,
        }
    }

    /// Whether the path has a price, so that the request must not be forwarded as a free request.
    pub fn is_priced(&self) -> bool {
        match self {
            Self::Route(route) => !route.is_free(),
            Self::OtherMethod(_) | Self::OtherHost(_) => true,
            Self::Unmatched => false,
        }
    }

    /// Whether the request's price depends on its query.
    pub fn depends_on_query(&self) -> bool {
        matches!(self, Self::Route(route) if route.pricing.depends_on_query())
    }

    /// Whether another selection may have another price or other terms.
    pub fn differs_from(&self, other: &Self) -> bool {
        let have_same_terms = matches!((self, other), (Self::Route(a), Self::Route(b)) if a.has_terms_of(b));
        self != other && !have_same_terms
    }
}

impl PartialEq for Selection<'_> {
    /// Two selections are equal if they are of the same kind and have the same route, or no route.
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

/// The host and the method of a request.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The host in lower case, without a port.
    pub host: &'a str,
    /// The method as it was sent.
    pub method: &'a str,
}

/// Writes percent-encodings with upper-case digits, as browsers write them.
fn upper_case_encodings(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut written = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        written.push('%');
        written.push_str(&digits.to_ascii_uppercase());
        written.push_str(rest);
    }
    written
}

/// Returns the value of the `Allow` header for a path: the methods of all routes for this path and host, and `HEAD` if
/// `GET` is one of these methods.
pub fn allowed(routes: &[Route], path: &str, host: &str) -> String {
    let mut methods: Vec<&str> = Vec::new();
    let is_for_path =
        |route: &&Route| route.pattern.matches(PathForm::AsSent, path) && route.host.matches(host);
    for method in routes.iter().filter(is_for_path).flat_map(|route| &route.methods) {
        if !methods.contains(&method.as_str()) {
            methods.push(method);
        }
    }
    if methods.contains(&"GET") && !methods.contains(&"HEAD") {
        methods.push("HEAD");
    }
    methods.join(", ")
}
