//! Selects the route of a path, unless an origin may read the path as another path with another price. Also finds
//! routes that no request can reach.

use std::borrow::Cow;

use super::aliases::{self, AliasWork};
use super::names;
use super::normalization;
use super::outlets::Outlets;
use super::plain_path::plain_path;
use super::price_list::{ConfigError, ConfigErrorKind, PRICES_PATH, Policy, Unmatched};
use super::route::{HostPattern, PathForm, Pattern, Route, Segment, Selection, Target, names as names_of};
use crate::http::percent;
use crate::http::url::without_slash;

/// The error for a path that an origin may read as another path with another price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// The result of resolving a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved<'a> {
    /// The path, or one of its normalized forms, is the reserved prefix or is below it.
    Reserved,
    /// What the price list says about the path, and about the method and host of the request.
    Selected(Selection<'a>),
}

impl Policy {
    /// Resolves a path: selects its route, and checks how an origin may read the path in its normalized forms. If the
    /// path or one of these forms is in the reserved prefix, the result is `Reserved`, and no prices are compared.
    ///
    /// A path with a slash at its end that no route matches has the priced route of the path without it: file servers redirect the
    /// path of a folder to the path with the slash.
    ///
    /// # Errors
    /// Fails if an origin may read the path as another path with another price:
    /// - A normalized form of the path selects another route than the path as it was sent, and this other route has a
    ///   price.
    /// - An origin may serve the content of such a path at a normalized form ([`aliases`] and [`names`]), and the price list has neither the
    ///   path itself nor the names that differ.
    /// - The path as it was sent selects a route with a price, its fully normalized form selects none, and `unmatched` is `deny`.
    ///
    /// If the price list has at least one priced route, also fails in these cases:
    /// - The path contains a `.` or `..` segment that is encoded or hidden by a `;`.
    /// - The path has too many normalized forms.
    pub fn resolve(&self, path: &str, target: Target<'_>) -> Result<Resolved<'_>, Ambiguous> {
        self.resolve_within(&mut AliasWork::default(), path, target)
    }

    /// Resolves a path as [`Policy::resolve`] does. All paths of a request share the same `work`.
    ///
    /// # Errors
    /// Fails as [`Policy::resolve`] does.
    pub fn resolve_within(
        &self,
        work: &mut AliasWork,
        path: &str,
        target: Target<'_>,
    ) -> Result<Resolved<'_>, Ambiguous> {
        match plain_path(path) {
            Some(plain) => self.resolve_plain(path, plain, target),
            None => self.resolve_up_to(MAX_FORMS, work, path, target),
        }
    }

    /// Resolves a plain path with the result of `resolve_up_to`, and without its normalizations. `plain` is the path
    /// without the slash at its end.
    fn resolve_plain(&self, path: &str, plain: &str, target: Target<'_>) -> Result<Resolved<'_>, Ambiguous> {
        let has_upper_case = plain.bytes().any(|byte| byte.is_ascii_uppercase());
        let folded = if has_upper_case { Cow::Owned((self.fold_case)(plain)) } else { Cow::Borrowed(plain) };
        if self.is_reserved(plain) || self.is_reserved(&folded) {
            return Ok(Resolved::Reserved);
        }
        let as_sent = self.select_with_slash(path, target);
        let normalized = self.select_normalized(&folded, target);
        if self.must_not_be_read_as(as_sent, normalized) {
            return Err(Ambiguous);
        }
        Ok(Resolved::Selected(as_sent))
    }

    /// Resolves a path as [`Policy::resolve`] does, with all of its normalized forms. A path with more than `max_forms`
    /// forms is ambiguous.
    ///
    /// # Errors
    /// Fails as [`Policy::resolve`] does.
    pub fn resolve_up_to(
        &self,
        max_forms: usize,
        work: &mut AliasWork,
        path: &str,
        target: Target<'_>,
    ) -> Result<Resolved<'_>, Ambiguous> {
        let has_prices = self.routes.iter().any(|route| !route.is_free());
        let Some(forms) = normalization::normalized_forms(path, max_forms) else {
            return if has_prices { Err(Ambiguous) } else { Ok(Resolved::Selected(Selection::Unmatched)) };
        };
        let normalized = normalization::normalize(path, self.fold_case);
        let Some(mut comparable) = self.comparable_forms(&forms) else {
            return if has_prices { Err(Ambiguous) } else { Ok(Resolved::Selected(Selection::Unmatched)) };
        };
        if comparable.iter().map(String::as_str).chain([path, &normalized]).any(|path| self.is_reserved(path))
        {
            return Ok(Resolved::Reserved);
        }
        if has_prices && normalization::has_dot_segment(&forms) {
            return Err(Ambiguous);
        }
        let as_sent = self.select_with_slash(path, target);
        let normalized = self.select_normalized(&normalized, target);
        if self.must_not_be_read_as(as_sent, normalized) {
            return Err(Ambiguous);
        }
        if let Some(own) = comparable.first().cloned().filter(|own| is_other_than_folders(own, as_sent)) {
            comparable.retain(|form| !is_folder_of(form, &own));
        }
        for form in &comparable {
            let other = self.select_normalized(form, target);
            if other.is_priced() && other.differs_from(&as_sent) {
                return Err(Ambiguous);
            }
        }
        let is_listed = matches!(as_sent, Selection::Route(route) if route.pattern.is_exact());
        if has_prices
            && !is_listed
            && (comparable.iter().any(|form| self.is_alias_of_other(form, work, as_sent, target))
                || forms.iter().any(|form| self.is_name_of_other(form, as_sent, target))
                || forms.iter().filter(|form| may_have_outlets(form)).any(|form| {
                    let folded = normalization::folded(&String::from_utf8_lossy(form), self.fold_case);
                    self.has_outlet_of_other(&folded, work, [as_sent, as_sent], target)
                })
                || comparable.iter().any(|form| self.has_parameter_of_other(form, as_sent, target)))
        {
            return Err(Ambiguous);
        }
        Ok(Resolved::Selected(as_sent))
    }

    /// Whether a path must be refused because an origin reads it as its fully normalized form. If this form has no price, a buyer of the path
    /// gets nothing for less, so `/users/default` can be sold although it may be `/users`, unless the owner serves only what is listed.
    fn must_not_be_read_as(&self, as_sent: Selection<'_>, normalized: Selection<'_>) -> bool {
        let is_closed = self.unmatched == Unmatched::Deny && normalized == Selection::Unmatched;
        let is_sold_otherwise = normalized.is_priced() || (as_sent.is_priced() && is_closed);
        is_sold_otherwise && as_sent.differs_from(&normalized)
    }

    /// Whether a path that a request names besides its own may have a price, unless `is_own` says that it is the request's own
    /// selection. A reserved path counts too: an origin that resolves `..` in it serves another path.
    pub fn may_have_other_price(
        &self,
        work: &mut AliasWork,
        path: &str,
        target: Target<'_>,
        is_own: &dyn Fn(Selection<'_>) -> bool,
    ) -> bool {
        match self.resolve_up_to(MAX_NAMED_PATH_FORMS, work, path, target) {
            Ok(Resolved::Selected(selection)) => selection.is_priced() && !is_own(selection),
            Ok(Resolved::Reserved) | Err(Ambiguous) => true,
        }
    }

    /// Whether an origin may serve the content of another route at a form of a path, and this route has a price.
    fn is_alias_of_other(
        &self,
        form: &str,
        work: &mut AliasWork,
        as_sent: Selection<'_>,
        target: Target<'_>,
    ) -> bool {
        let is_other = |path: &String| is_priced_other(self.select_normalized(path, target), as_sent);
        // A list has the content of several routes, also if each of them has the same terms.
        let is_in_list = |path: &String| {
            let other = self.select_normalized(path, target);
            other.is_priced() && other != as_sent
        };
        let is_without_parameters = || {
            aliases::without_parameters(form).is_some_and(|without| {
                let other = self.select_normalized(&without, target);
                is_priced_other(other, as_sent)
                    && !(is_folder_of(&without, form) && prices_below(as_sent, other, &without))
                    && !self.has_names_instead_of(form, &without, target)
            })
        };
        let may_be_other = |path: &String| is_other(path) && !self.has_names_instead_of(form, path, target);
        let paths = aliases::of_path(form);
        paths.iter().any(may_be_other)
            || paths.iter().any(|path| {
                let own = self.select_normalized(path, target);
                self.has_outlet_of_other(path, work, [own, as_sent], target)
            })
            || is_without_parameters()
            || aliases::of_lists(form, &self.routes, work).is_none_or(|paths| paths.iter().any(is_in_list))
    }

    /// Whether a parameter in a form of a path is the path of another route, and this route has a price. A route such as `/*`, which has no
    /// name, says nothing about the values of parameters.
    fn has_parameter_of_other(&self, form: &str, as_sent: Selection<'_>, target: Target<'_>) -> bool {
        let is_other = |path: &String| {
            let other = self.select_normalized(path, target);
            has_name(other) && is_priced_other(other, as_sent)
        };
        aliases::in_path(form).is_none_or(|paths| paths.iter().any(is_other))
    }

    /// Whether a router may serve the content of another route at a form of a path, because of its parentheses or double slashes, and this
    /// route has a price. `form` is in one case.
    fn has_outlet_of_other(
        &self,
        form: &str,
        work: &mut AliasWork,
        [own, as_sent]: [Selection<'_>; 2],
        target: Target<'_>,
    ) -> bool {
        let Some(outlets) = Outlets::read(form) else { return false };
        if work.take(outlets.comparisons().saturating_mul(self.routes.len())).is_none() {
            return true;
        }
        let is_own = |pattern: &Pattern| {
            own.route().is_some_and(|own| {
                let [own_segments, segments] =
                    [&own.pattern, pattern].map(|pattern| pattern.segments(PathForm::Normalized));
                own_segments == segments || (own_segments > segments && outlets.are_all_of(&own.pattern))
            })
        };
        // If a route takes every page for this host and method, no page is that of another host or method.
        let is_of_target = |route: &Route| route.host.matches(target.host) && route.has_method(target.method);
        let is_taken =
            self.routes.iter().any(|route| is_of_target(route) && outlets.are_all_of(&route.pattern));
        let is_other = |route: &Route| {
            (is_of_target(route) || !is_taken)
                && is_priced_other(Selection::Route(route), as_sent)
                && !is_own(&route.pattern)
                && outlets.may_be_of(&route.pattern)
        };
        self.routes.iter().any(is_other)
    }

    /// Whether an origin that changes the names in a form of a path may serve the content of another route, and this route has a price.
    fn is_name_of_other(&self, form: &[u8], as_sent: Selection<'_>, target: Target<'_>) -> bool {
        let comparable = |form: &[u8]| normalization::comparable(form, self.fold_case);
        // A name that was cut may end with a part of a character.
        let decoded = |path: &str| {
            comparable(&percent::decode(path.as_bytes())).replace(char::REPLACEMENT_CHARACTER, "")
        };
        // A pattern without one of the changed names, such as `/*`, says nothing about these names.
        let is_other = |[path, masked]: [String; 2]| {
            let other = self.select_normalized(&decoded(&path), target);
            is_priced_other(other, as_sent)
                && other != self.select_normalized(&decoded(&masked), target)
                && !self.has_names_instead_of(&comparable(form), &decoded(&masked), target)
        };
        names::with_slugs(form).map_or(true, |paths| paths.is_some_and(is_other))
            || names::with_fewer_characters(form).any(is_other)
            || self.is_below_removed_of_other(form, as_sent, target)
    }

    /// Whether an origin may remove a whole name in a form of a path, and serve the content of its folder, and another route with a price has
    /// the name of this folder. If the route of the path has a segment for the name, the owner has decided that it is another path.
    fn is_below_removed_of_other(&self, form: &[u8], as_sent: Selection<'_>, target: Target<'_>) -> bool {
        let text = String::from_utf8_lossy(form);
        let Some(folder) = names::folder_of_removed(&text) else { return false };
        let folder = normalization::comparable(folder.as_bytes(), self.fold_case);
        let other = self.select_normalized(&folder, target);
        let at = names_of(PathForm::Normalized, &folder).count();
        let has_segment = as_sent.route().is_some_and(|route| {
            let segment = route.pattern.segments(PathForm::Normalized).get(at);
            matches!(segment, Some(Segment::Param | Segment::Exact(_)))
        });
        folder != "/"
            && has_name(other)
            && is_priced_other(other, as_sent)
            && !has_segment
            && !prices_below(as_sent, other, &folder)
    }

    /// Whether the price list has the names of a form of a path that another path does not have. If so, the owner has decided that they are
    /// other names: `/socket.io/*` is not `/socket`.
    fn has_names_instead_of(&self, form: &str, other: &str, target: Target<'_>) -> bool {
        let selection = self.select_normalized(form, target);
        matches!(selection, Selection::Route(route) if route.pattern.has_names_instead_of(form, other))
    }

    /// Returns the comparable forms, each of them once. Returns `None` if they are too long together, because one
    /// character can become eighteen characters.
    fn comparable_forms(&self, forms: &[Vec<u8>]) -> Option<Vec<String>> {
        let mut comparable: Vec<String> = Vec::new();
        let mut bytes = 0_usize;
        for form in forms {
            let folded = normalization::comparable(form, self.fold_case);
            bytes = bytes.saturating_add(folded.len());
            if bytes > MAX_COMPARABLE_BYTES {
                return None;
            }
            if !comparable.contains(&folded) {
                comparable.push(folded);
            }
        }
        Some(comparable)
    }

    /// Selects the route of a path as it was sent.
    pub fn select(&self, path: &str, target: Target<'_>) -> Selection<'_> {
        self.routes.select(PathForm::AsSent, path, target)
    }

    fn select_with_slash(&self, path: &str, target: Target<'_>) -> Selection<'_> {
        self.select(self.priced_path(path, target), target)
    }

    /// Returns the path without the slash at its end if that path has a price and no route matches the path as it was sent;
    /// otherwise the path.
    pub fn priced_path<'p>(&self, path: &'p str, target: Target<'_>) -> &'p str {
        let shorter = without_slash(path);
        let is_shorter = shorter.len() < path.len()
            && self.select(path, target) == Selection::Unmatched
            && self.select(shorter, target).is_priced();
        if is_shorter { shorter } else { path }
    }

    fn select_normalized(&self, path: &str, target: Target<'_>) -> Selection<'_> {
        self.routes.select(PathForm::Normalized, path, target)
    }

    fn is_reserved(&self, path: &str) -> bool {
        path.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether the price list says that a path is another one than each of its folders, because the route of the path has the
/// last name of the path: `/whois/example.com/history` of the route `/whois/:domain/history` is not `/whois/example.com`.
/// Scripts are an exception: an origin may run `/whois/example.php` for any path below it. `path` is in the form of
/// [`comparable`](normalization::comparable).
fn is_other_than_folders(path: &str, as_sent: Selection<'_>) -> bool {
    matches!(as_sent, Selection::Route(route) if route.pattern.has_last_name_of(path))
        && !normalization::goes_on_after_script(path)
}

/// Whether the route of a path is for the names with `:` that the path has below a folder: `/v1/models/*` is for `/v1/models/llama3:8b`,
/// because it names the folder. So is `/*`, if it does not cost less than the folder and buys nothing more.
fn prices_below(as_sent: Selection<'_>, of_folder: Selection<'_>, folder: &str) -> bool {
    let (Selection::Route(route), Selection::Route(other)) = (as_sent, of_folder) else { return false };
    let segments = route.pattern.segments(PathForm::Normalized).iter();
    let named = segments.take_while(|segment| segment.name().is_some()).count();
    names_of(PathForm::Normalized, folder).count() <= named || route.costs_no_less_than(other)
}

/// Whether [`Outlets::read`] may read outlets in a form of a path.
fn may_have_outlets(form: &[u8]) -> bool {
    form.windows(2).any(|pair| pair == b"//" || pair.iter().any(|byte| b"()".contains(byte)))
}

/// Whether the route of a selection has a name in its pattern, unlike `/*` and `/:page`.
fn has_name(selection: Selection<'_>) -> bool {
    selection.route().is_some_and(|route| {
        let mut segments = route.pattern.segments(PathForm::Normalized).iter();
        route.pattern.is_exact() || segments.any(|segment| segment.name().is_some())
    })
}

fn is_priced_other(other: Selection<'_>, as_sent: Selection<'_>) -> bool {
    other.is_priced() && other.differs_from(&as_sent)
}

fn is_folder_of(form: &str, path: &str) -> bool {
    path.strip_prefix(form).is_some_and(|rest| rest.starts_with('/'))
}

/// Each form costs CPU time. The path of an honest request has few forms.
pub const MAX_FORMS: usize = 48;
/// A named path is resolved in addition to the path of the request, so it may have fewer forms.
pub const MAX_NAMED_PATH_FORMS: usize = 12;
/// More than the total length of the normalized forms of a path, which is at most 18 KB.
const MAX_COMPARABLE_BYTES: usize = 32_768;

/// Returns an error for each route that no request can reach, with the reason. An observed route is judged as one that
/// charges.
pub fn unreachable(policy: &Policy) -> Vec<ConfigError> {
    let policy = policy.if_charging.as_deref().unwrap_or(policy);
    let routes = policy.routes.iter().enumerate();
    let unreachable = routes.filter_map(|(at, route)| {
        let sentence = why_unreachable(policy, route)?;
        Some(ConfigError { place: format!("TOLL.routes[{at}].path"), kind: ConfigErrorKind::Wrong(sentence) })
    });
    unreachable.collect()
}

/// Returns why no request can reach a route; `None` if a request can reach it.
fn why_unreachable(policy: &Policy, route: &Route) -> Option<String> {
    let host = match &route.host {
        HostPattern::Any => "any.invalid".to_owned(),
        HostPattern::Below(_, text) => text.replacen('*', "any", 1),
        HostPattern::Exact(host) => host.clone(),
    };
    let method = route.methods.first().map_or("GET", String::as_str);
    let samples = route.pattern.samples();
    let resolve = |path: &String| policy.resolve(path, Target { host: &host, method });
    let is_price_list = |path: &str| policy.is_public && path == PRICES_PATH;
    let reaches = |path: &&String| {
        resolve(path) == Ok(Resolved::Selected(Selection::Route(route))) && !is_price_list(path)
    };
    if samples.iter().any(|path| reaches(&path)) {
        return None;
    }
    let path = samples.first()?;
    Some(match resolve(path) {
        _ if is_price_list(path) => {
            "matches no request: edgetoll serves the public price list at this path; set public_prices = false, or \
             choose another path"
                .to_owned()
        }
        Ok(Resolved::Reserved) => {
            format!("matches no request: edgetoll's own endpoints are below {}; choose another path", policy.prefix)
        }
        Ok(Resolved::Selected(Selection::Route(other))) => {
            format!("matches no request: the route {} takes its requests", other.pattern.as_str())
        }
        _ => "matches no request: some origins read this path as a path with another price; write it without index \
              files, doubled slashes, encodings and trailing dots or slashes"
            .to_owned(),
    })
}
