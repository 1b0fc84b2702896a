//! What the price list needs to be bound.

use super::document::{item, member};
use super::scope::{Point, Scope};
use crate::json::Json;

/// Judges where free requests and uses are counted.
pub(super) fn check(scope: &mut Scope<'_>, list: &Json) {
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    if let Some(at) = routes.iter().position(|route| route.get("uses").is_some()) {
        check_object(scope, &member(&item("vars.TOLL.routes", at), "uses"), &METER);
    }
    if list.get("free_tier").and_then(Json::as_str) == Some("durable") {
        check_object(scope, "vars.TOLL.free_tier", &FREE_TIER_EXACT);
    } else if !is_one(scope.get(&["kv_namespaces"]), |one| has(one, "binding", "FREE_TIER")) {
        let sentence = "needs a KV namespace bound as FREE_TIER: free requests are counted in it; \
                        without it everybody pays";
        for (at, route) in routes.iter().enumerate() {
            if route.get("free_requests").is_some_and(|free| *free != Json::Integer(0)) {
                let place = member(&item("vars.TOLL.routes", at), "free_requests");
                scope.error(&place, Point::Value, sentence);
            }
        }
    }
}

/// A Durable Object that the list needs.
struct Object {
    binding: &'static str,
    class: &'static str,
    counts: &'static str,
}

/// Judges the binding and the migration of an object that `wanted` needs.
fn check_object(scope: &mut Scope<'_>, wanted: &str, object: &Object) {
    let Object { binding: name, class, counts } = object;
    let objects = scope.get(&["durable_objects", "bindings"]).and_then(Json::as_array).unwrap_or_default();
    let Some((at, binding)) = objects.iter().enumerate().find(|(_, one)| has(one, "name", name)) else {
        let sentence = format!("needs a Durable Object bound as {name} with the class {class}");
        return scope.error(wanted, Point::Value, &sentence);
    };
    let place = item("durable_objects.bindings", at);
    if !has(binding, "class_name", class) {
        let sentence = format!("is {class}, the class that counts {counts}");
        return scope.error(&member(&place, "class_name"), Point::Value, &sentence);
    }
    let is_new = |one: &Json| {
        let classes = one.get("new_sqlite_classes").and_then(Json::as_array).unwrap_or_default();
        classes.iter().any(|one| one.as_str() == Some(class))
    };
    let is_made = is_one(scope.inherited("migrations"), is_new)
        || scope.inherited("exports").is_some_and(|exports| exports.get(class).is_some());
    if binding.get("script_name").is_none() && !is_made {
        let sentence = "is in no migration: add it to new_sqlite_classes of a [[migrations]]";
        scope.error(&member(&place, "class_name"), Point::Value, sentence);
    }
}

fn is_one(list: Option<&Json>, is_it: impl Fn(&Json) -> bool) -> bool {
    list.and_then(Json::as_array).is_some_and(|list| list.iter().any(is_it))
}

fn has(table: &Json, key: &str, text: &str) -> bool {
    table.get(key).and_then(Json::as_str) == Some(text)
}

const FREE_TIER_EXACT: Object =
    Object { binding: "FREE_TIER_EXACT", class: "FreeTierCounter", counts: "free requests" };
const METER: Object = Object { binding: "METER", class: "Meter", counts: "uses" };
