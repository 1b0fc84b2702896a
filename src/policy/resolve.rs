//! Which route a path is for in every reading, and which routes no request can reach.

use super::normalization;
use super::price_list::{ConfigError, ConfigErrorKind, PRICES_PATH, Policy};
use super::route::{HostPattern, PathForm, Route, Selection, Target, select};

/// Some origin might take the path for another one, which costs something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// What a path is for, or whether it is ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved<'a> {
    /// Below the reserved prefix, in some reading.
    Reserved,
    /// What the price list says.
    Selected(Selection<'a>),
}

impl Policy {
    /// Looks the path up in all of its readings.
    ///
    /// # Errors
    /// Where two of them select differently and either costs; and, while the list has a price, where it hides a `.` or `..`
    /// segment or has more readings than can be looked at.
    pub fn resolve(&self, strict: &str, target: Target<'_>) -> Result<Resolved<'_>, Ambiguous> {
        let has_prices = self.routes.iter().any(|route| !route.is_free());
        let Some(readings) = normalization::normalized_forms(strict) else {
            return if has_prices { Err(Ambiguous) } else { Ok(Resolved::Selected(Selection::Unmatched)) };
        };
        let liberal = normalization::normalize(strict, self.fold_case);
        let others: Vec<String> =
            readings.iter().map(|bytes| normalization::finish(bytes, self.fold_case)).collect();
        if others.iter().map(String::as_str).chain([strict, &liberal]).any(|path| self.is_reserved(path)) {
            return Ok(Resolved::Reserved);
        }
        if has_prices && normalization::has_dot_segment(&readings) {
            return Err(Ambiguous);
        }
        let selection = self.select(strict, target);
        let read = |path: &str| select(&self.routes, PathForm::Normalized, path, target);
        let liberal = read(&liberal);
        if selection != liberal && (selection.is_priced() || liberal.is_priced()) {
            return Err(Ambiguous);
        }
        if others.iter().map(|path| read(path)).any(|other| other != selection && other.is_priced()) {
            return Err(Ambiguous);
        }
        Ok(Resolved::Selected(selection))
    }

    /// What the price list says of the path as it arrived.
    pub fn select(&self, strict: &str, target: Target<'_>) -> Selection<'_> {
        select(&self.routes, PathForm::AsSent, strict, target)
    }

    fn is_reserved(&self, path: &str) -> bool {
        path.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The routes that no request can reach: below our own prefix, or with a path that is always ambiguous.
pub fn unreachable(policy: &Policy) -> Vec<ConfigError> {
    let routes = policy.routes.iter().enumerate();
    let unreachable = routes.filter(|(_, route)| !is_reachable(policy, route)).map(|(at, _)| ConfigError {
        place: format!("TOLL.routes[{at}].path"),
        kind: ConfigErrorKind::Wrong(
            "can never be asked for: some origin would read every such path as another one".to_owned(),
        ),
    });
    unreachable.collect()
}

fn is_reachable(policy: &Policy, route: &Route) -> bool {
    let host = match &route.host {
        HostPattern::Any => "any.invalid".to_owned(),
        HostPattern::Below(_, text) => text.replacen('*', "any", 1),
        HostPattern::Exact(host) => host.clone(),
    };
    let method = route.methods.first().map_or("GET", String::as_str);
    let path = route.pattern.sample();
    let is_public = policy.is_public && path == PRICES_PATH;
    let resolved = policy.resolve(&path, Target { host: &host, method });
    resolved == Ok(Resolved::Selected(Selection::Route(route))) && !is_public
}
