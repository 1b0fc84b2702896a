//! Which route a request falls under, and what happens to what has none.

use crate::support::gate::{BY_PREIMAGE, NO_CODE};
use crate::support::price_list::{faults, good, read};
use crate::support::request::request;
use edgetoll::error::RequestError;
use edgetoll::gate::{ChallengeDraft, Decision, Gate, NO_CODE, Request};
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::policy::Policy;
use edgetoll::policy::facts::{Facts, PriceError};
use edgetoll::policy::resolve::unreachable;
use edgetoll::policy::route::{Route, Toll};
use edgetoll::protocols::l402::caveat::CredentialScope;
use edgetoll::protocols::price::Price;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;

fn keys() -> Keys {
    Keys::new(TollSecret::new(&crate::support::secret::SECRET).unwrap(), None)
}

/// What a request meets, as one word: the pattern that it is charged by, `open`, or the code of the refusal.
fn meets(policy: &Policy, url: &str, method: &str) -> String {
    let keys = keys();
    let gate = Gate { policy: Some(policy), keys: Some(&keys), code: NO_CODE, is_settled: BY_PREIMAGE };
    match gate.decide(&request(url, method, None), NOW) {
        Decision::Open { waived: None } => "open".to_owned(),
        Decision::Challenge { route, .. } => route.pattern.as_str().to_owned(),
        Decision::Refuse(refused) => refused.error.code().to_owned(),
        Decision::Prices => "prices".to_owned(),
        Decision::Health => "health".to_owned(),
        Decision::Operator(_) => "operator".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn host_and_method_are_filtered_before_the_most_specific_path_is_chosen() {
    let policy = good(
        r#"{"routes":[
            {"path":"/api/*","sats":1},
            {"path":"/api/joke","host":"api.example.com","sats":2},
            {"path":"/api/joke","host":"*.example.com","methods":["POST"],"sats":3},
            {"path":"/only","host":"api.example.com","sats":4},
            {"path":"/posted","methods":["POST"],"sats":5},
            {"path":"/given","host":"api.example.com","sats":6},
            {"path":"/given","host":"www.example.com","sats":0}
        ]}"#,
    );
    for (url, method, met) in [
        ("https://api.example.com/api/joke", "GET", "/api/joke"),
        ("https://www.example.com/api/joke", "GET", "/api/*"),
        ("https://www.example.com/api/joke", "POST", "/api/joke"),
        ("https://example.com/api/joke", "POST", "/api/*"),
        ("https://api.example.com/only", "GET", "/only"),
        ("https://api.example.com:8443/only", "GET", "/only"),
        ("https://www.example.com/only", "GET", "other_host"),
        ("https://evil.example/only", "POST", "other_host"),
        ("https://www.example.com/posted", "GET", "method_not_allowed"),
        ("https://api.example.com/given", "GET", "/given"),
        ("https://www.example.com/given", "GET", "open"),
        ("https://else.example.com/given", "GET", "other_host"),
        ("https://www.example.com/else", "GET", "open"),
    ] {
        assert_eq!(meets(&policy, url, method), met, "{method} {url}");
    }
    assert_eq!(RequestError::OtherHost.status(), 421);
}

#[test]
fn a_host_is_more_specific_than_a_wildcard_and_that_than_none() {
    let policy = good(
        r#"{"routes":[
            {"path":"/a","host":"A.b.Example.com","sats":4},
            {"path":"/a","host":"*.b.example.com","sats":3},
            {"path":"/a","sats":1},
            {"path":"/a","host":"*.example.com","sats":2}
        ]}"#,
    );
    let keys = keys();
    let gate = Gate { policy: Some(&policy), keys: Some(&keys), code: NO_CODE, is_settled: BY_PREIMAGE };
    for (host, sats) in [
        ("x.test", 1),
        ("example.com", 1),
        ("x.example.com", 2),
        ("x.b.example.com", 3),
        ("a.b.example.com", 4),
    ] {
        let url = format!("https://{host}/a");
        let Decision::Challenge { offer, .. } = gate.decide(&request(&url, "GET", None), NOW) else {
            panic!()
        };
        assert_eq!(offer.cost, Price::Sats(sats), "{host}");
    }
}

#[test]
fn what_no_route_names_passes_or_is_not_there() {
    let list = |unmatched: &str| {
        good(&format!(r#"{{"unmatched":"{unmatched}","routes":[{{"path":"/a"}},{{"path":"/b","sats":0}}]}}"#))
    };
    assert_eq!(meets(&list("pass"), "https://x/c", "GET"), "open");
    let deny = list("deny");
    for (path, met) in
        [("/c", "not_found"), ("/", "not_found"), ("/b", "open"), ("/a", "/a"), ("/a/", "ambiguous_path")]
    {
        assert_eq!(meets(&deny, &format!("https://x{path}"), "GET"), met, "{path}");
    }
}

#[test]
fn the_reserved_prefix_is_the_owners_to_name() {
    let policy = good(r#"{"prefix":"/_pay","routes":[{"path":"/*"}]}"#);
    for (path, met) in [
        ("/_pay/health", "health"),
        ("/_pay", "operator"),
        ("/_pay/stats", "operator"),
        ("/_pay/x", "not_found"),
        ("/_PAY/x", "not_found"),
        ("/%5Fpay/x", "not_found"),
        ("/_toll/health", "/*"),
        ("/_payments", "/*"),
    ] {
        assert_eq!(meets(&policy, &format!("https://x{path}"), "GET"), met, "{path}");
    }
    for prefix in ["/", "_pay", "/a/b", "/Pay", "/pay/", "/p y", ""] {
        let faults = faults(&format!(r#"{{"prefix":"{prefix}"}}"#));
        assert_eq!(faults[0].place, "TOLL.prefix", "{prefix}");
    }
}

#[test]
fn the_public_list_is_there_unless_it_is_switched_off() {
    let on = good(r#"{"routes":[{"path":"/*"}]}"#);
    assert_eq!(meets(&on, "https://x/.well-known/l402", "GET"), "prices");
    assert_eq!(meets(&on, "https://x/.well-known/l402", "HEAD"), "prices");
    assert_eq!(meets(&on, "https://x/.well-known/l402", "POST"), "method_not_allowed");
    let off = good(r#"{"public_prices":false,"routes":[{"path":"/*"}]}"#);
    assert_eq!(meets(&off, "https://x/.well-known/l402", "GET"), "/*");
}

#[test]
fn the_public_list_says_what_is_sold_to_whom_and_for_how_long() {
    let policy = good(
        r#"{"routes":[
            {"path":"/a","methods":["GET"],"sats":5,"description":"for {query.q}","free_requests":3,"free_window":"30m"},
            {"path":"/b","realm":"club","credential_expiry":"7d","price":[
                {"when":{"query":{"hd":"*"},"header":{"X-Partner":"a secret between two"}},"sats":50},
                {"when":{"content_length":{"min":9},"bot_score":{"max":29}},"sats_per_kib":2},
                {"fiat":"0.01 USD","max_sats":99}]},
            {"path":"/rebate","price":[{"when":{"query":{"code":"FRIENDS"}},"sats":10},{"when":{"query":{"hd":"*"}},"sats":50},{"sats":9}]},
            {"path":"/c","bind":["endpoint","ip"],"price":"code","invoice_expiry":"10m","service":"gpu"},
            {"path":"/d","listed":false},
            {"path":"/e","host":"other.example.com"}
        ]}"#,
    );
    let expected = r#"{"protocol":"L402","network":"bc","host":"x","routes":[
        {"path":"/a","methods":["GET"],"description":"for {query.q}","prices":[{"sats":5}],
         "scope":{"bind":["endpoint","method"]},"service":"toll","invoiceExpiresIn":300,"credentialExpiresIn":3600,
         "reusable":true,"free":{"requests":3,"windowMs":1800000}},
        {"path":"/b","methods":[],"prices":[
            {"when":[{"fact":"query","name":"hd"},{"fact":"header","name":"X-Partner"}],"sats":50},
            {"when":[{"fact":"content_length","min":9},{"fact":"bot_score","min":1,"max":29}],"satsPerKib":2},
            {"fiat":"0.01 USD","minSats":1,"maxSats":99}],
         "scope":{"realm":"club","bind":[]},"service":"toll","invoiceExpiresIn":300,"credentialExpiresIn":604800,"reusable":true},
        {"path":"/rebate","methods":[],"prices":[{"when":[{"fact":"query","name":"code"}],"sats":10},
            {"when":[{"fact":"query","name":"hd","is":["*"]}],"sats":50},{"sats":9}],
         "scope":{"bind":["endpoint","method"]},"service":"toll","invoiceExpiresIn":300,"credentialExpiresIn":3600,
         "reusable":true},
        {"path":"/c","methods":[],"prices":[],"scope":{"bind":["endpoint","ip"]},"service":"gpu",
         "invoiceExpiresIn":600,"credentialExpiresIn":3600,"reusable":true}
    ]}"#;
    let lines: String = expected.lines().map(str::trim_start).collect();
    assert_eq!(policy.catalog("x"), lines);
    let shut = read(r#"{"routes":[{"path":"/a","sats":-1}]}"#).policy.unwrap();
    assert!(!shut.catalog("x").contains("/a"));
}

#[test]
fn pages_that_may_read_are_named_by_their_origins() {
    for cors in [
        r#""*""#,
        r#"["*"]"#,
        r#""https://app.example.com""#,
        r#"["https://a.example","http://localhost:5173"]"#,
    ] {
        good(&format!(r#"{{"cors":{cors}}}"#));
    }
    for cors in [
        "[]",
        r#""app.example.com""#,
        r#""https://a.example/""#,
        r#""https://A.example""#,
        r#"["*","https://a.example"]"#,
        r#""null""#,
        "true",
    ] {
        assert_eq!(faults(&format!(r#"{{"cors":{cors}}}"#))[0].place, "TOLL.cors", "{cors}");
    }
}

#[test]
fn a_price_by_code_is_the_codes_or_the_route_is_shut() {
    let policy = good(r#"{"routes":[{"path":"/a","price":"code"}]}"#);
    let keys = keys();
    let asked = |code: &dyn Fn() -> Option<Result<u64, PriceError>>| {
        let code = |_: &Route, _: &Facts<'_>| code();
        let gate = Gate { policy: Some(&policy), keys: Some(&keys), code: &code, is_settled: BY_PREIMAGE };
        match gate.decide(&request("https://x/a", "GET", None), NOW) {
            Decision::Challenge { offer: ChallengeDraft { cost: Price::Sats(sats), .. }, .. } => Ok(sats),
            Decision::Waived { .. } => Ok(0),
            Decision::Refuse(problem, _) => Err(problem.code()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(asked(&|| Some(Ok(7))), Ok(7));
    assert_eq!(asked(&|| Some(Ok(0))), Ok(0));
    assert_eq!(asked(&|| Some(Ok(10_000_000))), Ok(10_000_000));
    assert_eq!(asked(&|| Some(Ok(10_000_001))), Err("not_configured"));
    assert_eq!(asked(&|| Some(Err(PriceError::LengthRequired))), Err("length_required"));
    assert_eq!(asked(&|| None), Err("not_configured"));
    assert_eq!(meets(&policy, "https://x/a", "GET"), "not_configured");
    assert!(matches!(policy.routes[0].pricing, Pricing::Code));
}

#[test]
fn the_free_tier_is_for_known_clients_without_a_credential() {
    let policy = good(r#"{"routes":[{"path":"/a","free_requests":2}]}"#);
    let keys = keys();
    let gate = Gate { policy: Some(&policy), keys: Some(&keys), code: NO_CODE, is_settled: BY_PREIMAGE };
    let asked = |client_ip, authorization| {
        gate.decide(&Request { client_ip, ..request("https://x/a", "GET", authorization) }, NOW)
    };
    let key = |decision| match decision {
        Decision::FreeTier { key, .. } => Some(key),
        _ => None,
    };
    let one = key(asked(Some("203.0.113.1"), None)).unwrap();
    assert_eq!(Some(&one), key(asked(Some("203.0.113.1"), Some("Bearer x"))).as_ref());
    assert_ne!(Some(&one), key(asked(Some("203.0.113.2"), None)).as_ref());
    assert!(!one.contains("203"), "a key tells nothing of the address");
    assert!(matches!(asked(None, None), Decision::Challenge { .. }));
    let malformed = asked(Some("203.0.113.1"), Some("L402 x"));
    assert!(matches!(malformed, Decision::Refuse(RequestError::Credential(_), Some(_))));
}

#[test]
fn a_method_in_the_query_and_a_query_in_the_path_make_a_price_ambiguous() {
    let policy = good(
        r#"{"routes":[
            {"path":"/a","methods":["POST"],"sats":1},
            {"path":"/a","methods":["DELETE"],"sats":900},
            {"path":"/verbs","price":[{"when":{"method":"DELETE"},"sats":900},{"sats":1}]},
            {"path":"/search/*","price":[{"when":{"query":{"premium":"*"}},"sats":50},{"sats":10}]},
            {"path":"/files/*","sats":5}
        ]}"#,
    );
    for (path, met) in [
        ("/a", "/a"),
        ("/a?_method=POST", "/a"),
        ("/a?_method=DELETE", "ambiguous_query"),
        ("/a?x=1;%5Fmethod=delete", "ambiguous_query"),
        ("/a?_method=POST&_method=DELETE", "ambiguous_query"),
        ("/a?.method=DELETE", "ambiguous_query"),
        ("/a?_method%00x=DELETE", "ambiguous_query"),
        ("/a?method=DELETE", "/a"),
        ("/verbs?_method=DELETE", "ambiguous_query"),
        ("/free?_method=DELETE", "open"),
        ("/search/x?premium=1", "/search/*"),
        ("/search/x%3fpremium=1", "ambiguous_path"),
        ("/search/x%253fpremium=1", "ambiguous_path"),
        ("/files/x%3fy", "/files/*"),
    ] {
        assert_eq!(meets(&policy, &format!("https://x{path}"), "POST"), met, "{path}");
    }
}

#[test]
fn a_websocket_pays_no_price_by_the_length_of_a_body() {
    let policy = good(r#"{"routes":[{"path":"/a","sats_per_kib":2}]}"#);
    let keys = keys();
    let gate = Gate { policy: Some(&policy), keys: Some(&keys), code: NO_CODE, is_settled: BY_PREIMAGE };
    let upgrade = Request { is_upgrade: true, ..request("https://x/a", "GET", None) };
    let problem = RequestError::PriceError(PriceError::LengthRequired);
    assert!(matches!(gate.decide(&upgrade, NOW), Decision::Refuse(refused, Some(_)) if refused == problem));
}

#[test]
fn routes_that_no_request_can_reach_are_found() {
    for (path, is_reachable) in [
        ("/a", true),
        ("/", true),
        ("/*", true),
        ("/:a/:b", true),
        ("/a/", true),
        ("/A b", true),
        ("/v1./x.", true),
        ("/_toll/a", false),
        ("/_toll/*", false),
        ("/_toll", false),
        ("/.well-known/l402", false),
        ("/a/%2e%2e/b", false),
        ("/a/%2E", false),
    ] {
        let policy = good(&format!(r#"{{"routes":[{{"path":"{path}"}},{{"path":"/search/a"}}]}}"#));
        let found: Vec<String> = unreachable(&policy).into_iter().map(|fault| fault.place).collect();
        let expected: &[&str] = if is_reachable { &[] } else { &["TOLL.routes[0].path"] };
        assert_eq!(found, expected, "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is priced is minted for the very path that was priced, and that is the path that is forwarded: all three
    /// are the one strict reading, and no other reading of it costs otherwise.
    #[test]
    fn what_is_priced_is_what_is_minted_and_forwarded(
        path in "/(?:api|API|a|joke|%6a|%2f|%252f|%5c|\\\\|/|;x|%3b|\\.|%2e|%00|%zz|%|\\?|%3f| |%20|é|index\\.php|:|\\*|dear|cheap){0,8}",
    ) {
        let policy = good(r#"{"routes":[
            {"path":"/api/joke","sats":5},{"path":"/cheap/*","sats":1},{"path":"/dear/:x","sats":1000},{"path":"/a","sats":0}
        ]}"#);
        let keys = keys();
        let gate = Gate { policy: Some(&policy), keys: Some(&keys), code: NO_CODE, is_settled: BY_PREIMAGE };
        let url = format!("https://x{path}");
        let request = request(&url, "GET", None);
        match gate.decide(&request, NOW) {
            Decision::Challenge { route, offer } => {
                let CredentialScope::Endpoint { endpoint, .. } = &offer.terms.scope else { panic!() };
                prop_assert_eq!(endpoint, request.url.path);
                prop_assert!(request.url.path_and_query.starts_with(endpoint.as_str()));
                // The same path again, whatever an origin makes of it, is the same route.
                let again = format!("https://x{endpoint}");
                let again = gate.decide(&self::request(&again, "GET", None), NOW);
                let is_same = matches!(again, Decision::Challenge { route: same, .. } if std::ptr::eq(same, route));
                prop_assert!(is_same);
            }
            Decision::Open { waived: None } => {
                // What passes for nothing is nothing that is sold, to an origin that decodes, folds, and collapses.
                let decoded = percent_decoded(request.url.path).to_lowercase().replace('\\', "/").replace('\0', "");
                let decoded = decoded.trim_end_matches([' ', '.', '/']);
                let names: Vec<&str> = decoded
                    .split('/')
                    .map(|name| name.split(';').next().unwrap_or_default())
                    .filter(|name| !name.is_empty())
                    .collect();
                prop_assert!(names != ["api", "joke"], "{path}");
                prop_assert!(names.first() != Some(&"cheap"), "{path}");
                prop_assert!(names.first() != Some(&"dear") || names.len() != 2, "{path}");
            }
            _ => {}
        }
    }
}

/// By another implementation than ours.
fn percent_decoded(path: &str) -> String {
    let mut text = path.to_owned();
    for _ in 0..4 {
        let mut decoded = Vec::new();
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    decoded.push(byte);
                    at += 3;
                }
                None => {
                    decoded.push(bytes[at]);
                    at += 1;
                }
            }
        }
        text = String::from_utf8_lossy(&decoded).into_owned();
    }
    text
}
