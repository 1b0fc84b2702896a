//! One entry of `[[vars.TOLL.routes]]`.

use std::num::NonZeroU32;

use super::price_entry::{parse_amount, parse_rules};
use super::table::{ConfigErrors, Table};
use crate::policy::description::Description;
use crate::policy::duration;
use crate::policy::free_tier::FreeTier;
use crate::policy::normalization::FoldCase;
use crate::policy::price::{PriceAmount, PriceRule};
use crate::policy::route::{HostPattern, Pattern, Pricing, Route};
use crate::protocols::l402::caveat::{ScopeRule, Service};
use crate::protocols::price::Price;
use crate::strict_json::Json;

/// What an entry has where it says nothing.
pub struct Defaults {
    pub sats: u64,
    pub invoice_expiry_s: u64,
    pub credential_expiry_s: u64,
    pub fold_case: FoldCase,
}

/// Reads all entries. `list_errors` are those that make the whole list unreadable.
pub fn parse_routes(
    list: &Table<'_>,
    defaults: &Defaults,
    list_errors: &ConfigErrors,
    route_errors: &ConfigErrors,
) -> Vec<Route> {
    let entries = list.read("routes", "is a list of tables", Json::as_array).unwrap_or_default();
    let mut routes: Vec<Route> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let place = format!("{}[{at}]", list.place("routes"));
        // Without its path nobody knows what to shut.
        let path = Table::open(place.clone(), entry, list_errors);
        if path.get("path").is_none() {
            path.note("path", "is missing: every route has one");
        }
        let pattern = path.text("path").and_then(|text| {
            Pattern::parse(text, defaults.fold_case).map_err(|fault| path.note("path", &fault)).ok()
        });
        let Some(pattern) = pattern else { continue };
        let before = route_errors.count();
        let table = Table::new(place, entry, &ROUTE_KEYS, route_errors);
        let mut route = parse_route(&table, pattern, defaults);
        for earlier in routes.iter_mut().filter(|earlier| overlap(earlier, &route)) {
            table.note(
                "path",
                &format!(
                    "is the same path as {} to some origins: one route for both",
                    earlier.pattern.as_str()
                ),
            );
            earlier.pricing = Pricing::Invalid;
        }
        if route_errors.count() > before {
            route.pricing = Pricing::Invalid;
        }
        routes.push(route);
    }
    routes
}

fn parse_route(table: &Table<'_>, pattern: Pattern, defaults: &Defaults) -> Route {
    let methods =
        table.read("methods", "is a list of upper-case methods, such as [\"GET\", \"POST\"]", |value| {
            let is_method =
                |method: &&str| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
            let never_sold = |method: &&str| ["TRACE", "CONNECT"].contains(method);
            let method = |value: &Json| {
                let method = value.as_str().filter(is_method).filter(|method| !never_sold(method))?;
                Some(method.to_owned())
            };
            value
                .as_array()?
                .iter()
                .map(method)
                .collect::<Option<Vec<_>>>()
                .filter(|methods| !methods.is_empty())
        });
    let host = table.read(
        "host",
        "is a host without port, such as \"api.example.com\" or \"*.example.com\"",
        |value| HostPattern::parse(value.as_str()?),
    );
    let invoice_expiry_s = table.seconds("invoice_expiry").unwrap_or(defaults.invoice_expiry_s);
    let credential_expiry_s = table.seconds("credential_expiry").unwrap_or(defaults.credential_expiry_s);
    let (scope, binds_ip) = parse_scope(table);
    let pricing = parse_pricing(table, defaults);
    let may_cache = table.flag("cache").unwrap_or(false);
    if may_cache && pricing.looks_beyond_url() {
        table.note(
            "cache",
            "is for prices that depend on nothing but the query: the cache knows only the URL",
        );
    }
    Route {
        pattern,
        host: host.unwrap_or(HostPattern::Any),
        methods: methods.unwrap_or_default(),
        pricing,
        scope,
        binds_ip,
        uses: table
            .integer("uses", 1..=1_000_000)
            .and_then(|uses| NonZeroU32::new(u32::try_from(uses).ok()?)),
        service: table.name("service").unwrap_or_default(),
        description: table.read(
            "description",
            "is a text in which braces are {method}, {path} or {query.name}",
            |value| Description::parse(value.as_str()?),
        ),
        free_tier: parse_free_tier(table),
        invoice_expiry_s,
        credential_expiry_s: credential_expiry_s.max(invoice_expiry_s),
        is_listed: table.flag("listed").unwrap_or(true),
        may_cache,
    }
}

fn parse_pricing(table: &Table<'_>, defaults: &Defaults) -> Pricing {
    match table.get("price") {
        Some(price) if PRICED_BY.iter().any(|key| table.get(key).is_some()) => {
            table.note("price", "stands alone: sats, fiat and sats_per_kib go into its entries");
            parse_rules(table, price)
        }
        Some(Json::String(word)) if word == "code" => Pricing::Code,
        Some(price) => parse_rules(table, price),
        None => {
            let amount = parse_amount(table).unwrap_or(PriceAmount::Fixed(Price::Sats(defaults.sats)));
            Pricing::Rules(vec![PriceRule { when: Vec::new(), amount }])
        }
    }
}

fn parse_scope(table: &Table<'_>) -> (ScopeRule, bool) {
    let bind = table.read("bind", "is a list of endpoint, method and ip", |value| {
        let one = |one: &Json| Some(one.as_str().filter(|one| BINDINGS.contains(one))?.to_owned());
        value.as_array()?.iter().map(one).collect::<Option<Vec<String>>>()
    });
    let binds =
        |name: &str, default: bool| bind.as_ref().map_or(default, |bind| bind.iter().any(|one| one == name));
    let realm = table.name("realm");
    if realm.is_some() && (binds("endpoint", false) || binds("method", false)) {
        table.note("bind", "has neither endpoint nor method beside a realm, which replaces both");
    }
    if realm.is_none() && !binds("endpoint", true) {
        table.note("bind", "has endpoint in it, unless the route has a realm");
    }
    let by_endpoint = ScopeRule::Endpoint { binds_method: binds("method", true) };
    let scope =
        realm.as_ref().map(Service::as_str).map_or(by_endpoint, |realm| ScopeRule::Realm(realm.to_owned()));
    (scope, binds("ip", false))
}

fn parse_free_tier(table: &Table<'_>) -> Option<FreeTier> {
    let what = "is a window such as \"30s\", \"1h\" or \"7d\", or a number of milliseconds, at most a year";
    let window_ms =
        table.read("free_window", what, |value| duration::window_ms(value).filter(|ms| *ms <= MAX_WINDOW_MS));
    let requests = table.integer("free_requests", 0..=1_000_000);
    if requests.is_none() && table.get("free_window").is_some() && table.get("free_requests").is_none() {
        table.note("free_window", "needs free_requests beside it");
    }
    let requests = requests.filter(|requests| *requests > 0)?;
    Some(FreeTier { requests, window_ms: window_ms.unwrap_or(FREE_WINDOW_MS) })
}

fn overlap(a: &Route, b: &Route) -> bool {
    let share_a_method = a.methods.is_empty()
        || b.methods.is_empty()
        || a.methods.iter().any(|method| b.has_method(method))
        || b.methods.iter().any(|method| a.has_method(method));
    a.pattern.folds_like(&b.pattern) && a.host == b.host && share_a_method
}

/// The keys of a route.
pub const ROUTE_KEYS: [&str; 20] = [
    "bind",
    "cache",
    "credential_expiry",
    "description",
    "fiat",
    "free_requests",
    "free_window",
    "host",
    "invoice_expiry",
    "listed",
    "max_sats",
    "methods",
    "min_sats",
    "path",
    "price",
    "realm",
    "sats",
    "sats_per_kib",
    "service",
    "uses",
];
const PRICED_BY: [&str; 5] = ["sats", "fiat", "min_sats", "max_sats", "sats_per_kib"];
const BINDINGS: [&str; 3] = ["endpoint", "method", "ip"];
const FREE_WINDOW_MS: u64 = 3_600_000;
const MAX_WINDOW_MS: u64 = 366 * 86_400_000;
