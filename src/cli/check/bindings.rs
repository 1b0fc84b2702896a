//! Checks the bindings that the price list needs, and warns of bindings that an environment does not inherit from the
//! top level.

use super::environment::{Environment, Point};
use super::places::{item, member};
use crate::bindings::{
    CHALLENGE_LIMIT, FREE_TIER_EXACT, INVOICE_LIMIT, LEDGER, METER, NWC_CONNECTION, ObjectBinding, TOLL_KV,
};
use crate::payment::NWC_URLS;
use crate::policy::price_list::CHALLENGES_PER_MINUTE;
use crate::strict_json::Json;

/// Checks the bindings that count free requests, uses, challenges and invoices, and the binding of the ledger.
pub(super) fn check(environment: &mut Environment<'_>, list: &Json) {
    check_challenge_limit(environment, list);
    check_invoice_limit(environment);
    check_ledger(environment);
    check_nwc(environment, list);
    let has_kv = contains(environment.get(&["kv_namespaces"]), |kv| has_text(kv, "binding", TOLL_KV));
    if !has_kv {
        let consequence = "each isolate looks up each payment at LNbits again";
        warn_if_not_inherited(environment, &["kv_namespaces"], ("binding", TOLL_KV), consequence);
    }
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    if let Some(index) = routes.iter().position(|route| is_counted(route, "uses")) {
        check_object(environment, &route_key(index, "uses"), &METER);
    } else if let Some(place) = names_preimage(list, routes) {
        check_object(environment, &place, &METER);
    }
    if list.get("free_tier").and_then(Json::as_str) == Some("durable") {
        check_object(environment, "vars.TOLL.free_tier", &FREE_TIER_EXACT);
    } else if !has_kv {
        let sentence = "needs a KV namespace to count free requests: without it, no request is free; add \
                        kv_namespaces = [{ binding = \"TOLL_KV\" }]";
        for (index, route) in routes.iter().enumerate() {
            if is_counted(route, "free_requests") {
                environment.error(&route_key(index, "free_requests"), Point::Value, sentence);
            }
        }
    }
}

/// Returns the place that names the protocol X-Preimage, whose payments are used once: in the list, or in the first of
/// its routes.
fn names_preimage(list: &Json, routes: &[Json]) -> Option<String> {
    let is_named =
        |table: &Json| contains(table.get("protocols"), |name| name.as_str() == Some("x-preimage"));
    let of_list = is_named(list).then(|| "vars.TOLL.protocols".to_owned());
    of_list.or_else(|| Some(route_key(routes.iter().position(is_named)?, "protocols")))
}

/// Warns if `CHALLENGE_LIMIT` and `challenges_per_minute` have different limits. The Worker uses
/// `challenges_per_minute` only if the rate limiter `CHALLENGE_LIMIT` is not bound or fails.
fn check_challenge_limit(environment: &mut Environment<'_>, list: &Json) {
    let limiters = environment.get(&["ratelimits"]).and_then(Json::as_array).unwrap_or_default();
    let is_challenge_limit = |limiter: &Json| has_text(limiter, "name", CHALLENGE_LIMIT);
    let Some(index) = limiters.iter().position(is_challenge_limit) else {
        let consequence = "each isolate counts challenges by itself";
        return warn_if_not_inherited(environment, &["ratelimits"], ("name", CHALLENGE_LIMIT), consequence);
    };
    let platform = limiters.get(index).and_then(requests_per_minute);
    let price_list = list.get("challenges_per_minute").map_or(Some(CHALLENGES_PER_MINUTE), Json::as_u64);
    if let (Some(platform), Some(price_list)) = (platform, price_list)
        && platform != price_list
    {
        let sentence = format!(
            "allows {platform} challenges a minute, but TOLL.challenges_per_minute is {price_list}: set both \
             to the same number"
        );
        environment.warn(&member(&item("ratelimits", index), "simple"), Point::Value, &sentence);
    }
}

fn requests_per_minute(limiter: &Json) -> Option<u64> {
    let simple = limiter.get("simple")?;
    let (limit, period_s) = (simple.get("limit")?.as_u64()?, simple.get("period")?.as_u64()?);
    limit.checked_mul(60)?.checked_div(period_s)
}

fn check_invoice_limit(environment: &mut Environment<'_>) {
    if is_object_bound(environment, &INVOICE_LIMIT) {
        check_object(environment, "vars.TOLL", &INVOICE_LIMIT);
    } else {
        let consequence = "each isolate counts invoices by itself";
        warn_if_not_inherited(environment, &OBJECTS, ("name", INVOICE_LIMIT.name), consequence);
    }
}

fn check_ledger(environment: &mut Environment<'_>) {
    let has_callback = environment.get(&["vars", "ON_PAYMENT_URL"]).is_some();
    if !is_object_bound(environment, &LEDGER) && !has_callback {
        let consequence = "payments are not recorded";
        return warn_if_not_inherited(environment, &OBJECTS, ("name", LEDGER.name), consequence);
    }
    check_object(environment, if has_callback { "vars.ON_PAYMENT_URL" } else { "vars.TOLL" }, &LEDGER);
    let crons = environment.get_inherited("triggers").and_then(|triggers| triggers.get("crons"));
    if crons.and_then(Json::as_array).unwrap_or_default().is_empty() {
        let sentence = "needs a cron trigger for the ledger: without one, a payment that neither the client nor a \
                        webhook reports is not recorded; add one to triggers.crons, such as \"* * * * *\"";
        environment.warn("vars.TOLL", Point::Value, sentence);
    }
}

/// Checks the binding for NWC wallets if a list of secrets names one. The secrets themselves are not in the file.
fn check_nwc(environment: &mut Environment<'_>, list: &Json) {
    let required = environment.get(&["secrets", "required"]);
    if contains(required, |name| name.as_str().is_some_and(|name| NWC_URLS.contains(&name))) {
        check_object(environment, "secrets.required", &NWC_CONNECTION);
        let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
        if let Some(place) = names_preimage(list, routes) {
            let sentence = "names x-preimage, which is offered with an NWC wallet only if this wallet keeps the metadata of \
                            invoices: `edgetoll doctor` says whether it does";
            environment.warn(&place, Point::Value, sentence);
        }
    } else if is_object_bound(environment, &NWC_CONNECTION) {
        check_object(environment, "vars.TOLL", &NWC_CONNECTION);
    } else {
        let consequence = "no wallet can be reached over Nostr Wallet Connect";
        warn_if_not_inherited(environment, &OBJECTS, ("name", NWC_CONNECTION.name), consequence);
    }
}

/// Warns if the top level has a binding that this environment lacks: bindings are not inherited.
fn warn_if_not_inherited(
    environment: &mut Environment<'_>,
    keys: &[&str],
    (key, name): (&str, &str),
    consequence: &str,
) {
    if contains(environment.get_at_top_level(keys), |binding| has_text(binding, key, name)) {
        let sentence = format!(
            "lacks the binding {name}, which is not inherited from the top level: without it, {consequence}; \
             repeat it in this environment"
        );
        environment.warn("vars.TOLL", Point::Value, &sentence);
    }
}

fn is_object_bound(environment: &Environment<'_>, object: &ObjectBinding) -> bool {
    contains(environment.get(&OBJECTS), |binding| has_text(binding, "name", object.name))
}

/// Checks that a Durable Object has its binding and its migration. `needed_by` is the place of the setting that needs
/// the object.
fn check_object(environment: &mut Environment<'_>, needed_by: &str, object: &ObjectBinding) {
    let ObjectBinding { name, class, task } = object;
    let objects = environment.get(&OBJECTS).and_then(Json::as_array).unwrap_or_default();
    let Some((index, binding)) = objects.iter().enumerate().find(|(_, one)| has_text(one, "name", name))
    else {
        let sentence = format!(
            "needs a Durable Object to {task}: add {{ name = \"{name}\", class_name = \"{class}\" }} to \
             durable_objects.bindings"
        );
        return environment.error(needed_by, Point::Value, &sentence);
    };
    let class_place = member(&item("durable_objects.bindings", index), "class_name");
    if !has_text(binding, "class_name", class) {
        let sentence = format!("must be \"{class}\", the class of this binding");
        return environment.error(&class_place, Point::Value, &sentence);
    }
    let creates_class = |migration: &Json| {
        contains(migration.get("new_sqlite_classes"), |created| created.as_str() == Some(class))
    };
    let is_created = contains(environment.get_inherited("migrations"), creates_class)
        || environment.get_inherited("exports").is_some_and(|exports| exports.get(class).is_some());
    if binding.get("script_name").is_none() && !is_created {
        let sentence = "is in no migration: add it to new_sqlite_classes of an entry of migrations";
        environment.error(&class_place, Point::Value, sentence);
    }
}

/// Whether a key has a valid number that a binding must count. An invalid number is reported elsewhere.
fn is_counted(route: &Json, key: &str) -> bool {
    route.number(key).is_some_and(|number| (1..=MAX_COUNT).contains(&number))
}

fn route_key(index: usize, key: &str) -> String {
    member(&item("vars.TOLL.routes", index), key)
}

fn contains(list: Option<&Json>, matches: impl Fn(&Json) -> bool) -> bool {
    list.and_then(Json::as_array).is_some_and(|list| list.iter().any(matches))
}

fn has_text(table: &Json, key: &str, text: &str) -> bool {
    table.get(key).and_then(Json::as_str) == Some(text)
}

const OBJECTS: [&str; 2] = ["durable_objects", "bindings"];
/// The largest number of free requests, and of uses.
const MAX_COUNT: u64 = 1_000_000;
