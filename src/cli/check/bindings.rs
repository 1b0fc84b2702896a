//! What the price list needs to be bound.

use super::environment::{Environment, Point};
use super::places::{item, member};
use crate::bindings::{
    CHALLENGE_LIMIT, FREE_TIER_EXACT, INVOICE_LIMIT, LEDGER, METER, ObjectBinding, TOLL_KV,
};
use crate::policy::price_list::CHALLENGES_PER_MINUTE;
use crate::strict_json::Json;

/// Judges where free requests, uses, challenges, invoices and payments are counted.
pub(super) fn check(environment: &mut Environment<'_>, list: &Json) {
    check_limiter(environment, list);
    check_invoice_limit(environment);
    check_ledger(environment);
    let is_bound = is_one(environment.get(&["kv_namespaces"]), |one| has(one, "binding", TOLL_KV));
    if !is_bound {
        let lost = "each isolate asks LNbits by itself which payments have arrived";
        warn_of_lost(environment, &["kv_namespaces"], ("binding", TOLL_KV), lost);
    }
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    if let Some(at) = routes.iter().position(|route| route.get("uses").is_some()) {
        check_object(environment, &member(&item("vars.TOLL.routes", at), "uses"), &METER);
    }
    if list.get("free_tier").and_then(Json::as_str) == Some("durable") {
        check_object(environment, "vars.TOLL.free_tier", &FREE_TIER_EXACT);
    } else if !is_bound {
        let sentence = "needs a KV namespace bound as TOLL_KV: free requests are counted in it; \
                        without it everybody pays";
        for (at, route) in routes.iter().enumerate() {
            if route.get("free_requests").is_some_and(|free| *free != Json::Integer(0)) {
                let place = member(&item("vars.TOLL.routes", at), "free_requests");
                environment.error(&place, Point::Value, sentence);
            }
        }
    }
}

/// The platform's limiter keeps its limit in the file, the one that stands in for it in the list.
fn check_limiter(environment: &mut Environment<'_>, list: &Json) {
    let limiters = environment.get(&["ratelimits"]).and_then(Json::as_array).unwrap_or_default();
    let Some((at, limiter)) = limiters.iter().enumerate().find(|(_, one)| has(one, "name", CHALLENGE_LIMIT))
    else {
        return warn_of_lost(
            environment,
            &["ratelimits"],
            ("name", CHALLENGE_LIMIT),
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
        environment.warn(&place, Point::Value, &sentence);
    }
}

fn check_invoice_limit(environment: &mut Environment<'_>) {
    if is_bound(environment, &INVOICE_LIMIT) {
        check_object(environment, "vars.TOLL", &INVOICE_LIMIT);
    } else {
        let lost = "each isolate counts by itself how many invoices are made";
        warn_of_lost(environment, &OBJECTS, ("name", INVOICE_LIMIT.name), lost);
    }
}

fn check_ledger(environment: &mut Environment<'_>) {
    const WEBHOOK: &str = "vars.ON_PAYMENT_URL";
    let is_told = environment.get(&["vars", "ON_PAYMENT_URL"]).is_some();
    if !is_bound(environment, &LEDGER) && !is_told {
        let lost = "payments are not written down";
        return warn_of_lost(environment, &OBJECTS, ("name", LEDGER.name), lost);
    }
    check_object(environment, if is_told { WEBHOOK } else { "vars.TOLL" }, &LEDGER);
    let crons = environment.inherited("triggers").and_then(|triggers| triggers.get("crons"));
    if crons.and_then(Json::as_array).unwrap_or_default().is_empty() {
        let sentence = "has no cron trigger: a payment that nobody tells of is not written down";
        environment.warn("vars.TOLL", Point::Value, sentence);
    }
}

/// An environment inherits no binding: what is bound at the top level and not here was forgotten.
fn warn_of_lost(environment: &mut Environment<'_>, keys: &[&str], (key, name): (&str, &str), lost: &str) {
    let above = environment.above(keys).and_then(Json::as_array).unwrap_or_default();
    if above.iter().any(|one| has(one, key, name)) {
        let sentence = format!("has no {name}, which is not inherited: {lost}");
        environment.warn("vars.TOLL", Point::Value, &sentence);
    }
}

fn is_bound(environment: &Environment<'_>, object: &ObjectBinding) -> bool {
    is_one(environment.get(&OBJECTS), |one| has(one, "name", object.name))
}

/// Judges the binding and the migration of an object that `wanted` needs.
fn check_object(environment: &mut Environment<'_>, wanted: &str, object: &ObjectBinding) {
    let ObjectBinding { name, class, counts } = object;
    let objects = environment.get(&OBJECTS).and_then(Json::as_array).unwrap_or_default();
    let Some((at, binding)) = objects.iter().enumerate().find(|(_, one)| has(one, "name", name)) else {
        let sentence = format!("needs a Durable Object bound as {name} with the class {class}");
        return environment.error(wanted, Point::Value, &sentence);
    };
    let place = item("durable_objects.bindings", at);
    if !has(binding, "class_name", class) {
        let sentence = format!("is {class}, the class that counts {counts}");
        return environment.error(&member(&place, "class_name"), Point::Value, &sentence);
    }
    let is_new = |one: &Json| {
        let classes = one.get("new_sqlite_classes").and_then(Json::as_array).unwrap_or_default();
        classes.iter().any(|one| one.as_str() == Some(class))
    };
    let is_made = is_one(environment.inherited("migrations"), is_new)
        || environment.inherited("exports").is_some_and(|exports| exports.get(class).is_some());
    if binding.get("script_name").is_none() && !is_made {
        let sentence = "is in no migration: add it to new_sqlite_classes of a [[migrations]]";
        environment.error(&member(&place, "class_name"), Point::Value, sentence);
    }
}

fn is_one(list: Option<&Json>, is_it: impl Fn(&Json) -> bool) -> bool {
    list.and_then(Json::as_array).is_some_and(|list| list.iter().any(is_it))
}

fn has(table: &Json, key: &str, text: &str) -> bool {
    table.get(key).and_then(Json::as_str) == Some(text)
}

const OBJECTS: [&str; 2] = ["durable_objects", "bindings"];
