//! Checks the conditions of prices: conditions that are valid, but that hardly any request meets.

use super::environment::{Environment, Point};
use super::variables::members;
use crate::http::header;
use crate::policy::facts::fold_name;
use crate::policy::normalization::fold_case;
use crate::strict_json::Json;

/// Warns of conditions that are probably never met, or not by a visitor who has paid.
pub(super) fn check(environment: &mut Environment<'_>, list: &Json) {
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    let is_case_sensitive = list.get("origin_case_sensitive").and_then(Json::as_bool) == Some(true);
    for (at, route) in routes.iter().enumerate() {
        let prices = route.get("price").and_then(Json::as_array).unwrap_or_default();
        for (entry, price) in prices.iter().enumerate() {
            let Some(when) = price.get("when") else { continue };
            let place = format!("vars.TOLL.routes[{at}].price[{entry}].when");
            for (key, sentence) in faults(when) {
                environment.warn(&format!("{place}.{key}"), Point::Value, &sentence);
            }
        }
        let place = format!("vars.TOLL.routes[{at}].price");
        let fold = |name: &str| fold_name(name, if is_case_sensitive { str::to_owned } else { fold_case });
        let is_same_parameter = |name: &str, other: &str| name != other && fold(name) == fold(other);
        check_spellings(environment, &place, prices, "query", &is_same_parameter, "neither is ever met");
        let methods = route.get("methods").map(texts).filter(|methods| !methods.is_empty());
        for (index, price) in prices.iter().enumerate() {
            let of_price =
                price.get("when").and_then(|when| when.get("method")).map(texts).unwrap_or_default();
            let is_of_route = |method: &&str| {
                methods.as_ref().is_none_or(|methods| {
                    methods.contains(method) || (*method == "GET" && methods.contains(&"HEAD"))
                })
            };
            if let Some(other) = of_price.into_iter().find(|method| !is_of_route(method)) {
                let sentence = format!(
                    "has \"{other}\", which is not one of the methods of the route, so it is never met: remove it"
                );
                environment.warn(&format!("{place}[{index}].when.method"), Point::Value, &sentence);
            }
        }
        check_spellings(
            environment,
            &place,
            prices,
            "header",
            &header::is_other_spelling,
            "your origin gets neither",
        );
    }
}

/// Warns if two conditions of a route have names that an origin may take for one name. The Worker then refuses a request that has one of the
/// two parameters, and forwards a request without the two headers.
fn check_spellings(
    environment: &mut Environment<'_>,
    place: &str,
    prices: &[Json],
    key: &str,
    is_same: &dyn Fn(&str, &str) -> bool,
    effect: &str,
) {
    let tables = prices.iter().filter_map(|price| price.get("when")?.get(key));
    let names: Vec<&str> = tables.flat_map(members).map(|(name, _)| name.as_str()).collect();
    let pair = names.iter().find_map(|name| Some((name, names.iter().find(|other| is_same(name, other))?)));
    if let Some((name, other)) = pair {
        let sentence = format!(
            "has conditions on \"{name}\" and \"{other}\", which some origins take for one name, so that {effect}: keep \
             the one that your origin reads"
        );
        environment.warn(place, Point::Value, &sentence);
    }
}

/// Returns the keys of `when` with a condition that is probably never met, and what to write instead.
fn faults(when: &Json) -> Vec<(&'static str, String)> {
    let members_of = |key: &str| when.get(key).map(members).unwrap_or_default();
    let mut faults = Vec::new();
    for (written, meant) in [("UK", "\"GB\""), ("EU", "each country"), ("EN", "\"GB\" or \"US\"")] {
        if when.get("country").is_some_and(|value| texts(value).contains(&written)) {
            let sentence = format!("is \"{written}\", which is no country of ISO 3166-1: write {meant}");
            faults.push(("country", sentence));
        }
    }
    let agents = members_of("header").iter().filter(|(name, _)| name.eq_ignore_ascii_case("User-Agent"));
    let is_product = |text: &&str| !text.is_empty() && !text.contains(['*', ' ', '/']);
    if let Some(product) = agents.flat_map(|(_, value)| texts(value)).find(is_product) {
        let sentence = format!(
            "has \"{product}\" for User-Agent, which is only a part of the header that clients send: write \"*{product}*\""
        );
        faults.push(("header", sentence));
    }
    let headers = members_of("header");
    let is_changed = |name: &&str| OF_NAVIGATION.iter().any(|other| header::is_same(name, other));
    if let Some(name) = headers.iter().map(|(name, _)| name.as_str()).find(is_changed) {
        let sentence = format!(
            "depends on {name}, of which a browser sends another value after a payment, so a visitor may pay for a page that stays closed: \
             use a header that clients set, or a parameter of the query"
        );
        faults.push(("header", sentence));
    }
    if headers.iter().any(|(name, _)| header::is_same(name, "Authorization")) {
        let sentence = "depends on Authorization, in which most clients send their credential instead, so a client may pay for a response \
                        that it does not get: use a header of its own, or a parameter of the query";
        faults.push(("header", sentence.to_owned()));
    }
    let query = members_of("query").iter();
    let mut words = query.flat_map(|(name, value)| [name.as_str()].into_iter().chain(texts(value)));
    if let Some(encoded) = words.find(|text| is_encoded(text)) {
        let sentence = format!(
            "has \"{encoded}\", but names and values are compared after decoding: write the decoded text, such as a space for %20"
        );
        faults.push(("query", sentence));
    }
    faults
}

/// Whether a text has `%` and two hexadecimal digits.
fn is_encoded(text: &str) -> bool {
    text.as_bytes().windows(3).any(
        |bytes| matches!(bytes, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}

/// Returns the texts of a text or of a list of texts.
pub(super) fn texts(value: &Json) -> Vec<&str> {
    match value {
        Json::Array(values) => values.iter().filter_map(Json::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}

/// Headers whose values depend on the page from which a browser comes, and on whether the page is loaded again.
const OF_NAVIGATION: [&str; 10] = [
    "Referer",
    "Origin",
    "Sec-Fetch-Site",
    "Sec-Fetch-Mode",
    "Sec-Fetch-User",
    "Sec-Fetch-Dest",
    "Cache-Control",
    "Pragma",
    "If-None-Match",
    "If-Modified-Since",
];
