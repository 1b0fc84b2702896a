//! Parses the price list, `[vars.TOLL]`.
//!
//! A mistake in a route makes only this route invalid: requests to the route are refused. There is one exception: a
//! mistake in the path of a route makes the whole price list invalid, because it is not known which requests belong to
//! the route. A mistake outside of the routes also makes the whole price list invalid.

mod price_entry;
mod route_entry;
mod table;

pub use price_entry::{PRICE_KEYS, RANGE_KEYS, WHEN_KEYS};
pub use route_entry::ROUTE_KEYS;
pub use table::{ConfigError, ConfigErrorKind};

use std::ops::RangeInclusive;

use super::client::ClientSource;
use super::cors::{Cors, Preflights};
use super::free_tier::FreeTierStore;
use super::mode::{MODES, Mode};
use super::normalization::FoldCase;
use super::owner::{self, Accent, Contact, Owner};
use super::route::Route;
use super::routes::Routes;
use super::settlement::SettlementMode;
use super::wallet_order::WalletOrder;
use crate::http::header;
use crate::payment::PaymentHash;
use crate::protocols::l402::macaroon::Encodings;
use crate::protocols::offered::Protocol;
use crate::protocols::x_preimage::ErrorStyle;
use crate::strict_json::Json;
use table::{ConfigErrors, Place, Table};

/// A price list that can be used. It may contain invalid routes.
#[derive(Clone, Debug)]
pub struct Policy {
    pub routes: Routes,
    /// The same price list with its observed routes as routes that charge; `None` if no route is observed.
    pub if_charging: Option<Box<Policy>>,
    pub unmatched: Unmatched,
    /// The path prefix of edgetoll's own endpoints, such as `/_toll`.
    pub prefix: String,
    /// Whether `/.well-known/l402` serves the public price list.
    pub is_public: bool,
    /// Which pages of other origins may read responses; `None` if only the origin sets CORS headers.
    pub cors: Option<Cors>,
    pub preflights: Preflights,
    pub settlement: SettlementMode,
    pub wallet_order: WalletOrder,
    /// How many challenges a client can get per minute from one isolate. If the binding `CHALLENGE_LIMIT` exists and
    /// responds, the binding limits challenges instead. In both cases, the limits of look-ups and of IPv6 networks are
    /// computed from this number.
    pub challenges_per_minute: u64,
    /// How many invoices all clients together can get per minute.
    pub invoices_per_minute: u64,
    /// The setting `ledger_retention`, in seconds. The ledger may keep payments longer: see
    /// [`ledger_memory_s`](Policy::ledger_memory_s).
    pub ledger_retention_s: u64,
    pub free_tier_store: FreeTierStore,
    /// How many counts of free requests an isolate writes to Workers KV per day in UTC.
    pub free_tier_writes_per_day: u64,
    pub client: ClientSource,
    /// The encodings of the macaroons that edgetoll mints and accepts.
    pub encodings: Encodings,
    /// The network of the invoices, as BOLT 11 writes it: `bc`, `tb`, `tbs` or `bcrt`.
    pub network: String,
    /// Converts paths and queries to one case before they are compared, unless the origin distinguishes case.
    pub fold_case: FoldCase,
    /// How long the origin may take to begin its response, in milliseconds; `None` for the limit of the platform.
    pub origin_timeout_ms: Option<u32>,
    /// How far in the future a lightning-toll macaroon of another issuer may expire, in seconds; `None` if such
    /// macaroons are refused.
    pub other_issuer_max_age_s: Option<u64>,
    /// Payments whose credentials are refused.
    pub revoked: Vec<PaymentHash>,
    /// Request headers that are forwarded although they can change the path, the query, the host or the method.
    pub keep_headers: Vec<String>,
    pub owner: Owner,
}

impl Policy {
    /// Parses a price list.
    pub fn parse(list: &Json, fold_case: FoldCase) -> ParsedPolicy {
        let (list_errors, route_errors) = (ConfigErrors::default(), ConfigErrors::default());
        let mut policy = parse_list(list, fold_case, &list_errors, &route_errors);
        if policy.routes.iter().any(Route::is_observed) {
            let reported = ConfigErrors::default();
            let mut if_charging = parse_list(list, fold_case, &reported, &reported);
            let observed = if_charging.routes.as_mut_slice().iter_mut().filter(|route| route.is_observed());
            observed.for_each(|route| route.mode = Mode::Charge);
            policy.if_charging = Some(Box::new(if_charging));
        }
        let policy = (list_errors.count() == 0).then_some(policy);
        let errors = [list_errors.into_inner(), route_errors.into_inner()].concat();
        ParsedPolicy { policy, errors }
    }

    /// Returns the longest time for which an invoice of this price list can be paid, in seconds.
    pub fn longest_invoice_expiry_s(&self) -> u64 {
        self.routes.iter().map(|route| route.invoice_expiry_s).max().unwrap_or_default()
    }

    /// Whether a route that can be bought names the protocol X-Preimage.
    pub fn offers_preimage(&self) -> bool {
        self.routes.iter().any(|route| route.is_sold() && route.protocols.contains(Protocol::XPreimage))
    }

    /// Returns the position of a route in this list; `None` for a route of another list.
    pub fn position(&self, route: &Route) -> Option<usize> {
        self.routes.iter().position(|one| std::ptr::eq(one, route))
    }

    /// Returns how long the ledger keeps a payment, in seconds. This is at least the longest time for which an invoice
    /// can be paid, plus `late_s`. So the ledger still has the payment when a late settlement arrives.
    pub fn ledger_memory_s(&self, late_s: u64) -> u64 {
        self.ledger_retention_s.max(self.longest_invoice_expiry_s().saturating_add(late_s))
    }
}

/// The setting `unmatched`: what happens to a request that no route matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmatched {
    /// The request is forwarded without payment.
    #[default]
    Pass,
    /// The request gets 404.
    Deny,
}

/// The result of parsing a price list.
#[derive(Clone, Debug)]
pub struct ParsedPolicy {
    /// `None` if a mistake makes the whole price list invalid. Then no request may be served.
    pub policy: Option<Policy>,
    /// All mistakes. If there is a policy, these are the mistakes of its invalid routes.
    pub errors: Vec<ConfigError>,
}

/// Parses the price list. Mistakes that make the whole list invalid go to `list_errors`, and mistakes that make one
/// route invalid go to `route_errors`.
fn parse_list(
    list: &Json,
    fold_case: FoldCase,
    list_errors: &ConfigErrors,
    route_errors: &ConfigErrors,
) -> Policy {
    let table = Table::new(Place::List, list, &LIST_KEYS, list_errors);
    let is_case_sensitive = table.flag("origin_case_sensitive").unwrap_or(false);
    let fold_case = if is_case_sensitive { str::to_owned } else { fold_case };
    let defaults = route_entry::Defaults {
        mode: table.one_of("mode", &MODES).unwrap_or_default(),
        sats: table.sats("default_sats", 0).unwrap_or(DEFAULT_SATS),
        invoice_expiry_s: table.seconds("invoice_expiry").unwrap_or(INVOICE_EXPIRY_S),
        credential_expiry_s: table.seconds("credential_expiry").unwrap_or(CREDENTIAL_EXPIRY_S),
        protocols: table.protocols("protocols").unwrap_or_default(),
        x_preimage_errors: table.one_of("x_preimage_errors", &ERROR_STYLES).unwrap_or_default(),
        fold_case,
    };
    let other_issuer_max_age_s = table.seconds("foreign_max_age").unwrap_or(OTHER_ISSUER_MAX_AGE_S);
    let accepts_other_issuer = table.flag("accept_foreign").unwrap_or(true);
    Policy {
        routes: route_entry::parse_routes(&table, &defaults, list_errors, route_errors),
        if_charging: None,
        unmatched: table.one_of("unmatched", &UNMATCHED).unwrap_or_default(),
        prefix: parse_prefix(&table).unwrap_or(DEFAULT_PREFIX).to_owned(),
        is_public: table.flag("public_prices").unwrap_or(true),
        cors: parse_cors(&table),
        preflights: table.one_of("preflights", &PREFLIGHTS).unwrap_or_default(),
        settlement: table.one_of("settlement", &SETTLEMENT_MODES).unwrap_or_default(),
        wallet_order: table.one_of("wallets", &WALLET_ORDERS).unwrap_or_default(),
        challenges_per_minute: table
            .integer("challenges_per_minute", PER_MINUTE)
            .unwrap_or(CHALLENGES_PER_MINUTE),
        invoices_per_minute: table.integer("invoices_per_minute", PER_MINUTE).unwrap_or(INVOICES_PER_MINUTE),
        ledger_retention_s: parse_ledger_retention_s(&table).unwrap_or(LEDGER_RETENTION_S),
        free_tier_store: table.one_of("free_tier", &FREE_TIER_STORES).unwrap_or_default(),
        free_tier_writes_per_day: table
            .integer("free_tier_writes_per_day", 0..=MAX_WRITES_PER_DAY)
            .unwrap_or(WRITES_PER_DAY),
        client: parse_client(&table),
        encodings: table.one_of("macaroon", &ENCODINGS).unwrap_or_default(),
        network: table.one_of("network", &NETWORKS).unwrap_or("bc").to_owned(),
        fold_case,
        origin_timeout_ms: parse_origin_timeout_ms(&table),
        other_issuer_max_age_s: accepts_other_issuer.then_some(other_issuer_max_age_s),
        revoked: parse_revoked(&table).unwrap_or_default(),
        keep_headers: parse_keep_headers(&table).unwrap_or_default(),
        owner: parse_owner(&table),
    }
}

fn parse_prefix<'a>(table: &Table<'a>) -> Option<&'a str> {
    let sentence = "must be a / followed by one name of a-z, 0-9, _ and -, such as \"/_toll\"";
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
    table.read("prefix", sentence, |value| {
        let text = value.as_str()?;
        let name = text.strip_prefix('/')?;
        (!name.is_empty() && name.bytes().all(is_allowed)).then_some(text)
    })
}

fn parse_cors(table: &Table<'_>) -> Option<Cors> {
    let cors = Cors::new(table.text_or_texts("cors")?);
    if cors.is_none() {
        table.report("cors", "must be \"*\", or a list of origins such as [\"https://app.example.com\"]");
    }
    cors
}

fn parse_client(table: &Table<'_>) -> ClientSource {
    let default = ClientSource::default();
    let sentence = "must be a header that no client can set, such as \"CF-Connecting-IP\"; \
                    clients can set X-Forwarded-For";
    let header = table.read("client_header", sentence, |value| ClientSource::header(value.as_str()?));
    let ipv6_bits = table.integer("client_ipv6_prefix", 32..=128).and_then(|bits| u32::try_from(bits).ok());
    ClientSource {
        header: header.unwrap_or(default.header),
        ipv6_bits: ipv6_bits.unwrap_or(default.ipv6_bits),
    }
}

fn parse_ledger_retention_s(table: &Table<'_>) -> Option<u64> {
    let sentence = "must be a duration from \"1d\" to \"3650d\", such as \"365d\"";
    table.milliseconds("ledger_retention", DAY_MS..=3_650 * DAY_MS, sentence)?.checked_div(1_000)
}

fn parse_origin_timeout_ms(table: &Table<'_>) -> Option<u32> {
    let sentence = "must be a duration from \"100ms\" to \"10m\", such as \"30s\"";
    u32::try_from(table.milliseconds("origin_timeout", 100..=600_000, sentence)?).ok()
}

fn parse_keep_headers(table: &Table<'_>) -> Option<Vec<String>> {
    let names = table.texts("keep_headers")?;
    if !names.iter().all(|name| header::is_name(name) && !header::is_reserved(name)) {
        table.report(
            "keep_headers",
            "must be a list of header names, such as [\"X-Original-URL\"], without X-Toll-*, which only edgetoll sets",
        );
    }
    Some(names)
}

fn parse_revoked(table: &Table<'_>) -> Option<Vec<PaymentHash>> {
    table.read(
        "revoked",
        "must be a list of payment hashes, each of 64 hexadecimal digits in quotes",
        |value| value.as_array()?.iter().map(|hash| PaymentHash::from_hex(hash.as_str()?)).collect(),
    )
}

fn parse_owner(table: &Table<'_>) -> Owner {
    let title = "must be a text of 1 to 60 visible characters";
    let contact = "must be an e-mail address or an https URL";
    let accent = "must be a color such as \"#1a5fb4\"";
    Owner {
        title: table.read("title", title, |value| owner::parse_title(value.as_str()?)),
        contact: table.read("contact", contact, |value| Contact::parse(value.as_str()?)),
        accent: table.read("accent", accent, |value| Accent::parse(value.as_str()?)),
    }
}

/// The keys of the price list.
pub const LIST_KEYS: [&str; 32] = [
    "accent",
    "accept_foreign",
    "challenges_per_minute",
    "client_header",
    "client_ipv6_prefix",
    "contact",
    "cors",
    "credential_expiry",
    "default_sats",
    "foreign_max_age",
    "free_tier",
    "free_tier_writes_per_day",
    "invoice_expiry",
    "invoices_per_minute",
    "keep_headers",
    "ledger_retention",
    "macaroon",
    "mode",
    "network",
    "origin_case_sensitive",
    "origin_timeout",
    "prefix",
    "preflights",
    "protocols",
    "public_prices",
    "revoked",
    "routes",
    "settlement",
    "title",
    "unmatched",
    "wallets",
    "x_preimage_errors",
];

const UNMATCHED: [(&str, Unmatched); 2] = [("pass", Unmatched::Pass), ("deny", Unmatched::Deny)];
const PREFLIGHTS: [(&str, Preflights); 2] = [("edge", Preflights::Edge), ("origin", Preflights::Origin)];
const SETTLEMENT_MODES: [(&str, SettlementMode); 3] = [
    ("auto", SettlementMode::Auto),
    ("lnbits", SettlementMode::Lnbits),
    ("preimage", SettlementMode::Preimage),
];
const WALLET_ORDERS: [(&str, WalletOrder); 3] =
    [("failover", WalletOrder::Failover), ("last", WalletOrder::Last), ("spread", WalletOrder::Spread)];
const FREE_TIER_STORES: [(&str, FreeTierStore); 2] =
    [("kv", FreeTierStore::Kv), ("durable", FreeTierStore::Durable)];
const ENCODINGS: [(&str, Encodings); 3] =
    [("both", Encodings::Both), ("l402", Encodings::Standard), ("lightning-toll", Encodings::LightningToll)];
/// The values of `x_preimage_errors`.
const ERROR_STYLES: [(&str, ErrorStyle); 2] =
    [("ln-paywall", ErrorStyle::LnPaywall), ("rack-lightning", ErrorStyle::RackLightning)];
const NETWORKS: [(&str, &str); 4] = [("bc", "bc"), ("tb", "tb"), ("tbs", "tbs"), ("bcrt", "bcrt")];

pub const DEFAULT_PREFIX: &str = "/_toll";
const DEFAULT_SATS: u64 = 10;
const INVOICE_EXPIRY_S: u64 = 300;
const CREDENTIAL_EXPIRY_S: u64 = 3_600;
const OTHER_ISSUER_MAX_AGE_S: u64 = 86_400;
const DAY_MS: u64 = 86_400_000;
const LEDGER_RETENTION_S: u64 = 31_536_000;
const PER_MINUTE: RangeInclusive<u64> = 1..=1_000_000;
/// The default of `challenges_per_minute`. `[[ratelimits]]` in wrangler.toml sets the same limit.
pub const CHALLENGES_PER_MINUTE: u64 = 10;
/// The default of `invoices_per_minute`. LNbits accepts 200 requests per minute by default, and the Worker sends LNbits
/// other requests too.
const INVOICES_PER_MINUTE: u64 = 120;
/// The default of `free_tier_writes_per_day`. Cloudflare's free plan allows 1,000 writes to Workers KV a day.
const WRITES_PER_DAY: u64 = 500;
const MAX_WRITES_PER_DAY: u64 = 1_000_000_000;
/// How long the origin may take on a request that takes a use, unless `origin_timeout` is set. Cloudflare itself waits
/// equally long for an origin.
pub const COUNTED_TIMEOUT_MS: u32 = 100_000;
/// The path of the public price list.
pub const PRICES_PATH: &str = "/.well-known/l402";
