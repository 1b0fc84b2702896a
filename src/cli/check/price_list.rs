//! The price list: what the core says of it, and what is allowed but may cost money.

use super::Severity;
use super::environment::{Environment, Point};
use super::nearest::nearest;
use crate::policy::Policy;
use crate::policy::normalization::fold_case;
use crate::policy::price_list::{ConfigError, ConfigErrorKind};
use crate::policy::resolve::unreachable;
use crate::strict_json::Json;

/// Judges a price list that is there.
pub(super) fn check(environment: &mut Environment<'_>, toll: &Json, list: &Json) {
    for mistake in judge(list) {
        environment.error(&format!("vars.{}", mistake.place), mistake.point, &mistake.sentence);
    }
    check_size(environment, toll);
    if list.get("network").and_then(Json::as_str).is_some_and(|network| TEST_NETWORKS.contains(&network)) {
        environment.warn("vars.TOLL.network", Point::Value, "is a test network: whoever pays, pays nothing");
    }
    if list.get("settlement").and_then(Json::as_str) == Some("preimage") {
        let sentence = "is \"preimage\": whoever gets the preimage without paying is let in";
        environment.warn("vars.TOLL.settlement", Point::Value, sentence);
    }
}

fn check_size(environment: &mut Environment<'_>, toll: &Json) {
    let bytes = toll.as_str().map_or_else(|| json_bytes(toll), str::len);
    if bytes >= LARGE_BYTES {
        let severity = if bytes > MAX_BYTES { Severity::Error } else { Severity::Warning };
        let sentence = format!("is {bytes} bytes as JSON: a variable holds at most 5 KB");
        environment.note(severity, "vars.TOLL", Point::Value, &sentence);
    }
}

/// How long a value is as JSON without spaces.
fn json_bytes(value: &Json) -> usize {
    let text_bytes = |text: &str| serde_json::to_string(text).map_or(0, |text| text.len());
    match value {
        Json::Null => 4,
        Json::Bool(flag) => flag.to_string().len(),
        Json::Integer(number) => number.to_string().len(),
        Json::Negative(number) => number.to_string().len().saturating_add(1),
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

/// Two brackets, and a comma between any two items.
fn list_bytes(items: impl Iterator<Item = usize>) -> usize {
    items.map(|bytes| bytes.saturating_add(1)).fold(1, usize::saturating_add).max(2)
}

struct Mistake {
    place: String,
    point: Point,
    sentence: String,
}

/// What the core says of a price list.
fn judge(list: &Json) -> Vec<Mistake> {
    let parsed = Policy::parse(list, fold_case);
    let whole = parsed.policy.or_else(|| Policy::parse(&readable(list), fold_case).policy);
    let unreachable = whole.iter().flat_map(unreachable);
    parsed.errors.into_iter().chain(unreachable).map(mistake).collect()
}

/// The list with what can be read of it: a route without a readable path keeps its place, so that the others keep theirs.
fn readable(list: &Json) -> Json {
    let is_read = |key: &str, value: Json| {
        Policy::parse(&Json::Object(vec![(key.to_owned(), value)]), fold_case).policy.is_some()
    };
    let Json::Object(members) = list else { return Json::Object(Vec::new()) };
    let members = members.iter().filter_map(|(key, value)| {
        let value = match value {
            Json::Array(routes) if key == "routes" => Json::Array(
                routes
                    .iter()
                    .enumerate()
                    .map(|(at, route)| {
                        if is_read("routes", Json::Array(vec![route.clone()])) {
                            return route.clone();
                        }
                        Json::Object(vec![("path".to_owned(), Json::String(format!("/unreadable/{at}")))])
                    })
                    .collect(),
            ),
            _ => value.clone(),
        };
        is_read(key, value.clone()).then(|| (key.clone(), value))
    });
    Json::Object(members.collect())
}

fn mistake(ConfigError { place, kind }: ConfigError) -> Mistake {
    let (point, sentence) = match &kind {
        ConfigErrorKind::UnknownKey { known } => (Point::Key, format!("{kind}; {}", advice(&place, known))),
        ConfigErrorKind::Wrong(sentence) => (Point::Value, sentence.clone()),
    };
    Mistake { place, point, sentence }
}

fn advice(place: &str, known: &[&str]) -> String {
    let key = place.rsplit_once('.').map_or(place, |(_, key)| key);
    match nearest(key, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it knows {}", known.join(", ")),
    }
}

const TEST_NETWORKS: [&str; 3] = ["tb", "tbs", "bcrt"];
const LARGE_BYTES: usize = 4_000;
const MAX_BYTES: usize = 5_000;
