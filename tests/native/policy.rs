//! The price list: parsing, the route of a path, path normalization, and the refusal of ambiguous paths. Also
//! durations, URLs, and the address that identifies a client.

use crate::support::gate::{BY_PREIMAGE, NO_CODE};
use crate::support::hostile_heads;
use crate::support::price_list::{parse, valid};
use crate::support::request::request;
use cpu_time::ThreadTime;
use edgetoll::error::RequestError;
use edgetoll::gate::{Decision, Gate, Refused};
use edgetoll::http::percent;
use edgetoll::http::url::{RequestUrl, is_loopback, is_safe_base};
use edgetoll::policy::Policy;
use edgetoll::policy::client::{ClientSource, network};
use edgetoll::policy::duration::parse_ms;
use edgetoll::policy::normalization::{fold_case, normalize, normalized_forms};
use edgetoll::policy::resolve::{Ambiguous, MAX_FORMS, Resolved};
use edgetoll::policy::route::{PathForm, Selection, Target};
use edgetoll::strict_json::Json;
use proptest::prelude::*;
use std::time::Duration;

fn policy_with(routes: &[&str]) -> Policy {
    valid(&format!("{{\"routes\":[{}]}}", routes.join(",")))
}

/// Returns a gate without keys and wallets, which refuses requests to every priced route.
fn gate_without_seller(policy: &Policy) -> Gate<'_, 'static> {
    Gate { policy, seller: None, code: NO_CODE, is_settled: BY_PREIMAGE, has_meter: true }
}

/// Returns a request target on the host `x`.
fn target(method: &str) -> Target<'_> {
    Target { host: "x", method }
}

fn pattern_for<'a>(policy: &'a Policy, path: &str, method: &str) -> Option<&'a str> {
    match policy.select(path, target(method)) {
        Selection::Route(route) => Some(route.pattern.as_str()),
        _ => None,
    }
}

#[test]
fn the_route_with_the_most_specific_path_for_the_method_is_selected() {
    let policy = policy_with(&[
        r#"{"path":"/*"}"#,
        r#"{"path":"/api/*"}"#,
        r#"{"path":"/api/:name"}"#,
        r#"{"path":"/api/joke"}"#,
        r#"{"path":"/api/:name/raw"}"#,
        r#"{"path":"/posts","methods":["POST"]}"#,
    ]);
    for (path, method, pattern) in [
        ("/api/joke", "GET", "/api/joke"),
        ("/api/time", "GET", "/api/:name"),
        ("/api/time/raw", "GET", "/api/:name/raw"),
        ("/api/time/else", "GET", "/api/*"),
        ("/api/", "GET", "/api/*"),
        ("/api", "GET", "/api/*"),
        ("/apis", "GET", "/*"),
        ("/", "GET", "/*"),
        ("/posts", "POST", "/posts"),
        ("/posts", "post", "/posts"),
        ("/posts", "GET", "/*"),
    ] {
        assert_eq!(pattern_for(&policy, path, method), Some(pattern), "{method} {path}");
    }
}

#[test]
fn routes_for_different_hosts_or_methods_have_different_ids() {
    let policy = policy_with(&[
        r#"{"path":"/a"}"#,
        r#"{"path":"/a","host":"Api.example.com"}"#,
        r#"{"path":"/a","host":"*.example.com","methods":["GET","POST"]}"#,
    ]);
    let ids: Vec<String> = policy.routes.iter().map(|route| route.id()).collect();
    assert_eq!(ids, [" /a", " api.example.com/a", "GET,POST *.example.com/a"]);
}

#[test]
fn a_head_request_selects_the_route_for_get() {
    let policy = policy_with(&[r#"{"path":"/a","methods":["GET"]}"#, r#"{"path":"/b","methods":["POST"]}"#]);
    assert_eq!(pattern_for(&policy, "/a", "HEAD"), Some("/a"));
    assert!(matches!(
        policy.routes.select(PathForm::AsSent, "/b", target("HEAD")),
        Selection::OtherMethod(route) if route.pattern.as_str() == "/b"
    ));
}

#[test]
fn a_pattern_with_non_ascii_letters_matches_the_percent_encoded_path() {
    // The expected text is what `new URL(path, "http://x").pathname` returns in workerd.
    assert_eq!(percent::encode_path("/café \"<>`{}^|"), "/caf%C3%A9%20%22%3C%3E%60%7B%7D%5E|");
    let policy = policy_with(&[r#"{"path":"/café"}"#]);
    assert_eq!(pattern_for(&policy, "/caf%C3%A9", "GET"), Some("/café"));
}

#[test]
fn path_normalization_decodes_and_removes_what_lenient_origins_ignore() {
    for (path, normalized) in [
        ("/", "/"),
        ("//", "/"),
        ("/a/", "/a"),
        ("//a///b", "/a/b"),
        ("/A/B", "/a/b"),
        ("/a\\b", "/a/b"),
        ("/a%5cb", "/a/b"),
        ("/a;x=1/b;y", "/a/b"),
        ("/%61", "/a"),
        ("/%2561", "/a"),
        ("/%25252561", "/a"),
        ("/a%2fb", "/a/b"),
        ("/a%3fb", "/a?b"),
        ("/a%0d%0ab", "/ab"),
        ("/a%20", "/a"),
        ("/a.", "/a"),
        ("/%e2%84%aa", "/k"),
        ("/%zz", "/%zz"),
    ] {
        assert_eq!(normalize(path, fold_case), normalized, "{path}");
    }
    assert_eq!(normalize("/A", str::to_owned), "/A");
}

#[test]
fn a_duration_needs_a_whole_number_and_a_known_unit() {
    // These six texts are refused here, but mean an hour to lightning-toll: `90`, `1H`, `1w`, `1.5h`, ` 1h` and the
    // empty text.
    for (text, ms) in [
        ("500ms", Some(500)),
        ("45s", Some(45_000)),
        ("30m", Some(1_800_000)),
        ("1h", Some(3_600_000)),
        ("1d", Some(86_400_000)),
        ("0h", Some(0)),
        ("90", None),
        ("1H", None),
        ("1w", None),
        ("1.5h", None),
        (" 1h", None),
        ("", None),
        ("h", None),
        ("-1h", None),
        ("+1h", None),
        ("99999999999999999999d", None),
    ] {
        assert_eq!(parse_ms(text), ms, "{text:?}");
    }
}

#[test]
fn a_mistake_in_a_top_level_key_or_a_path_makes_the_whole_price_list_unreadable() {
    for (list, place) in [
        ("[]", "TOLL"),
        (r#"{"routes":{}}"#, "TOLL.routes"),
        (r#"{"routes":[5]}"#, "TOLL.routes[0]"),
        (r#"{"routes":[{"path":"api"}]}"#, "TOLL.routes[0].path"),
        (r#"{"routes":[{"path":"/a?b"}]}"#, "TOLL.routes[0].path"),
        (r#"{"routes":[{"path":"/a*"}]}"#, "TOLL.routes[0].path"),
        (r#"{"routes":[{"path":"/*/a"}]}"#, "TOLL.routes[0].path"),
        (r#"{"routes":[{"path":"/a/../b"}]}"#, "TOLL.routes[0].path"),
        (r#"{"routes":[{"path":"/a/:"}]}"#, "TOLL.routes[0].path"),
        (r#"{"unmatchd":"deny"}"#, "TOLL.unmatchd"),
        (r#"{"macaroon":"json"}"#, "TOLL.macaroon"),
        (r#"{"network":"btc"}"#, "TOLL.network"),
        (r#"{"invoice_expiry":"1m"}"#, "TOLL.invoice_expiry"),
        (r#"{"credential_expiry":"1w"}"#, "TOLL.credential_expiry"),
        (r#"{"origin_timeout":"1h"}"#, "TOLL.origin_timeout"),
        (r#"{"keep_headers":"X-Rewrite-URL"}"#, "TOLL.keep_headers"),
        // R8 (CHANGELOG): no value of the client is forwarded in this header.
        (r#"{"keep_headers":["X-Rewrite-URL","x_toll.status"]}"#, "TOLL.keep_headers"),
    ] {
        let parsed = parse(list);
        assert!(parsed.policy.is_none(), "{list}");
        assert_eq!(parsed.errors[0].place, place, "{}", parsed.errors[0]);
    }
    assert!(Json::parse(br#"{"routes":[],"routes":[]}"#).is_none(), "a repeated key");
}

/// Returns the price of each route in satoshis; `None` for a route that is invalid or whose price is not fixed.
fn fixed_sats(policy: &Policy) -> Vec<Option<u64>> {
    policy.routes.iter().map(|route| route.pricing.fixed_sats()).collect()
}

#[test]
fn a_mistake_in_a_route_makes_only_this_route_invalid_unless_it_is_in_the_path() {
    for entry in [
        r#"{"path":"/x","sats":-1}"#,
        r#"{"path":"/x","sats":1.5}"#,
        r#"{"path":"/x","sats":"7"}"#,
        r#"{"path":"/x","sats":10000001}"#,
        r#"{"path":"/x","sats":null}"#,
        r#"{"path":"/x","methods":"GET"}"#,
        r#"{"path":"/x","methods":["get"]}"#,
        r#"{"path":"/x","description":5}"#,
        r#"{"path":"/x","free_request":5}"#,
        // R8 (CHANGELOG): no request has such a host.
        r#"{"path":"/x","host":"256.1.1.1"}"#,
        r#"{"path":"/x","host":"api.example.1"}"#,
        r#"{"path":"/x","host":"[::g]"}"#,
    ] {
        let parsed = parse(&format!(r#"{{"routes":[{{"path":"/y","sats":1}},{entry}]}}"#));
        assert_eq!(fixed_sats(&parsed.policy.unwrap()), [Some(1), None], "{entry}");
        assert!(parsed.errors[0].place.starts_with("TOLL.routes[1]."), "{}", parsed.errors[0]);
    }
}

#[test]
fn two_routes_with_the_same_path_are_both_invalid_unless_their_methods_differ() {
    let parsed = parse(r#"{"routes":[{"path":"/a","sats":1},{"path":"/A/","sats":9}]}"#);
    assert_eq!(fixed_sats(&parsed.policy.unwrap()), [None, None]);
    valid(r#"{"routes":[{"path":"/a","methods":["GET"]},{"path":"/a","methods":["POST"]}]}"#);
    for methods in [r#"["POST","GET"]"#, r#"["HEAD"]"#, r#"["PUT","GET"]"#] {
        let list = format!(
            r#"{{"routes":[{{"path":"/a","methods":["GET"]}},{{"path":"/a","methods":{methods}}}]}}"#
        );
        assert_eq!(fixed_sats(&parse(&list).policy.unwrap()), [None, None], "{methods}");
    }
}

#[test]
fn a_credential_never_expires_before_its_invoice() {
    for (list, expiries) in [
        (r#"{"routes":[{"path":"/a"}]}"#, (300, 3_600)),
        (r#"{"invoice_expiry":"2h","credential_expiry":"1h","routes":[{"path":"/a"}]}"#, (7_200, 7_200)),
        (r#"{"invoice_expiry":"2h","routes":[{"path":"/a","invoice_expiry":"10m"}]}"#, (600, 3_600)),
        (r#"{"routes":[{"path":"/a","invoice_expiry":"10m","credential_expiry":"5m"}]}"#, (600, 600)),
        (r#"{"routes":[{"path":"/a","credential_expiry":"7d"}]}"#, (300, 604_800)),
    ] {
        let route = &valid(list).routes[0];
        assert_eq!((route.invoice_expiry_s, route.credential_expiry_s), expiries, "{list}");
    }
}

#[test]
fn a_request_url_is_split_into_host_path_and_query() {
    let url = RequestUrl::parse("https://api.example.com:8443/a/b?c=/d#e").unwrap();
    assert_eq!((url.host, url.path, url.path_and_query), ("api.example.com", "/a/b", "/a/b?c=/d"));
    assert!(url.is_https);
    assert_eq!(RequestUrl::parse("http://[::1]:8787/").unwrap().host, "[::1]");
    assert_eq!(RequestUrl::parse("http://example.com./").unwrap().host, "example.com");
    assert_eq!(RequestUrl::parse("ftp://example.com/"), None);
}

#[test]
fn a_url_that_receives_secrets_must_be_https_or_on_the_loopback_interface() {
    for url in [
        "https://lnbits.example.com",
        "https://x/base",
        "http://127.0.0.1:5000",
        "http://localhost/",
        "http://[::1]:5",
    ] {
        assert!(is_safe_base(url), "{url}");
    }
    for url in [
        "http://lnbits.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "https://user:pw@x",
        "https://",
        "https://x?y",
        "https://x#y",
        "https:///x",
        "ftp://x",
        "x",
        "",
        "https://x\\@y",
        "http://localhost.example.com",
    ] {
        assert!(!is_safe_base(url), "{url}");
    }
    assert!(is_loopback("127.8.9.1") && !is_loopback("128.0.0.1") && !is_loopback("127.0.0.1.nip.io"));
}

#[test]
fn the_network_of_an_ipv6_client_is_its_48_bit_prefix() {
    for (client, expected) in [
        ("2001:db8:1:2::/64", Some("2001:db8:1::/48")),
        ("2001:db8:1:ffff:ffff:ffff:ffff:ffff/128", Some("2001:db8:1::/48")),
        ("2001:db8:1:8000::/49", Some("2001:db8:1::/48")),
        ("2001:db8:1::/48", None),
        ("2001:db8::/32", None),
        ("203.0.113.7", None),
        ("203.0.113.7/64", None),
    ] {
        assert_eq!(network(client).as_deref(), expected, "{client}");
    }
}

#[test]
fn a_client_is_identified_by_its_ipv4_address_or_its_ipv6_prefix_of_64_bits() {
    let source = ClientSource::default();
    let client = |header| source.client(header, None);
    assert_eq!(client(Some("203.0.113.7")).as_deref(), Some("203.0.113.7"));
    assert_eq!(client(Some("::ffff:203.0.113.7")).as_deref(), Some("203.0.113.7"));
    assert_eq!(client(Some("2001:db8:1:2:3:4:5:6")).as_deref(), Some("2001:db8:1:2::/64"));
    for absent in [None, Some(""), Some("unknown"), Some("203.0.113.7, 10.0.0.1"), Some("203.0.113.7:80")] {
        assert_eq!(client(absent), None, "{absent:?}");
    }
}

proptest! {
    // Two of three random paths are rejected below.
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn path_normalization_is_idempotent(path in "/[a-zA-Z./;%2Ff\\\\ ]{0,40}") {
        let once = normalize(&path, fold_case);
        // Normalization decodes at most four times, so a second normalization may change a path that still has `%`.
        prop_assume!(!once.contains('%'));
        prop_assert_eq!(normalize(&once, fold_case), once);
    }

    #[test]
    fn no_path_and_no_pattern_causes_a_panic(path in "\\PC{0,80}", pattern in "/\\PC{0,40}") {
        let _ = normalize(&path, fold_case);
        let entry = serde_json::to_string(&pattern).unwrap();
        if let Some(policy) = parse(&format!("{{\"routes\":[{{\"path\":{entry}}}]}}")).policy {
            let _ = policy.resolve(&path, target("GET"));
        }
    }
}

/// Request paths that are other spellings of the priced paths in the next test. For each spelling, some web server or
/// framework was observed to serve the priced content.
const SPELLINGS: [&str; 74] = [
    "/x%3F%2F..%2Fapi%2Fjoke",
    "/x%23%2F..%2Fapi/joke",
    "/api%2F..;%2F..%2Fjoke",
    "/api/.;%2F..%2Fjoke",
    "/api/;x%2F..%2Fjoke",
    "/api%2F%252e%252e%2F..%2Fjoke",
    "/api/%252f%2F..%2Fjoke",
    "/api/%5C%2F..%2Fjoke",
    "/api/%01%2F..%2Fjoke",
    "/..%2Fbase%2Fapi%2Fjoke",
    "/x%2F..%2F..%2Fbase%2Fapi%2Fjoke",
    "/x/..%5capi/joke",
    "/x/..%20/api/joke",
    "/x/..%09/api/joke",
    "/x/..;a=b/api/joke",
    "/%252e%252e/api/joke",
    "/cheap/%3F%2F..%2F..%2Fdear%2Freport",
    "/s%65arch/bit%5Ccoin",
    "/s%65arch/bit%252Fcoin",
    "/search%2F%23bitcoin",
    "/search%2F%3Fbitcoin",
    "/search%2F;bitcoin",
    "/s%65arch/%20",
    "/index.php/api/joke",
    "/INDEX.PHP/api/joke",
    "/index.php%2Fapi%2Fjoke",
    // Symfony's `Request::preparePathInfo` puts a slash before what follows the name of the front controller.
    "/index.phpapi/joke",
    "/%69ndex%2ePHP%61pi%2Fjoke",
    "/api/app.phpjoke",
    "/api/paid.php/x",
    "/api/paid.php%2Fx",
    "/api/joke%3Fx",
    "/api/joke%23x",
    "/api/joke%00",
    "/api/joke%00.png",
    "/api/joke;x=1",
    "/api;x/joke",
    "/api/joke%3Bx",
    "/api/joke%0d%0a",
    "/api/jo%0ake",
    "/api/joke//",
    "/api//joke",
    "//api/joke",
    "/api%5cjoke",
    "/api%2fjoke",
    "/api%252fjoke",
    "/API/Joke%20",
    // In the next three paths, Node's `new URL` and Python's `urlparse` read the first segment as a host.
    "//x/api/joke",
    "/%2Fx/api/joke",
    "//127.0.0.1:1/search/bitcoin",
    // Tomcat removes path parameters before it decodes the path.
    "/api/jok%65;%2Fx",
    "/api/jok%65;x=%2Fy",
    "//index.php/api/joke",
    "/api/index.php/joke",
    "/api/index.php//joke",
    "/api/joke/index.html",
    "/dear/report/index.php",
    // Attack A3 (CHANGELOG): names of scripts and index files, ASP.NET sessions, and NTFS streams.
    "/api/joke/index.xhtml",
    "/api/joke/Default.htm",
    "/x.py/api/joke",
    "/api/x.CGI/joke",
    "/(S(lit3py55t21z5v55vlm25s55))/api/joke",
    "/api/(X(1))/joke",
    "/api/joke::$DATA",
    "/api/joke:$I30:$INDEX_ALLOCATION",
    "/api::$INDEX_ALLOCATION/joke",
    // Some origins convert the encoded letters in the next three paths to `i` or `k`.
    "/ap%C4%B1/joke",
    "/AP%C4%B0/joke",
    "/api/jo%E2%84%AAe",
    // Windows removes dots and spaces at the end of file and folder names.
    "/api./joke",
    "/api../joke",
    "/api%2e/joke",
    "/api%20/joke",
    "/%20api/joke",
];

/// R1 (CHANGELOG): file servers redirect the path of a folder to the path with a slash.
#[test]
fn a_path_with_a_slash_at_its_end_costs_as_much_as_without_it_unless_it_has_a_route() {
    let policy = policy_with(&[
        r#"{"path":"/a","sats":5}"#,
        r#"{"path":"/v1.0","sats":5}"#,
        r#"{"path":"/b/","sats":5}"#,
        r#"{"path":"/docs/*","sats":1}"#,
        r#"{"path":"/docs/intro","sats":9}"#,
        r#"{"path":"/posted","methods":["POST"],"sats":5}"#,
        r#"{"path":"/none","sats":0}"#,
    ]);
    let pattern = |path: &str| match policy.resolve(path, target("GET")) {
        Ok(Resolved::Selected(Selection::Route(route))) => Some(route.pattern.as_str().to_owned()),
        Ok(Resolved::Selected(Selection::OtherMethod(_))) => Some("other method".to_owned()),
        Err(_) => Some("ambiguous".to_owned()),
        _ => None,
    };
    for (path, expected) in [
        ("/a/", Some("/a")),
        ("/v1.0/", Some("/v1.0")),
        ("/b/", Some("/b/")),
        ("/docs/x/", Some("/docs/*")),
        ("/posted/", Some("other method")),
        ("/a//", Some("ambiguous")),
        ("/A/", Some("ambiguous")),
        ("/b", Some("ambiguous")),
        ("/docs/intro/", Some("ambiguous")),
        ("/none/", None),
    ] {
        assert_eq!(pattern(path).as_deref(), expected, "{path}");
    }
}

#[test]
fn a_path_that_an_origin_may_read_as_a_path_with_another_price_is_refused() {
    let policy = policy_with(&[
        r#"{"path":"/api/joke","sats":5}"#,
        r#"{"path":"/api/paid.php","sats":5}"#,
        r#"{"path":"/search/:word","sats":5}"#,
        r#"{"path":"/cheap/*","sats":1}"#,
        r#"{"path":"/dear/report","sats":1000}"#,
    ]);
    let gate = gate_without_seller(&policy);
    let decide = |path: &str| {
        let url = format!("https://x{path}");
        gate.decide(&request(&url, "GET", None), 0)
    };
    for path in SPELLINGS {
        assert!(
            matches!(decide(path), Decision::Refuse(Refused { error: RequestError::AmbiguousPath, .. })),
            "{path}"
        );
    }
    // Blanks and control characters, which some origins remove, inside of a segment `..`.
    for path in ["/%09.%20.%20", "/%20.%20.", "/free/.%7F%20.%09", "/%01.;x"] {
        assert!(
            matches!(decide(path), Decision::Refuse(Refused { error: RequestError::AmbiguousPath, .. })),
            "{path}"
        );
    }
    for path in [
        "/",
        "/x",
        "/x%2Fy",
        "/x;y",
        "/x%3Fy",
        "/x.php/y",
        "/index.php/x",
        "/a...b/.well-known/..x",
        "/%zz",
        "/x%5Cy",
        "/caf%C3%A9",
    ] {
        assert_eq!(decide(path), Decision::Open { waived: None }, "{path}");
    }
    // The next paths have an unambiguous price. The gate has no seller, so it refuses them as not configured.
    for path in ["/api/joke", "/search/a%20b", "/cheap/a;b", "/cheap/a%2Fb%3Fc"] {
        assert!(
            matches!(decide(path), Decision::Refuse(Refused { error: RequestError::NotConfigured, .. })),
            "{path}"
        );
    }
}

// A3. IDs of users of Auth0 have `|`, and projects of GitLab `%2F`.
#[test]
fn a_priced_path_that_an_origin_may_read_as_one_without_a_price_is_sold_unless_only_listed_paths_are_served()
{
    let routes = r#"[{"path":"/users/:id","sats":5},{"path":"/free","sats":0},{"path":"/sold","sats":5}]"#;
    let is_sold = |settings: &str, path: &str| {
        let policy = valid(&format!(r#"{{{settings}"routes":{routes}}}"#));
        matches!(policy.resolve(path, target("GET")), Ok(Resolved::Selected(Selection::Route(_))))
    };
    for id in ["auth0%7C5f7c8e", "auth0|5f7c8e", "group%2Fproject", "default", "index", "index.html"] {
        let path = format!("/users/{id}");
        assert!(is_sold("", &path), "{path}");
        assert!(!is_sold(r#""unmatched":"deny","#, &path), "{path}");
    }
    assert!(!is_sold("", "/users/..%2Fsold"));
}

#[test]
fn a_pattern_whose_segments_end_in_dots_can_be_sold() {
    let policy = policy_with(&[r#"{"path":"/v1./x."}"#]);
    assert_eq!(pattern_for(&policy, "/v1./x.", "GET"), Some("/v1./x."));
    let normalized = normalize("/v1./x.", fold_case);
    assert!(matches!(
        policy.routes.select(PathForm::Normalized, &normalized, target("GET")),
        Selection::Route(_)
    ));
}

#[test]
fn a_folder_and_its_index_file_count_as_one_path() {
    for list in [r#"{"path":"/members/","sats":5}"#, r#"{"path":"/members/index.html","sats":5}"#] {
        let policy = policy_with(&[list]);
        let gate = gate_without_seller(&policy);
        for path in ["/members", "/members/", "/members/index.html", "/members/INDEX.htm"] {
            let url = format!("https://x{path}");
            let decision = gate.decide(&request(&url, "GET", None), 0);
            assert!(matches!(decision, Decision::Refuse(_)), "{list}: {path} is {decision:?}");
        }
    }
    let policy = policy_with(&[r#"{"path":"/members/index.html","sats":5}"#]);
    assert_eq!(pattern_for(&policy, "/members/index.html", "GET"), Some("/members/index.html"));
    assert!(edgetoll::policy::resolve::unreachable(&policy).is_empty());
}

// A8 (CHANGELOG), https://developers.cloudflare.com/fundamentals/reference/http-headers/
#[test]
fn a_worker_of_cloudflare_is_identified_by_its_zone() {
    let source = ClientSource::default();
    let worker = Some("2a06:98c0:3600::103");
    let client = source.client(worker, Some("Agent.Example.com"));
    assert_eq!(client.as_deref(), Some("worker agent.example.com"));
    assert_eq!(network(&client.unwrap()), None);
    for zone in [None, Some(""), Some("a/b"), Some("a b"), Some("a,b")] {
        assert_eq!(source.client(worker, zone).as_deref(), Some("2a06:98c0:3600::/64"), "{zone:?}");
    }
    // Any other client can send the header itself.
    for other in ["203.0.113.7", "2001:db8::1", "2a06:98c0:3601::103", "::ffff:203.0.113.7"] {
        assert_eq!(source.client(Some(other), Some("agent.example.com")), source.client(Some(other), None));
    }
}

/// Attack A2 (CHANGELOG): a path of 1,500 slashes took 10,000 times the CPU time of a plain path.
#[test]
fn no_path_costs_more_than_forty_times_the_cpu_time_of_a_plain_path_of_8_kib() {
    let policy =
        valid(r#"{ "routes": [{ "path": "/sold", "sats": 5 }, { "path": "/files/*", "sats": 5 }] }"#);
    let target = Target { host: "x", method: "GET" };
    let plain_path = ["/", &"name".repeat(20)].concat().repeat(100);
    let plain = cpu_time(|| policy.resolve(&plain_path, target).is_ok());
    let path = |unit: &str, bytes: usize| format!("/{}", unit.repeat(bytes / unit.len()));
    for bytes in [1_500, 4_000, 8_000] {
        for unit in [
            "/",
            "//x",
            "%2f.;x /",
            "a;b/",
            "index.php/",
            " ./",
            "\\;%09",
            "%C5%BF;",
            "x.php/.",
            "%25",
            "?#",
            "/(S(x",
        ] {
            let cost = cpu_time(|| policy.resolve(&path(unit, bytes), target).is_ok());
            assert!(cost < 40 * plain, "{bytes} bytes of {unit:?}: {cost:?}, plain: {plain:?}");
        }
    }
    // Each of these names was removed in a step of its own.
    for unit in ["/.a", "a.b/", ".php", "/cgi-bin/a", "/%2Ea"] {
        for bytes in [286, 364, 940] {
            let cost = cpu_time(|| policy.resolve(&path(unit, bytes), target).is_ok());
            assert!(cost < 4 * plain, "{bytes} bytes of {unit:?}: {cost:?}, plain: {plain:?}");
        }
    }
    for (decodings, rest) in [(126, 874), (500, 3_000), (4_000, 0)] {
        let hostile = format!("/%{}{}", "25".repeat(decodings), "/a".repeat(rest));
        let cost = cpu_time(|| policy.resolve(&hostile, target).is_ok());
        assert!(cost < 40 * plain, "{decodings} encoded percent signs: {cost:?}, plain: {plain:?}");
    }
}

// A2 (CHANGELOG): a path of 4,000 names such as `/*` used 15 ms in the Worker.
#[test]
fn a_path_with_more_than_a_hundred_slashes_is_ambiguous() {
    let policy = valid(r#"{ "routes": [{ "path": "/sold", "sats": 5 }] }"#);
    let target = Target { host: "x", method: "GET" };
    for name in ["/*", "/!a", "%2Fab", "%5Cx"] {
        assert!(policy.resolve(&format!("/x{}", name.repeat(99)), target).is_ok(), "{name}");
        assert!(policy.resolve(&format!("/x{}", name.repeat(100)), target).is_err(), "{name}");
    }
}

/// Returns the least CPU time of five runs.
fn cpu_time(run: impl Fn() -> bool) -> Duration {
    let times = (0..5).map(|_| {
        let started = ThreadTime::now();
        std::hint::black_box(run());
        started.elapsed()
    });
    times.min().unwrap()
}

/// Attack A2 (CHANGELOG).
#[test]
fn a_hostile_part_of_a_request_costs_at_most_three_times_the_cpu_time_of_one_of_half_its_size() {
    let settings = hostile_heads::settings();
    for head in hostile_heads::hostile_heads() {
        let cost = |bytes| {
            let handle = head.handle(&settings, bytes);
            cpu_time(|| {
                handle();
                true
            })
        };
        // On a busy machine, a single ratio may be wrong. Below a millisecond, the cost does not matter.
        let is_linear = |_| {
            let (half, whole) = (cost(4_000), cost(8_000));
            whole < Duration::from_millis(1) || whole < 3 * half
        };
        assert!(
            (0..5).any(is_linear),
            "{}: {:?} for 4,000 bytes, {:?} for 8,000",
            head.name,
            cost(4_000),
            cost(8_000)
        );
    }
}

#[test]
fn a_path_that_origins_may_read_in_too_many_ways_is_refused() {
    let policy = policy_with(&[r#"{"path":"/sold","sats":5}"#]);
    let nested = (0..40).fold("%".to_owned(), |path, _| path.replace('%', "%25"));
    for path in [
        format!("/{nested}2e"),
        format!("/{}", "a;b/ x.php/%25252e;c//".repeat(700)),
        format!("/{}", "%2f%2541;x%20/index.php/".repeat(600)),
    ] {
        assert!(policy.resolve(&path, target("GET")).is_err(), "{}", path.len());
    }
    assert!(policy.resolve(&format!("/{}", "long".repeat(4_000)), target("GET")).is_ok());
}

#[test]
fn a_pattern_with_lower_case_encodings_is_sold_at_the_path_that_browsers_send() {
    let policy = valid(r#"{"routes":[{"path":"/caf%c3%a9","sats":5}]}"#);
    assert!(policy.select("/caf%C3%A9", target("GET")).is_priced());
    assert!(policy.resolve("/caf%C3%A9", target("GET")).is_ok());
}

#[test]
fn the_normalized_forms_of_a_path_are_limited_in_number_and_in_bytes() {
    let forms = |path: &str| normalized_forms(path, MAX_FORMS).map(|forms| forms.len());
    // Each of these paths exceeds only one of three limits: 48 forms, 18,432 bytes, and 4,096 bytes and twice the length of the path.
    let short = "/%2561;a//b%5C%20./x.php/c.;d";
    assert!(short.len() < 64);
    assert_eq!(forms(short), None);
    // A dot at the end adds half as many forms, and a `\` triples them.
    let (most, more) = ("/a/(S(x))/b%41/cd/e /f::$y/g//h.", "/a/(S(x))/b%41/c\\d/e /f::$y/g//h.");
    assert_eq!((forms(most), forms(more)), (Some(48), None));
    let with_name = |length: usize| format!("/{}{most}", "a".repeat(length));
    assert_eq!((forms(&with_name(50)), forms(&with_name(80))), (Some(48), None));
    let long = |length: usize| format!("/{}%41", "a".repeat(length - 4));
    assert_eq!(forms(&long(9_217)), Some(2), "18,432 bytes");
    assert_eq!(forms(&long(9_218)), None, "18,434 bytes");
}

// A3 (CHANGELOG): Python's `http.server --cgi` runs both scripts in /cgi-bin with PATH_INFO=/x. IIS reads %u0073 as s. Windows and NFKC
// turn wide characters into ASCII. ASP.NET removes `/(S(x))` also in front of a part of a name.
#[test]
fn paths_below_a_priced_script_and_lenient_encodings_of_a_priced_path_are_refused() {
    let prices = [
        "/cgi-bin/report.sh",
        "/cgi-bin/report",
        "/htbin/report",
        "/x.php8",
        "/y.php",
        "/api.svc",
        "/a.b/x.axd",
        "/sold",
        "/docs",
        "/my report",
        "/thé",
    ];
    let routes: Vec<String> = prices.iter().map(|path| format!(r#"{{"path":"{path}","sats":5}}"#)).collect();
    let policy = valid(&format!(r#"{{"routes":[{}]}}"#, routes.join(",")));
    for path in [
        "/cgi-bin/report.sh/x",
        "/cgi-bin/report/x",
        "/cgi-bin/report/x/y.z/w",
        "/x.php8/y",
        "/api.svc/x",
        "/a.b/x.axd/y",
        "/%u0073old",
        "/%U0073old",
        // Datasette 0.65.5 (`tilde_decode`)
        "/~73old",
        "/so~6Cd",
        "/%7E73old",
        "/s%C1%AFld",
        "/%C0%AFsold",
        "/%E0%80%AFsold",
        "/%F0%80%80%AFsold",
        "/%E0%81%B3old",
        "/sol%C2%ADd",
        "/so%E2%80%8Bld",
        "/sold%EF%BB%BF",
        "/sold%C2%A0",
        "/sold%E3%80%80",
        "/%EF%BC%8Fsold",
        "/x/%EF%BC%8E%EF%BC%8E%EF%BC%8Fsold",
        "/x/%E2%80%A5/sold",
        "/x/%E2%80%A4%E2%80%A4%E2%88%95sold",
        "/x%E2%81%84..%E2%81%84sold",
        "/%EF%BD%93old",
        "/%u0073%uff4fld",
        "/sol%F0%9D%93%AD",
        "/http://x/sold",
        "/https:%2F%2Fx/sold",
        "/so/(S(x))ld",
        "/(A(b))/(S(x))sold",
        // Fastify 4 reads the text after the first `;` as the query.
        "/sold;/x",
        "/sold;a/b",
        // `new URL(path, base)` skips slashes before the host.
        "///x/sold",
        "///u@x:1/sold",
        "/////h:1/sold",
        "/HTTP://x/sold",
        "/http:///x/sold",
        "/http:/x/sold",
        "/ws://x/sold",
        // Bottle ignores bytes that are not UTF-8.
        "/s%FFold",
        "/%FFsold",
        "/sold%E0%A4",
        // CherryPy and web.py read a path that is not UTF-8 as Latin-1.
        "/th%E9",
        "/TH%25C9",
        // A space in a route of Sinatra matches `+` too.
        "/my+report",
        "/my%2Breport",
        "/%E0%80%AFsold",
        "/sol%E0%81%A4",
        "/%F0%80%80%AFsold",
        // Python's `http.server --cgi` also runs scripts in /htbin.
        "/htbin/report/x",
        "/app.wsgi/sold",
        // The npm package http-server serves index.html for /docs/index.
        "/docs/index",
        // In a glob pattern of Caddy, `\` escapes the next letter.
        "/so%5Cld",
        "/%5Cs%5Co%5Cl%5Cd",
        "/x.ph%5Cp8",
        "/so%255Cld",
        // Caddy ends the name of the script after `.php`.
        "/y.php.x",
        "/y.phpx",
        "/y.PHP.json/index.php",
        "/y%2Ephp%2Ex/z.php",
    ] {
        assert!(policy.resolve(path, target("GET")).is_err(), "{path}");
    }
    for path in [
        "/v1.0/x",
        "/example.com/x",
        "/cgi-bin/other/x",
        "/a;b/c",
        "/http:x/sold/other",
        "/indexes",
        "/so%5Cl",
        "/z.php.x",
        "/y.ph.php",
        "/caf%E9",
        "/caf%C3%A9",
        "/%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9",
        "/%E4",
    ] {
        assert!(policy.resolve(path, target("GET")).is_ok(), "{path}");
    }
}

// A3 (CHANGELOG): Rails and Spring before 5.3 serve `/sold` with any extension.
#[test]
fn a_priced_path_with_an_extension_is_refused_unless_the_price_list_has_it() {
    let policy = policy_with(&[
        r#"{"path":"/sold","sats":5}"#,
        r#"{"path":"/sold.pdf","sats":9}"#,
        r#"{"path":"/sold.txt","sats":0}"#,
        r#"{"path":"/users/:id/report","sats":5}"#,
        r#"{"path":"/files/*","sats":1}"#,
        r#"{"path":"/files/dear","sats":100}"#,
        r#"{"path":"/posted","methods":["POST"],"sats":5}"#,
        r#"{"path":"/:page","sats":2}"#,
        r#"{"path":"/favicon.ico","sats":0}"#,
    ]);
    for path in [
        "/sold.json",
        "/sold.x",
        "/sold.a.b",
        "/SOLD.JSON",
        "/sold%2Ejson",
        "/sold.json/",
        "/sold.:",
        "/users/7/report.xml",
        "/files/dear.json",
    ] {
        assert!(policy.resolve(path, target("GET")).is_err(), "{path}");
    }
    let selected = |path: &str, method: &str| match policy.resolve(path, target(method)) {
        Ok(Resolved::Selected(Selection::Route(route))) => Some(route.pattern.as_str().to_owned()),
        _ => None,
    };
    for (path, route) in [
        ("/sold", "/sold"),
        ("/sold.pdf", "/sold.pdf"),
        ("/sold.txt", "/sold.txt"),
        ("/files/a.json", "/files/*"),
        ("/other.json", "/:page"),
        ("/favicon.ico", "/favicon.ico"),
    ] {
        assert_eq!(selected(path, "GET").as_deref(), Some(route), "{path}");
    }
    let posted =
        policy_with(&[r#"{"path":"/posted","methods":["POST"],"sats":5}"#, r#"{"path":"/","sats":5}"#]);
    for path in ["/.well-known/x", "/.env", "/a.b"] {
        assert!(posted.resolve(path, target("GET")).is_ok(), "{path}");
    }
    assert!(posted.resolve("/posted.html", target("POST")).is_err());
}

// A3: many origins serve the content of a page to other methods too. `/sold` itself gets 405 or 421.
#[test]
fn a_path_that_may_be_that_of_a_page_is_refused_also_if_the_page_is_priced_for_other_methods_or_hosts() {
    let policy = policy_with(&[
        r#"{"path":"/sold","methods":["GET"],"sats":5}"#,
        r#"{"path":"/posted","methods":["POST"],"sats":5}"#,
        r#"{"path":"/hosted","host":"shop.test","sats":5}"#,
        r#"{"path":"/open","methods":["POST"],"sats":5}"#,
        r#"{"path":"/open","methods":["GET"],"sats":0}"#,
    ]);
    for (method, path) in [
        ("POST", "/sold.json"),
        ("POST", "/sold/__data.json"),
        ("POST", "/sold,free"),
        ("POST", "/-sold"),
        ("POST", "/x&url=sold"),
        ("GET", "/posted.html"),
        ("GET", "/hosted.json"),
    ] {
        assert!(policy.resolve(path, target(method)).is_err(), "{method} {path}");
    }
    assert!(policy.resolve("/open.html", target("GET")).is_ok());
}

// R4 (CHANGELOG)
#[test]
fn a_path_is_sold_if_the_routes_as_which_an_origin_may_read_it_have_the_same_terms() {
    let is_sold = |terms: &str| {
        let terms = if terms.contains("sats") { terms.to_owned() } else { format!(r#","sats":5{terms}"#) };
        let policy =
            policy_with(&[r#"{"path":"/sold","sats":5}"#, &format!(r#"{{"path":"/sold/*"{terms}}}"#)]);
        let resolved = |path: &str| policy.resolve(path, target("GET")).ok();
        matches!(resolved("/sold/"), Some(Resolved::Selected(Selection::Route(_))))
            && matches!(resolved("/sold//"), Some(Resolved::Selected(Selection::Route(_))))
    };
    for same in ["", r#","description":"a page""#, r#","listed":false"#] {
        assert!(is_sold(same), "{same}");
    }
    for other in [
        r#","sats":6"#,
        r#","uses":5"#,
        r#","realm":"a""#,
        r#","service":"a""#,
        r#","bind":["endpoint","method","ip"]"#,
        r#","credential_expiry":"30d""#,
        r#","honor_paid":false"#,
        r#","host":"a.example""#,
        r#","methods":["GET"]"#,
        r#","protocols":["l402","x-preimage"],"uses":1"#,
        r#","free_requests":5"#,
        r#","mode":"off""#,
    ] {
        assert!(!is_sold(other), "{other}");
    }
}

// A4: a batch of tRPC has the content of all of its names.
#[test]
fn a_list_of_names_is_refused_although_the_routes_of_the_names_have_the_same_terms() {
    let policy = policy_with(&[
        r#"{"path":"/trpc/*","sats":5,"uses":1}"#,
        r#"{"path":"/trpc/ask","sats":5,"uses":1}"#,
        r#"{"path":"/trpc/sold","sats":5,"uses":1}"#,
    ]);
    assert!(policy.resolve("/trpc/ask,sold", target("GET")).is_err());
    assert!(policy.resolve("/trpc/ask", target("GET")).is_ok());
}

// A3: Elasticsearch searches all indices of a list. The last name of the path is in the price list; the name that is another one is not.
#[test]
fn a_path_with_the_last_name_of_a_route_is_refused_if_an_earlier_name_may_be_that_of_a_dearer_route() {
    let policy = policy_with(&[
        r#"{"path":"/:index/_search","sats":1}"#,
        r#"{"path":"/premium/_search","sats":50}"#,
        r#"{"path":"/socket.io/:id","sats":1}"#,
        r#"{"path":"/socketio/:id","sats":50}"#,
    ]);
    for name in ["premium,x", "x,premium", "pre.mium", "-premium", "premium!", "premium;x"] {
        assert!(policy.resolve(&format!("/{name}/_search"), target("GET")).is_err(), "{name}");
    }
    for path in ["/premium/_search", "/other/_search", "/a,b/_search", "/socket.io/1"] {
        assert!(policy.resolve(path, target("GET")).is_ok(), "{path}");
    }
}

// A3: `dist/server/handler.js` of SolidStart 2.0.5 takes each path that begins with `/_server`.
#[test]
fn a_path_that_begins_with_the_path_of_server_functions_is_refused_if_these_have_a_price() {
    let policy = policy_with(&[r#"{"path":"/_server","sats":5}"#, r#"{"path":"/docs/_server","sats":5}"#]);
    for path in
        ["/_serverx", "/_server-x", "/docs/_server1/", "/_serverx/y", "/_server/x", "/docs/_server/_serverx"]
    {
        assert!(policy.resolve(path, target("GET")).is_err(), "{path}");
    }
    for path in ["/_server", "/_server/", "/server", "/x_server", "/free/_serverx"] {
        assert!(policy.resolve(path, target("GET")).is_ok(), "{path}");
    }
}

#[test]
fn a_name_with_a_colon_is_sold_if_its_route_has_a_parameter_or_a_wildcard_in_its_place() {
    let is_sold = |policy: &Policy, path: &str| {
        let selection = policy.resolve(path, target("GET"));
        matches!(selection, Ok(Resolved::Selected(Selection::Route(_))))
    };
    let models = policy_with(&[
        r#"{"path":"/v1/models","sats":1}"#,
        r#"{"path":"/v1/models/*","sats":10}"#,
        r#"{"path":"/users","sats":1}"#,
        r#"{"path":"/users/*","sats":5}"#,
        r#"{"path":"/users/:id/posts","sats":2}"#,
        r#"{"path":"/*","sats":3}"#,
    ]);
    for path in
        ["/v1/models/gemini-pro:generateContent", "/users/did:plc:1", "/users/did:plc:1/posts", "/x:y"]
    {
        assert!(is_sold(&models, path), "{path}");
    }
    for path in ["/x:y/users", "/v1/x:y/models", "/v1/models/x:y/"] {
        assert_eq!(is_sold(&models, path), path.ends_with("x:y/"), "{path}");
    }
    let homes = policy_with(&[r#"{"path":"/*","sats":5}"#, r#"{"path":"/~adam/*","sats":0}"#]);
    assert!(is_sold(&homes, "/~adam/cv.pdf"));

    // Kirby 5 serves `/club/inner` at these paths.
    let club = policy_with(&[
        r#"{"path":"/club/*","sats":0}"#,
        r#"{"path":"/club/inner","sats":50}"#,
        r#"{"path":"/:a/:b/:c","sats":0}"#,
    ]);
    for path in
        ["/club/a:1/inner", "/club/:x/inner", "/club/page:2/inner/", "/club/a:1/b:2/inner", "/club/inner/a:1"]
    {
        assert!(club.resolve(path, target("GET")).is_err(), "{path}");
    }
    assert!(is_sold(&club, "/club/other/a:1"));

    let all = policy_with(&[
        r#"{"path":"/*","sats":5}"#,
        r#"{"path":"/v1/models","sats":1}"#,
        r#"{"path":"/dear","sats":6}"#,
        r#"{"path":"/once","sats":5,"uses":1}"#,
        r#"{"path":"/club","sats":5,"realm":"club"}"#,
        r#"{"path":"/v2/models","sats":9}"#,
        r#"{"path":"/v2/models/*","sats":1}"#,
    ]);
    for path in ["/v1/models/llama3:8b", "/v2/models/llama3:8b", "/club/x:y"] {
        assert!(is_sold(&all, path), "{path}");
    }
    for path in ["/dear/x:y", "/once/x:y", "/v1/x:y/models"] {
        assert!(!is_sold(&all, path), "{path}");
    }
    let is_sold_below = |terms: &str, terms_of_folder: &str| {
        let below = format!(r#"{{"path":"/*","sats":10{terms}}}"#);
        let folder = format!(r#"{{"path":"/sold","sats":5{terms_of_folder}}}"#);
        is_sold(&policy_with(&[&below, &folder]), "/sold/page:2")
    };
    assert!(is_sold_below("", ""));
    for (terms, terms_of_folder) in [
        (r#","mode":"observe""#, ""),
        (r#","mode":"off""#, ""),
        (r#","free_requests":3"#, ""),
        (r#","uses":1000"#, r#","uses":1"#),
        (r#","credential_expiry":"30d""#, ""),
        (r#","realm":"all""#, ""),
        ("", r#","bind":["endpoint","ip"]"#),
    ] {
        assert!(!is_sold_below(terms, terms_of_folder), "{terms}{terms_of_folder}");
    }
}

// A3 (CHANGELOG): `sanitize_title_with_dashes` in wp-includes/formatting.php of WordPress 6.1.9
#[test]
fn a_path_of_which_wordpress_makes_the_slug_of_a_priced_path_is_refused() {
    let is_refused = |policy: &Policy, path: &str| policy.resolve(path, target("GET")).is_err();
    let posts = policy_with(&[
        r#"{"path":"/sold","sats":5}"#,
        r#"{"path":"/blog/my-report","sats":5}"#,
        r#"{"path":"/club/*","sats":5}"#,
        r#"{"path":"/日本","sats":5}"#,
    ]);
    let cut = |start: &str, filler: usize, end: &str| [start, &"!".repeat(filler), end].concat();
    for path in [
        "/-sold/",
        "/sold-",
        "/.sold/",
        "/sold!/",
        "/so!ld/",
        "/(sold)/",
        "/so%3Cb%3Eld/",
        "/so&x;ld/",
        "/%5Bsold%5D/",
        "/.sold./",
        "/~SOLD/",
        "/blog/my--report",
        "/blog/my.report/",
        "/blog/my%20report",
        "/blog/my%20-.report",
        "/-blog/my-report",
        "/-club/x",
        "/so%ld/",
        // An entity has a character before its `;`.
        "/so&;x;ld/",
        "/&;x;sold/",
        "/so&x%3By;ld/",
        "/so&;%41;ld/",
        // The octets of `日本`.
        "/---e6------97------a5------e6------9c------ac---/",
        "/%e6%97%a5%e6%9c---ac---/",
        "/%e6!%97%a5%e6%9c%ac/",
        "/%e6%3Cb%3E%97%a5%e6%9c%ac/",
        "/%e6%%97%a5%e6%9c%ac/",
        // Tags, as strip_tags reads them.
        "/sold%3Cx",
        "/so%3C%0Bld",
        "/so%3C%22%3E%22%3Eld",
        "/so%3Ca%3Cb%3Ec%3Eld",
        "/so%3C!--%3E--%3Eld",
        // WordPress cuts a name after 200 bytes.
        &cut("/sold", 196, "x"),
        &cut("/%e6%97%a5%e6%9c%ac", 181, "日本"),
    ] {
        assert!(is_refused(&posts, path), "{path}");
    }
    let whole = cut("/sold", 195, "x");
    // CodeIgniter 3 (`set_class` in system/core/Router.php)
    for path in
        ["/so.ld", "/so..ld/", "/blog/my-rep.ort", "/cl.ub/x", "/s%2Eold/", "/.s.old", "/.bl.og/my-report"]
    {
        assert!(is_refused(&posts, path), "{path}");
    }
    for path in [
        "/sold-out",
        "/so-ld",
        "/my--page",
        "/-",
        "/-free",
        "/blog/report",
        "/club/-x",
        "/a.b/c!d",
        "/a%3Cb",
        "/---e6---",
        "/%e6%97%a5!%e6%9c",
        &whole,
    ] {
        assert!(!is_refused(&posts, path), "{path}");
    }
    // A wildcard says nothing about the names for which it stands.
    let all = policy_with(&[
        r#"{"path":"/*","sats":5}"#,
        r#"{"path":"/robots.txt","sats":0}"#,
        r#"{"path":"/.well-known/*","sats":0}"#,
    ]);
    for path in ["/robots.txt", "/.well-known/acme-challenge/-x_.y", "/a.b", "/-x"] {
        assert!(!is_refused(&all, path), "{path}");
    }
    let listed = policy_with(&[r#"{"path":"/sold","sats":5}"#, r#"{"path":"/sold!","sats":0}"#]);
    assert!(!is_refused(&listed, "/sold!"));
}

// A3 (CHANGELOG): SvelteKit serves the data of the page `/sold` at `/sold/__data.json`, and Next.js at `/_next/data/<build>/sold.json`.
// kk-1
#[test]
fn a_path_in_which_angular_reads_a_priced_page_is_refused() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/angular_router.json")).unwrap();
    let vectors = vectors["paths"].as_array().unwrap();
    assert_eq!(vectors.len(), 300);
    let lists = [
        [r#"{"path":"/sold","sats":5}"#, r#"{"path":"/dear/report","sats":50}"#],
        [r#"{"path":"/:page","sats":5}"#, r#"{"path":"/dear/:page","sats":50}"#],
        [r#"{"path":"/sold/*","sats":5}"#, r#"{"path":"/dear/*","sats":50}"#],
        [
            r#"{"path":"/sold","sats":5,"methods":["POST"]}"#,
            r#"{"path":"/dear/report","sats":50,"host":"b.example"}"#,
        ],
    ];
    for list in lists {
        let policy = policy_with(&list);
        for vector in vectors {
            let [path, page] = [0, 1].map(|at| vector[at].as_str().unwrap());
            let sold = policy.select(page, target("GET"));
            assert!(sold.is_priced(), "{page}");
            let is_safe = match policy.resolve(path, target("GET")) {
                Err(Ambiguous) => true,
                Ok(resolved) => resolved == Resolved::Selected(sold),
            };
            assert!(is_safe, "{path} is {page} for {list:?}");
        }
    }
}

#[test]
fn a_path_with_parentheses_is_not_refused_if_no_page_of_angular_in_it_has_another_price() {
    let policy = policy_with(&[
        r#"{"path":"/report","sats":5}"#,
        r#"{"path":"/wiki/:page","sats":5}"#,
        r#"{"path":"/docs/*","sats":5}"#,
        r#"{"path":"/docs/free/*","sats":0}"#,
        r#"{"path":"/odata/:set","sats":5,"methods":["POST"]}"#,
        r#"{"path":"/odata/:set","sats":0,"methods":["GET"]}"#,
        r#"{"path":"/users/:id/report","sats":50}"#,
    ]);
    for path in [
        "/wiki/Report_(2024)",
        "/wiki/(x)y",
        "/docs/a(b)/c(d)//e",
        "/docs/free/a(b)/report",
        "/docs/free//a",
        "/odata/Products(5)",
        "/reports(2024).pdf",
        "/files/report(1).pdf",
        "/users/7/photos(1)",
        "/x(1)/report(2)",
        "/a//b",
        "//a//b",
    ] {
        assert!(policy.resolve(path, target("GET")).is_ok(), "{path}");
    }
    // nn-4
    let images = policy_with(&[
        r#"{"path":"/*","sats":5}"#,
        r#"{"path":"/_ipx/*","sats":0}"#,
        r#"{"path":"/img/*","sats":0}"#,
    ]);
    assert!(images.resolve("/_ipx/w_200/img/hero%20(1).png", target("GET")).is_ok());
    assert!(images.resolve("/_ipx/w_200/sold/hero%20(1).png", target("GET")).is_err());
    // nn-2
    let hosts = policy_with(&[
        r#"{"path":"/wiki/:title","sats":1,"host":"x"}"#,
        r#"{"path":"/*","sats":0,"host":"x"}"#,
        r#"{"path":"/*","sats":5,"host":"api.example"}"#,
        r#"{"path":"/wiki/:title/:version","sats":5,"methods":["POST"]}"#,
    ]);
    assert!(hosts.resolve("/wiki/Foo_(bar)", Target { host: "x", method: "GET" }).is_ok());
    assert!(hosts.resolve("/wiki/Foo_(bar)", Target { host: "y", method: "GET" }).is_err());
    let with_names = |count| format!("/({}", "x/".repeat(count));
    assert!(policy.resolve(&with_names(90), target("GET")).is_ok());
    assert_eq!(policy.resolve(&"/(x".repeat(8_000), target("GET")), Err(Ambiguous));
}

// nn-1, mm-13: `FILTER_SANITIZE_URL` in the router of panique/mini removes the whole name.
#[test]
fn a_name_that_some_routers_remove_is_sold_if_a_route_has_a_segment_for_it() {
    let policy = policy_with(&[
        r#"{"path":"/words/:word","sats":1}"#,
        r#"{"path":"/words/:word/synonyms","sats":2}"#,
        r#"{"path":"/weather","sats":1}"#,
        r#"{"path":"/weather/:city","sats":2}"#,
        r#"{"path":"/weather/:city/:day","sats":3}"#,
        r#"{"path":"/:user","sats":5}"#,
        r#"{"path":"/:user/:repository","sats":1}"#,
        r#"{"path":"/tags","sats":5}"#,
        r#"{"path":"/tags/*","sats":0}"#,
        r#"{"path":"/sold","sats":5}"#,
        r#"{"path":"/sold/a/b","sats":5}"#,
    ]);
    for path in [
        "/words/%E6%B0%B4/synonyms",
        "/words/%E6%B0%B4",
        "/weather/%E5%8C%97%E4%BA%AC/monday",
        "/weather/%E5%8C%97%E4%BA%AC",
        "/torvalds/%E3%83%AA",
        "/%E6%96%B0/123",
        "/tags/%E6%97%A5",
        "/tags/%E6%97%A5/2",
        "/free/%E6%97%A5/sold/x",
    ] {
        assert!(policy.resolve(path, target("GET")).is_ok(), "{path}");
    }
    for path in
        ["/sold/%E6%97%A5/x", "/sold/%E6%97%A5/a/b", "/weather/%E5%8C%97/x/y", "/words/hello/synonyms/%C3%A9"]
    {
        assert_eq!(policy.resolve(path, target("GET")), Err(Ambiguous), "{path}");
    }
}

#[test]
fn a_path_with_the_data_of_a_priced_page_is_refused_unless_the_price_list_has_it() {
    let policy = policy_with(&[
        r#"{"path":"/","sats":5}"#,
        r#"{"path":"/sold","sats":5}"#,
        r#"{"path":"/docs/sold","sats":5}"#,
        r#"{"path":"/users/:id","sats":5}"#,
        r#"{"path":"/shop/*","sats":1}"#,
        r#"{"path":"/photos/a.png","sats":5}"#,
        r#"{"path":"/docs/sold/_payload.json","sats":0}"#,
        r#"{"path":"/article.html","sats":5}"#,
    ]);
    for path in [
        "/__data.json",
        "/article.html__data.json",
        "/article.html%5F_data.json",
        "/sold/__data.json",
        "/sold/__DATA.json",
        "/sold//__data%2Ejson",
        "/users/7/__data.json",
        "/sold/_payload.json",
        "/sold/_payload.js",
        "/sold/q-data.json",
        "/_root.data",
        "/sold.data",
        "/sold/_.data",
        "/.data",
        "/sold/.data",
        "/users/7/.rsc",
        "/sold/__next._full.txt",
        "/sold.rsc",
        "/sold.segments/_full.segment.rsc",
        "/_next/data/build-id/sold.json",
        "/_next/data/build-id/index.json",
        "/_next/data/build-id/users/7.json",
        "/_next/data/build-id/so%6Cd.json",
        "/docs/_next/data/build-id/sold.json",
        "/page-data/sold/page-data.json",
        "/page-data/index/page-data.json",
        "/_nuxt/static/1618/sold/payload.js",
        "/docs/_nuxt/static/1618/sold/state.js",
        "/_nuxt/static/1618/payload.js",
        "/RSC/R/sold.txt",
        "/rsc/r/users/7.txt",
        "/RSC/R/_root.txt",
        "/RSC/R/_sold.txt",
        "/RSC/R/index.txt",
        "/assets/sold.md.ow7iwZ6a.js",
        "/assets/docs_sold.md.ow7iwZ6a.lean.js",
        "/assets/docs_sold_index.md.ow7iwZ6a.js",
        "/assets/index.md.ow7iwZ6a.js",
        "/docs/assets/sold.md.ow7iwZ6a.js",
        "/_sources/sold.rst.txt",
        "/_sources/docs/sold.md.txt",
        "/_sources/docs/sold/index.rst.txt",
        "/_sources/index.rst.txt",
        "/_sources/article.rst.txt",
        "/api/_analog/pages/docs/sold",
        // Angular 21 (`ng new --ssr`) and the CommonEngine of @angular/ssr
        "/sold//x",
        "/sold///x",
        "/sold)x",
        "/sold)//x",
        "/sold(x/x",
        "/sold()/x",
        "/sold/()x",
        "/sold//(x",
        "/(primary:sold)",
        "/docs/sold)/x",
        "/(primary:docs/sold)",
        "/docs/(primary:sold//menu:x)",
        "/sold(primary:free)",
        "/(x//sold)",
        "/docs/(x//sold)",
        "/(x/y//docs/sold)",
        "/(primary:x//sold)",
        "/(primary:free//primary:sold)",
        "/(primary:docs/(primary:sold))",
        // Expo Router 58 (`createRoutesManifest`), and Analog's plugin for Nitro 2.7: groups of routes
        "/(tabs)/sold",
        "/(app)/(main)/users/7",
        "/_expo/loaders/(tabs)/sold",
        "/api/_analog/pages/(auth)/docs/sold",
        "/api/_analog/pages/%28auth%29/sold",
        // Next.js 16 with middleware (`denormalizePagePath`)
        "/_next/data/build-id/index/sold.json",
        "/_next/data/build-id/index/users/7.json",
        // mm-13: `FILTER_SANITIZE_URL` in the router of panique/mini
        "/sold/%C3%A9",
        "/sold/%E6%97%A5/",
        // Waku 0.27 (`decodeRscPath` and `decodeRoutePath`) and Nuxt 4.4 (`PAYLOAD_URL_RE`)
        "/RSC/R/sold_.txt",
        "/RSC/R/sold/_.txt",
        "/RSC/_R/sold.txt",
        "/RSC/_Rdocs/sold_.txt",
        "/RSC/Rsold.txt",
        "/RSC/R/docs/sold/.txt",
        "/sold/_payload-json",
        "/sold/_payloadxjson",
        "/docs/sold/_payload_json",
        "/sold/_payload.js",
        "/sold/_payload%20js",
        // Qwik 2, and the starter of Vite's plugin for server components
        "/sold/q-loader-Q7Yldbm00Xs.x62am.json",
        "/sold_.rsc",
        // Expo Router 58 (build/loaders/utils.js)
        "/_expo/loaders/sold",
        "/_expo/loaders/sold/",
        "/_expo/loaders/sold/index",
        "/_expo/loaders/index",
        "/docs/_expo/loaders/sold",
        // Fumadocs 16 (templates of create-fumadocs-app)
        "/llms.mdx/sold/content.md",
        "/llms.mdx/docs/sold/content.md",
        // Rewrite rules of Craft CMS, OpenCart, MODX and Phalcon, such as `index.php?p=$1`
        "/sold&x",
        "/sold%26x",
        "/sold&/x",
        "/x&url=sold",
        "/x%26p=/docs/sold&a=1",
        "/x%3Fp=sold",
        "/x;&url=sold",
        "/x%3B&url=sold",
        "/index.php&url=sold",
        "/default.&url=sold",
        // `FILTER_SANITIZE_URL` of PHP
        "/so%C3%A4ld",
        "/sold%E2%82%AC",
        "/so%20ld",
        "/docs/%E2%80%99sold",
        "/docs/_sources/sold.ipynb.txt",
        "/__nuxt_island/page_sold_abc.json",
        "/__nuxt_island/page_docs-sold_abc.json",
        "/__nuxt_island/page_index_abc.json",
        "/__nuxt_island/page_sold_x",
        "/free,sold",
        "/sold,free",
        "/docs/free%2Csold",
        "/free,docs/sold",
        "/free,docs/sold,free",
        "/users,docs/other,sold",
        "/VirtualHostRoot/sold",
        "/%56irtualHostRoot/_vh_x/sold",
        "/VirtualHostBase/http/h:80/VirtualHostRoot/sold",
        "/virtualhostbase/https/h/users/7",
        "/users/VirtualHostRoot/7",
        "/virtual_hosting/sold",
        "/VirtualHostRoot",
        "/sold/@@",
        "/sold/%40%40/x",
        "/_ipx/w_200/photos/a.png",
        "/_ipx/_/photos/a.png",
        "/_ipx/w_200/users/7",
        // Mojolicious 9.31: the slash before a format is optional.
        "/sold/.json",
        "/sold%2f.html",
        "/users/7/.xml",
        // ThinkPHP 8.0 (`parseUrlPath` in src/think/route/Rule.php)
        "/users|7",
        "/docs%7Csold",
        "/index.php/docs|sold",
        // Kirby 5.2 (`Params::extract` in src/Http/Params.php)
        "/sold/page:2",
        "/page:2/sold",
        "/x:y/users/a:b/7",
        "/users/7/:",
        "/%3A/sold",
    ] {
        assert!(policy.resolve(path, target("GET")).is_err(), "{path}");
    }
    for path in [
        "/free/__data.json",
        "/free/.data",
        "/shop/.data",
        "/sold/.7",
        // OpenID Connect Discovery 1.0, section 4: an issuer may have a path.
        "/docs/sold/.well-known/openid-configuration",
        "/docs/sold/_payload.json",
        "/shop/7/__data.json",
        "/_next/data/build-id/free.json",
        "/_next/static/chunks/sold.js",
        "/page-data/app-data.json",
        "/_nuxt/static/1618/free/payload.js",
        "/RSC/R/free.txt",
        "/assets/free.md.ow7iwZ6a.js",
        "/_sources/free.rst.txt",
        "/_static/sold.css",
        "/__nuxt_island/page_free_abc.json",
        "/__nuxt_island/Sold_abc.json",
        "/assets/sold.ow7iwZ6a.js",
        "/free,other",
        "/shop/1,2",
        "/docs/x,y/sold",
        "/VirtualHostRoot/free",
        "/_vh_x/sold",
        "/sold/@@edit",
        "/@@x",
        "/_ipx/w_200/photos/b.png",
        "/sold/data.json",
        "/free/page:2",
        "/page:2",
        "/llms.mdx/free/content.md",
        "/free&x=free",
        "/a&b=c",
        "/users/J%C3%BCrgen%20M",
        "/users/a&b",
        "/wiki/Rust_(language)",
        "/free//x",
        "/日本語",
        "/docs/%D0%BF%D1%80%D0%B8%D0%B2%D0%B5%D1%82",
        "/tags/+",
    ] {
        assert!(policy.resolve(path, target("GET")).is_ok(), "{path}");
    }
    let wildcard = policy_with(&[
        r#"{"path":"/*","sats":5}"#,
        r#"{"path":"/img/*","sats":0}"#,
        r#"{"path":"/users/:id","sats":9}"#,
    ]);
    assert!(wildcard.resolve("/img/w=200&h=100/photo.jpg", target("GET")).is_ok());
    assert!(wildcard.resolve("/img/css2%3Ffamily=Inter", target("GET")).is_ok());
    assert!(wildcard.resolve("/img/x&url=users/7", target("GET")).is_err());
    let names = |name: &str, count: usize| format!("/free/{}", vec![name; count].join(","));
    assert!(policy.resolve(&names("other", 1_000), target("GET")).is_ok());
    assert!(policy.resolve(&names("sold", 64), target("GET")).is_ok());
    assert!(policy.resolve(&names("sold", 65), target("GET")).is_err());
    let case_sensitive = valid(r#"{"origin_case_sensitive":true,"routes":[{"path":"/sold","sats":5}]}"#);
    assert!(case_sensitive.resolve("/RSC/R/sold.txt", target("GET")).is_err());
}
