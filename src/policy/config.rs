//! The price list `[vars.TOLL]`, read whole. What cannot be read closes: the list, or the path of one bad entry.

use std::ops::RangeInclusive;

use thiserror::Error;

use super::duration;
use super::path::FoldCase;
use super::route::{Pattern, Route, Sold, Toll};
use crate::json::Json;
use crate::l402::caveat::Service;
use crate::l402::challenge::Encodings;
use crate::l402::preimage::PaymentHash;

/// The price list, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// In the order of the list, which decides nothing.
    pub routes: Vec<Route>,
    /// Which macaroons are issued and accepted.
    pub encodings: Encodings,
    /// How long an invoice can be paid, in seconds.
    pub invoice_expiry_s: u64,
    /// How long a credential is good, in seconds from the challenge on; never shorter than the invoice.
    pub credential_expiry_s: u64,
    /// The network of the invoices, as BOLT 11 writes it: `bc`, `tb`, `tbs` or `bcrt`.
    pub network: String,
    /// Leaves the case as it is where the origin tells `/A` from `/a`.
    pub fold_case: FoldCase,
    /// How long the origin may take to begin its answer, in milliseconds.
    pub origin_timeout_ms: u32,
    /// How far ahead a lightning-toll macaroon of another server may expire, in seconds; `None` where none is accepted.
    pub foreign_max_age_s: Option<u64>,
    /// Payments whose credentials are good no more.
    pub revoked: Vec<PaymentHash>,
    /// Request headers that are forwarded although they could rewrite a path or a method.
    pub keep_headers: Vec<String>,
}

/// A price list as read: good where it can be, shut where it cannot, and a sentence for each fault.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What can be enforced.
    pub policy: Policy,
    /// Faults of single entries, whose paths are shut.
    pub faults: Vec<ConfigError>,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {fault}")]
pub struct ConfigError {
    /// `TOLL`, `TOLL.routes[2].sats`, …
    pub place: String,
    /// What the value there should be.
    pub fault: String,
}

impl Policy {
    /// Reads the price list.
    ///
    /// # Errors
    /// Where it cannot be read whole: nothing may then be served. A bad entry whose path can be read shuts that path.
    pub fn read(list: &Json, fold_case: FoldCase) -> Result<Reading, ConfigError> {
        let table = Table::new("TOLL", list, &LIST_KEYS)?;
        let default_sats = table.sats("default_sats")?.unwrap_or(DEFAULT_SATS);
        let case_sensitive = table.flag("origin_case_sensitive")?.unwrap_or(false);
        let fold_case = if case_sensitive { str::to_owned } else { fold_case };
        let invoice_expiry_s = table.seconds("invoice_expiry")?.unwrap_or(INVOICE_EXPIRY_S);
        let credential_expiry_s = table.seconds("credential_expiry")?.unwrap_or(CREDENTIAL_EXPIRY_S);
        let (routes, faults) = read_routes(&table, default_sats, fold_case)?;
        let policy = Self {
            routes,
            encodings: table.one_of("macaroon", &ENCODINGS)?.unwrap_or_default(),
            invoice_expiry_s,
            credential_expiry_s: credential_expiry_s.max(invoice_expiry_s),
            network: table.one_of("network", &NETWORKS)?.unwrap_or("bc").to_owned(),
            fold_case,
            origin_timeout_ms: table
                .milliseconds("origin_timeout", 100..=600_000, "is a duration from \"100ms\" to \"10m\"")?
                .and_then(|ms| u32::try_from(ms).ok())
                .unwrap_or(ORIGIN_TIMEOUT_MS),
            foreign_max_age_s: table
                .flag("accept_foreign")?
                .unwrap_or(true)
                .then_some(table.seconds("foreign_max_age")?.unwrap_or(FOREIGN_MAX_AGE_S)),
            revoked: read_revoked(&table)?,
            keep_headers: table.texts("keep_headers")?.unwrap_or_default(),
        };
        Ok(Reading { policy, faults })
    }
}

fn read_routes(
    table: &Table<'_>,
    default_sats: u64,
    fold_case: FoldCase,
) -> Result<(Vec<Route>, Vec<ConfigError>), ConfigError> {
    let entries = match table.get("routes") {
        None => return Ok((Vec::new(), Vec::new())),
        Some(Json::Array(entries)) => entries,
        Some(_) => return Err(table.fault("routes", "is a list of tables")),
    };
    let mut routes: Vec<Route> = Vec::new();
    let mut faults = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let place = format!("TOLL.routes[{at}]");
        let pattern = read_pattern(&place, entry, fold_case)?;
        let mut route = read_route(&place, entry, &pattern, default_sats).unwrap_or_else(|fault| {
            faults.push(fault);
            shut(pattern)
        });
        let mut is_twin = false;
        for earlier in routes.iter_mut().filter(|earlier| overlap(earlier, &route)) {
            let fault = format!("is the same path as {}", earlier.pattern.as_str());
            faults.push(ConfigError { place: format!("{place}.path"), fault });
            earlier.toll = Toll::Shut;
            is_twin = true;
        }
        if is_twin {
            route.toll = Toll::Shut;
        }
        routes.push(route);
    }
    Ok((routes, faults))
}

/// The path of an entry: without it, nobody knows what to shut, so the whole list is unreadable.
fn read_pattern(place: &str, entry: &Json, fold_case: FoldCase) -> Result<Pattern, ConfigError> {
    let place = format!("{place}.path");
    let Some(text) = entry.get("path").and_then(Json::as_str) else {
        return Err(ConfigError { place, fault: "is missing, or not a text".to_owned() });
    };
    Pattern::parse(text, fold_case).map_err(|fault| ConfigError { place, fault })
}

fn read_route(place: &str, entry: &Json, pattern: &Pattern, default_sats: u64) -> Result<Route, ConfigError> {
    let table = Table::new(place, entry, &ROUTE_KEYS)?;
    let methods = table.texts("methods")?.unwrap_or_default();
    let is_method = |method: &String| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    if !methods.iter().all(is_method) {
        return Err(table.fault("methods", "is a list of upper-case methods, such as [\"GET\", \"POST\"]"));
    }
    if table.get("uses").is_some() {
        return Err(table.fault("uses", "cannot be counted by this version"));
    }
    let bind = table.texts("bind")?;
    if bind.iter().flatten().any(|one| !BINDINGS.contains(&one.as_str())) {
        return Err(table.fault("bind", "is a list of endpoint, method and ip"));
    }
    let binds =
        |name: &str, default: bool| bind.as_ref().map_or(default, |bind| bind.iter().any(|one| one == name));
    let sold = match table.name("realm")? {
        Some(_) if binds("endpoint", false) || binds("method", false) => {
            return Err(
                table.fault("bind", "has neither endpoint nor method beside a realm, which replaces both")
            );
        }
        Some(realm) => Sold::Realm(realm.as_str().to_owned()),
        None if !binds("endpoint", true) => {
            return Err(table.fault("bind", "has endpoint in it, unless the route has a realm"));
        }
        None => Sold::Endpoint { by_method: binds("method", true) },
    };
    Ok(Route {
        methods,
        toll: Toll::Sats(table.sats("sats")?.unwrap_or(default_sats)),
        sold,
        by_ip: binds("ip", false),
        service: table.name("service")?.unwrap_or_default(),
        description: table.text("description")?.map(str::to_owned),
        ..shut(pattern.clone())
    })
}

/// A route that serves nobody.
fn shut(pattern: Pattern) -> Route {
    Route {
        pattern,
        methods: Vec::new(),
        toll: Toll::Shut,
        sold: Sold::Endpoint { by_method: true },
        by_ip: false,
        service: Service::default(),
        description: None,
    }
}

fn read_revoked(table: &Table<'_>) -> Result<Vec<PaymentHash>, ConfigError> {
    let hashes = table.texts("revoked")?.unwrap_or_default();
    let hashes = hashes.iter().map(|hash| PaymentHash::from_hex(hash)).collect::<Option<_>>();
    hashes.ok_or_else(|| table.fault("revoked", "is a list of payment hashes of 64 hex digits"))
}

fn overlap(a: &Route, b: &Route) -> bool {
    let share_a_method = a.methods.is_empty()
        || b.methods.is_empty()
        || a.methods.iter().any(|method| b.has_method(method))
        || b.methods.iter().any(|method| a.has_method(method));
    a.pattern.folds_like(&b.pattern) && share_a_method
}

/// A table of the list, with its place for the sentences.
struct Table<'a> {
    place: &'a str,
    values: &'a Json,
}

impl<'a> Table<'a> {
    fn new(place: &'a str, value: &'a Json, known: &[&str]) -> Result<Self, ConfigError> {
        let Json::Object(members) = value else {
            return Err(ConfigError { place: place.to_owned(), fault: "is a table".to_owned() });
        };
        let table = Self { place, values: value };
        match members.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(table.fault(key, "is not a key that edgetoll knows")),
            None => Ok(table),
        }
    }

    fn get(&self, key: &str) -> Option<&'a Json> {
        self.values.get(key)
    }

    fn fault(&self, key: &str, fault: &str) -> ConfigError {
        ConfigError { place: format!("{}.{key}", self.place), fault: fault.to_owned() }
    }

    fn read<T>(
        &self,
        key: &str,
        what: &str,
        read: impl Fn(&'a Json) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.fault(key, what)),
        }
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.read(key, "is true or false", Json::as_bool)
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        self.read(key, "is a text", Json::as_str)
    }

    /// Realms are named as services are.
    fn name(&self, key: &str) -> Result<Option<Service>, ConfigError> {
        self.read(key, "is a name: 1 to 32 of a-z, 0-9 and _", |value| Service::parse(value.as_str()?))
    }

    fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let texts = |value: &Json| {
            value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        self.read(key, "is a list of texts", texts)
    }

    fn sats(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        let sats = |value: &Json| value.as_u64().filter(|sats| *sats <= MAX_SATS);
        self.read(key, "is a whole number of satoshis, 0 to 10000000", sats)
    }

    fn milliseconds(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
        what: &str,
    ) -> Result<Option<u64>, ConfigError> {
        let ms = |value: &Json| duration::parse_ms(value.as_str()?).filter(|ms| range.contains(ms));
        self.read(key, what, ms)
    }

    fn seconds(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        let ms =
            self.milliseconds(key, MIN_EXPIRY_MS..=MAX_EXPIRY_MS, "is a duration from \"90s\" to \"365d\"")?;
        Ok(ms.and_then(|ms| ms.checked_div(1_000)))
    }

    fn one_of<T: Copy>(&self, key: &str, known: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let find = |value: &Json| {
            let text = value.as_str()?;
            known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
        };
        self.read(key, &format!("is one of {}", names.join(", ")), find)
    }
}

const LIST_KEYS: [&str; 12] = [
    "accept_foreign",
    "credential_expiry",
    "default_sats",
    "foreign_max_age",
    "invoice_expiry",
    "keep_headers",
    "macaroon",
    "network",
    "origin_case_sensitive",
    "origin_timeout",
    "revoked",
    "routes",
];
const ROUTE_KEYS: [&str; 8] = ["bind", "description", "methods", "path", "realm", "sats", "service", "uses"];
const BINDINGS: [&str; 3] = ["endpoint", "method", "ip"];
const ENCODINGS: [(&str, Encodings); 3] =
    [("both", Encodings::Both), ("l402", Encodings::Standard), ("lightning-toll", Encodings::LightningToll)];
const NETWORKS: [(&str, &str); 4] = [("bc", "bc"), ("tb", "tb"), ("tbs", "tbs"), ("bcrt", "bcrt")];

const DEFAULT_SATS: u64 = 10;
/// LNbits' own limit for one invoice.
const MAX_SATS: u64 = 10_000_000;
const INVOICE_EXPIRY_S: u64 = 300;
const CREDENTIAL_EXPIRY_S: u64 = 3_600;
const FOREIGN_MAX_AGE_S: u64 = 86_400;
/// An invoice must have a minute left when it reaches the client.
const MIN_EXPIRY_MS: u64 = 90_000;
const MAX_EXPIRY_MS: u64 = 365 * 86_400_000;
/// As long as Cloudflare itself waits for an origin.
const ORIGIN_TIMEOUT_MS: u32 = 100_000;
