//! `/.well-known/l402`: what is sold here, for machines that want to know before they ask.

use serde::Serialize;

use super::facts::MAX_LENGTH;
use super::price::{Condition, PriceAmount, PriceRule, Values};
use super::price_list::Policy;
use super::route::{Pricing, Route};
use crate::protocols::l402::caveat::ScopeRule;
use crate::protocols::price::Price;

impl Policy {
    /// The public price list of a host, as JSON. Entries that are broken or not listed stay out, and so do the values of
    /// headers, which may be between the owner and some clients.
    pub fn catalog(&self, host: &str) -> String {
        let is_shown = |route: &&Route| {
            route.is_listed && !matches!(route.pricing, Pricing::Invalid) && route.host.matches(host)
        };
        let routes = self.routes.iter().filter(is_shown).map(Entry::new).collect();
        let catalog = Catalog { protocol: "L402", network: &self.network, host, routes };
        serde_json::to_string(&catalog).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Catalog<'a> {
    protocol: &'static str,
    network: &'a str,
    host: &'a str,
    routes: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
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
    free: Option<Free>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<&'a str>,
    bind: Vec<&'static str>,
}

#[derive(Serialize)]
struct Free {
    requests: u64,
    #[serde(rename = "windowMs")]
    window_ms: u64,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct PriceEntry<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    when: Vec<Fact<'a>>,
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

#[derive(Serialize)]
struct Fact<'a> {
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

impl<'a> Entry<'a> {
    fn new(route: &'a Route) -> Self {
        let (realm, bind) = match &route.scope {
            ScopeRule::Realm(realm) => (Some(realm.as_str()), Vec::new()),
            ScopeRule::Endpoint { binds_method: true } => (None, vec!["endpoint", "method"]),
            ScopeRule::Endpoint { binds_method: false } => (None, vec!["endpoint"]),
        };
        let by_ip = route.binds_ip.then_some("ip");
        Self {
            path: route.pattern.as_str(),
            methods: &route.methods,
            description: route.description.as_ref().map(|description| description.template()),
            prices: match &route.pricing {
                Pricing::Rules(prices) => {
                    let offered = |(at, price)| PriceEntry::new(price, prices.get(at..).unwrap_or_default());
                    prices.iter().enumerate().map(offered).collect()
                }
                Pricing::Invalid | Pricing::Code => Vec::new(),
            },
            scope: ScopeEntry { realm, bind: bind.into_iter().chain(by_ip).collect() },
            service: route.service.as_str(),
            invoice_expires_in: route.invoice_expiry_s,
            credential_expires_in: route.credential_expiry_s,
            uses: route.uses.map(u32::from),
            reusable: route.uses.is_none_or(|uses| uses.get() > 1),
            free: route.free_tier.map(|free| Free { requests: free.requests, window_ms: free.window_ms }),
        }
    }
}

impl<'a> PriceEntry<'a> {
    /// `rest` are this price and those behind it.
    fn new(price: &'a PriceRule, rest: &'a [PriceRule]) -> Self {
        let sats = |price: &PriceRule| match price.amount {
            PriceAmount::Fixed(Price::Sats(sats)) => Some(sats),
            PriceAmount::Fixed(Price::Fiat(_)) | PriceAmount::SatsPerKib(_) => None,
        };
        // What may make a request cheaper may be a code that only some clients know.
        let is_rebate = !rest.iter().all(|later| sats(later).is_some_and(|later| sats(price) >= Some(later)));
        let when = price.when.iter().map(|condition| Fact::new(condition, is_rebate)).collect();
        match &price.amount {
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

impl<'a> Fact<'a> {
    fn new(condition: &'a Condition, is_rebate: bool) -> Self {
        let bare = |fact| Self { fact, name: None, is: None, min: None, max: None };
        match condition {
            Condition::Query { name, is: Values(is) } => {
                let is = Some(is.as_slice()).filter(|_| !is_rebate);
                Self { name: Some(name), is, ..bare("query") }
            }

            Condition::Header { name, .. } => Self { name: Some(name), ..bare("header") },
            Condition::Method(is) => Self { is: Some(is), ..bare("method") },
            Condition::Country(is) => Self { is: Some(is), ..bare("country") },
            Condition::VerifiedBot(Values(is)) => Self { is: Some(is), ..bare("verified_bot") },
            Condition::BotScore(range) => {
                Self { min: Some(*range.start()), max: Some(*range.end()), ..bare("bot_score") }
            }
            Condition::ContentLength(range) => {
                let max = Some(*range.end()).filter(|max| *max < MAX_LENGTH);
                Self { min: Some(*range.start()), max, ..bare("content_length") }
            }
        }
    }
}
