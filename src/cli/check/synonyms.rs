//! Suggests a key of the price list for a key that edgetoll does not know: by its meaning, then by its spelling.

use super::nearest::nearest;

/// Returns the key of `known` that an unknown key probably means; `None` if no key is similar enough.
pub(super) fn suggest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    by_meaning(key, known).or_else(|| nearest(key, known))
}

/// Whether the value of a key is in thousandths of a satoshi.
pub(super) fn is_millisats(key: &str) -> bool {
    let key = folded(key);
    key.contains("msat") || key.contains("millisat")
}

fn by_meaning<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = folded(key);
    let meanings = SYNONYMS.iter().filter(|(_, words)| words.contains(&name.as_str()));
    let in_sats = is_millisats(key).then_some(IN_SATS);
    let mut targets = in_sats.into_iter().chain(meanings.map(|(targets, _)| *targets)).flatten();
    targets.find_map(|target| known.iter().find(|known| *known == target)).copied()
}

/// Returns a key as it is written in [`SYNONYMS`].
fn folded(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Words of other paywalls and of everyday language, in lower case and without separators, and the keys that they
/// mean. Of several keys, the first one that the table can have is meant.
const SYNONYMS: &[(&[&str], &[&str])] = &[
    (
        IN_SATS,
        &[
            "amount",
            "amountsat",
            "amountsats",
            "charge",
            "cost",
            "costsats",
            "defaultamount",
            "defaultprice",
            "fee",
            "maxamountrequired",
            "price",
            "pricesat",
            "pricesats",
            "satoshi",
            "satoshis",
            "satprice",
            "sats",
            "satsprice",
            "toll",
            "value",
        ],
    ),
    (
        &["fiat"],
        &[
            "amountusd",
            "currency",
            "dollars",
            "eur",
            "euro",
            "fiatamount",
            "fiatprice",
            "priceeur",
            "pricefiat",
            "priceusd",
            "usd",
        ],
    ),
    (&["sats_per_kib"], &["perkb", "perkib", "priceperkb", "satsperkb", "satsperkilobyte"]),
    (&["min_sats", "min"], &["floor", "from", "min", "minimum"]),
    (&["max_sats", "max"], &["cap", "ceiling", "max", "maximum", "to"]),
    (&["price"], &["prices", "pricing", "rules", "tiers"]),
    (
        &["path"],
        &[
            "endpoint",
            "location",
            "match",
            "pathname",
            "pathpattern",
            "pathprefix",
            "pathregex",
            "pathregexp",
            "pattern",
            "prefix",
            "resource",
            "route",
            "uri",
            "url",
            "urlpattern",
        ],
    ),
    (&["methods", "method"], &["httpmethod", "httpmethods", "method", "methods", "verb", "verbs"]),
    (&["host"], &["domain", "hostname", "hostregexp", "servername", "zone"]),
    (&["description"], &["desc", "invoicedescription", "label", "memo", "summary", "text"]),
    (
        &["free_requests"],
        &[
            "free",
            "freecalls",
            "freelimit",
            "freequota",
            "freetier",
            "freeuses",
            "quota",
            "trial",
            "trialrequests",
        ],
    ),
    (&["free_window"], &["freeinterval", "freeperiod", "interval", "period", "window"]),
    (&["origin_timeout"], &["backendtimeout", "proxytimeout", "timeout", "upstreamtimeout"]),
    (
        &["credential_expiry"],
        &[
            "duration",
            "expires",
            "expiresin",
            "expiry",
            "lifetime",
            "macaroonexpiry",
            "macaroontimeout",
            "maxage",
            "maxtimeoutseconds",
            "timeout",
            "tokenexpiry",
            "ttl",
            "validfor",
            "validity",
        ],
    ),
    (
        &["invoice_expiry"],
        &["invoiceexpiresin", "invoicelifetime", "invoicetimeout", "invoicettl", "payablefor"],
    ),
    (
        &["uses"],
        &[
            "calls",
            "count",
            "limit",
            "maxcalls",
            "maxrequests",
            "maxuses",
            "requests",
            "times",
            "usage",
            "usecount",
        ],
    ),
    (&["bind"], &["bindendpoint", "binding", "bindip", "bindmethod", "bindto", "scope"]),
    (&["protocols"], &["paymentprotocol", "paymentprotocols", "protocol", "schemes"]),
    (&["x_preimage_errors"], &["errorstyle", "preimageerrors", "xpreimageerror", "xpreimageerrors"]),
    (&["realm"], &["bundle", "group", "plan", "subscription"]),
    (&["service"], &["servicename"]),
    (&["listed"], &["public", "visible"]),
    (&["cache"], &["cacheable", "cached"]),
    (&["when"], &["condition", "conditions", "if", "where"]),
    (&["query"], &["param", "parameters", "params", "queryparams", "querystring", "search"]),
    (&["country"], &["countries", "geo", "region"]),
    (&["bot_score"], &["bot", "botscorethreshold", "score"]),
    (&["content_length"], &["bodysize", "bytes", "length", "size"]),
    (&["verified_bot"], &["botcategory", "bots", "crawler", "crawlers"]),
    (&["routes"], &["endpoints", "items", "paths", "priced", "prices", "products", "rules", "services"]),
    (&["unmatched"], &["default", "defaultaction", "fallback", "otherwise"]),
    (&["challenges_per_minute"], &["limit", "maxperminute", "ratelimit", "requestsperminute", "throttle"]),
    (&["cors"], &["allowedorigins", "alloworigin", "corsorigin", "corsorigins"]),
    (&["client_header"], &["ipheader", "realipheader"]),
    (&["revoked"], &["blacklist", "blocked", "blocklist", "denylist", "revoke"]),
    (&["public_prices"], &["public", "publicpricelist", "publiclist", "showprices"]),
    (&["ledger_retention"], &["keepfor", "retention"]),
    (&["network"], &["chain", "net"]),
    (&["mode"], &["action", "dryrun", "enforcement", "observe", "reportonly", "shadow", "state", "status"]),
];
/// The keys of a price in satoshis.
const IN_SATS: &[&str] = &["sats", "default_sats"];
