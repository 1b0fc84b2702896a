//! Says what is wrong with a value of the price list and what to write instead. edgetoll accepts each suggested value,
//! because the command parses the price list with it.

mod candidates;
mod duration;

use candidates::Candidate;

use super::mistakes::{NO_TABLE, Wrong, errors, is_within, shown, value_at};
use super::notation::Notation;
use super::places::{item, member};
use crate::strict_json::Json;

/// Returns a sentence about a wrong value, without its subject, which is the place. The sentence suggests another value
/// only if `is_tried` is set.
pub(super) fn sentence(
    list: &Json,
    wrong: &Wrong,
    notation: Notation,
    number: &dyn Fn(&str) -> Option<String>,
    is_tried: bool,
) -> String {
    let Wrong { place, rule } = wrong;
    let Some(value) = value_at(list, place) else { return rule.clone() };
    let written = match value {
        Json::OtherNumber(_) | Json::Negative(_) => number(place).unwrap_or_else(|| notation.value(value)),
        _ => notation.value(value),
    };
    let (reason, remedy) = match is_tried.then(|| suggestion(list, wrong, value, &written)).flatten() {
        Some((key, Candidate { value, note, .. })) => {
            (reason(rule), format!(": write {}{note}", notation.member(key, &value)))
        }
        None if rule == NO_TABLE && [".header", ".query"].iter().any(|key| place.ends_with(key)) => {
            (rule.as_str(), ", such as { name = \"value\" }".to_owned())
        }
        None if place.ends_with(".uses") => (rule.as_str(), "; without uses, there is no limit".to_owned()),
        None if rule == NO_TABLE && place.starts_with("TOLL.routes[") => {
            (rule.as_str(), ", such as { path = \"/api/joke\", sats = 5 }".to_owned())
        }
        None => (rule.as_str(), String::new()),
    };
    let has_tables = |values: &[Json]| values.iter().any(Json::is_object);
    // Instead of the hash of a payment, an owner may write its credential.
    let is_secret = place.starts_with("TOLL.revoked") && remedy.is_empty();
    if is_secret || value.is_object() || value.as_array().is_some_and(has_tables) {
        return format!("{reason}{remedy}");
    }
    let shown = shown(written);
    match reason.strip_prefix("must ") {
        Some(_) => format!("is {shown}, but {reason}{remedy}"),
        None => format!("{shown} {reason}{remedy}"),
    }
}

/// Returns a rule without the advice at its end.
fn reason(rule: &str) -> &str {
    let end =
        [", such as", " such as", ", as in", "; ", ": "].iter().filter_map(|mark| rule.find(mark)).min();
    end.and_then(|end| rule.get(..end)).unwrap_or(rule)
}

/// Returns the first candidate that edgetoll accepts, and the key to write it at.
fn suggestion<'a>(
    list: &Json,
    wrong: &'a Wrong,
    value: &Json,
    written: &str,
) -> Option<(&'a str, Candidate)> {
    let (outer, key) = wrong.place.rsplit_once('.')?;
    let table = value_at(list, outer)?;
    // If the key itself contains a dot, `rsplit_once` has split it, and the table has no such key.
    table.get(key)?;
    candidates::of(key, value, written, &wrong.rule).into_iter().find_map(|candidate| {
        let new_key = candidate.key.unwrap_or(key);
        if new_key != key && table.get(new_key).is_some() {
            return None;
        }
        let new_place = member(outer, new_key);
        let changed = replaced(list, "TOLL", &wrong.place, new_key, &candidate.value);
        let is_about =
            |error: &Wrong| is_within(&error.place, &new_place) || is_within(&new_place, &error.place);
        (!errors(&changed).iter().any(is_about)).then_some((new_key, candidate))
    })
}

/// Returns the price list with another key and value at a place.
fn replaced(value: &Json, here: &str, place: &str, new_key: &str, new: &Json) -> Json {
    match value {
        Json::Object(members) => Json::Object(
            members
                .iter()
                .map(|(key, value)| match member(here, key) {
                    inner if inner == place => (new_key.to_owned(), new.clone()),
                    inner if is_within(place, &inner) => {
                        (key.clone(), replaced(value, &inner, place, new_key, new))
                    }
                    _ => (key.clone(), value.clone()),
                })
                .collect(),
        ),
        Json::Array(values) => Json::Array(
            values
                .iter()
                .enumerate()
                .map(|(index, value)| match item(here, index) {
                    inner if is_within(place, &inner) => replaced(value, &inner, place, new_key, new),
                    _ => value.clone(),
                })
                .collect(),
        ),
        other => other.clone(),
    }
}
