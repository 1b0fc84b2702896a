//! The public price list, `/.well-known/l402`, which client programs read before they send a request.

use serde::Serialize;

use super::facts::MAX_LENGTH;
use super::mode::Mode;
use super::price::{Condition, PriceAmount, PriceRule, Values};
use super::price_list::Policy;
use super::route::{Pricing, Route};
use crate::protocols::l402::caveat::ScopeRule;
use crate::protocols::price::Price;

impl Policy {
    /// Returns the public price list of a host as JSON.
    ///
    /// Routes with a mistake, routes whose mode is not to charge, and routes with `listed = false` are omitted. The values
    /// of header conditions are omitted too, and so are query values that may lower the price: such values may be secrets
    /// that the owner shares with some clients.
    pub fn catalog(&self, host: &str) -> String {
        let is_listed = |route: &&Route| {
            route.is_listed
                && route.mode == Mode::Charge
                && !matches!(route.pricing, Pricing::Invalid)
                && route.host.matches(host)
        };
        let routes = self.routes.iter().filter(is_listed).map(RouteEntry::new).collect();
        let catalog = Catalog { protocol: "L402", network: &self.network, host, routes };
        serde_json::to_string(&catalog).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Catalog<'a> {
    protocol: &'static str,
    network: &'a str,
    host: &'a str,
    routes: Vec<RouteEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteEntry<'a> {
    path: &'a str,
    methods: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    prices: Vec<PriceEntry<'a>>,
    scope: ScopeEntry<'a>,
    service: &'a str,
    invoice_expires_in: u64,
    credential_expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<u32>,
    reusable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<FreeEntry>,
}

impl<'a> RouteEntry<'a> {
    fn new(route: &'a Route) -> Self {
        let (realm, bind) = match &route.scope {
            ScopeRule::Realm(realm) => (Some(realm.as_str()), Vec::new()),
            ScopeRule::Endpoint { binds_method: true } => (None, vec!["endpoint", "method"]),
            ScopeRule::Endpoint { binds_method: false } => (None, vec!["endpoint"]),
        };
        let ip = route.binds_ip.then_some("ip");
        Self {
            path: route.pattern.as_str(),
            methods: &route.methods,
            description: route.description.as_ref().map(|description| description.template()),
            prices: match &route.pricing {
                Pricing::Rules(rules) => PriceEntry::all(rules),
                Pricing::Invalid | Pricing::Code => Vec::new(),
            },
            scope: ScopeEntry { realm, bind: bind.into_iter().chain(ip).collect() },
            service: route.service.as_str(),
            invoice_expires_in: route.invoice_expiry_s,
            credential_expires_in: route.credential_expiry_s,
            uses: route.uses.map(u32::from),
            reusable: route.uses.is_none_or(|uses| uses.get() > 1),
            free: route
                .free_tier
                .map(|tier| FreeEntry { requests: tier.requests, window_ms: tier.window_ms }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<&'a str>,
    bind: Vec<&'static str>,
}

#[derive(Serialize)]
struct FreeEntry {
    requests: u64,
    #[serde(rename = "windowMs")]
    window_ms: u64,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct PriceEntry<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    when: Vec<ConditionEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sats: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sats_per_kib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fiat: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_sats: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_sats: Option<u64>,
}

impl<'a> PriceEntry<'a> {
    fn all(rules: &'a [PriceRule]) -> Vec<Self> {
        let entry = |(at, rule)| Self::new(rule, rules.get(at..).unwrap_or_default());
        rules.iter().enumerate().map(entry).collect()
    }

    /// Returns the entry for a price. `from_here` is this price and all later prices of the route.
    fn new(rule: &'a PriceRule, from_here: &'a [PriceRule]) -> Self {
        // If this price may be lower than a later one, the values of its conditions may be a discount code, which only
        // some clients know.
        let may_be_discount = !from_here
            .iter()
            .all(|later| fixed_sats(later).is_some_and(|later| fixed_sats(rule) >= Some(later)));
        let when =
            rule.when.iter().map(|condition| ConditionEntry::new(condition, may_be_discount)).collect();
        match &rule.amount {
            PriceAmount::Fixed(Price::Sats(sats)) => Self { when, sats: Some(*sats), ..Self::default() },
            PriceAmount::SatsPerKib(sats) => Self { when, sats_per_kib: Some(*sats), ..Self::default() },
            PriceAmount::Fixed(Price::Fiat(price)) => Self {
                when,
                fiat: Some(price.fiat.as_str()),
                min_sats: Some(price.min_sats),
                max_sats: Some(price.max_sats),
                ..Self::default()
            },
        }
    }
}

fn fixed_sats(rule: &PriceRule) -> Option<u64> {
    match rule.amount {
        PriceAmount::Fixed(Price::Sats(sats)) => Some(sats),
        PriceAmount::Fixed(Price::Fiat(_)) | PriceAmount::SatsPerKib(_) => None,
    }
}

#[derive(Serialize)]
struct ConditionEntry<'a> {
    fact: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
}

impl<'a> ConditionEntry<'a> {
    fn new(condition: &'a Condition, may_be_discount: bool) -> Self {
        let empty = |fact| Self { fact, name: None, is: None, min: None, max: None };
        match condition {
            Condition::Query { name, is: Values(is) } => {
                let is = Some(is.as_slice()).filter(|_| !may_be_discount);
                Self { name: Some(name), is, ..empty("query") }
            }
            Condition::Header { name, .. } => Self { name: Some(name), ..empty("header") },
            Condition::Method(is) => Self { is: Some(is), ..empty("method") },
            Condition::Country(is) => Self { is: Some(is), ..empty("country") },
            Condition::VerifiedBot(Values(is)) => Self { is: Some(is), ..empty("verified_bot") },
            Condition::BotScore(range) => {
                Self { min: Some(*range.start()), max: Some(*range.end()), ..empty("bot_score") }
            }
            Condition::ContentLength(range) => {
                let max = Some(*range.end()).filter(|max| *max < MAX_LENGTH);
                Self { min: Some(*range.start()), max, ..empty("content_length") }
            }
        }
    }
}
