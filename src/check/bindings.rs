//! What the price list needs to be bound.

use super::document::{item, member};
use super::scope::{Point, Scope};
use crate::json::Json;

/// Judges where free requests are counted.
pub(super) fn check(scope: &mut Scope<'_>, list: &Json) {
    if list.get("free_tier").and_then(Json::as_str) == Some("durable") {
        check_durable(scope);
    } else if !is_one(scope.get(&["kv_namespaces"]), |one| has(one, "binding", "FREE_TIER")) {
        let sentence = "needs a KV namespace bound as FREE_TIER: free requests are counted in it; \
                        without it everybody pays";
        let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
        for (at, route) in routes.iter().enumerate() {
            if route.get("free_requests").is_some_and(|free| *free != Json::Integer(0)) {
                let place = member(&item("vars.TOLL.routes", at), "free_requests");
                scope.error(&place, Point::Value, sentence);
            }
        }
    }
}

fn check_durable(scope: &mut Scope<'_>) {
    let objects = scope.get(&["durable_objects", "bindings"]).and_then(Json::as_array).unwrap_or_default();
    let Some((at, binding)) = objects.iter().enumerate().find(|(_, one)| has(one, "name", "FREE_TIER_EXACT"))
    else {
        let sentence = "needs a Durable Object bound as FREE_TIER_EXACT with the class FreeTierCounter";
        return scope.error("vars.TOLL.free_tier", Point::Value, sentence);
    };
    let place = item("durable_objects.bindings", at);
    if !has(binding, "class_name", CLASS) {
        let sentence = "is FreeTierCounter, the class that counts free requests";
        return scope.error(&member(&place, "class_name"), Point::Value, sentence);
    }
    let is_new = |one: &Json| {
        let classes = one.get("new_sqlite_classes").and_then(Json::as_array).unwrap_or_default();
        classes.iter().any(|class| class.as_str() == Some(CLASS))
    };
    let is_made = is_one(scope.inherited("migrations"), is_new)
        || scope.inherited("exports").is_some_and(|exports| exports.get(CLASS).is_some());
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

const CLASS: &str = "FreeTierCounter";
