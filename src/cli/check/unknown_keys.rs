//! Finds the keys of a price list that edgetoll does not know, and says what the owner probably means.

use super::mistakes::shown;
use super::notation::Notation;
use super::places::{item, member};
use super::synonyms::{is_millisats, suggest};
use super::variables::{secrets, variables};
use crate::policy::price_list::{LIST_KEYS, PRICE_KEYS, RANGE_KEYS, ROUTE_KEYS, WHEN_KEYS};
use crate::strict_json::Json;

/// A price list without unknown keys, and the unknown keys.
pub(super) struct Corrected {
    /// The price list in which each unknown key has the name that the owner probably means, or is left out.
    pub list: Json,
    pub unknown: Vec<UnknownKey>,
}

/// A key that edgetoll does not know.
pub(super) struct UnknownKey {
    /// Where the key is in the file, such as `TOLL.routes[0].cost`.
    pub place: String,
    pub advice: Advice,
}

pub(super) enum Advice {
    /// The owner probably means this key, which [`Corrected::list`] has at `place`.
    Rename { key: &'static str, place: String },
    /// What to do instead: the end of a sentence whose subject is the place.
    Say(String),
}

/// Corrects the keys of a price list.
pub(super) fn correct(list: &Json, notation: Notation) -> Corrected {
    let mut corrector = Corrector { notation, unknown: Vec::new() };
    let at = At { file: "TOLL".to_owned(), list: "TOLL".to_owned() };
    let list = corrector.value(list, Kind::List, &at);
    Corrected { list, unknown: corrector.unknown }
}

/// The place of a value in the file, and its place in the corrected price list.
struct At {
    file: String,
    list: String,
}

struct Corrector {
    notation: Notation,
    unknown: Vec<UnknownKey>,
}

impl Corrector {
    fn value(&mut self, value: &Json, kind: Kind, at: &At) -> Json {
        match value {
            Json::Array(values) => {
                let values = values.iter().enumerate().map(|(index, value)| {
                    let at = At { file: item(&at.file, index), list: item(&at.list, index) };
                    self.value(value, kind, &at)
                });
                Json::Array(values.collect())
            }
            Json::Object(members) => self.table(members, kind, at),
            other => other.clone(),
        }
    }

    fn table(&mut self, members: &[(String, Json)], kind: Kind, at: &At) -> Json {
        let has = |key: &str| members.iter().any(|(name, _)| name == key);
        let is_a_route = kind == Kind::List && has("path") && !has("routes");
        let mut corrected: Vec<(String, Json)> = Vec::new();
        for (name, value) in members {
            if is_a_route
                && name != "path"
                && !LIST_KEYS.contains(&name.as_str())
                && ROUTE_KEYS.contains(&name.as_str())
            {
                // The keys of this route are reported together, at `path`.
                continue;
            }
            let place = member(&at.file, name);
            let report = |advice| self.unknown.push(UnknownKey { place, advice });
            let (key, value) = if kind.keys().contains(&name.as_str()) {
                (name.as_str(), value.clone())
            } else if kind == Kind::Price
                && WHEN_KEYS.contains(&name.as_str())
                && !has("when")
                && corrected.iter().all(|(earlier, _)| earlier != "when")
            {
                let when = Json::Object(vec![(name.clone(), value.clone())]);
                let condition = shown(self.notation.member("when", &when));
                report(Advice::Say(format!("is a condition: write {condition}")));
                ("when", when)
            } else if let Some(advice) = kind.advice(name, value, self.notation) {
                report(Advice::Say(advice));
                continue;
            } else if let Some(key) = suggest(name, kind.keys()) {
                if has(key) || corrected.iter().any(|(earlier, _)| earlier == key) {
                    let advice = format!(
                        "is not a key that edgetoll knows; it seems to mean `{key}`, which is set too: remove one of the two"
                    );
                    report(Advice::Say(advice));
                    continue;
                }
                report(Advice::Rename { key, place: member(&at.list, key) });
                (key, if is_millisats(name) { in_sats(value) } else { value.clone() })
            } else {
                let known = kind.keys().join(", ");
                report(Advice::Say(format!("is not a key that edgetoll knows; the known keys are {known}")));
                continue;
            };
            let at = At { file: member(&at.file, name), list: member(&at.list, key) };
            let value = kind.inner(key).map_or(value.clone(), |inner| self.value(&value, inner, &at));
            corrected.push((key.to_owned(), value));
        }
        Json::Object(corrected)
    }
}

fn in_sats(msats: &Json) -> Json {
    match msats {
        Json::Integer(msats) => Json::Integer(msats.div_ceil(1_000)),
        other => other.clone(),
    }
}

/// A kind of table in the price list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Route,
    Price,
    When,
    Range,
}

impl Kind {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::List => &LIST_KEYS,
            Self::Route => &ROUTE_KEYS,
            Self::Price => &PRICE_KEYS,
            Self::When => &WHEN_KEYS,
            Self::Range => &RANGE_KEYS,
        }
    }

    /// Returns the kind of the tables under a key; `None` if the key has no tables, or tables with any keys.
    fn inner(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::List, "routes") => Some(Self::Route),
            (Self::Route, "price") => Some(Self::Price),
            (Self::Price, "when") => Some(Self::When),
            (Self::When, "bot_score" | "content_length") => Some(Self::Range),
            _ => None,
        }
    }

    /// Returns the advice for a key that belongs to another table; `None` for any other key.
    fn advice(self, key: &str, value: &Json, notation: Notation) -> Option<String> {
        let is = |keys: &[&str]| keys.contains(&key);
        let say = |in_toml: &str, in_json: &str| {
            Some(if notation == Notation::Toml { in_toml.to_owned() } else { in_json.to_owned() })
        };
        if let Some(secret) = secrets().find(|secret| secret.eq_ignore_ascii_case(key)) {
            return Some(format!(
                "is a secret: remove it from this file and set it with `npx wrangler secret put {secret}`"
            ));
        }
        if variables().any(|variable| variable == key) {
            return say(
                "is a variable and not a part of the price list: move it below [vars], above [vars.TOLL]",
                "is a variable and not a part of the price list: move it out of TOLL, into vars",
            );
        }
        match self {
            Self::List if key.starts_with('/') => {
                let route = notation.member("path", &Json::String(key.to_owned()));
                Some(format!("is not a key that edgetoll knows: write a route with {route}"))
            }
            Self::List if is(&["path"]) => say(
                "is a key of a route: write [[vars.TOLL.routes]] on the line above it",
                "is a key of a route: write it in an item of routes",
            ),
            Self::List if is(&ROUTE_KEYS) && !is(&["sats", "price"]) => say(
                "is a key of a route: move it below [[vars.TOLL.routes]]",
                "is a key of a route: move it into an item of routes",
            ),
            Self::Route if is(&LIST_KEYS) && !is(&["prefix"]) && !is_number_of_requests(key, value) => say(
                "is a key of the whole price list: move it below [vars.TOLL], above the first [[vars.TOLL.routes]]",
                "is a key of the whole price list: move it out of routes, into TOLL",
            ),
            Self::Route if is(&["when"]) || (is(&WHEN_KEYS) && !is(&["method"])) => {
                let condition = Json::Object(vec![(key.to_owned(), value.clone())]);
                let when = ("when".to_owned(), if is(&["when"]) { value.clone() } else { condition });
                let sats = |sats| ("sats".to_owned(), Json::Integer(sats));
                let prices = [vec![when, sats(50)], vec![sats(10)]].map(Json::Object);
                let price = notation.member("price", &Json::Array(prices.to_vec()));
                Some(format!("is a condition of a price: write it as in {price}"))
            }
            Self::Price if is(&WHEN_KEYS) => Some("is a condition: move it into when".to_owned()),
            Self::Price if is(&ROUTE_KEYS) => Some("is a key of the route: move it out of price".to_owned()),
            Self::When if is(&PRICE_KEYS) => Some("is a key of the price: move it out of when".to_owned()),
            _ if is(&WRANGLER_KEYS) && suggest(key, self.keys()).is_none() => say(
                "is a key of Wrangler: move it to the top of the file, above the first table",
                "is a key of Wrangler: move it to the top level of the file",
            ),
            _ => None,
        }
    }
}

/// Whether the key is `free_tier` and its value is a number. The value must be the name of a store, so the owner means
/// `free_requests`.
fn is_number_of_requests(key: &str, value: &Json) -> bool {
    key == "free_tier" && value.as_u64().is_some()
}

/// Keys of a Wrangler file that an owner may append to the end of the file, where the last table is a route.
const WRANGLER_KEYS: [&str; 16] = [
    "account_id",
    "build",
    "compatibility_date",
    "compatibility_flags",
    "dev",
    "durable_objects",
    "env",
    "kv_namespaces",
    "logpush",
    "main",
    "migrations",
    "observability",
    "preview_urls",
    "ratelimits",
    "triggers",
    "workers_dev",
];
