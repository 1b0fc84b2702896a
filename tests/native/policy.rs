//! The price list: how it is read, how a path finds its route, and what is closed when it is broken.

use crate::support::gate::{BY_PREIMAGE, NO_CODE};
use crate::support::price_list::{good, read};
use crate::support::request::request;
use edgetoll::error::RequestError;
use edgetoll::gate::{Decision, Gate, NO_CODE};
use edgetoll::http::percent;
use edgetoll::http::url::{RequestUrl, is_loopback, is_safe_base};
use edgetoll::policy::Policy;
use edgetoll::policy::client::ClientSource;
use edgetoll::policy::duration::parse_ms;
use edgetoll::policy::normalization::fold_case;
use edgetoll::policy::normalization::liberal;
use edgetoll::policy::route::{Reading, Selection, Target, select};
use proptest::prelude::*;

fn routes(entries: &[&str]) -> Policy {
    good(&format!("{{\"routes\":[{}]}}", entries.join(",")))
}

fn on<'a>(method: &'a str) -> Target<'a> {
    Target { host: "x", method }
}

fn pattern_for<'a>(policy: &'a Policy, path: &str, method: &str) -> Option<&'a str> {
    match select(&policy.routes, PathForm::AsSent, path, on(method)) {
        Selection::Route(route) => Some(route.pattern.as_str()),
        _ => None,
    }
}

#[test]
fn the_most_specific_path_of_the_method_wins() {
    let policy = routes(&[
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
fn head_counts_as_get() {
    let policy = routes(&[r#"{"path":"/a","methods":["GET"]}"#, r#"{"path":"/b","methods":["POST"]}"#]);
    assert_eq!(pattern_for(&policy, "/a", "HEAD"), Some("/a"));
    assert!(matches!(
        select(&policy.routes, PathForm::AsSent, "/b", on("HEAD")),
        Selection::OtherMethod(route) if route.pattern.as_str() == "/b"
    ));
}

#[test]
fn a_pattern_in_letters_beyond_ascii_is_the_path_as_the_wire_has_it() {
    // What `new URL(path, "http://x").pathname` gives in workerd.
    assert_eq!(percent::encode("/café \"<>`{}^|"), "/caf%C3%A9%20%22%3C%3E%60%7B%7D%5E|");
    let policy = routes(&[r#"{"path":"/café"}"#]);
    assert_eq!(pattern_for(&policy, "/caf%C3%A9", "GET"), Some("/café"));
}

#[test]
fn the_liberal_reading_is_what_a_forgiving_origin_makes_of_a_path() {
    for (path, reading) in [
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
        assert_eq!(liberal(path, fold_case), reading, "{path}");
    }
    assert_eq!(liberal("/A", str::to_owned), "/A");
}

#[test]
fn windows_and_durations_need_a_unit_and_are_never_guessed() {
    // lightning-toll reads each of the refused as an hour.
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
        ("99999999999999999999d", None),
    ] {
        assert_eq!(parse_ms(text), ms, "{text:?}");
    }
}

#[test]
fn a_list_that_cannot_be_read_whole_is_refused_with_its_place() {
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
    ] {
        let reading = read(list);
        assert!(reading.policy.is_none(), "{list}");
        assert_eq!(reading.faults[0].place, place, "{}", reading.faults[0]);
    }
    assert!(
        edgetoll::strict_json::Json::parse(br#"{"routes":[],"routes":[]}"#).is_none(),
        "a key that stands twice"
    );
}

/// The fixed prices of a list; `None` for what is shut.
fn tolls(policy: &Policy) -> Vec<Option<u64>> {
    policy.routes.iter().map(|route| route.pricing.fixed_sats()).collect()
}

#[test]
fn a_bad_entry_shuts_its_path() {
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
    ] {
        let reading = read(&format!(r#"{{"routes":[{{"path":"/y","sats":1}},{entry}]}}"#));
        let tolls = tolls(&reading.policy.unwrap());
        assert_eq!(tolls, [Some(1), None], "{entry}");
        assert!(reading.faults[0].place.starts_with("TOLL.routes[1]."), "{}", reading.faults[0]);
    }
}

#[test]
fn two_entries_for_one_path_shut_both_unless_their_methods_differ() {
    let reading = read(r#"{"routes":[{"path":"/a","sats":1},{"path":"/A/","sats":9}]}"#);
    assert_eq!(tolls(&reading.policy.unwrap()), [None, None]);
    good(r#"{"routes":[{"path":"/a","methods":["GET"]},{"path":"/a","methods":["POST"]}]}"#);
    for methods in [r#"["POST","GET"]"#, r#"["HEAD"]"#, r#"["PUT","GET"]"#] {
        let list = format!(
            r#"{{"routes":[{{"path":"/a","methods":["GET"]}},{{"path":"/a","methods":{methods}}}]}}"#
        );
        assert_eq!(tolls(&read(&list).policy.unwrap()), [None, None], "{methods}");
    }
}

#[test]
fn a_credential_never_ends_before_its_invoice() {
    for (list, expiries) in [
        (r#"{"routes":[{"path":"/a"}]}"#, (300, 3_600)),
        (r#"{"invoice_expiry":"2h","credential_expiry":"1h","routes":[{"path":"/a"}]}"#, (7_200, 7_200)),
        (r#"{"invoice_expiry":"2h","routes":[{"path":"/a","invoice_expiry":"10m"}]}"#, (600, 3_600)),
        (r#"{"routes":[{"path":"/a","invoice_expiry":"10m","credential_expiry":"5m"}]}"#, (600, 600)),
        (r#"{"routes":[{"path":"/a","credential_expiry":"7d"}]}"#, (300, 604_800)),
    ] {
        let route = &good(list).routes[0];
        assert_eq!((route.invoice_expiry_s, route.credential_expiry_s), expiries, "{list}");
    }
}

#[test]
fn a_url_is_sliced_as_the_runtime_wrote_it() {
    let url = RequestUrl::parse("https://api.example.com:8443/a/b?c=/d#e").unwrap();
    assert_eq!((url.host, url.path, url.path_and_query), ("api.example.com", "/a/b", "/a/b?c=/d"));
    assert!(url.is_https);
    assert_eq!(RequestUrl::parse("http://[::1]:8787/").unwrap().host, "[::1]");
    assert_eq!(RequestUrl::parse("http://example.com./").unwrap().host, "example.com");
    assert_eq!(RequestUrl::parse("ftp://example.com/"), None);
}

#[test]
fn secrets_go_over_https_or_to_this_machine_only() {
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
fn a_client_is_its_ipv4_address_or_the_64_of_its_ipv6_one() {
    let source = ClientSource::default();
    let bucket = |value| source.client(value);
    assert_eq!(bucket(Some("203.0.113.7")).as_deref(), Some("203.0.113.7"));
    assert_eq!(bucket(Some("::ffff:203.0.113.7")).as_deref(), Some("203.0.113.7"));
    assert_eq!(bucket(Some("2001:db8:1:2:3:4:5:6")).as_deref(), Some("2001:db8:1:2::/64"));
    for absent in [None, Some(""), Some("unknown"), Some("203.0.113.7, 10.0.0.1"), Some("203.0.113.7:80")] {
        assert_eq!(bucket(absent), None, "{absent:?}");
    }
}

proptest! {
    #[test]
    fn the_liberal_reading_of_a_liberal_reading_is_itself(path in "/[a-zA-Z./;%2Ff\\\\ ]{0,40}") {
        let once = liberal(&path, fold_case);
        // Four decodings end at a fixed point of a path that was encoded no deeper.
        prop_assume!(!once.contains('%'));
        prop_assert_eq!(liberal(&once, fold_case), once);
    }

    #[test]
    fn no_path_and_no_list_makes_a_panic(path in "\\PC{0,80}", pattern in "/\\PC{0,40}") {
        let _ = liberal(&path, fold_case);
        let entry = serde_json::to_string(&pattern).unwrap();
        if let Some(policy) = read(&format!("{{\"routes\":[{{\"path\":{entry}}}]}}")).policy {
            let _ = policy.resolve(&path, on("GET"));
        }
    }
}

/// What origins of the field were seen to serve `/api/joke`, `/search/<word>` and `/api/paid.php` under.
const BYPASSES: [&str; 63] = [
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
    "/api/joke/",
    "/api/joke//",
    "/api//joke",
    "//api/joke",
    "/api%5cjoke",
    "/api%2fjoke",
    "/api%252fjoke",
    "/API/Joke%20",
    // A host in the path, as Node's `new URL` and Python's `urlparse` read it.
    "//x/api/joke",
    "/%2Fx/api/joke",
    "//127.0.0.1:1/search/bitcoin",
    // Parameters that are cut before anything is decoded, as Tomcat does.
    "/api/jok%65;%2Fx",
    "/api/jok%65;x=%2Fy",
    "//index.php/api/joke",
    "/api/index.php/joke",
    "/api/index.php//joke",
    "/api/joke/index.html",
    "/dear/report/index.php",
    // Letters that some fold to `k` and `i`.
    "/ap%C4%B1/joke",
    "/AP%C4%B0/joke",
    "/api/jo%E2%84%AAe",
    // Windows drops dots and spaces behind a name.
    "/api./joke",
    "/api../joke",
    "/api%2e/joke",
    "/api%20/joke",
    "/%20api/joke",
];

#[test]
fn no_spelling_that_an_origin_was_seen_to_serve_is_free_or_cheaper() {
    let policy = routes(&[
        r#"{"path":"/api/joke","sats":5}"#,
        r#"{"path":"/api/paid.php","sats":5}"#,
        r#"{"path":"/search/:word","sats":5}"#,
        r#"{"path":"/cheap/*","sats":1}"#,
        r#"{"path":"/dear/report","sats":1000}"#,
    ]);
    let gate = Gate { policy: Some(&policy), keys: None, code: NO_CODE, is_settled: BY_PREIMAGE };
    let decide = |path: &str| {
        let url = format!("https://x{path}");
        gate.decide(&request(&url, "GET", None), 0)
    };
    for path in BYPASSES {
        assert!(matches!(decide(path), Decision::Refuse(RequestError::AmbiguousPath, _)), "{path}");
    }
    // Nor is anything sold that an origin could take for a free page.
    assert!(matches!(decide("/search/a%2Fb"), Decision::Refuse(RequestError::AmbiguousPath, _)));
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
    // Priced as it stands; without a key nothing priced passes.
    for path in ["/api/joke", "/search/a%20b", "/cheap/a;b", "/cheap/a%2Fb%3Fc"] {
        assert!(matches!(decide(path), Decision::Refuse(RequestError::NotConfigured, _)), "{path}");
    }
}

#[test]
fn a_pattern_with_a_dot_at_the_end_of_an_inner_name_can_be_bought() {
    let policy = routes(&[r#"{"path":"/v1./x."}"#]);
    assert_eq!(pattern_for(&policy, "/v1./x.", "GET"), Some("/v1./x."));
    let reading = liberal("/v1./x.", fold_case);
    assert!(matches!(select(&policy.routes, PathForm::Normalized, &reading, on("GET")), Selection::Route(_)));
}

#[test]
fn a_folder_and_its_index_are_one_path_to_a_file_server() {
    for list in [r#"{"path":"/members/","sats":5}"#, r#"{"path":"/members/index.html","sats":5}"#] {
        let policy = routes(&[list]);
        let gate = Gate { policy: Some(&policy), keys: None, code: NO_CODE, is_settled: BY_PREIMAGE };
        for path in ["/members", "/members/", "/members/index.html", "/members/INDEX.htm"] {
            let url = format!("https://x{path}");
            let decision = gate.decide(&request(&url, "GET", None), 0);
            assert!(matches!(decision, Decision::Refuse(..)), "{list}: {path} is {decision:?}");
        }
    }
    let policy = routes(&[r#"{"path":"/members/index.html","sats":5}"#]);
    assert_eq!(pattern_for(&policy, "/members/index.html", "GET"), Some("/members/index.html"));
    assert!(edgetoll::policy::resolve::unreachable(&policy).is_empty());
}

#[test]
fn a_path_with_more_readings_than_can_be_looked_at_is_refused() {
    let policy = routes(&[r#"{"path":"/sold","sats":5}"#]);
    let nested = (0..40).fold("%".to_owned(), |path, _| path.replace('%', "%25"));
    for path in [
        format!("/{nested}2e"),
        format!("/{}", "a;b/ x.php/%25252e;c//".repeat(700)),
        format!("/{}", "%2f%2541;x%20/index.php/".repeat(600)),
    ] {
        assert!(policy.resolve(&path, on("GET")).is_err(), "{}", path.len());
    }
    assert!(policy.resolve(&format!("/{}", "long".repeat(4_000)), on("GET")).is_ok());
}
