//! What the price list needs to be bound.

use super::document::{item, member};
use super::scope::{Point, Scope};
use crate::json::Json;
use crate::policy::config::CHALLENGES_PER_MINUTE;

/// Judges where free requests, uses, challenges, invoices and payments are counted.
pub(super) fn check(scope: &mut Scope<'_>, list: &Json) {
    check_limiter(scope, list);
    check_invoice_limit(scope);
    check_ledger(scope);
    let is_bound = is_one(scope.get(&["kv_namespaces"]), |one| has(one, "binding", "FREE_TIER"));
    if !is_bound {
        let lost = "each isolate asks LNbits by itself which payments have arrived";
        warn_of_lost(scope, &["kv_namespaces"], ("binding", "FREE_TIER"), lost);
    }
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    if let Some(at) = routes.iter().position(|route| route.get("uses").is_some()) {
        check_object(scope, &member(&item("vars.TOLL.routes", at), "uses"), &METER);
    }
    if list.get("free_tier").and_then(Json::as_str) == Some("durable") {
        check_object(scope, "vars.TOLL.free_tier", &FREE_TIER_EXACT);
    } else if !is_bound {
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

/// The platform's limiter keeps its limit in the file, the one that stands in for it in the list.
fn check_limiter(scope: &mut Scope<'_>, list: &Json) {
    let limiters = scope.get(&["ratelimits"]).and_then(Json::as_array).unwrap_or_default();
    let Some((at, limiter)) = limiters.iter().enumerate().find(|(_, one)| has(one, "name", LIMITER)) else {
        return warn_of_lost(
            scope,
            &["ratelimits"],
            ("name", LIMITER),
            "each isolate counts by itself how often a client asks",
        );
    };
    let number = |key: &str| limiter.get("simple").and_then(|simple| simple.get(key)).and_then(Json::as_u64);
    let a_minute =
        number("period").and_then(|period_s| number("limit")?.checked_mul(60)?.checked_div(period_s));
    let in_list = list.get("challenges_per_minute").map_or(Some(CHALLENGES_PER_MINUTE), Json::as_u64);
    if let (Some(a_minute), Some(in_list)) = (a_minute, in_list)
        && a_minute != in_list
    {
        let place = member(&item("ratelimits", at), "simple");
        let sentence = format!(
            "lets {a_minute} a minute through, and TOLL.challenges_per_minute is {in_list}: say the same in both"
        );
        scope.warn(&place, Point::Value, &sentence);
    }
}

fn check_invoice_limit(scope: &mut Scope<'_>) {
    if is_bound(scope, &INVOICE_LIMIT) {
        check_object(scope, "vars.TOLL", &INVOICE_LIMIT);
    } else {
        let lost = "each isolate counts by itself how many invoices are made";
        warn_of_lost(scope, &OBJECTS, ("name", INVOICE_LIMIT.binding), lost);
    }
}

fn check_ledger(scope: &mut Scope<'_>) {
    const WEBHOOK: &str = "vars.ON_PAYMENT_URL";
    let is_told = scope.get(&["vars", "ON_PAYMENT_URL"]).is_some();
    if !is_bound(scope, &LEDGER) && !is_told {
        let lost = "payments are not written down";
        return warn_of_lost(scope, &OBJECTS, ("name", LEDGER.binding), lost);
    }
    check_object(scope, if is_told { WEBHOOK } else { "vars.TOLL" }, &LEDGER);
    let crons = scope.inherited("triggers").and_then(|triggers| triggers.get("crons"));
    if crons.and_then(Json::as_array).unwrap_or_default().is_empty() {
        let sentence = "has no cron trigger: a payment that nobody tells of is not written down";
        scope.warn("vars.TOLL", Point::Value, sentence);
    }
}

/// An environment inherits no binding: what is bound at the top level and not here was forgotten.
fn warn_of_lost(scope: &mut Scope<'_>, keys: &[&str], (key, name): (&str, &str), lost: &str) {
    let above = scope.above(keys).and_then(Json::as_array).unwrap_or_default();
    if above.iter().any(|one| has(one, key, name)) {
        let sentence = format!("has no {name}, which is not inherited: {lost}");
        scope.warn("vars.TOLL", Point::Value, &sentence);
    }
}

fn is_bound(scope: &Scope<'_>, object: &Object) -> bool {
    is_one(scope.get(&OBJECTS), |one| has(one, "name", object.binding))
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
    let objects = scope.get(&OBJECTS).and_then(Json::as_array).unwrap_or_default();
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

const OBJECTS: [&str; 2] = ["durable_objects", "bindings"];
const FREE_TIER_EXACT: Object =
    Object { binding: "FREE_TIER_EXACT", class: "FreeTierCounter", counts: "free requests" };
const LIMITER: &str = "CHALLENGE_LIMIT";
const INVOICE_LIMIT: Object = Object { binding: "INVOICE_LIMIT", class: "InvoiceLimit", counts: "invoices" };
const LEDGER: Object = Object { binding: "LEDGER", class: "Ledger", counts: "payments" };
const METER: Object = Object { binding: "METER", class: "Meter", counts: "uses" };
