//! Checks the price list: the mistakes that the Worker's own parser finds, routes that no request can reach, the size,
//! and settings that are valid but may cost money.

use std::collections::BTreeMap;

use super::conditions::{self, texts};
use super::environment::{Environment, Point};
use super::mistakes::{self, Mistake};
use super::nearest::nearest;
use super::notation::Notation;
use super::report::Severity;
use crate::http::header;
use crate::policy::Policy;
use crate::policy::description::{self, Description};
use crate::policy::normalization::fold_case;
use crate::policy::route::Route;
use crate::strict_json::Json;

/// `toll` is the value of `TOLL` in the file. `list` is the price list: `toll` itself, or the parsed text if `toll` is
/// a string.
pub(super) fn check(environment: &mut Environment<'_>, toll: &Json, list: &Json) {
    let notation = if toll.as_str().is_some() { Notation::Json } else { environment.notation() };
    let mistakes = mistakes::find(list, notation, &|place| environment.number(&format!("vars.{place}")));
    check_free_windows(environment, list, &mistakes);
    check_methods(environment, list);
    check_slashes(environment, list);
    for mistake in mistakes {
        environment.error(&format!("vars.{}", mistake.place), mistake.point, &mistake.sentence);
    }
    check_size(environment, toll);
    check_descriptions(environment, list);
    conditions::check(environment, list);
    if let Some(policy) = Policy::parse(list, fold_case).policy {
        check_sells(environment, &policy);
        check_price_headers(environment, &policy);
        check_realms(environment, &policy);
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

/// Warns if routes are observed, or if nothing has a price.
fn check_sells(environment: &mut Environment<'_>, policy: &Policy) {
    let (observed, routes) =
        (policy.routes.iter().filter(|route| route.is_observed()).count(), policy.routes.len());
    if observed > 0 {
        let sentence = format!(
            "observes {observed} of {routes} routes, and charges no one on them: their requests are forwarded without payment, \
             and the log, the dashboard and the header X-Toll-Observed say what would be charged; to charge, write mode = \"charge\""
        );
        environment.warn("vars.TOLL", Point::Key, &sentence);
    } else if policy.routes.iter().all(|route| route.is_free()) {
        let sentence = "has no route with a price, so every request is forwarded without payment: add a route, such \
                        as [[vars.TOLL.routes]] with path = \"/api/*\" and sats = 5";
        environment.warn("vars.TOLL", Point::Key, sentence);
    }
}

/// Refuses a window without a unit. The Worker reads it as milliseconds, as lightning-toll does.
fn check_free_windows(environment: &mut Environment<'_>, list: &Json, mistakes: &[Mistake]) {
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    for (at, route) in routes.iter().enumerate() {
        let place = format!("TOLL.routes[{at}].free_window");
        let Some(number) = route.get("free_window").and_then(Json::as_u64) else { continue };
        if mistakes.iter().all(|mistake| mistake.place != place) {
            let sentence = format!(
                "is {number} without a unit: write \"{number}s\" for seconds, or \"{number}ms\" for milliseconds, which \
                 is how the Worker reads it now"
            );
            environment.error(&format!("vars.{place}"), Point::Value, &sentence);
        }
    }
}

/// Refuses methods that reach no Worker, in routes and in conditions.
fn check_methods(environment: &mut Environment<'_>, list: &Json) {
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    for (at, route) in routes.iter().enumerate() {
        let place = format!("vars.TOLL.routes[{at}]");
        check_method(environment, &format!("{place}.methods"), route.get("methods"));
        let prices = route.get("price").and_then(Json::as_array).unwrap_or_default();
        for (at, price) in prices.iter().enumerate() {
            let methods = price.get("when").and_then(|when| when.get("method"));
            check_method(environment, &format!("{place}.price[{at}].when.method"), methods);
        }
    }
}

fn check_method(environment: &mut Environment<'_>, place: &str, methods: Option<&Json>) {
    let is_word = |method: &&str| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    let is_unknown = |method: &&str| !METHODS.contains(method) && !["TRACE", "CONNECT"].contains(method);
    let mut names = methods.map(texts).unwrap_or_default().into_iter().filter(is_word);
    if let Some(unknown) = names.find(is_unknown) {
        let similar: Vec<&str> =
            METHODS.into_iter().filter(|method| method.chars().next() == unknown.chars().next()).collect();
        let meant = nearest(unknown, &similar).unwrap_or("GET");
        let sentence = format!(
            "has \"{unknown}\", which is not a method that Workers receive: write a method of HTTP, such as \"{meant}\""
        );
        environment.error(place, Point::Value, &sentence);
    }
}

/// Warns if a path ends with a slash, or has two slashes together. It is sold, but the path without the slash is not.
fn check_slashes(environment: &mut Environment<'_>, list: &Json) {
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    for (at, route) in routes.iter().enumerate() {
        let path = route.get("path").and_then(Json::as_str).unwrap_or_default();
        if path.starts_with('/') && path.contains("//") {
            let sentence = format!(
                "is \"{path}\", with an empty name, so the path with single slashes gets 400 (ambiguous_path): write single slashes, \
                 unless your clients send both"
            );
            environment.warn(&format!("vars.TOLL.routes[{at}].path"), Point::Value, &sentence);
        }
        if let Some(without) =
            path.strip_suffix('/').filter(|path| path.starts_with('/') && !path.ends_with('/'))
        {
            let sentence = format!(
                "is \"{path}\", so a request to {without} gets 400 (ambiguous_path): write path = \"{without}\", unless \
                 your clients send the slash"
            );
            environment.warn(&format!("vars.TOLL.routes[{at}].path"), Point::Value, &sentence);
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
                "has up to {bytes} bytes, counting 64 for each placeholder: shorten it to {max} bytes, so that a phone can \
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

/// Warns if the routes of a realm sell different kinds of credentials.
fn check_realms(environment: &mut Environment<'_>, policy: &Policy) {
    let kind = |route: &Route| {
        (
            route.uses,
            route.binds_ip,
            route.service.clone(),
            route.pricing.fixed().map(|price| price.currency().to_owned()).unwrap_or_default(),
        )
    };
    let mut kinds = BTreeMap::new();
    for (at, route) in policy.routes.iter().enumerate().filter(|(_, route)| route.has_price()) {
        let Some(realm) = route.scope.realm() else { continue };
        if *kinds.entry(realm).or_insert_with(|| kind(route)) != kind(route) {
            let sentence = "has routes with different uses, services, currencies or addresses in bind, so a credential of one of \
                            them does not open the others, or has fewer uses there: use the same for each route of a realm, or another realm";
            environment.warn(&format!("vars.TOLL.routes[{at}].realm"), Point::Value, sentence);
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
        // The number of digits is not known, so one digit is counted. This is enough, because no key of the price list
        // accepts such a number.
        Json::OtherNumber(_) => 1,
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

/// The methods that the Workers runtime accepts (`KJ_HTTP_FOR_EACH_METHOD` in kj/compat/http.h) and that can be sold.
/// The runtime itself answers requests with other methods.
const METHODS: [&str; 27] = [
    "ACL",
    "BAN",
    "CHECKOUT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REPORT",
    "SEARCH",
    "SUBSCRIBE",
    "UNLOCK",
    "UNSUBSCRIBE",
];
const TEST_NETWORKS: [&str; 3] = ["tb", "tbs", "bcrt"];
/// From this length, a price list gets a warning, because it is close to the limit of Cloudflare.
const LARGE_BYTES: usize = 4_000;
const MAX_BYTES: usize = 5_000;
