//! Checks the patterns of the Worker's routes. A request that matches no pattern reaches the origin of the zone without the Worker.
//!
//! Source: <https://developers.cloudflare.com/workers/configuration/routing/routes/#matching-behavior>. Patterns are case-sensitive,
//! and match the URL as it was sent.

use super::environment::{Environment, Point};
use super::urls::custom_domains;
use crate::strict_json::Json;

/// Warns of the hosts of which the Worker gets only a part of the requests.
pub(super) fn check(environment: &mut Environment<'_>) {
    let route = environment.get(&["route"]).map(|route| ("route".to_owned(), route));
    let routes = environment.get(&["routes"]).and_then(Json::as_array).unwrap_or_default();
    let listed = routes.iter().enumerate().map(|(at, route)| (format!("routes[{at}]"), route));
    let patterns: Vec<(String, &str)> = route.into_iter().chain(listed).filter_map(with_pattern).collect();
    let domains = custom_domains(environment);
    for (place, pattern) in &patterns {
        let (scheme, rest) = pattern.split_once("://").unwrap_or(("", pattern));
        let (host, path) = rest.split_once('/').unwrap_or((rest.trim_end_matches('*'), ""));
        let is_domain = domains.iter().any(|domain| domain.eq_ignore_ascii_case(host));
        let has_whole = |scheme: &str| patterns.iter().any(|(_, other)| is_whole_host(other, scheme, host));
        if is_domain || (has_whole("https") && has_whole("http")) {
            continue;
        }
        if has_whole("https") {
            let sentence = "matches only https requests, so http requests reach the origin without the Worker, unless the zone has Always Use \
                            HTTPS: remove https://";
            environment.warn(place, Point::Value, sentence);
        } else if scheme == "http" {
            let sentence = "matches only requests without encryption, so https requests reach the origin without the Worker: remove http://";
            environment.error(place, Point::Value, sentence);
        } else {
            let sentence = format!(
                "covers only a part of {host}: other spellings of a priced path, such as upper case, reach the origin of the zone \
                 without the Worker, and so do all paths that do not match /{path}. Write \"{host}/*\", unless the origin \
                 refuses requests without ORIGIN_TOKEN"
            );
            environment.warn(place, Point::Value, &sentence);
        }
    }
}

/// Returns the pattern of a route of Wrangler.
fn with_pattern((place, route): (String, &Json)) -> Option<(String, &str)> {
    match route.as_str() {
        Some(pattern) => Some((place, pattern)),
        None => Some((format!("{place}.pattern"), route.get("pattern")?.as_str()?)),
    }
}

/// Whether a pattern matches all requests for a host with this scheme. `*` at its beginning stands for any text.
fn is_whole_host(pattern: &str, scheme: &str, host: &str) -> bool {
    let (of_pattern, pattern) = pattern.split_once("://").unwrap_or((scheme, pattern));
    let whole =
        pattern.strip_suffix("/*").or_else(|| pattern.strip_suffix('*')).filter(|whole| !whole.contains('/'));
    of_pattern == scheme
        && whole.is_some_and(|whole| match whole.strip_prefix('*') {
            Some(end) => host.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase()),
            None => whole.eq_ignore_ascii_case(host),
        })
}
