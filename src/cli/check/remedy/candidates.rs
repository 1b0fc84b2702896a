//! Values that the owner may have meant. They are guesses: the caller checks whether edgetoll accepts them.

use super::duration;
use crate::cli::check::nearest::nearest;
use crate::strict_json::Json;

/// A value to write instead of a wrong one.
pub(super) struct Candidate {
    /// The key to write it at, if it is another key.
    pub key: Option<&'static str>,
    pub value: Json,
    /// The unit or currency that was guessed, such as ` for seconds`. Empty if nothing was guessed.
    pub note: &'static str,
}

/// Returns candidates for a wrong value, the most likely first. `written` is the value in the notation of the file, and
/// `rule` is the rule that the value breaks.
pub(super) fn of(key: &str, value: &Json, written: &str, rule: &str) -> Vec<Candidate> {
    match key {
        "price" => price(value, written),
        "fiat" => fiat(value, written),
        "path" => texts(value.as_str().map(|path| paths(path, rule))),
        "host" => texts(value.as_str().map(|host| vec![bare_host(host)])),
        "methods" => lists(value, |name| vec![name.to_uppercase()]),
        "method" => texts(value.as_str().map(|name| vec![name.to_uppercase(), "GET".to_owned()])),
        "country" => lists(value, |name| vec![name.to_uppercase()]),
        "bind" => lists(value, bound),
        "protocols" => protocols(value),
        "cors" => lists(value, |origin| vec![origin_of(origin)]),
        "keep_headers" | "revoked" => lists(value, |text| vec![text.to_owned()]),
        "contact" => {
            texts(value.as_str().filter(|text| is_host(text)).map(|text| vec![format!("https://{text}")]))
        }
        "realm" | "service" => texts(value.as_str().map(|name| vec![folded_name(name, '_')])),
        "prefix" => {
            texts(value.as_str().map(|name| vec![format!("/{}", folded_name(name.trim_matches('/'), '-'))]))
        }
        _ if rule.starts_with("must be one of ") => texts(value.as_str().map(|word| words(word, rule))),
        _ if rule.starts_with("must be true or false") => same(flag(value)),
        _ if rule.starts_with("must be a whole number") => same(amount(value, written).map(Json::Integer)),
        _ if rule.starts_with("must be a duration") || rule.starts_with("must be a window") => {
            durations(value)
        }
        _ => same(
            Some(Json::String(written.to_owned()))
                .filter(|_| !value.is_object() && value.as_array().is_none() && value.as_str().is_none()),
        ),
    }
}

fn same(value: Option<Json>) -> Vec<Candidate> {
    value.into_iter().map(|value| Candidate { key: None, value, note: "" }).collect()
}

fn texts(texts: Option<Vec<String>>) -> Vec<Candidate> {
    texts.unwrap_or_default().into_iter().flat_map(|text| same(Some(Json::String(text)))).collect()
}

/// Returns candidates that are lists of texts, for one text such as `GET, POST`, or for a list. `read` returns
/// candidates for one item.
fn lists(value: &Json, read: impl Fn(&str) -> Vec<String>) -> Vec<Candidate> {
    let items: Vec<&str> = match value {
        Json::String(text) => text.split([',', ' ', '|']).filter(|item| !item.is_empty()).collect(),
        Json::Array(items) => items.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let list: Vec<String> = items.into_iter().flat_map(read).collect();
    let without_endpoint = [&["endpoint".to_owned()], list.as_slice()].concat();
    let as_json = |list: Vec<String>| Json::Array(list.into_iter().map(Json::String).collect());
    [list, without_endpoint]
        .into_iter()
        .filter(|list| !list.is_empty())
        .flat_map(|list| same(Some(as_json(list))))
        .collect()
}

/// Returns lists of protocols: those that the owner means, and the same list with L402.
fn protocols(value: &Json) -> Vec<Candidate> {
    let named = lists(value, |name| {
        let name = folded_name(name, '-').replace('_', "-");
        let meant = match name.as_str() {
            "lsat" => "l402",
            "ln-paywall" | "preimage" | "rack-lightning" => "x-preimage",
            name => nearest(name, &["l402", "x-preimage"]).unwrap_or(name),
        };
        vec![meant.to_owned()]
    });
    let l402 = || Json::String("l402".to_owned());
    let with_l402 = named.iter().filter_map(|list| Some([&[l402()], list.value.as_array()?].concat()));
    let with_l402: Vec<Json> = with_l402.map(Json::Array).collect();
    named.into_iter().chain(with_l402.into_iter().flat_map(|list| same(Some(list)))).collect()
}

fn bound(text: &str) -> Vec<String> {
    let word = match text.to_lowercase().as_str() {
        "path" | "url" | "route" | "uri" => "endpoint",
        "verb" | "methods" => "method",
        "address" | "client" | "client_ip" | "ip_address" | "ips" => "ip",
        other => return vec![other.to_owned()],
    };
    vec![word.to_owned()]
}

/// Returns a number for `5`, `5 sats`, `5/min` or `1,000`, and the next whole number for `0.5`.
fn amount(value: &Json, written: &str) -> Option<u64> {
    if matches!(value, Json::OtherNumber(_)) {
        let (whole, fraction) = written.split_once('.')?;
        let is_whole = fraction.bytes().all(|digit| digit == b'0');
        return whole.parse::<u64>().ok()?.checked_add(u64::from(!is_whole));
    }
    let text = value.as_str()?.to_lowercase();
    let number =
        text.trim().split(|c: char| !c.is_ascii_digit() && !"_,'".contains(c)).next().unwrap_or_default();
    number.replace(['_', ',', '\''], "").parse().ok()
}

fn price(value: &Json, written: &str) -> Vec<Candidate> {
    let in_sats = |sats| Candidate { key: Some("sats"), value: Json::Integer(sats), note: "" };
    match value {
        Json::Integer(sats) => vec![in_sats(*sats)],
        Json::String(text) if text.eq_ignore_ascii_case("free") => vec![in_sats(0)],
        Json::String(text) => {
            let is_number = text.chars().all(|c| c.is_ascii_digit());
            let is_in_sats = is_number || text.to_lowercase().contains("sat");
            let sats = amount(value, written).filter(|_| is_in_sats).map(in_sats);
            sats.into_iter().chain(currency_amounts(text)).collect()
        }
        Json::OtherNumber(_) => currency_amounts(written),
        Json::Object(_) => same(Some(Json::Array(vec![value.clone()]))),
        _ => Vec::new(),
    }
}

fn fiat(value: &Json, written: &str) -> Vec<Candidate> {
    let mut candidates = match value {
        Json::String(text) => price(&Json::String(text.clone()), written),
        _ => currency_amounts(written),
    };
    for candidate in &mut candidates {
        candidate.key = candidate.key.filter(|key| *key != "fiat");
    }
    candidates
}

/// Returns an amount and a currency for `$0.01`, `0,01 eur` or `USD 0.01`; in dollars if there is no currency.
fn currency_amounts(text: &str) -> Vec<Candidate> {
    let number: String = text.chars().filter(|c| c.is_ascii_digit() || ".,".contains(*c)).collect();
    let letters: String = text.chars().filter(|c| c.is_ascii_alphabetic()).collect();
    let symbols = [('$', "USD"), ('€', "EUR"), ('£', "GBP"), ('¥', "JPY")];
    let by_symbol =
        symbols.iter().find(|(symbol, _)| text.contains(*symbol)).map(|(_, code)| (*code).to_owned());
    let currency = by_symbol.or_else(|| (letters.len() == 3).then(|| letters.to_uppercase()));
    let (currency, note) = match currency {
        Some(currency) => (currency, ""),
        None if letters.is_empty() => ("USD".to_owned(), " for dollars"),
        None => return Vec::new(),
    };
    let value = Json::String(format!("{} {currency}", number.replace(',', ".")));
    vec![Candidate { key: Some("fiat"), value, note }]
}

fn flag(value: &Json) -> Option<Json> {
    let is_true = match value {
        Json::Integer(number) => *number == 1,
        Json::String(text) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => true,
            "false" | "no" | "off" | "0" => false,
            _ => return None,
        },
        _ => return None,
    };
    Some(Json::Bool(is_true))
}

fn durations(value: &Json) -> Vec<Candidate> {
    let (text, note) = match value {
        Json::Integer(seconds) => (format!("{seconds}s"), " for seconds"),
        Json::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            (format!("{text}s"), " for seconds")
        }
        Json::String(text) => match duration::read(text) {
            Some(text) => (text, ""),
            None => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    vec![Candidate { key: None, value: Json::String(text), note }]
}

/// Returns paths for a URL, a regular expression, or a path with a missing or a superfluous slash.
fn paths(text: &str, rule: &str) -> Vec<String> {
    let meant = rule.split_once("did you mean \"").and_then(|(_, rest)| rest.split_once("\"?"));
    let meant = meant.map(|(path, _)| path.to_owned());
    let text = match text.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/")),
        None => text,
    };
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let path = path.trim_start_matches('^').trim_end_matches('$').replace('\\', "/");
    let mut names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let last = names.pop().unwrap_or_default();
    let (last, more) = match last {
        "**" | ".*" | ".+" | "*" => ("*", ""),
        _ => last.strip_suffix('*').map_or((last, ""), |before| (before, "/*")),
    };
    let names: Vec<&str> =
        names.into_iter().map(|name| if name == "*" { ":any" } else { name }).chain([last]).collect();
    meant.into_iter().chain([format!("/{}{more}", names.join("/"))]).collect()
}

/// Returns the host of a URL or a host with a port.
fn bare_host(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default().trim_end_matches('.').to_lowercase();
    match host.strip_prefix('*') {
        Some(domain) if !domain.starts_with('.') => format!("*.{domain}"),
        _ => host,
    }
}

/// Whether a text begins with a host name that has a dot, and has no scheme and no user.
fn is_host(text: &str) -> bool {
    text.split('/').next().is_some_and(|host| host.contains('.')) && !text.contains([':', '@', ' '])
}

fn origin_of(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())
}

fn folded_name(text: &str, separator: char) -> String {
    let letter =
        |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { separator };
    text.trim().chars().map(letter).collect()
}

/// Returns the words that a rule allows and that `word` may mean.
fn words(word: &str, rule: &str) -> Vec<String> {
    let allowed: Vec<&str> = rule.split('"').skip(1).step_by(2).collect();
    let word = word.to_lowercase();
    let is_meant =
        |(meant, words): &&(&str, &[&str])| allowed.contains(meant) && words.contains(&word.as_str());
    let by_meaning = WORDS.iter().find(is_meant).map(|(meant, _)| *meant);
    by_meaning.or_else(|| nearest(&word, &allowed)).into_iter().map(str::to_owned).collect()
}

/// Words of other tools, and the words of the price list that they mean.
const WORDS: &[(&str, &[&str])] = &[
    ("charge", &["active", "charging", "enforce", "live", "on", "paid", "sell"]),
    (
        "observe",
        &[
            "audit",
            "dry-run",
            "dry_run",
            "dryrun",
            "log",
            "monitor",
            "report",
            "report-only",
            "shadow",
            "test",
            "watch",
        ],
    ),
    ("off", &["disable", "disabled", "free", "inactive", "none", "pass"]),
    ("bc", &["bitcoin", "btc", "lightning", "main", "mainnet"]),
    ("tb", &["test", "testnet", "testnet3", "testnet4"]),
    ("tbs", &["signet"]),
    ("bcrt", &["regtest", "simnet"]),
    ("deny", &["404", "block", "forbid", "refuse", "reject"]),
    ("pass", &["allow", "forward", "free", "open"]),
    ("durable", &["do", "durable_object", "durable_objects", "exact"]),
    ("lnbits", &["wallet"]),
    ("edge", &["worker"]),
    ("origin", &["backend", "upstream"]),
];
