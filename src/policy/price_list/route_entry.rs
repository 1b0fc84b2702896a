//! Parses one route, an entry of `[[vars.TOLL.routes]]`.

use std::num::NonZeroU32;

use super::ERROR_STYLES;
use super::price_entry::{parse_amount, parse_rules};
use super::table::{ConfigErrors, Table};
use crate::policy::description::Description;
use crate::policy::duration;
use crate::policy::free_tier::FreeTier;
use crate::policy::mode::{MODES, Mode};
use crate::policy::normalization::FoldCase;
use crate::policy::price::{PriceAmount, PriceRule};
use crate::policy::route::{HostPattern, Pattern, Pricing, Route};
use crate::policy::routes::Routes;
use crate::policy::sold_as::{SoldAs, compute_of_realms};
use crate::protocols::l402::caveat::ScopeRule;
use crate::protocols::offered::Protocols;
use crate::protocols::price::Price;
use crate::protocols::x_preimage::ErrorStyle;
use crate::strict_json::Json;

/// The values of the price list that apply to a route without its own value.
pub struct Defaults {
    pub mode: Mode,
    pub sats: u64,
    pub invoice_expiry_s: u64,
    pub credential_expiry_s: u64,
    pub protocols: Protocols,
    pub x_preimage_errors: ErrorStyle,
    pub fold_case: FoldCase,
}

/// Parses all routes. A route with a mistake is [`Pricing::Invalid`]. A route whose path is missing or wrong is
/// reported to `list_errors` instead, because it is not known which requests must be refused.
pub fn parse_routes(
    list: &Table<'_>,
    defaults: &Defaults,
    list_errors: &ConfigErrors,
    route_errors: &ConfigErrors,
) -> Routes {
    let sentence = "must be a list of tables, written as [[vars.TOLL.routes]]";
    let entries = list.read("routes", sentence, Json::as_array).unwrap_or_default();
    let mut routes = Routes::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let place = list.item("routes", at);
        let Some(pattern) = parse_path(&Table::with_any_keys(place, entry, list_errors), defaults) else {
            continue;
        };
        let errors_before = route_errors.count();
        let table = Table::new(place, entry, &ROUTE_KEYS, route_errors);
        let position = routes.len();
        for earlier in routes.push(parse_route(&table, pattern, defaults)) {
            let path = routes.get(earlier).map_or("", |earlier| earlier.pattern.as_str());
            let sentence = format!(
                "is the same as {path} to some origins: \
                 make one route of the two, or give the two routes different methods or hosts"
            );
            table.report("path", &sentence);
            routes.invalidate(earlier);
        }
        if route_errors.count() > errors_before {
            routes.invalidate(position);
        }
    }
    compute_of_realms(routes.as_mut_slice());
    routes
}

fn parse_path(table: &Table<'_>, defaults: &Defaults) -> Option<Pattern> {
    if !table.has("path") {
        table.report("path", "is missing: every route must have a path, such as \"/api/joke\"");
    }
    let pattern = Pattern::parse(table.text("path")?, defaults.fold_case);
    pattern.map_err(|sentence| table.report("path", &sentence)).ok()
}

fn parse_route(table: &Table<'_>, pattern: Pattern, defaults: &Defaults) -> Route {
    let host = table.read(
        "host",
        "must be a host without a port, such as \"api.example.com\" or \"*.example.com\"",
        |value| HostPattern::parse(value.as_str()?),
    );
    let description = table.read(
        "description",
        "must be a text whose only placeholders are {method}, {path} and {query.name}",
        |value| Description::parse(value.as_str()?),
    );
    let uses = table.integer("uses", 1..=1_000_000);
    let invoice_expiry_s = table.seconds("invoice_expiry").unwrap_or(defaults.invoice_expiry_s);
    let credential_expiry_s = table.seconds("credential_expiry").unwrap_or(defaults.credential_expiry_s);
    let (scope, binds_ip) = parse_scope(table);
    let pricing = parse_pricing(table, defaults);
    let may_cache = table.flag("cache").unwrap_or(false);
    if may_cache && pricing.depends_on_more_than_url() {
        table.report(
            "cache",
            "must not be true if the price depends on more than the path and the query: \
             the cache knows only the URL",
        );
    }
    Route {
        pattern,
        host: host.unwrap_or(HostPattern::Any),
        methods: parse_methods(table).unwrap_or_default(),
        mode: table.one_of("mode", &MODES).unwrap_or(defaults.mode),
        pricing,
        scope,
        binds_ip,
        uses: uses.and_then(|uses| NonZeroU32::new(u32::try_from(uses).ok()?)),
        service: table.name("service").unwrap_or_default(),
        description,
        free_tier: parse_free_tier(table),
        invoice_expiry_s,
        credential_expiry_s: credential_expiry_s.max(invoice_expiry_s),
        honors_paid: table.flag("honor_paid").unwrap_or(true),
        sold_as: SoldAs::default(),
        is_listed: table.flag("listed").unwrap_or(true),
        may_cache,
        protocols: table.protocols("protocols").unwrap_or(defaults.protocols),
        x_preimage_errors: table
            .one_of("x_preimage_errors", &ERROR_STYLES)
            .unwrap_or(defaults.x_preimage_errors),
    }
}

fn parse_methods(table: &Table<'_>) -> Option<Vec<String>> {
    let sentence =
        "must be a list of upper-case methods, such as [\"GET\", \"POST\"], without TRACE and CONNECT";
    table.read("methods", sentence, |value| {
        let methods = value.as_array().filter(|methods| !methods.is_empty())?;
        methods
            .iter()
            .map(|method| method.as_str().filter(|text| is_method(text)).map(str::to_owned))
            .collect()
    })
}

/// Whether a text is an upper-case word, and not a method that the Worker refuses in every request.
pub(super) fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase()) && !["TRACE", "CONNECT"].contains(&text)
}

fn parse_pricing(table: &Table<'_>, defaults: &Defaults) -> Pricing {
    match table.get("price") {
        Some(price) if AMOUNT_KEYS.iter().any(|key| table.has(key)) => {
            table.report(
                "price",
                "must not be used together with sats, fiat or sats_per_kib: move these keys into the entries of price",
            );
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

/// Parses `bind` and `realm`. Returns what a credential is bound to, and whether it is also bound to the client
/// address.
fn parse_scope(table: &Table<'_>) -> (ScopeRule, bool) {
    let sentence = "must be a list whose items are \"endpoint\", \"method\" or \"ip\", \
                    such as [\"endpoint\", \"method\"]";
    let bind = table.read("bind", sentence, |value| {
        let name = |value: &Json| value.as_str().filter(|name| BIND_NAMES.contains(name)).map(str::to_owned);
        value.as_array()?.iter().map(name).collect::<Option<Vec<String>>>()
    });
    let binds =
        |name: &str, default: bool| bind.as_ref().map_or(default, |bind| bind.iter().any(|one| one == name));
    let realm = table.name("realm");
    if realm.is_some() && (binds("endpoint", false) || binds("method", false)) {
        table.report(
            "bind",
            "must not have \"endpoint\" or \"method\" if the route has a realm, which replaces both",
        );
    }
    if !table.has("realm") && !binds("endpoint", true) {
        table.report("bind", "must have \"endpoint\", unless the route has a realm");
    }
    let endpoint = ScopeRule::Endpoint { binds_method: binds("method", true) };
    let scope = realm.map_or(endpoint, |realm| ScopeRule::Realm(realm.as_str().to_owned()));
    (scope, binds("ip", false))
}

fn parse_free_tier(table: &Table<'_>) -> Option<FreeTier> {
    let sentence =
        "must be a window such as \"30s\", \"1h\" or \"7d\", or a number of milliseconds, at most 366 days";
    let window_ms = table
        .read("free_window", sentence, |value| duration::window_ms(value).filter(|ms| *ms <= MAX_WINDOW_MS));
    let requests = table.integer("free_requests", 0..=1_000_000);
    if table.has("free_window") && !table.has("free_requests") {
        table.report("free_window", "must not be used without free_requests");
    }
    let requests = requests.filter(|requests| *requests > 0)?;
    Some(FreeTier { requests, window_ms: window_ms.unwrap_or(FREE_WINDOW_MS) })
}

/// The keys of a route.
pub const ROUTE_KEYS: [&str; 24] = [
    "bind",
    "cache",
    "credential_expiry",
    "description",
    "fiat",
    "free_requests",
    "free_window",
    "honor_paid",
    "host",
    "invoice_expiry",
    "listed",
    "max_sats",
    "methods",
    "min_sats",
    "mode",
    "path",
    "price",
    "protocols",
    "realm",
    "sats",
    "sats_per_kib",
    "service",
    "uses",
    "x_preimage_errors",
];
/// The keys that give a route one price.
const AMOUNT_KEYS: [&str; 5] = ["sats", "fiat", "min_sats", "max_sats", "sats_per_kib"];
/// The words that `bind` may contain.
const BIND_NAMES: [&str; 3] = ["endpoint", "method", "ip"];
const FREE_WINDOW_MS: u64 = 3_600_000;
const MAX_WINDOW_MS: u64 = 366 * 86_400_000;
