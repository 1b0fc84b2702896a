//! Parses the prices of a route and their conditions.

use std::ops::RangeInclusive;

use super::route_entry::is_method;
use super::table::Table;
use crate::http::header;
use crate::policy::facts::MAX_LENGTH;
use crate::policy::normalization::is_invisible;
use crate::policy::price::{Condition, PriceAmount, PriceRule, Values};
use crate::policy::route::Pricing;
use crate::protocols::price::{Fiat, FiatPrice, MAX_SATS, Price};
use crate::strict_json::Json;

/// Parses `price = [{ when = {…}, sats = 50 }, { sats = 10 }]`.
pub fn parse_rules(route: &Table<'_>, value: &Json) -> Pricing {
    let Some(entries) = value.as_array().filter(|entries| !entries.is_empty()) else {
        route.report(
            "price",
            "must be \"code\", or a list of prices such as \
             [{ when = { query = { hd = \"1\" } }, sats = 50 }, { sats = 10 }]",
        );
        return Pricing::Invalid;
    };
    let mut rules: Vec<PriceRule> = Vec::new();
    let mut has_when = false;
    for (at, entry) in entries.iter().enumerate() {
        let key = format!("price[{at}]");
        let table = route.inner(&key, entry, &PRICE_KEYS);
        if !has_when && at > 0 {
            route.report(
                &key,
                "never applies: the price before it has no `when`; move the price without `when` to the end",
            );
        }
        has_when = table.has("when");
        let when = table.get("when").map(|when| parse_conditions(&table.inner("when", when, &WHEN_KEYS)));
        if when.as_ref().is_some_and(Vec::is_empty) {
            table.report("when", "must have at least one condition, such as { method = \"POST\" }");
        }
        let amount = parse_amount(&table);
        if amount.is_none() && PRICE_KEYS.iter().all(|key| *key == "when" || !table.has(key)) {
            route.report(&key, "must have a price: sats, fiat or sats_per_kib");
        }
        rules.push(PriceRule {
            when: when.unwrap_or_default(),
            amount: amount.unwrap_or(PriceAmount::Fixed(Price::Sats(MAX_SATS))),
        });
    }
    if has_when {
        route.report("price", "must end with a price without `when`, for requests that match no other price");
    }
    Pricing::Rules(rules)
}

/// Parses `sats`, `sats_per_kib`, or `fiat` with `min_sats` and `max_sats`. Returns `None` if the table has none of
/// these keys, or if the value is wrong.
pub fn parse_amount(table: &Table<'_>) -> Option<PriceAmount> {
    let mut keys = ["sats", "fiat", "sats_per_kib"].into_iter().filter(|key| table.has(key));
    let first = keys.next();
    if let (Some(first), Some(second)) = (first, keys.next()) {
        table.report(second, &format!("must not be used together with {first}: remove one of the two keys"));
    }
    if !table.has("fiat") {
        for key in ["min_sats", "max_sats"].into_iter().filter(|key| table.has(key)) {
            table.report(key, "must not be used without fiat");
        }
    }
    match first {
        Some("sats") => table.sats("sats", 0).map(|sats| PriceAmount::Fixed(Price::Sats(sats))),
        Some("sats_per_kib") => table.sats("sats_per_kib", 1).map(PriceAmount::SatsPerKib),
        Some(_) => parse_fiat(table).map(|price| PriceAmount::Fixed(Price::Fiat(price))),
        None => None,
    }
}

fn parse_fiat(table: &Table<'_>) -> Option<FiatPrice> {
    let sentence = "must be an amount and a currency, such as \"0.01 USD\"";
    let fiat = table.read("fiat", sentence, |value| Fiat::parse(value.as_str()?));
    let min_sats = table.sats("min_sats", 1).unwrap_or(1);
    let max_sats = table.sats("max_sats", 1).unwrap_or(MAX_SATS);
    if min_sats > max_sats {
        table.report("min_sats", "must not be more than max_sats");
    }
    Some(FiatPrice { fiat: fiat?, min_sats, max_sats })
}

fn parse_conditions(table: &Table<'_>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (name, is) in parse_values(table, "query") {
        if name.contains(['[', '&', ';', '=', '?'])
            || !name.contains(|c: char| c.is_ascii_alphanumeric() || !c.is_ascii())
        {
            table.report(
                "query",
                "must name parameters with a letter or a digit and without [, &, ;, = and ?",
            );
        }
        if is.0.iter().any(|value| value.contains([';', '?'])) {
            table.report("query", "must have values without ; and ?: some origins end a value there");
        }
        conditions.push(Condition::Query { name, is });
    }
    for (name, is) in parse_values(table, "header") {
        if !header::is_name(&name) || header::is_reserved(&name) || header::is_same(&name, "content-length") {
            table.report(
                "header",
                "must name headers that a client sends; for the length of the body, use content_length",
            );
        }
        if is.0.iter().any(|value| value.contains([',', ';'])) {
            table.report(
                "header",
                "must have values without , and ;, which separate values; to match a part, write \"*part*\"",
            );
        }
        conditions.push(Condition::Header { name, is });
    }
    let methods = table.text_or_texts("method");
    if !methods.iter().flatten().all(|method| is_method(method) && method != "HEAD") {
        table.report(
            "method",
            "must be an upper-case method or a list of methods, such as [\"GET\", \"POST\"], without TRACE and CONNECT; GET includes HEAD",
        );
    }
    conditions.extend(methods.map(Condition::Method));
    let countries = table.text_or_texts("country");
    let is_country =
        |code: &String| code == "T1" || (code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()));
    if !countries.iter().flatten().all(is_country) {
        table.report(
            "country",
            "must be a country code of two upper-case letters or a list of such codes, as in [\"CH\", \"LI\"]",
        );
    }
    conditions.extend(countries.map(Condition::Country));
    conditions.extend(parse_range(table, "content_length", 0..=MAX_LENGTH).map(Condition::ContentLength));
    conditions.extend(parse_range(table, "bot_score", 1..=99).map(Condition::BotScore));
    let verified_bot = table.text_or_texts("verified_bot");
    conditions.extend(verified_bot.map(|categories| Condition::VerifiedBot(Values(categories))));
    conditions
}

/// Parses `query = { name = "value", other = ["a", "b*"] }`.
fn parse_values(table: &Table<'_>, key: &'static str) -> Vec<(String, Values)> {
    let Some(value) = table.get(key) else { return Vec::new() };
    let names = table.inner_with_any_keys(key, value);
    let mut values = Vec::new();
    for (name, _) in names.members() {
        table.check_ends(key, name);
        let Some(texts) = names.text_or_texts(name) else { continue };
        if texts.iter().any(|text| has_misplaced_star(text)) {
            names.report(name, "must have * only as the first or the last character of a value");
        }
        if texts.iter().any(|text| text.trim().contains(|c: char| is_invisible(c) && !c.is_control())) {
            names.report(name, "must have values without invisible characters and special spaces, which origins read in different ways");
        }
        values.push((name.clone(), Values(texts)));
    }
    values
}

fn has_misplaced_star(text: &str) -> bool {
    let inner = text.trim_start_matches('*').trim_end_matches('*');
    inner.contains('*') || text.starts_with("**") || text.ends_with("**")
}

/// Parses `content_length = { min = 1, max = 1048576 }`.
fn parse_range(
    table: &Table<'_>,
    key: &'static str,
    whole: RangeInclusive<u64>,
) -> Option<RangeInclusive<u64>> {
    let bounds = table.inner(key, table.get(key)?, &RANGE_KEYS);
    let (min, max) = (bounds.integer("min", whole.clone()), bounds.integer("max", whole.clone()));
    if min.is_none() && max.is_none() || min > max && max.is_some() {
        table.report(
            key,
            "must be a range such as { min = 1, max = 9 }, with min, max or both, and min not more than max",
        );
    }
    Some(min.unwrap_or(*whole.start())..=max.unwrap_or(*whole.end()))
}

/// The keys of one price.
pub const PRICE_KEYS: [&str; 6] = ["fiat", "max_sats", "min_sats", "sats", "sats_per_kib", "when"];
/// The keys of the table `when`, which has the conditions of a price.
pub const WHEN_KEYS: [&str; 7] =
    ["bot_score", "content_length", "country", "header", "method", "query", "verified_bot"];
/// The keys of a range, such as the value of `content_length`.
pub const RANGE_KEYS: [&str; 2] = ["max", "min"];
