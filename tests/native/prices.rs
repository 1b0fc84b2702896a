//! Tests of three subjects: prices that depend on facts about a request, mistakes in the routes of a price list, and
//! the descriptions of invoices.

use std::collections::HashMap;

use crate::support::price_list::{errors, valid};
use edgetoll::policy::description::Description;
use edgetoll::policy::facts::{EdgeFact, Facts, PriceError};
use edgetoll::policy::normalization::fold_case;
use edgetoll::policy::price::price_of;
use edgetoll::policy::route::Pricing;
use edgetoll::protocols::price::Price;
use proptest::prelude::*;

/// The parts of a request that a price can depend on.
#[derive(Default)]
struct TestRequest<'a> {
    method: &'a str,
    query: &'a str,
    has_body: bool,
    headers: &'a [(&'a str, &'a str)],
    edge: &'a [(EdgeFact, &'a str)],
}

impl TestRequest<'_> {
    fn with_facts<T>(&self, evaluate: impl FnOnce(&Facts<'_>) -> T) -> T {
        let headers: HashMap<String, &str> =
            self.headers.iter().map(|(name, value)| (name.to_lowercase(), *value)).collect();
        let header = |name: &str| headers.get(&name.to_lowercase()).map(|value| (*value).to_owned());
        let edge =
            |fact| self.edge.iter().find(|(known, _)| *known == fact).map(|(_, value)| (*value).to_owned());
        let method = if self.method.is_empty() { "GET" } else { self.method };
        evaluate(&Facts {
            method,
            path: "/caf%C3%A9/x",
            query: self.query,
            has_body: self.has_body,
            header: &header,
            edge: &edge,
            fold_case,
        })
    }

    /// Returns the price, in satoshis, for a route whose entry has these keys.
    fn sats(&self, keys: &str) -> Result<u64, PriceError> {
        let policy = valid(&format!(r#"{{"routes":[{{"path":"/a",{keys}}}]}}"#));
        let Pricing::Rules(rules) = &policy.routes[0].pricing else { panic!("{keys}") };
        self.with_facts(|facts| price_of(rules, facts)).map(|price| match price {
            Price::Sats(sats) => sats,
            Price::Fiat(price) => panic!("{price:?}"),
        })
    }
}

const PREMIUM: &str = r#""price":[{"when":{"query":{"premium":"*"}},"sats":50},{"sats":10}]"#;

#[test]
fn a_price_in_code_gets_the_decoded_value_of_a_query_parameter() {
    let request = TestRequest { query: "limit=1%200&sort=&x=1&x=2", ..TestRequest::default() };
    let value = |name: &str| request.with_facts(|facts| facts.query(name));
    assert_eq!(value("limit"), Ok(Some("1 0".to_owned())));
    assert_eq!(value("sort"), Ok(Some(String::new())));
    assert_eq!(value("page"), Ok(None));
    assert_eq!(value("x"), Err(PriceError::AmbiguousQuery("x".to_owned())));
}

#[test]
fn the_first_price_whose_conditions_are_met_applies() {
    let list = r#""price":[
        {"when":{"query":{"tier":["gold","plat*"]},"method":"POST"},"sats":90},
        {"when":{"query":{"tier":"gold"}},"sats":60},
        {"when":{"header":{"User-Agent":["*GPTBot*","*ClaudeBot*"]}},"sats":40},
        {"when":{"country":["CH","LI"]},"sats":30},
        {"when":{"bot_score":{"max":29}},"sats":20},
        {"when":{"verified_bot":"Search Engine Crawler"},"sats":0},
        {"sats":10}]"#;
    let post = |query| TestRequest { method: "POST", query, ..TestRequest::default() }.sats(list);
    let get = |query| TestRequest { query, ..TestRequest::default() }.sats(list);
    assert_eq!(post("tier=gold"), Ok(90));
    assert_eq!(post("tier=platinum"), Ok(90));
    assert_eq!(get("tier=gold"), Ok(60));
    assert_eq!(get("a=b&tier=gold&c"), Ok(60));
    assert_eq!(get("tier=silver"), Ok(10));
    let agent =
        |agent| TestRequest { headers: &[("user-agent", agent)], ..TestRequest::default() }.sats(list);
    assert_eq!(agent("Mozilla/5.0 (compatible, like that; GPTBot/1.2)"), Ok(40));
    assert_eq!(agent("mozilla/5.0 gptbot"), Err(PriceError::AmbiguousHeader("User-Agent".to_owned())));
    assert_eq!(agent("curl/8"), Ok(10));
    let edge = |fact, value| TestRequest { edge: &[(fact, value)], ..TestRequest::default() }.sats(list);
    assert_eq!(edge(EdgeFact::Country, "LI"), Ok(30));
    assert_eq!(edge(EdgeFact::Country, "US"), Ok(10));
    assert_eq!(edge(EdgeFact::BotScore, "29"), Ok(20));
    assert_eq!(edge(EdgeFact::BotScore, "30"), Ok(10));
    assert_eq!(edge(EdgeFact::VerifiedBot, "Search Engine Crawler"), Ok(0));
    assert_eq!(edge(EdgeFact::VerifiedBot, ""), Ok(10));
}

// mm-4: otherwise the price would be another one once the visitor has paid.
#[test]
fn a_price_by_cookie_or_authorization_does_not_depend_on_the_credential_of_edgetoll() {
    fn sats(list: &str, name: &str, value: &str) -> Result<u64, PriceError> {
        TestRequest { headers: &[(name, value)], ..TestRequest::default() }.sats(list)
    }
    let by_cookie = r#""price":[{"when":{"header":{"Cookie":"vip=1"}},"sats":5},{"sats":50}]"#;
    let own = "toll_0123456789ab=AgEE.x";
    for cookies in [
        "vip=1".to_owned(),
        format!("vip=1; {own}"),
        format!("{own}; vip=1"),
        "toll_admin=x; vip=1".to_owned(),
    ] {
        assert_eq!(sats(by_cookie, "Cookie", &cookies), Ok(5), "{cookies}");
    }
    assert_eq!(sats(by_cookie, "Cookie", own), Ok(50));
    let by_login = r#""price":[{"when":{"header":{"Authorization":"Bearer *"}},"sats":5},{"sats":50}]"#;
    let (macaroon, preimage) = ("AgEE", "00".repeat(32));
    assert_eq!(sats(by_login, "Authorization", &format!("Bearer x, L402 {macaroon}:{preimage}")), Ok(5));
    assert_eq!(sats(by_login, "Authorization", &format!("L402 {macaroon}:{preimage}")), Ok(50));
}

#[test]
fn a_head_request_has_the_price_of_get() {
    let list = r#""price":[{"when":{"method":"GET"},"sats":3},{"sats":10}]"#;
    for (method, sats) in [("GET", 3), ("HEAD", 3), ("get", 3), ("POST", 10)] {
        assert_eq!(TestRequest { method, ..TestRequest::default() }.sats(list), Ok(sats), "{method}");
    }
}

#[test]
fn a_query_parameter_that_a_price_depends_on_must_be_unambiguous() {
    for (query, sats) in [
        ("", 10),
        ("x=premium", 10),
        ("premium", 50),
        ("premium=", 50),
        ("premium=1", 50),
        ("%70remium=1", 50),
        ("a=1&premium=b%26c", 50),
        ("notpremium=1", 10),
    ] {
        assert_eq!(TestRequest { query, ..TestRequest::default() }.sats(PREMIUM), Ok(sats), "{query}");
    }
    // Web frameworks (PHP, Rails, Express, ASP.NET, CGI) disagree about each of these queries, so edgetoll refuses all
    // of them. Either only some frameworks find the parameter `premium`, or they find it twice and use different
    // values.
    for query in [
        "premium=&premium=1",
        "premium=1&premium=1",
        "premium[]=1",
        "premium%5B%5D=1",
        "premium[a]=1",
        "Premium=1",
        "PREMIUM",
        "a=1;premium=1",
        ";premium=1",
        "?premium=1",
        "+premium=1",
        "premium+=1",
        "%20premium=1",
        "premium%00=1",
        "premium%00x=1",
        "%2570remium=1",
        "premium=1;x",
        "premium%0a=1",
        // qs, Rack, PHP, Spring or ASP.NET reads the name in each of the next 13 queries as `premium`.
        "[premium]=1",
        "%5Bpremium%5D=1",
        "]premium=1",
        "premium]=1",
        "[premium][x]=1",
        "!premium=1",
        "_premium=1",
        "%u0070remium=1",
        "%EF%BB%BFpremium=1",
        "premium%E2%80%8B=1",
        "pre%FFmium=1",
        "%2525%37%30remium=1",
        "prem%C4%B1um=1",
        // Some origins drop a parameter that they cannot decode.
        "premium=%zz",
        "x=%",
        "x=%e",
        // Nuxt skips `=` before a name.
        "=premium=1",
        "==premium",
        // qs reads a list with `allowDots`.
        "premium.0=1",
        "premium%2E0.0=1",
    ] {
        let price = TestRequest { query, ..TestRequest::default() }.sats(PREMIUM);
        assert_eq!(price, Err(PriceError::AmbiguousQuery("premium".to_owned())), "{query}");
    }
}

#[test]
fn a_query_or_header_value_that_an_origin_may_read_as_a_more_expensive_value_is_refused() {
    let list =
        r#""price":[{"when":{"query":{"tier":"gold"},"header":{"X-Quality":"hd"}},"sats":50},{"sats":10}]"#;
    for query in [
        "tier=gold%00",
        "tier=%EF%BB%BFgold",
        "tier=gold?",
        "tier=GOLD",
        "tier=gold%20",
        "tier=+gold",
        "tier=%2567old",
        "tier=gold%09",
        // restify's `sanitizePath` removes slashes from the whole URL.
        "tier=gold/",
        "tier=gold%2F%2F",
        // Spring reads a list, as qs does with `comma`.
        "tier=gold,silver",
        "tier=silver,%20Gold",
        "tier=gold,",
        // MediaWiki.
        "tier=silver|gold",
        "tier=gold%7Csilver",
    ] {
        let price = TestRequest { query, ..TestRequest::default() }.sats(list);
        assert_eq!(price, Err(PriceError::AmbiguousQuery("tier".to_owned())), "{query}");
    }
    for value in [
        "sd, hd",
        "hd, sd",
        "hd,",
        ", hd",
        "hd;q=1",
        "HD",
        "\u{a0}hd",
        "hd\u{85}",
        "hd\u{1f}",
        "hd\u{fffd}",
        "\u{fffd}hd",
        "sd;hd",
    ] {
        let price = TestRequest { headers: &[("X-Quality", value)], ..TestRequest::default() }.sats(list);
        assert_eq!(price, Err(PriceError::AmbiguousHeader("X-Quality".to_owned())), "{value}");
    }
    let any = r#""price":[{"when":{"query":{"tier":"*"}},"sats":50},{"sats":10}]"#;
    let many = format!("tier={}", "x,".repeat(1000));
    let of_many = |list| TestRequest { query: &many, ..TestRequest::default() }.sats(list);
    assert_eq!(of_many(list), Err(PriceError::AmbiguousQuery("tier".to_owned())), "too many parts");
    assert_eq!(of_many(any), Ok(50));
    for query in ["tier=silver,bronze", "tier=golden,x", "tier.x=gold", "tier2=gold"] {
        assert_eq!(TestRequest { query, ..TestRequest::default() }.sats(list), Ok(10), "{query}");
    }
    // A list that begins or ends with the value.
    let cheap = r#""price":[{"when":{"query":{"tier":["basic*","*-free","a,b"]}},"sats":1},{"sats":50}]"#;
    for (query, expected) in [
        ("tier=basic-2", Ok(1)),
        ("tier=x-free", Ok(1)),
        ("tier=basic,basic-2|x-free", Ok(1)),
        ("tier=a,b", Ok(1)),
        ("tier=gold", Ok(50)),
        ("tier=basic,gold", Err(PriceError::AmbiguousQuery("tier".to_owned()))),
        ("tier=Basic%7Cgold", Err(PriceError::AmbiguousQuery("tier".to_owned()))),
        ("tier=gold,x-free", Err(PriceError::AmbiguousQuery("tier".to_owned()))),
    ] {
        assert_eq!(TestRequest { query, ..TestRequest::default() }.sats(cheap), expected, "{query}");
    }
    let part = r#""price":[{"when":{"query":{"tier":"*basic*"}},"sats":1},{"sats":50}]"#;
    assert_eq!(TestRequest { query: "tier=basic,gold", ..TestRequest::default() }.sats(part), Ok(1));
    let two = r#""price":[{"when":{"header":{"X-Quality":"hd","X-Length":"long"}},"sats":50},{"sats":10}]"#;
    let headers = [("X-Quality", "hd"), ("X-Length", "long")];
    assert_eq!(TestRequest { headers: &headers, ..TestRequest::default() }.sats(two), Ok(50));
    assert_eq!(TestRequest { headers: &headers[..1], ..TestRequest::default() }.sats(two), Ok(10));
    for value in ["sd", "sd, md", "hdr", ""] {
        assert_eq!(
            TestRequest { headers: &[("X-Quality", value)], ..TestRequest::default() }.sats(list),
            Ok(10),
            "{value}"
        );
    }
    let both =
        TestRequest { query: "tier=gold", headers: &[("X-Quality", " hd\t")], ..TestRequest::default() };
    assert_eq!(both.sats(list), Ok(50));
}

#[test]
fn a_request_body_is_priced_by_each_started_kib_and_refused_without_a_length() {
    let per_kib = |length: Option<&str>| {
        let headers: Vec<(&str, &str)> =
            length.map(|length| ("Content-Length", length)).into_iter().collect();
        TestRequest { method: "POST", has_body: true, headers: &headers, ..TestRequest::default() }
            .sats(r#""sats_per_kib":3"#)
    };
    for (length, sats) in
        [("0", 3), ("1", 3), ("1024", 3), ("1025", 6), ("10240", 30), ("3413332992", 9_999_999)]
    {
        assert_eq!(per_kib(Some(length)), Ok(sats), "{length}");
    }
    for length in [None, Some("x"), Some("-1"), Some("5, 5"), Some("0x5"), Some(""), Some("1 2")] {
        assert_eq!(per_kib(length), Err(PriceError::LengthRequired), "{length:?}");
    }
    for length in ["3413332993", "9007199254740993", "18446744073709551615"] {
        assert_eq!(per_kib(Some(length)), Err(PriceError::TooLong), "{length}");
    }
    assert_eq!(TestRequest::default().sats(r#""sats_per_kib":3"#), Ok(3), "a request without a body");
    let large = r#""price":[{"when":{"content_length":{"min":1000}},"sats":50},{"sats":10}]"#;
    let posted = |length| {
        TestRequest {
            method: "POST",
            has_body: true,
            headers: &[("content-length", length)],
            ..TestRequest::default()
        }
        .sats(large)
    };
    assert_eq!((posted("999"), posted("1000")), (Ok(10), Ok(50)));
    let compressed = [("Content-Length", "9"), ("Content-Encoding", "gzip")];
    let compressed =
        TestRequest { method: "POST", has_body: true, headers: &compressed, ..TestRequest::default() };
    assert_eq!(compressed.sats(large), Err(PriceError::Encoded));
    // Attack A7 (CHANGELOG): a GET or HEAD request with a body was sold, and then failed.
    for method in ["GET", "HEAD"] {
        let headers = [("Content-Length", "9")];
        let sent = TestRequest { method, has_body: true, headers: &headers, ..TestRequest::default() };
        assert_eq!(sent.sats(large), Err(PriceError::UnexpectedBody), "{method}");
    }
    let unsized_body = TestRequest { method: "POST", has_body: true, ..TestRequest::default() };
    assert_eq!(unsized_body.sats(large), Err(PriceError::LengthRequired));
}

#[test]
fn a_price_condition_on_a_country_or_bot_fact_that_cloudflare_does_not_know_is_not_met() {
    let list = r#""price":[{"when":{"country":"US"},"sats":1},{"when":{"bot_score":{"min":1}},"sats":2},{"when":{"verified_bot":"*"},"sats":3},{"sats":10}]"#;
    assert_eq!(TestRequest::default().sats(list), Ok(10));
}

#[test]
fn a_query_with_more_parameters_than_frameworks_read_is_refused_if_the_price_depends_on_it() {
    let query = |parameters: usize, more: &str| format!("{}{more}", "a&".repeat(parameters));
    assert_eq!(TestRequest { query: &query(99, "premium"), ..TestRequest::default() }.sats(PREMIUM), Ok(50));
    for query in [query(100, "premium"), query(1_000, ""), "&".repeat(1_000)] {
        assert!(
            TestRequest { query: &query, ..TestRequest::default() }.sats(PREMIUM).is_err(),
            "{}",
            query.len()
        );
    }
    assert_eq!(TestRequest { query: &query(1_000, ""), ..TestRequest::default() }.sats(r#""sats":5"#), Ok(5));
}

#[test]
fn a_bot_score_of_zero_counts_as_unknown() {
    let list = r#""price":[{"when":{"bot_score":{"max":29}},"sats":20},{"sats":10}]"#;
    assert_eq!(
        TestRequest { edge: &[(EdgeFact::BotScore, "0")], ..TestRequest::default() }.sats(list),
        Ok(10)
    );
    assert_eq!(
        TestRequest { edge: &[(EdgeFact::BotScore, "1")], ..TestRequest::default() }.sats(list),
        Ok(20)
    );
}

#[test]
fn a_price_in_a_currency_has_bounds_in_satoshis() {
    let policy = valid(r#"{"routes":[{"path":"/a","fiat":"0.01 USD","min_sats":5,"max_sats":50}]}"#);
    let Pricing::Rules(rules) = &policy.routes[0].pricing else { panic!() };
    let Ok(Price::Fiat(price)) = TestRequest::default().with_facts(|facts| price_of(rules, facts)) else {
        panic!()
    };
    assert_eq!((price.fiat.as_str(), price.min_sats, price.max_sats), ("0.01 USD", 5, 50));
    assert_eq!((price.fiat.amount().as_str(), price.fiat.currency()), ("0.01", "USD"));
}

#[test]
fn a_wrong_key_of_a_price_or_a_route_is_reported_with_its_place_in_the_price_list() {
    for (keys, place) in [
        (r#""price":[]"#, "price"),
        (r#""price":5"#, "price"),
        (r#""price":"closure""#, "price"),
        (r#""price":[{"when":{"method":"POST"},"sats":5}]"#, "price"),
        (r#""price":[{"sats":5},{"sats":6}]"#, "price[1]"),
        (r#""price":[{"when":{},"sats":5},{"sats":6}]"#, "price[0].when"),
        (r#""price":[{"when":{"querry":{}},"sats":5},{"sats":6}]"#, "price[0].when.querry"),
        (r#""price":[{"when":{"query":{"a":5}},"sats":5},{"sats":6}]"#, "price[0].when.query.a"),
        (r#""price":[{"when":{"query":{"a[]":"x"}},"sats":5},{"sats":6}]"#, "price[0].when.query"),
        (r#""price":[{"when":{"query":{"a":[]}},"sats":5},{"sats":6}]"#, "price[0].when.query.a"),
        (
            r#""price":[{"when":{"header":{"X-Toll-Status":"paid"}},"sats":5},{"sats":6}]"#,
            "price[0].when.header",
        ),
        (
            r#""price":[{"when":{"header":{"Content-Length":"5"}},"sats":5},{"sats":6}]"#,
            "price[0].when.header",
        ),
        (r#""price":[{"when":{"country":"us"},"sats":5},{"sats":6}]"#, "price[0].when.country"),
        (
            r#""price":[{"when":{"bot_score":{"max":100}},"sats":5},{"sats":6}]"#,
            "price[0].when.bot_score.max",
        ),
        (r#""price":[{"when":{"bot_score":{"min":0}},"sats":5},{"sats":6}]"#, "price[0].when.bot_score.min"),
        (
            r#""price":[{"when":{"content_length":{"max":9007199254740992}},"sats":5},{"sats":6}]"#,
            "price[0].when.content_length.max",
        ),
        (r#""price":[{"when":{"query":{"a":"x*y"}},"sats":5},{"sats":6}]"#, "price[0].when.query.a"),
        (r#""price":[{"when":{"query":{"a":"x;y"}},"sats":5},{"sats":6}]"#, "price[0].when.query"),
        (r#""price":[{"when":{"query":{"":"x"}},"sats":5},{"sats":6}]"#, "price[0].when.query"),
        (r#""price":[{"when":{"header":{"Accept":"a, b"}},"sats":5},{"sats":6}]"#, "price[0].when.header"),
        (r#""price":[{"when":{"method":"HEAD"},"sats":5},{"sats":6}]"#, "price[0].when.method"),
        (r#""price":[{"when":{"method":"post"},"sats":5},{"sats":6}]"#, "price[0].when.method"),
        (r#""price":[{"when":{"country":"U1"},"sats":5},{"sats":6}]"#, "price[0].when.country"),
        (r#""cache":true,"price":[{"when":{"header":{"X-A":"b"}},"sats":5},{"sats":6}]"#, "cache"),
        (r#""cache":true,"price":"code""#, "cache"),
        (
            r#""price":[{"when":{"bot_score":{"min":9,"max":3}},"sats":5},{"sats":6}]"#,
            "price[0].when.bot_score",
        ),
        (r#""price":[{"when":{"content_length":{}},"sats":5},{"sats":6}]"#, "price[0].when.content_length"),
        (r#""price":[{"when":{"method":"POST"}},{"sats":6}]"#, "price[0]"),
        (r#""price":[{"sats":6,"fiat":"1 USD"}]"#, "price[0].fiat"),
        (r#""price":[{"sats":6}],"sats":5"#, "price"),
        (r#""sats":5,"sats_per_kib":1"#, "sats_per_kib"),
        (r#""sats":5,"max_sats":1"#, "max_sats"),
        (r#""fiat":"1 usd""#, "fiat"),
        (r#""fiat":"0 USD""#, "fiat"),
        (r#""fiat":"$1""#, "fiat"),
        (r#""fiat":"1 USD","min_sats":9,"max_sats":3"#, "min_sats"),
        (r#""sats_per_kib":0"#, "sats_per_kib"),
        (r#""description":"{body}""#, "description"),
        (r#""description":"{query.}""#, "description"),
        (r#""description":"{path""#, "description"),
        (r#""description":"path}""#, "description"),
        (r#""host":"example.com:80""#, "host"),
        (r#""host":"*.""#, "host"),
        (r#""host":"a*.example.com""#, "host"),
        (r#""host":"[::1""#, "host"),
        (r#""host":"::1]""#, "host"),
        (r#""host":"x]""#, "host"),
        (r#""host":"""#, "host"),
        (r#""host":".example.com""#, "host"),
        (r#""host":"example.com.""#, "host"),
        (r#""methods":[]"#, "methods"),
        (r#""methods":["TRACE"]"#, "methods"),
        (r#""free_requests":-1"#, "free_requests"),
        (r#""free_requests":5,"free_window":"1 hour""#, "free_window"),
        (r#""free_requests":5,"free_window":0"#, "free_window"),
        (r#""free_window":"1h""#, "free_window"),
        (r#""listed":"no""#, "listed"),
        (r#""invoice_expiry":"60s""#, "invoice_expiry"),
        (r#""uses":0"#, "uses"),
    ] {
        let errors = errors(&format!(r#"{{"routes":[{{"path":"/a",{keys}}}]}}"#));
        assert_eq!(
            errors.first().map(|error| error.place.as_str()),
            Some(format!("TOLL.routes[0].{place}").as_str()),
            "{keys}: {errors:?}"
        );
    }
}

#[test]
fn a_range_may_have_equal_bounds_and_a_parameter_needs_a_letter_or_a_digit_of_any_script() {
    let places = |when: &str| {
        let found = errors(&format!(
            r#"{{"routes":[{{"path":"/a","price":[{{"when":{when},"sats":5}},{{"sats":6}}]}}]}}"#
        ));
        found.into_iter().map(|error| error.place).collect::<Vec<_>>()
    };
    for when in [
        r#"{"content_length":{"min":5,"max":5}}"#,
        r#"{"bot_score":{"min":1,"max":1}}"#,
        r#"{"query":{"名":"x"}}"#,
        r#"{"query":{"2":"x"}}"#,
        r#"{"query":{"_a":"x"}}"#,
    ] {
        assert_eq!(places(when), [""; 0], "{when}");
    }
    assert_eq!(
        places(r#"{"content_length":{"min":6,"max":5}}"#),
        ["TOLL.routes[0].price[0].when.content_length"]
    );
    for when in [r#"{"query":{"_":"x"}}"#, r#"{"query":{"-.":"x"}}"#] {
        assert_eq!(places(when), ["TOLL.routes[0].price[0].when.query"], "{when}");
    }
}

#[test]
fn a_wrong_amount_of_a_price_is_reported_once() {
    let found = errors(r#"{"routes":[{"path":"/a","price":[{"sats":-1}]}]}"#);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].place, "TOLL.routes[0].price[0].sats");
}

#[test]
fn all_mistakes_of_a_price_list_are_reported_together() {
    let errors = errors(
        r#"{"unmatchd":"deny","default_sats":-1,"routes":[{"path":"/a","sats":"5","free_reqests":1},{"paht":"/b"},{"path":"/c","fiat":1}]}"#,
    );
    let places: Vec<&str> = errors.iter().map(|error| error.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "TOLL.unmatchd",
            "TOLL.default_sats",
            "TOLL.routes[1].path",
            "TOLL.routes[0].free_reqests",
            "TOLL.routes[0].sats",
            "TOLL.routes[2].fiat",
        ]
    );
}

#[test]
fn the_description_of_an_invoice_is_filled_from_the_request_and_has_no_invisible_characters() {
    let fill = |template: &str, query: &str| {
        let description = Description::parse(template).unwrap();
        TestRequest { query, ..TestRequest::default() }.with_facts(|facts| description.fill(facts))
    };
    assert_eq!(fill("{method} {path}: {query.q}", "q=a+b%21"), "GET /café/x: a b!");
    assert_eq!(fill("{query.q}", "Q=1&x=2"), "");
    assert_eq!(fill("{query.a b}", "a+b=1&a+b=2"), "1");
    assert_eq!(fill("plain", ""), "plain");
    // Bidirectional overrides and control characters are removed from a value, because they could make a wallet show
    // another text. A long value is cut, because it could push the text of the template out of sight.
    assert_eq!(fill("for {query.q}", "q=%E2%80%AEevil%0d%0a%00%E2%81%A6x%D8%9C"), "for evilx");
    // NWC Service Provider 1.1.2 answers INTERNAL to characters that are not printable in Python.
    assert_eq!(fill("for {query.q}", "q=a%E3%80%80b%C2%A0c%EE%80%80%F3%B0%80%80"), "for a b c");
    assert_eq!(fill("{query.q}", &format!("q={}", "é".repeat(100))), "é".repeat(64));
    assert_eq!(Description::parse("{method} at {query.x}").unwrap().template(), "{method} at {query.x}");
}

proptest! {
    #[test]
    fn the_price_does_not_depend_on_how_an_origin_splits_the_query(
        query in "[a-dA-D&;=?+%0-9\\[\\]. p]{0,24}",
    ) {
        let list = r#""price":[{"when":{"query":{"a":"*"}},"sats":50},{"sats":10}]"#;
        let request = TestRequest { query: &query, ..TestRequest::default() };
        if request.sats(list) == Ok(10) {
            // The request gets the cheap price, so no origin may find the parameter `a` in the query. Some origins
            // split a query at `;`, some ignore case, and some read brackets as PHP does.
            let lower = query.to_lowercase();
            let has_parameter = lower.split(['&', ';', '?']).any(|pair| {
                let key = pair.split(['=', '[']).next().unwrap_or_default();
                key.trim_matches(['+', ' ']) == "a"
            });
            prop_assert!(!has_parameter, "{query}");
        }
    }
}

// R8: mm-9, mm-10
#[test]
fn a_condition_that_no_request_can_meet_is_a_mistake() {
    for (when, place, sentence) in [
        (r#""query":{"a":"x\u200b"}"#, "query.a", "must have values without invisible characters"),
        (
            r#""header":{"X-Tier":["a","b\u00a0c"]}"#,
            "header.X-Tier",
            "must have values without invisible characters",
        ),
        (r#""method":"TRACE""#, "method", "must be an upper-case method"),
        (r#""method":["GET",""]"#, "method", "must be an upper-case method"),
    ] {
        let list = format!(
            r#"{{"routes":[{{"path":"/a","price":[{{"when":{{{when}}},"sats":9}},{{"sats":5}}]}}]}}"#
        );
        let found: Vec<String> = errors(&list).iter().map(ToString::to_string).collect();
        let start = format!("TOLL.routes[0].price[0].when.{place} {sentence}");
        assert!(matches!(&found[..], [one] if one.starts_with(&start)), "{when}: {found:?}");
    }
}

// R8 (CHANGELOG)
#[test]
fn white_space_that_would_make_a_condition_never_match_is_a_mistake() {
    let sentence = "must have no white space at its beginning and end, and no control characters";
    for (route, place) in [
        (r#""path":"/sold ","sats":5"#, "path"),
        (r#""path":"/sold\n","sats":5"#, "path"),
        (
            r#""path":"/a","price":[{"when":{"header":{"X-Quality":"hd "}},"sats":9},{"sats":5}]"#,
            "price[0].when.header.X-Quality",
        ),
        (
            r#""path":"/a","price":[{"when":{"query":{"q":["hd","\thd"]}},"sats":9},{"sats":5}]"#,
            "price[0].when.query.q",
        ),
        (
            r#""path":"/a","price":[{"when":{"query":{"q ":"hd"}},"sats":9},{"sats":5}]"#,
            "price[0].when.query",
        ),
        (
            r#""path":"/a","price":[{"when":{"verified_bot":"AI Crawler "},"sats":9},{"sats":5}]"#,
            "price[0].when.verified_bot",
        ),
    ] {
        let found = errors(&format!(r#"{{"routes":[{{{route}}}]}}"#));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, [format!("TOLL.routes[0].{place} {sentence}")], "{route}");
    }
    let found = errors(r#"{"keep_headers":["X A"],"routes":[]}"#);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn the_longest_body_that_the_runtime_can_measure_has_a_price() {
    let list = r#""price":[{"when":{"content_length":{"min":1}},"sats":9},{"sats":5}]"#;
    let of = |length: &str| {
        let headers = [("Content-Length", length)];
        TestRequest { method: "POST", has_body: true, headers: &headers, ..TestRequest::default() }.sats(list)
    };
    assert_eq!(of("9007199254740991"), Ok(9));
    assert_eq!(of("9007199254740992"), Err(PriceError::TooLong));
}

// A4 (CHANGELOG): Django decodes the query with the charset of `Content-Type`. In UTF-7, `+AHA-` is `p`. Zope reads
// `premium:int` as `premium`.
#[test]
fn a_query_that_an_origin_decodes_with_another_charset_is_refused() {
    let sats = |query, content_type| {
        TestRequest { query, headers: &[("Content-Type", content_type)], ..TestRequest::default() }
            .sats(PREMIUM)
    };
    for content_type in [
        "text/plain; charset=utf-7",
        "text/plain;charset=\"UTF-7\"",
        "text/plain; Charset = utf-7",
        "text/plain; charset*=utf-8''utf-7",
        "text/plain; charset=utf-8; charset=unicode_escape",
        "text/plain; charset=ibm037",
        "text/plain; charset=",
    ] {
        let refused = Err(PriceError::AmbiguousQuery("premium".to_owned()));
        assert_eq!(sats("%2BAHA-remium=1", content_type), refused, "{content_type}");
    }
    for content_type in [
        "",
        "text/plain",
        "application/json; charset=utf-8",
        "application/json; charset=\"UTF-8\"; version=1",
        "text/plain; charset=utf8",
        "text/plain; charset=US-ASCII",
        "text/plain; charset=ISO-8859-1",
        "text/html;charset=windows-1252",
    ] {
        assert_eq!(sats("a=b", content_type), Ok(10), "{content_type}");
    }
    for query in ["premium:int=1", "premium:utf8:ustring=1", "premium%3Aint=1", "premium:list=1"] {
        assert!(TestRequest { query, ..TestRequest::default() }.sats(PREMIUM).is_err(), "{query}");
    }
    // A price that does not depend on the query is not affected.
    let plain = TestRequest { headers: &[("Content-Type", "a/b; charset=utf-7")], ..TestRequest::default() };
    assert_eq!(plain.sats(r#""sats":3"#), Ok(3));
}

// CherryPy decodes encoded words (RFC 2047) in each header: `=?utf-8?q?hd?=` is `hd`.
#[test]
fn a_header_with_encoded_words_is_refused_if_the_price_depends_on_it() {
    let list = r#""price":[{"when":{"header":{"X-Quality":"hd"}},"sats":50},{"sats":10}]"#;
    let sats = |value| TestRequest { headers: &[("x-quality", value)], ..TestRequest::default() }.sats(list);
    for value in ["=?utf-8?q?hd?=", "=?utf-8?B?aGQ=?=", "sd =?UTF-8?Q?=68d?="] {
        assert_eq!(sats(value), Err(PriceError::AmbiguousHeader("X-Quality".to_owned())), "{value}");
    }
    for value in ["https://x/?a=?", "a=?b", "sd?="] {
        assert_eq!(sats(value), Ok(10), "{value}");
    }
}

// A2 (CHANGELOG): the list of crawlers of ai.robots.txt has 75 names.
#[test]
fn a_value_that_is_too_long_to_compare_with_all_values_of_the_price_list_is_ambiguous() {
    let names = |count: usize| (0..count).map(|n| format!(r#""*Crawler{n}*""#)).collect::<Vec<_>>().join(",");
    let price = |count: usize, in_one: bool, bytes: usize| {
        let rule = |names: &str| format!(r#"{{"when":{{"header":{{"User-Agent":[{names}]}}}},"sats":20}},"#);
        let rules: String = match in_one {
            true => rule(&names(count)),
            false => (0..count).map(|n| rule(&format!(r#""*Crawler{n}*""#))).collect(),
        };
        let headers = [("User-Agent", &*"a".repeat(bytes))];
        TestRequest { headers: &headers, ..TestRequest::default() }
            .sats(&format!(r#""price":[{rules}{{"sats":0}}]"#))
    };
    for in_one in [true, false] {
        assert_eq!(price(75, in_one, 3_000), Ok(0));
        assert_eq!(price(75, in_one, 4_000), Err(PriceError::AmbiguousHeader("User-Agent".to_owned())));
    }
    assert_eq!(price(2, true, 16_384), Ok(0));
    assert_eq!(price(2, true, 16_385), Err(PriceError::AmbiguousHeader("User-Agent".to_owned())));
}
