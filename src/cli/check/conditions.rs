//! Checks the conditions of prices: values that are valid, but that hardly any request has.

use super::environment::{Environment, Point};
use super::variables::members;
use crate::strict_json::Json;

/// Warns of conditions that are probably never met.
pub(super) fn check(environment: &mut Environment<'_>, list: &Json) {
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    for (at, route) in routes.iter().enumerate() {
        let prices = route.get("price").and_then(Json::as_array).unwrap_or_default();
        for (entry, price) in prices.iter().enumerate() {
            let Some(when) = price.get("when") else { continue };
            let place = format!("vars.TOLL.routes[{at}].price[{entry}].when");
            for (key, sentence) in faults(when) {
                environment.warn(&format!("{place}.{key}"), Point::Value, &sentence);
            }
        }
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
fn texts(value: &Json) -> Vec<&str> {
    match value {
        Json::Array(values) => values.iter().filter_map(Json::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}
