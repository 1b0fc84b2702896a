//! Compares `edgetoll check` with the Worker: `check` reports an error if and only if the Worker refuses a price list, or
//! sells nothing on a route that has a price.

use edgetoll::cli::check::{Severity, check};
use edgetoll::endpoints;
use edgetoll::gate::{Decision, Gate, PriceCode, Request};
use edgetoll::policy::resolve::Resolved;
use edgetoll::policy::route::{HostPattern, Pricing, Route, Selection, Target};
use edgetoll::strict_json::Json;
use proptest::prelude::*;

use crate::support::gate::BY_PREIMAGE;
use crate::support::request::request;
use crate::support::settings::{NOW, settings};

proptest! {
    // U13 (CHANGELOG)
    #[test]
    fn check_reports_an_error_exactly_if_the_worker_does_not_sell_a_price_list(list in lists()) {
        let expected = !is_sold(&list) || is_documented_exception(&list);
        let files = [
            ("wrangler.json", format!("{{{BINDINGS_JSON}, \"vars\": {{\"TOLL\": {list}}}}}")),
            ("wrangler.toml", format!("{BINDINGS_TOML}vars.TOLL = {}\n", toml(&Json::parse(list.as_bytes()).unwrap(), &list))),
        ];
        for (name, text) in files {
            let report = check(name, &text);
            prop_assert_eq!(report.count(Severity::Error) > 0, expected, "{}\n{}", list, report);
        }
    }
}

/// Whether the Worker sells every route that has a price, serves every route that is free, and refuses nothing.
fn is_sold(list: &str) -> bool {
    let settings = settings(Some(list), &[]);
    let Some(policy) = settings.policy() else { return false };
    let gate = Gate { policy, ..settings.gate(policy, CODE, BY_PREIMAGE) };
    policy.routes.iter().all(|route| route.pricing != Pricing::Invalid && is_reached(&gate, route))
}

/// Whether a request reaches the route: it is sold, or served if the route is free.
fn is_reached(gate: &Gate<'_, '_>, route: &Route) -> bool {
    let hosts: Vec<String> = match &route.host {
        HostPattern::Any => vec!["other.test".to_owned()],
        HostPattern::Below(_, pattern) => vec![pattern.replace('*', "sub")],
        HostPattern::Exact(host) => vec![host.clone()],
    };
    let methods: Vec<&str> = match route.methods.as_slice() {
        [] => vec!["GET", "POST", "PATCH"],
        methods => methods.iter().map(String::as_str).collect(),
    };
    let urls = hosts
        .iter()
        .flat_map(|host| paths(route.pattern.as_str()).map(move |path| format!("https://{host}{path}")));
    urls.into_iter().any(|url| {
        methods.iter().any(|method| {
            let request = Request {
                header: &|name| (name == "Content-Length").then(|| "10".to_owned()),
                client_ip: Some("192.0.2.1"),
                has_body: *method == "POST",
                ..request(&url, method, None)
            };
            if endpoints::find(Some(gate.policy), request.url.path).is_some() {
                return false;
            }
            match gate.decide(&request, NOW) {
                Decision::Challenge(draft) => draft.route == route,
                Decision::FreeTier { otherwise, .. } => otherwise.route == route,
                Decision::Open { waived: None } if route.is_free() => {
                    let target = Target { host: request.url.host, method };
                    gate.policy.resolve(request.url.path, target)
                        == Ok(Resolved::Selected(Selection::Route(route)))
                }
                Decision::Open { waived } => waived == Some(route),
                _ => false,
            }
        })
    })
}

/// Returns paths that match a pattern.
fn paths(pattern: &str) -> impl Iterator<Item = String> {
    let rests = ["", "/q", "/q/r", "/zz-9/y/x", "/"];
    let path = pattern
        .split('/')
        .map(|name| if name.starts_with(':') { "w-7" } else { name })
        .collect::<Vec<_>>()
        .join("/");
    let before = path.strip_suffix("/*").map(str::to_owned);
    let below =
        before.clone().into_iter().flat_map(move |before| rests.map(|rest| format!("{before}{rest}")));
    let itself = before.is_none().then_some(path);
    // The runtime serializes the URL of a request, which encodes these characters.
    below
        .chain(itself)
        .filter(|path| path.starts_with('/'))
        .map(|path| path.replace('é', "%C3%A9").replace(' ', "%20"))
}

/// Stands for the owner's code that computes prices.
const CODE: &PriceCode<'static> = &|_, _| Some(Ok(5));

/// Whether `check` refuses a price list that the Worker sells: it has a window without a unit, or a method that the
/// runtime does not accept.
fn is_documented_exception(list: &str) -> bool {
    let list = Json::parse(list.as_bytes()).unwrap();
    let routes = list.get("routes").and_then(Json::as_array).unwrap_or_default();
    routes.iter().any(|route| {
        let methods = route.get("methods").and_then(Json::as_array).unwrap_or_default();
        route.number("free_window").is_some() || methods.contains(&Json::String("FETCH".to_owned()))
    })
}

/// Returns price lists in JSON, most of them with at most a few mistakes.
fn lists() -> impl Strategy<Value = String> {
    let keys = prop::collection::vec((0..LIST_KEYS.len(), 0..1_000_usize), 0..3);
    let routes = prop::collection::vec(routes(), 1..4);
    let route_list = prop_oneof![
        19 => routes.prop_map(|routes| format!("\"routes\":[{}]", routes.join(","))),
        1 => prop::sample::select(vec![r#""routes":{}"#.to_owned(), r#""routes":["/a"]"#.to_owned(), r#""a":1"#.to_owned()]),
    ];
    (keys, route_list).prop_map(|(keys, routes)| table(LIST_KEYS, &keys, &routes))
}

fn routes() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        6 => prop::sample::select(PATHS).prop_map(|path| format!("\"path\":\"{path}\"")),
        1 => prop::sample::select(WRONG_PATHS).prop_map(|path| format!("\"path\":{path}")),
    ];
    let price = prop_oneof![
        6 => prop::sample::select(PRICES),
        1 => prop::sample::select(WRONG_PRICES),
    ];
    let keys = prop::collection::vec((0..ROUTE_KEYS.len(), 0..1_000_usize), 0..3);
    (path, price, keys).prop_map(|(path, price, keys)| table(ROUTE_KEYS, &keys, &format!("{path}{price}")))
}

/// Returns a table in JSON with these keys. A key that is there already is left out.
fn table(pool: Pool, keys: &[(usize, usize)], first: &str) -> String {
    let mut members = first.to_owned();
    for (key, value) in keys {
        let (name, right, wrong) = pool[*key];
        if members.contains(&format!("\"{name}\":")) {
            continue;
        }
        // One value of ten is wrong.
        let values = if value % 10 == 0 && !wrong.is_empty() || right.is_empty() { wrong } else { right };
        members.push_str(&format!(",\"{name}\":{}", values[value / 10 % values.len()]));
    }
    format!("{{{members}}}")
}

/// Keys, with right values and wrong values.
type Pool = &'static [(&'static str, &'static [&'static str], &'static [&'static str])];

const LIST_KEYS: Pool = &[
    ("default_sats", &["0", "1", "10000000"], &["10000001", "-1", "1.5", "\"5\"", "true"]),
    ("unmatched", &["\"pass\"", "\"deny\""], &["\"block\"", "5"]),
    ("invoice_expiry", &["\"90s\"", "\"365d\""], &["\"89s\"", "300", "\"5 m\"", "\"\""]),
    ("credential_expiry", &["\"1h\"", "\"90000ms\""], &["3600", "\"1 hour\"", "\"366d\""]),
    (
        "protocols",
        &["[\"l402\"]", "[\"x-preimage\",\"l402\"]"],
        &["[\"x-preimage\"]", "\"l402\"", "[]", "[\"l402\",\"l402\"]", "[\"l402\",\"x402\"]"],
    ),
    ("x_preimage_errors", &["\"ln-paywall\"", "\"rack-lightning\""], &["\"json\"", "true"]),
    ("settlement", &["\"auto\"", "\"lnbits\"", "\"preimage\""], &["\"none\""]),
    ("wallets", &["\"failover\"", "\"spread\""], &["\"random\"", "2"]),
    ("challenges_per_minute", &["1", "1000000"], &["0", "\"10\""]),
    ("ledger_retention", &["\"1d\"", "\"3650d\""], &["\"1h\"", "365"]),
    ("free_tier", &["\"kv\"", "\"durable\""], &["10"]),
    ("client_header", &["\"X-Real-Client\""], &["\"X-Forwarded-For\"", "\"\""]),
    ("client_ipv6_prefix", &["32", "128"], &["31", "129"]),
    ("cors", &["\"*\"", "[\"https://app.example.com\"]"], &["[]", "\"app.example.com\"", "5"]),
    ("public_prices", &["true", "false"], &["\"no\"", "0"]),
    ("prefix", &["\"/_pay\"", "\"/a\""], &["\"pay\"", "\"/a/b\"", "\"/\""]),
    ("macaroon", &["\"l402\"", "\"both\""], &["\"v2\""]),
    ("network", &["\"bc\"", "\"tb\""], &["\"mainnet\""]),
    ("origin_case_sensitive", &["true", "false"], &["1"]),
    ("keep_headers", &["[]", "[\"X-A\"]"], &["\"X-A\"", "[1]", "[\"x_toll.status\"]"]),
    ("revoked", &["[]"], &["[\"00\"]", "{}"]),
    ("origin_timeout", &["\"100ms\"", "\"10m\""], &["\"99ms\"", "30"]),
    ("defaultSats", &[], &["5"]),
    ("sats", &[], &["5", "\"5\""]),
    ("path", &[], &["\"/a\""]),
    ("ORIGIN_URL", &[], &["\"https://origin.test\""]),
];

const ROUTE_KEYS: Pool = &[
    (
        "methods",
        &["[\"GET\"]", "[\"POST\"]", "[\"GET\",\"POST\"]", "[\"HEAD\"]", "[\"OPTIONS\"]", "[\"FETCH\"]"],
        &["[]", "\"GET\"", "[\"get\"]", "[\"TRACE\"]", "[\"\"]", "[5]"],
    ),
    (
        "host",
        &["\"api.example.com\"", "\"*.example.com\"", "\"API.example.com\""],
        &["\"x:80\"", "\"\"", "\"*\"", "\"256.1.1.1\"", "\"0x7f.1\"", "5"],
    ),
    ("description", &["\"A joke\"", "\"{query.q}\"", "\"\""], &["\"{user}\"", "5", "\"}\""]),
    ("bind", &["[\"endpoint\"]", "[\"endpoint\",\"ip\"]"], &["[\"ip\"]", "\"endpoint\"", "[\"path\"]", "[]"]),
    ("protocols", &["[\"l402\"]", "[\"l402\",\"x-preimage\"]"], &["[\"x-preimage\"]", "[5]", "{}"]),
    ("x_preimage_errors", &["\"rack-lightning\""], &["\"none\""]),
    ("realm", &["\"club\""], &["\"My Club\"", "7"]),
    ("uses", &["1", "1000000"], &["0", "\"5\"", "1000001"]),
    ("invoice_expiry", &["\"10m\""], &["600", "\"10\""]),
    ("credential_expiry", &["\"30d\""], &["\"1 month\"", "0"]),
    ("service", &["\"gpu\""], &["\"\"", "\"GPU 1\""]),
    ("listed", &["true", "false"], &["\"yes\""]),
    ("cache", &["true", "false"], &["1"]),
    ("free_requests", &["0", "10", "1000000"], &["\"10\"", "-1", "1000001"]),
    ("free_window", &["\"1d\"", "3600", "\"366d\""], &["\"367d\"", "\"daily\"", "0"]),
    ("min_sats", &["1"], &["0", "\"1\""]),
    ("max_sats", &["10"], &["\"10\""]),
    ("honor_paid", &["true", "false"], &["\"yes\"", "1"]),
    ("cost", &[], &["5"]),
    ("url", &[], &["\"/b\""]),
    ("when", &[], &["{\"method\":\"GET\"}"]),
    ("unmatched", &[], &["\"deny\""]),
];

const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/A",
    "/b",
    "/a/b",
    "/a/*",
    "/*",
    "/:x",
    "/a/:id",
    "/:x/b",
    "/a/:id/*",
    "/a.php",
    "/a/index.html",
    "/index.html",
    "/é",
    "/a%2Fb",
    "/a b",
    "//a",
    "/a//b",
    "/a;x",
    "/_toll/x",
    "/_toll",
    "/_toll*",
    "/.well-known/l402",
    "/.well-known/*",
    "/_pay/*",
    "/a.",
    "/a~",
    "/%61",
    "/report.py",
    "/report.py/x",
    "/cgi-bin/x",
    "/(S(x))/a",
    "/a::$DATA",
    "/A/B",
    "/default.htm",
    "/a/default.htm",
    "/x/y/z/:w/*",
];
const WRONG_PATHS: &[&str] = &[
    "\"a\"",
    "\"\"",
    "5",
    "\"/x?y\"",
    "\"/a#b\"",
    "\"/users/{id}\"",
    "\"/a*\"",
    "\"/*/b\"",
    "\"/./a\"",
    "\"/:\"",
    "[\"/a\"]",
];

const PRICES: &[&str] = &[
    "",
    ",\"sats\":5",
    ",\"sats\":0",
    ",\"sats_per_kib\":2",
    ",\"fiat\":\"0.01 USD\"",
    ",\"fiat\":\"1 EUR\",\"min_sats\":5,\"max_sats\":500",
    ",\"price\":\"code\"",
    ",\"price\":[{\"sats\":5}]",
    ",\"price\":[{\"when\":{\"query\":{\"hd\":\"1\"}},\"sats\":50},{\"sats\":10}]",
    ",\"price\":[{\"when\":{\"query\":{\"hd\":[\"*\",\"x\"]},\"method\":\"GET\"},\"fiat\":\"1 USD\"},{\"sats\":0}]",
    ",\"price\":[{\"when\":{\"header\":{\"X-Plan\":\"pro\"}},\"sats\":1},{\"sats_per_kib\":1}]",
    ",\"price\":[{\"when\":{\"bot_score\":{\"max\":29},\"country\":[\"US\",\"T1\"]},\"sats\":1},{\"sats\":2}]",
    ",\"price\":[{\"when\":{\"content_length\":{\"min\":1,\"max\":9}},\"sats\":1},{\"sats\":2}]",
];
const WRONG_PRICES: &[&str] = &[
    ",\"sats\":\"5\"",
    ",\"sats\":-1",
    ",\"sats\":5,\"fiat\":\"1 USD\"",
    ",\"fiat\":\"$1\"",
    ",\"fiat\":\"1 EUR\",\"min_sats\":50,\"max_sats\":5",
    ",\"price\":5",
    ",\"price\":[]",
    ",\"price\":{\"sats\":5}",
    ",\"price\":[5]",
    ",\"price\":[{}]",
    ",\"price\":[{\"amount\":5}]",
    ",\"price\":[{\"sats\":5},{\"sats\":6}]",
    ",\"price\":[{\"when\":{},\"sats\":5},{\"sats\":6}]",
    ",\"price\":[{\"when\":{\"query\":{}},\"sats\":5},{\"sats\":6}]",
    ",\"price\":[{\"when\":{\"query\":{\"hd\":1}},\"sats\":50},{\"sats\":10}]",
    ",\"price\":[{\"when\":{\"query\":{\"h=d\":\"1\"}},\"sats\":50},{\"sats\":10}]",
    ",\"price\":[{\"when\":{\"method\":\"HEAD\"},\"sats\":50},{\"sats\":10}]",
    ",\"price\":[{\"when\":{\"method\":\"GET\"},\"sats\":50}]",
    ",\"price\":[{\"when\":{\"bot_score\":30},\"sats\":50},{\"sats\":10}]",
    ",\"price\":[{\"when\":{\"bot_score\":{}},\"sats\":50},{\"sats\":10}]",
    ",\"price\":[{\"when\":{\"bot_score\":{\"mx\":5}},\"sats\":50},{\"sats\":10}]",
    ",\"price\":[{\"if\":{\"method\":\"GET\"},\"sats\":50},{\"sats\":10}]",
    ",\"price\":[{\"query\":{\"hd\":\"1\"},\"sats\":50},{\"sats\":10}]",
    ",\"price\":5,\"sats\":5",
    ",\"price\":\"code\",\"sats\":5",
];

/// Writes a price list in TOML. `text` is the same list in JSON: it has the numbers that `Json` drops.
fn toml(value: &Json, text: &str) -> String {
    match value {
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{key:?} = {}", toml(value, text)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Json::Array(values) => {
            format!("[{}]", values.iter().map(|value| toml(value, text)).collect::<Vec<_>>().join(", "))
        }
        Json::String(text) => format!("{text:?}"),
        Json::Integer(number) => number.to_string(),
        Json::Negative(number) => format!("-{number}"),
        Json::Bool(flag) => flag.to_string(),
        Json::OtherNumber(_) => "1.5".to_owned(),
        Json::Null => panic!("TOML has no null: {text}"),
    }
}

/// All bindings that a price list may need.
const BINDINGS_TOML: &str = r#"build.command = "make build"
kv_namespaces = [{ binding = "TOLL_KV" }]
migrations = [{ tag = "v1", new_sqlite_classes = ["FreeTierCounter", "Meter"] }]
durable_objects.bindings = [
  { name = "FREE_TIER_EXACT", class_name = "FreeTierCounter" },
  { name = "METER", class_name = "Meter" },
]
"#;
const BINDINGS_JSON: &str = r#""build": { "command": "make build" },
"kv_namespaces": [{ "binding": "TOLL_KV" }],
"migrations": [{ "tag": "v1", "new_sqlite_classes": ["FreeTierCounter", "Meter"] }],
"durable_objects": { "bindings": [
  { "name": "FREE_TIER_EXACT", "class_name": "FreeTierCounter" },
  { "name": "METER", "class_name": "Meter" }
] }"#;
