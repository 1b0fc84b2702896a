//! The prices of one entry, and the conditions under which they are asked.

use std::ops::RangeInclusive;

use super::table::Table;
use crate::http::header;
use crate::policy::facts::MAX_LENGTH;
use crate::policy::price::{Condition, PriceAmount, PriceRule, Values};
use crate::policy::route::Pricing;
use crate::protocols::price::{Fiat, FiatPrice, MAX_SATS, Price};
use crate::strict_json::Json;

/// Reads `price = [{ when = {…}, sats = 50 }, { sats = 10 }]`.
pub fn parse_rules(route: &Table<'_>, value: &Json) -> Pricing {
    let Some(entries) = value.as_array().filter(|entries| !entries.is_empty()) else {
        route.note("price", "is a list of prices, such as [{ when = { query = { hd = \"1\" } }, sats = 50 }, { sats = 10 }], or \"code\"");
        return Pricing::Invalid;
    };
    let mut rules: Vec<PriceRule> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let key = format!("price[{at}]");
        let table = route.inner(&key, entry, &PRICE_KEYS);
        if rules.last().is_some_and(|earlier| earlier.when.is_empty()) {
            route.note(&key, "is never asked: the price before it has no `when`");
        }
        let when = table.get("when").map(|when| parse_conditions(&table.inner("when", when, &WHEN_KEYS)));
        if when.as_ref().is_some_and(Vec::is_empty) {
            table.note("when", "has no condition in it");
        }
        let amount = parse_amount(&table);
        if amount.is_none() && PRICE_KEYS.iter().all(|key| *key == "when" || table.get(key).is_none()) {
            route.note(&key, "has no price: sats, fiat or sats_per_kib");
        }
        rules.push(PriceRule {
            when: when.unwrap_or_default(),
            amount: amount.unwrap_or(PriceAmount::Fixed(Price::Sats(MAX_SATS))),
        });
    }
    if rules.last().is_some_and(|last| !last.when.is_empty()) {
        route.note("price", "ends with a price without `when`, for whatever the others are not for");
    }
    Pricing::Rules(rules)
}

/// `sats`, `fiat` with its bounds, or `sats_per_kib`; `None` where there is none.
pub fn parse_amount(table: &Table<'_>) -> Option<PriceAmount> {
    let names: Vec<&str> =
        ["sats", "fiat", "sats_per_kib"].into_iter().filter(|key| table.get(key).is_some()).collect();
    if let [_, second, ..] = names.as_slice() {
        table.note(second, "stands beside another price: one of sats, fiat and sats_per_kib");
    }
    if table.get("fiat").is_none() {
        for key in ["min_sats", "max_sats"].into_iter().filter(|key| table.get(key).is_some()) {
            table.note(key, "is for a price in fiat");
        }
    }
    match names.first().copied() {
        Some("sats") => table.sats("sats", 0).map(|sats| PriceAmount::Fixed(Price::Sats(sats))),
        Some("sats_per_kib") => table.sats("sats_per_kib", 1).map(PriceAmount::SatsPerKib),
        Some(_) => parse_fiat(table).map(|price| PriceAmount::Fixed(Price::Fiat(price))),
        None => None,
    }
}

fn parse_fiat(table: &Table<'_>) -> Option<FiatPrice> {
    let fiat = table.read("fiat", "is an amount and a currency, such as \"0.01 USD\"", |value| {
        Fiat::parse(value.as_str()?)
    });
    let (min_sats, max_sats) =
        (table.sats("min_sats", 1).unwrap_or(1), table.sats("max_sats", 1).unwrap_or(MAX_SATS));
    if min_sats > max_sats {
        table.note("min_sats", "is more than max_sats");
    }
    Some(FiatPrice { fiat: fiat?, min_sats, max_sats })
}

fn parse_conditions(table: &Table<'_>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (name, is) in parse_values(table, "query") {
        if name.contains(['[', '&', ';', '=', '?'])
            || !name.contains(|c: char| c.is_ascii_alphanumeric() || !c.is_ascii())
        {
            table.note("query", "names parameters by letters and digits, without [, &, ;, = and ?");
        }
        if is.0.iter().any(|value| value.contains([';', '?'])) {
            table.note("query", "has values without ; and ?, which some origins end a value at");
        }
        conditions.push(Condition::Query { name, is });
    }
    for (name, is) in parse_values(table, "header") {
        if !header::is_name(&name) || header::is_reserved(&name) || header::fold(&name) == "content-length" {
            table.note(
                "header",
                "names headers that a client sends; the length of the body is content_length",
            );
        }
        if is.0.iter().any(|value| value.contains([',', ';'])) {
            table.note(
                "header",
                "has values without , and ;, which end a value: name a part of it as \"*part*\"",
            );
        }
        conditions.push(Condition::Header { name, is });
    }
    let methods = table.text_or_texts("method");
    let is_method = |method: &String| method.bytes().all(|b| b.is_ascii_uppercase()) && method != "HEAD";
    if !methods.iter().flatten().all(is_method) {
        table.note("method", "is an upper-case method, or a list of such; HEAD counts as GET");
    }
    conditions.extend(methods.map(Condition::Method));
    let countries = table.text_or_texts("country");
    let is_country =
        |code: &String| code == "T1" || (code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()));
    if !countries.iter().flatten().all(is_country) {
        table.note("country", "is two upper-case letters, or a list of such");
    }
    conditions.extend(countries.map(Condition::Country));
    conditions.extend(parse_range(table, "content_length", 0..=MAX_LENGTH).map(Condition::ContentLength));
    conditions.extend(parse_range(table, "bot_score", 1..=99).map(Condition::BotScore));
    let verified_bot = table.text_or_texts("verified_bot");
    conditions.extend(verified_bot.map(|categories| Condition::VerifiedBot(Values(categories))));
    conditions
}

/// `query = { name = "value", other = ["a", "b*"] }`.
fn parse_values(table: &Table<'_>, key: &'static str) -> Vec<(String, Values)> {
    let Some(value) = table.get(key) else { return Vec::new() };
    let names = table.inner_open(key, value);
    let mut values = Vec::new();
    for (name, _) in names.members() {
        let Some(texts) = names.text_or_texts(name) else { continue };
        let inner = |text: &String| text.trim_start_matches('*').trim_end_matches('*').contains('*');
        if texts.iter().any(|text| inner(text) || text.starts_with("**") || text.ends_with("**")) {
            names.note(name, "has a * at the start or the end of a value only");
        }
        values.push((name.clone(), Values(texts)));
    }
    values
}

/// `content_length = { min = 1, max = 1048576 }`.
fn parse_range(
    table: &Table<'_>,
    key: &'static str,
    whole: RangeInclusive<u64>,
) -> Option<RangeInclusive<u64>> {
    let bounds = table.inner(key, table.get(key)?, &RANGE_KEYS);
    let (min, max) = (bounds.integer("min", whole.clone()), bounds.integer("max", whole.clone()));
    if min.is_none() && max.is_none() || min > max && max.is_some() {
        table.note(key, "has a min, a max or both, and the min is not the larger one");
    }
    Some(min.unwrap_or(*whole.start())..=max.unwrap_or(*whole.end()))
}

/// The keys of one price of a list.
pub const PRICE_KEYS: [&str; 6] = ["fiat", "max_sats", "min_sats", "sats", "sats_per_kib", "when"];
/// The keys of `when`.
pub const WHEN_KEYS: [&str; 7] =
    ["bot_score", "content_length", "country", "header", "method", "query", "verified_bot"];
/// The keys of a range.
pub const RANGE_KEYS: [&str; 2] = ["max", "min"];
