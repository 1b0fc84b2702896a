//! Checks the price list: the mistakes that the Worker's own parser finds, routes that no request can reach, the size,
//! and settings that are valid but may cost money.

use super::environment::{Environment, Point};
use super::nearest::nearest;
use super::report::Severity;
use crate::http::header;
use crate::policy::Policy;
use crate::policy::description::{self, Description};
use crate::policy::normalization::fold_case;
use crate::policy::price_list::{ConfigError, ConfigErrorKind};
use crate::policy::resolve::unreachable;
use crate::strict_json::Json;

/// `toll` is the value of `TOLL` in the file. `list` is the price list: `toll` itself, or the parsed text if `toll` is
/// a string.
pub(super) fn check(environment: &mut Environment<'_>, toll: &Json, list: &Json) {
    for error in config_errors(list) {
        let place = format!("vars.{}", error.place);
        match &error.kind {
            ConfigErrorKind::UnknownKey { known } => {
                let sentence = format!("{}; {}", error.kind, suggestion(&error.place, known));
                environment.error(&place, Point::Key, &sentence);
            }
            ConfigErrorKind::Wrong(sentence) => environment.error(&place, Point::Value, sentence),
        }
    }
    check_size(environment, toll);
    check_free_windows(environment, list);
    check_descriptions(environment, list);
    if let Some(policy) = Policy::parse(list, fold_case).policy {
        check_sells(environment, &policy);
        check_price_headers(environment, &policy);
    }
    if list.get("network").and_then(Json::as_str).is_some_and(|network| TEST_NETWORKS.contains(&network)) {
        let sentence = "is a test network, whose coins have no value: use \"bc\" to be paid in bitcoin";
        environment.warn("vars.TOLL.network", Point::Value, sentence);
    }
    if list.get("settlement").and_then(Json::as_str) == Some("preimage") {
        let sentence =
            "is \"preimage\": anyone who obtains a preimage without paying gets access; use \"auto\"";
        environment.warn("vars.TOLL.settlement", Point::Value, sentence);
    }
}

/// Warns if nothing has a price.
fn check_sells(environment: &mut Environment<'_>, policy: &Policy) {
    if policy.routes.iter().all(|route| route.is_free()) {
        let sentence = "has no route with a price, so every request is forwarded without payment: add a route, such \
                        as [[vars.TOLL.routes]] with path = \"/api/*\" and sats = 5";
        environment.warn("vars.TOLL", Point::Key, sentence);
    }
}

/// Refuses a window without a unit. The Worker reads it as milliseconds, as lightning-toll does.
fn check_free_windows(environment: &mut Environment<'_>, list: &Json) {
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    for (at, route) in routes.iter().enumerate() {
        if let Some(number) = route.get("free_window").and_then(Json::as_u64) {
            let sentence = format!(
                "is {number} without a unit: write \"{number}s\" for seconds, or \"{number}ms\" for milliseconds, which \
                 is how the Worker reads it now"
            );
            environment.error(&format!("vars.TOLL.routes[{at}].free_window"), Point::Value, &sentence);
        }
    }
}

/// Refuses a description that the Worker would have to cut.
fn check_descriptions(environment: &mut Environment<'_>, list: &Json) {
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    for (at, route) in routes.iter().enumerate() {
        let template = route.get("description").and_then(Json::as_str).and_then(Description::parse);
        let bytes = template.map_or(0, |template| template.longest());
        let max = description::MAX_BYTES;
        if bytes > max {
            let sentence = format!(
                "has up to {bytes} bytes, with 64 for each placeholder: shorten it to {max} bytes, so that a phone can \
                 scan the QR code of the invoice"
            );
            environment.error(&format!("vars.TOLL.routes[{at}].description"), Point::Value, &sentence);
        }
    }
}

/// Warns if a price depends on a header that the origin does not receive.
fn check_price_headers(environment: &mut Environment<'_>, policy: &Policy) {
    for (at, route) in policy.routes.iter().enumerate() {
        for name in route.pricing.headers().filter(|name| header::is_removed(name, &policy.keep_headers)) {
            let sentence = format!(
                "depends on the header {name}, which is removed before the request is forwarded: add it to \
                 keep_headers if the origin reads it"
            );
            environment.warn(&format!("vars.TOLL.routes[{at}].price"), Point::Value, &sentence);
        }
    }
}

fn check_size(environment: &mut Environment<'_>, toll: &Json) {
    let bytes = toll.as_str().map_or_else(|| json_bytes(toll), str::len);
    if bytes < LARGE_BYTES {
        return;
    }
    let severity = if bytes > MAX_BYTES { Severity::Error } else { Severity::Warning };
    let sentence = format!(
        "has {bytes} bytes as JSON, and Cloudflare allows 5 KB for a variable: shorten or merge routes"
    );
    environment.report(severity, "vars.TOLL", Point::Value, &sentence);
}

/// Returns the length of a value as JSON without spaces.
fn json_bytes(value: &Json) -> usize {
    match value {
        Json::Null => 4,
        Json::Bool(flag) => flag.to_string().len(),
        Json::Integer(number) => number.to_string().len(),
        Json::Negative(number) => number.to_string().len().saturating_add(1),
        // The number of digits is not known, so 1 stands for it. That is enough, because no key of the price list
        // accepts such a number.
        Json::OtherNumber => 1,
        Json::String(text) => text_bytes(text),
        Json::Array(values) => list_bytes(values.iter().map(json_bytes)),
        Json::Object(members) => list_bytes(
            members
                .iter()
                .map(|(key, value)| text_bytes(key).saturating_add(1).saturating_add(json_bytes(value))),
        ),
    }
}

fn text_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(0, |text| text.len())
}

/// Returns the length of a JSON list or object: the items, two brackets, and the commas between the items.
fn list_bytes(items: impl Iterator<Item = usize>) -> usize {
    items.map(|bytes| bytes.saturating_add(1)).fold(1, usize::saturating_add).max(2)
}

/// Returns the errors of the price list's parser, and the routes that no request can reach.
fn config_errors(list: &Json) -> Vec<ConfigError> {
    let parsed = Policy::parse(list, fold_case);
    let policy = parsed.policy.or_else(|| Policy::parse(&readable_part(list), fold_case).policy);
    parsed.errors.into_iter().chain(policy.iter().flat_map(unreachable)).collect()
}

/// Returns the part of the price list that can be read: other keys are left out, and other routes are replaced with
/// placeholders. With this part, unreachable routes are found in spite of other mistakes.
fn readable_part(list: &Json) -> Json {
    let Json::Object(members) = list else { return Json::Object(Vec::new()) };
    let members = members.iter().filter_map(|(key, value)| {
        let value = match value {
            Json::Array(routes) if key == "routes" => readable_routes(routes),
            _ => value.clone(),
        };
        is_readable(key, &value).then(|| (key.clone(), value))
    });
    Json::Object(members.collect())
}

/// Puts a placeholder in the place of each unreadable route, so that the other routes keep their index.
fn readable_routes(routes: &[Json]) -> Json {
    let routes = routes.iter().enumerate().map(|(index, route)| {
        if is_readable("routes", &Json::Array(vec![route.clone()])) {
            return route.clone();
        }
        Json::Object(vec![("path".to_owned(), Json::String(format!("/unreadable/{index}")))])
    });
    Json::Array(routes.collect())
}

/// Whether a price list with only this key can be read.
fn is_readable(key: &str, value: &Json) -> bool {
    let list = Json::Object(vec![(key.to_owned(), value.clone())]);
    Policy::parse(&list, fold_case).policy.is_some()
}

fn suggestion(place: &str, known: &[&str]) -> String {
    let key = place.rsplit_once('.').map_or(place, |(_, key)| key);
    match nearest(key, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the known keys are {}", known.join(", ")),
    }
}

const TEST_NETWORKS: [&str; 3] = ["tb", "tbs", "bcrt"];
/// From this length, a price list gets a warning, because it is close to the limit of Cloudflare.
const LARGE_BYTES: usize = 4_000;
const MAX_BYTES: usize = 5_000;
