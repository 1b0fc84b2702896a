//! Finds the mistakes of a price list. Each mistake is reported once: errors that only follow from another mistake are
//! left out.

use super::environment::Point;
use super::notation::Notation;
use super::places::{item, member};
use super::remedy;
use super::unknown_keys::{Advice, Corrected, UnknownKey, correct};
use crate::policy::Policy;
use crate::policy::normalization::fold_case;
use crate::policy::price_list::{ConfigError, ConfigErrorKind};
use crate::policy::resolve::unreachable;
use crate::strict_json::Json;

/// A mistake of a price list.
pub(super) struct Mistake {
    /// Where the mistake is in the file, such as `TOLL.routes[2].sats`.
    pub place: String,
    pub point: Point,
    /// A sentence without its subject, which is the place: `is missing`, for example.
    pub sentence: String,
}

/// Returns the mistakes of a price list. `number` returns the number at a place, with the characters that the owner
/// wrote.
pub(super) fn find(list: &Json, notation: Notation, number: &dyn Fn(&str) -> Option<String>) -> Vec<Mistake> {
    let Corrected { list, unknown } = correct(list, notation);
    let errors = errors(&list);
    let is_renamed = |place: &str| {
        unknown
            .iter()
            .any(|key| matches!(&key.advice, Advice::Rename { place: at, .. } if is_within(place, at)))
    };
    // If the routes are no list, a key in their place is no key of a route.
    let has_list = errors.iter().all(|error| error.place != ROUTES);
    let keys = unknown.iter().filter(|key| has_list || !is_within(&key.place, ROUTES));
    let keys = keys.map(|key| unknown_key(key, &list, &errors, notation));
    let wrong =
        errors.iter().filter(|error| !is_renamed(&error.place)).enumerate().map(|(index, error)| Mistake {
            place: error.place.clone(),
            point: Point::Value,
            sentence: remedy::sentence(&list, error, notation, number, index < MAX_SUGGESTIONS),
        });
    keys.chain(wrong).collect()
}

fn unknown_key(unknown: &UnknownKey, list: &Json, errors: &[Wrong], notation: Notation) -> Mistake {
    let sentence = match &unknown.advice {
        Advice::Say(sentence) => sentence.clone(),
        Advice::Rename { key, place } => {
            let value = value_at(list, place).filter(|value| {
                let is_short = notation.value(value).len() <= MAX_SHOWN;
                let is_complete = !matches!(value, Json::OtherNumber(_))
                    && (*key != "free_window" || value.as_u64().is_none());
                is_short && is_complete && errors.iter().all(|error| !is_within(&error.place, place))
            });
            let meant = value.map_or_else(|| (*key).to_owned(), |value| notation.member(key, value));
            format!("is not a key that edgetoll knows; did you mean `{meant}`?")
        }
    };
    Mistake { place: unknown.place.clone(), point: Point::Key, sentence }
}

/// A wrong value: its place, and the rule that it breaks, such as `must be a table`.
pub(super) struct Wrong {
    pub place: String,
    pub rule: String,
}

/// Returns the wrong values of a price list that has no unknown keys. Each place is reported once at most, and a table
/// is not reported if a value in it is. The parser treats a wrong value as missing, and so reports further errors.
/// Therefore each route is parsed alone, and only routes without mistakes are compared with each other.
pub(super) fn errors(list: &Json) -> Vec<Wrong> {
    let routes = list.get("routes");
    let Some(routes) = routes.and_then(Json::as_array) else { return without_consequences(parse(list)) };
    let mut errors = without_consequences(parse(&with_routes(list, Vec::new())));
    let mut valid = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let mut of_route = parse(&only_routes(vec![route.clone()]));
        let here = item("TOLL.routes", index);
        for error in &mut of_route {
            error.place = error.place.replacen("TOLL.routes[0]", &here, 1);
        }
        valid.push(if of_route.is_empty() { route.clone() } else { placeholder(index) });
        errors.extend(without_consequences(of_route));
    }
    let settings = with_routes(list, Vec::new());
    let comparable =
        if parse(&settings).is_empty() { with_routes(&settings, valid) } else { only_routes(valid) };
    let mut compared = parse(&comparable);
    if let Some(policy) = Policy::parse(&comparable, fold_case).policy.filter(|_| compared.is_empty()) {
        compared.extend(unreachable(&policy).into_iter().filter_map(wrong));
    }
    errors.extend(without_consequences(compared));
    errors
}

fn parse(list: &Json) -> Vec<Wrong> {
    Policy::parse(list, fold_case).errors.into_iter().filter_map(wrong).collect()
}

fn wrong(error: ConfigError) -> Option<Wrong> {
    match error.kind {
        ConfigErrorKind::Wrong(rule) => Some(Wrong { place: error.place, rule }),
        // [`correct`] has removed the unknown keys.
        ConfigErrorKind::UnknownKey { .. } => None,
    }
}

/// Of several errors at one place, keeps only the last one, which is the most precise. Of two errors of which one place
/// contains the other, keeps the inner one. Exception: if the outer value is not a table but must be one, keeps only
/// the outer one.
fn without_consequences(errors: Vec<Wrong>) -> Vec<Wrong> {
    let is_consequence = |index: usize, error: &Wrong| {
        errors.iter().enumerate().any(|(other_index, other)| match other.place == error.place {
            true => other_index > index,
            false if is_within(&error.place, &other.place) => other.rule == NO_TABLE,
            false => is_within(&other.place, &error.place) && error.rule != NO_TABLE,
        })
    };
    let kept: Vec<bool> =
        errors.iter().enumerate().map(|(index, error)| !is_consequence(index, error)).collect();
    errors.into_iter().zip(kept).filter_map(|(error, is_kept)| is_kept.then_some(error)).collect()
}

/// A route that conflicts with no other route. It replaces a route with a mistake, so that the routes after it keep
/// their indices.
fn placeholder(index: usize) -> Json {
    let path = Json::String(format!("/unreadable/{index}"));
    Json::Object(vec![("path".to_owned(), path)])
}

fn only_routes(routes: Vec<Json>) -> Json {
    Json::Object(vec![("routes".to_owned(), Json::Array(routes))])
}

fn with_routes(list: &Json, routes: Vec<Json>) -> Json {
    let Json::Object(members) = list else { return list.clone() };
    let mut members: Vec<_> = members.iter().filter(|(key, _)| key != "routes").cloned().collect();
    members.push(("routes".to_owned(), Json::Array(routes)));
    Json::Object(members)
}

/// Whether a place is `outer` or inside of it.
pub(super) fn is_within(place: &str, outer: &str) -> bool {
    place.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Returns the value at a place of the price list; `None` if the place has no value.
pub(super) fn value_at<'a>(list: &'a Json, place: &str) -> Option<&'a Json> {
    find_value(list, "TOLL", place)
}

fn find_value<'a>(value: &'a Json, here: &str, place: &str) -> Option<&'a Json> {
    if here == place {
        return Some(value);
    }
    let descend = |inner: String, value: &'a Json| {
        is_within(place, &inner).then(|| find_value(value, &inner, place)).flatten()
    };
    match value {
        Json::Object(members) => members.iter().find_map(|(key, value)| descend(member(here, key), value)),
        Json::Array(values) => {
            values.iter().enumerate().find_map(|(index, value)| descend(item(here, index), value))
        }
        _ => None,
    }
}

/// Shortens a value for a message.
pub(super) fn shown(text: String) -> String {
    if text.chars().count() <= MAX_SHOWN {
        return text;
    }
    let start: String = text.chars().take(MAX_SHOWN).collect();
    format!("{start}…")
}

const ROUTES: &str = "TOLL.routes";
/// The rule of the parser for a value that must be a table.
pub(super) const NO_TABLE: &str = "must be a table";
/// Limits the time, because the whole price list is parsed several times for each suggestion.
const MAX_SUGGESTIONS: usize = 20;
const MAX_SHOWN: usize = 60;
