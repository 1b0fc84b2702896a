//! The price list `[vars.TOLL]`, read whole. What cannot be read closes: the list, or the path of one bad entry.

mod price_entry;
mod route_entry;
mod table;

pub use table::{ConfigError, ConfigErrorKind};

use std::ops::RangeInclusive;

use super::client::ClientSource;
use super::cors::Cors;
use super::free_tier::FreeTierStore;
use super::normalization::FoldCase;
use super::route::Route;
use super::settlement::SettlementMode;
use crate::payment::PaymentHash;
use crate::protocols::l402::challenge::Encodings;
use crate::strict_json::Json;
use table::{ConfigErrors, Table};

/// The price list, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// In the order of the list, which decides nothing.
    pub routes: Vec<Route>,
    /// What happens to a path that no route names.
    pub unmatched: Unmatched,
    /// The path below which everything is edgetoll's: `/_toll`.
    pub prefix: String,
    /// Whether `/.well-known/l402` tells the prices.
    pub is_public: bool,
    /// Which pages of other origins may read our answers; `None` where CORS is not ours to answer.
    pub cors: Option<Cors>,
    /// Whose word counts for a payment.
    pub settlement: SettlementMode,
    /// How many challenges a client may ask for in a minute, where the platform's limiter is not bound.
    pub challenges_per_minute: u64,
    /// How many invoices are asked for in a minute, all clients together.
    pub invoices_per_minute: u64,
    /// How long the books keep each payment, in seconds.
    pub ledger_retention_s: u64,
    /// How free requests are counted.
    pub free_tier_store: FreeTierStore,
    /// How a client is known.
    pub client: ClientSource,
    /// Which macaroons are issued and accepted.
    pub encodings: Encodings,
    /// The network of the invoices, as BOLT 11 writes it: `bc`, `tb`, `tbs` or `bcrt`.
    pub network: String,
    /// Leaves the case as it is where the origin tells `/A` from `/a`.
    pub fold_case: FoldCase,
    /// How long the origin may take to begin its answer, in milliseconds.
    pub origin_timeout_ms: u32,
    /// How far ahead a lightning-toll macaroon of another server may expire, in seconds; `None` where none is accepted.
    pub other_issuer_max_age_s: Option<u64>,
    /// Payments whose credentials are good no more.
    pub revoked: Vec<PaymentHash>,
    /// Request headers that are forwarded although they could rewrite a path or a method.
    pub keep_headers: Vec<String>,
}

/// What happens to a path that no route names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmatched {
    /// It is free.
    #[default]
    Pass,
    /// It is not there: 404.
    Deny,
}

/// A price list as read: good where it can be, shut where it cannot, and a sentence for each fault.
#[derive(Clone, Debug)]
pub struct ParsedPolicy {
    /// What can be enforced; `None` where the list cannot be read whole: nothing may then be served.
    pub policy: Option<Policy>,
    /// Every mistake.
    pub errors: Vec<ConfigError>,
}

impl Policy {
    /// Reads the price list. A bad entry whose path can be read shuts that path; any other mistake shuts everything.
    pub fn parse(list: &Json, fold_case: FoldCase) -> ParsedPolicy {
        let (list_errors, route_errors) = (ConfigErrors::default(), ConfigErrors::default());
        let policy = parse_list(list, fold_case, &list_errors, &route_errors);
        let policy = (list_errors.count() == 0).then_some(policy);
        let errors = [list_errors.into_inner(), route_errors.into_inner()].concat();
        ParsedPolicy { policy, errors }
    }

    /// How long the invoices that live longest can be paid, in seconds.
    pub fn longest_invoice_expiry_s(&self) -> u64 {
        self.routes.iter().map(|route| route.invoice_expiry_s).max().unwrap_or_default()
    }

    /// How long the books keep a payment, in seconds: never less than the longest invoice lives, and so much more.
    pub fn ledger_memory_s(&self, late_s: u64) -> u64 {
        self.ledger_retention_s.max(self.longest_invoice_expiry_s().saturating_add(late_s))
    }
}

fn parse_list(
    list: &Json,
    fold_case: FoldCase,
    list_errors: &ConfigErrors,
    route_errors: &ConfigErrors,
) -> Policy {
    let table = Table::new("TOLL".to_owned(), list, &LIST_KEYS, list_errors);
    let case_sensitive = table.flag("origin_case_sensitive").unwrap_or(false);
    let fold_case = if case_sensitive { str::to_owned } else { fold_case };
    let defaults = route_entry::Defaults {
        sats: table.sats("default_sats", 0).unwrap_or(DEFAULT_SATS),
        invoice_expiry_s: table.seconds("invoice_expiry").unwrap_or(INVOICE_EXPIRY_S),
        credential_expiry_s: table.seconds("credential_expiry").unwrap_or(CREDENTIAL_EXPIRY_S),
        fold_case,
    };
    let prefix =
        table.read("prefix", "is one name behind a /, of a-z, 0-9, _ and -, such as \"/_toll\"", |value| {
            let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
            let text = value.as_str()?;
            text.strip_prefix('/')
                .filter(|name| !name.is_empty() && name.bytes().all(is_letter))
                .map(|_| text)
        });
    let prefix = prefix.unwrap_or(DEFAULT_PREFIX).to_owned();
    let origin_timeout_ms =
        table.milliseconds("origin_timeout", 100..=600_000, "is a duration from \"100ms\" to \"10m\"");
    let ledger_retention_ms = table.milliseconds(
        "ledger_retention",
        DAY_MS..=3_650 * DAY_MS,
        "is a duration from \"1d\" to \"3650d\"",
    );
    let other_issuer_max_age_s = table.seconds("foreign_max_age").unwrap_or(FOREIGN_MAX_AGE_S);
    let revoked = table.read("revoked", "is a list of payment hashes of 64 hex digits", |value| {
        value.as_array()?.iter().map(|hash| PaymentHash::from_hex(hash.as_str()?)).collect()
    });
    Policy {
        routes: route_entry::parse_routes(&table, &defaults, list_errors, route_errors),
        unmatched: table.one_of("unmatched", &UNMATCHED).unwrap_or_default(),
        prefix,
        is_public: table.flag("public_prices").unwrap_or(true),
        cors: table.text_or_texts("cors").and_then(|origins| {
            let cors = Cors::new(origins);
            if cors.is_none() {
                table.note("cors", "is \"*\", or a list of origins such as \"https://app.example.com\"");
            }
            cors
        }),
        settlement: table.one_of("settlement", &SETTLEMENTS).unwrap_or_default(),
        challenges_per_minute: table
            .integer("challenges_per_minute", PER_MINUTE)
            .unwrap_or(CHALLENGES_PER_MINUTE),
        invoices_per_minute: table.integer("invoices_per_minute", PER_MINUTE).unwrap_or(INVOICES_PER_MINUTE),
        ledger_retention_s: ledger_retention_ms
            .and_then(|ms| ms.checked_div(1_000))
            .unwrap_or(LEDGER_RETENTION_S),
        free_tier_store: table.one_of("free_tier", &FREE_TIER_STORES).unwrap_or_default(),
        client: ClientSource {
            header: table
                .read(
                    "client_header",
                    "is a header that no client can write; X-Forwarded-For is not",
                    |value| ClientSource::header(value.as_str()?),
                )
                .unwrap_or_else(|| ClientSource::default().header),
            ipv6_bits: table
                .integer("client_ipv6_prefix", 32..=128)
                .and_then(|bits| u32::try_from(bits).ok())
                .unwrap_or_else(|| ClientSource::default().ipv6_bits),
        },
        encodings: table.one_of("macaroon", &ENCODINGS).unwrap_or_default(),
        network: table.one_of("network", &NETWORKS).unwrap_or("bc").to_owned(),
        fold_case,
        origin_timeout_ms: origin_timeout_ms
            .and_then(|ms| u32::try_from(ms).ok())
            .unwrap_or(ORIGIN_TIMEOUT_MS),
        other_issuer_max_age_s: table
            .flag("accept_foreign")
            .unwrap_or(true)
            .then_some(other_issuer_max_age_s),
        revoked: revoked.unwrap_or_default(),
        keep_headers: table.texts("keep_headers").unwrap_or_default(),
    }
}

/// The keys of the list.
pub const LIST_KEYS: [&str; 23] = [
    "accept_foreign",
    "challenges_per_minute",
    "client_header",
    "client_ipv6_prefix",
    "cors",
    "credential_expiry",
    "default_sats",
    "foreign_max_age",
    "free_tier",
    "invoice_expiry",
    "invoices_per_minute",
    "keep_headers",
    "ledger_retention",
    "macaroon",
    "network",
    "origin_case_sensitive",
    "origin_timeout",
    "prefix",
    "public_prices",
    "revoked",
    "routes",
    "settlement",
    "unmatched",
];
pub use price_entry::{PRICE_KEYS, RANGE_KEYS, WHEN_KEYS};
pub use route_entry::ROUTE_KEYS;

const UNMATCHED: [(&str, Unmatched); 2] = [("pass", Unmatched::Pass), ("deny", Unmatched::Deny)];
const SETTLEMENTS: [(&str, SettlementMode); 3] = [
    ("auto", SettlementMode::Auto),
    ("lnbits", SettlementMode::Lnbits),
    ("preimage", SettlementMode::Preimage),
];
const FREE_TIER_STORES: [(&str, FreeTierStore); 2] =
    [("kv", FreeTierStore::Kv), ("durable", FreeTierStore::Durable)];
const ENCODINGS: [(&str, Encodings); 3] =
    [("both", Encodings::Both), ("l402", Encodings::Standard), ("lightning-toll", Encodings::LightningToll)];
const NETWORKS: [(&str, &str); 4] = [("bc", "bc"), ("tb", "tb"), ("tbs", "tbs"), ("bcrt", "bcrt")];

/// Where nothing else is said.
pub const DEFAULT_PREFIX: &str = "/_toll";
const DEFAULT_SATS: u64 = 10;
const INVOICE_EXPIRY_S: u64 = 300;
const CREDENTIAL_EXPIRY_S: u64 = 3_600;
const FOREIGN_MAX_AGE_S: u64 = 86_400;
const DAY_MS: u64 = 86_400_000;
const LEDGER_RETENTION_S: u64 = 31_536_000;
const PER_MINUTE: RangeInclusive<u64> = 1..=1_000_000;
/// As many as `[[ratelimits]]` of wrangler.toml lets through.
pub const CHALLENGES_PER_MINUTE: u64 = 10;
/// LNbits takes 200 a minute from all of the edge, where its owner did not say otherwise.
const INVOICES_PER_MINUTE: u64 = 120;
/// As long as Cloudflare itself waits for an origin.
const ORIGIN_TIMEOUT_MS: u32 = 100_000;
/// The path of the public price list.
pub const PRICES_PATH: &str = "/.well-known/l402";
