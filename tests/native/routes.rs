//! Which route a request has, what happens to a request without a route, and the public price list.

use crate::support::gate::gate;
use crate::support::price_list::{errors, parse, valid};
use crate::support::request::request;
use crate::support::secret::SECRET;
use edgetoll::endpoints;
use edgetoll::error::RequestError;
use edgetoll::gate::{Decision, Gate, Refused, Request, Seller};
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::policy::facts::{Facts, PriceError};
use edgetoll::policy::resolve::unreachable;
use edgetoll::policy::route::{Pricing, Route};
use edgetoll::policy::{Policy, aliases};
use edgetoll::protocols::l402::caveat::CredentialScope;
use edgetoll::protocols::price::Price;
use proptest::prelude::*;

const NOW_UNIX: u64 = 1_800_000_000;

fn seller() -> Seller {
    crate::support::gate::seller(Keys::new(TollSecret::new(&SECRET).unwrap(), None))
}

/// Returns the decision of the gate as text: the pattern of the route for a challenge, `open` for a request that is
/// forwarded, or the code of the error.
fn outcome(policy: &Policy, url: &str, method: &str) -> String {
    match gate(policy, &seller()).decide(&request(url, method, None), NOW_UNIX) {
        Decision::Open { waived: None } => "open".to_owned(),
        Decision::Challenge(draft) => draft.route.pattern.as_str().to_owned(),
        Decision::Refuse(refused) => refused.error.code().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_route_has_its_position_in_its_own_price_list_and_none_in_another_list() {
    let list =
        r#"{"routes":[{"path":"/a"},{"path":"/b","methods":["GET"]},{"path":"/b","methods":["POST"]}]}"#;
    let (policy, other) = (valid(list), valid(list));
    let positions = |of: &Policy| of.routes.iter().map(|route| policy.position(route)).collect::<Vec<_>>();
    assert_eq!(positions(&policy), [Some(0), Some(1), Some(2)]);
    assert_eq!(positions(&other), [None; 3]);
}

#[test]
fn only_routes_for_the_host_and_method_of_the_request_compete_for_the_most_specific_path() {
    let policy = valid(
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
    for (url, method, expected) in [
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
        assert_eq!(outcome(&policy, url, method), expected, "{method} {url}");
    }
    assert_eq!(RequestError::OtherHost.status(), 421);
}

#[test]
fn an_exact_host_takes_precedence_over_a_wildcard_host_which_takes_precedence_over_no_host() {
    let policy = valid(
        r#"{"routes":[
            {"path":"/a","host":"A.b.Example.com","sats":4},
            {"path":"/a","host":"*.b.example.com","sats":3},
            {"path":"/a","sats":1},
            {"path":"/a","host":"*.example.com","sats":2}
        ]}"#,
    );
    let seller = seller();
    let gate = gate(&policy, &seller);
    for (host, sats) in [
        ("x.test", 1),
        ("example.com", 1),
        ("x.example.com", 2),
        ("x.b.example.com", 3),
        ("a.b.example.com", 4),
    ] {
        let url = format!("https://{host}/a");
        let decision = gate.decide(&request(&url, "GET", None), NOW_UNIX);
        let Decision::Challenge(draft) = decision else { panic!("{host}: {decision:?}") };
        assert_eq!(draft.price, Price::Sats(sats), "{host}");
    }
}

#[test]
fn a_request_without_a_route_is_forwarded_or_gets_404_as_the_price_list_says() {
    let list = |unmatched: &str| {
        valid(&format!(
            r#"{{"unmatched":"{unmatched}","routes":[{{"path":"/a"}},{{"path":"/b","sats":0}}]}}"#
        ))
    };
    assert_eq!(outcome(&list("pass"), "https://x/c", "GET"), "open");
    let deny = list("deny");
    for (path, expected) in [
        ("/c", "not_found"),
        ("/", "not_found"),
        ("/b", "open"),
        ("/a", "/a"),
        ("/a/", "/a"),
        ("/a//", "ambiguous_path"),
    ] {
        assert_eq!(outcome(&deny, &format!("https://x{path}"), "GET"), expected, "{path}");
    }
}

#[test]
fn the_price_list_can_change_the_reserved_prefix() {
    let policy = valid(r#"{"prefix":"/_pay","routes":[{"path":"/*"}]}"#);
    for (path, expected) in [
        ("/_pay/x", "not_found"),
        ("/_PAY/x", "not_found"),
        ("/%5Fpay/x", "not_found"),
        ("/_toll/health", "/*"),
        ("/_payments", "/*"),
    ] {
        assert_eq!(outcome(&policy, &format!("https://x{path}"), "GET"), expected, "{path}");
    }
    for prefix in ["/", "_pay", "/a/b", "/Pay", "/pay/", "/p y", ""] {
        let errors = errors(&format!(r#"{{"prefix":"{prefix}"}}"#));
        assert_eq!(errors[0].place, "TOLL.prefix", "{prefix}");
    }
}

#[test]
fn the_path_of_the_public_price_list_is_an_ordinary_path_if_the_list_is_not_public() {
    let public = valid(r#"{"routes":[{"path":"/*"}]}"#);
    let endpoint = endpoints::find(Some(&public), "/.well-known/l402").unwrap();
    assert_eq!((endpoint, endpoint.allow()), (endpoints::Endpoint::Prices, Some("GET, HEAD")));
    let private = valid(r#"{"public_prices":false,"routes":[{"path":"/*"}]}"#);
    assert_eq!(endpoints::find(Some(&private), "/.well-known/l402"), None);
    assert_eq!(outcome(&private, "https://x/.well-known/l402", "GET"), "/*");
}

#[test]
fn the_public_price_list_has_prices_conditions_scopes_and_expiries() {
    let policy = valid(
        r#"{"routes":[
            {"path":"/a","methods":["GET"],"sats":5,"description":"for {query.q}","free_requests":3,"free_window":"30m"},
            {"path":"/b","realm":"club","credential_expiry":"7d","price":[
                {"when":{"query":{"hd":"*"},"header":{"X-Partner":"a secret value"}},"sats":50},
                {"when":{"content_length":{"min":9},"bot_score":{"max":29}},"sats_per_kib":2},
                {"fiat":"0.01 USD","max_sats":99}]},
            {"path":"/rebate","price":[{"when":{"query":{"code":"FRIENDS"}},"sats":10},{"when":{"query":{"hd":"*"}},"sats":50},{"sats":9}]},
            {"path":"/c","bind":["endpoint","ip"],"price":"code","invoice_expiry":"10m","service":"gpu"},
            {"path":"/d","listed":false},
            {"path":"/e","host":"other.example.com"},
            {"path":"/f","description":"{method} {path}","price":[
                {"when":{"method":"POST","country":["DE","FR"],"verified_bot":"AI Crawler"},"sats":9},{"sats":5}]}
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
         "invoiceExpiresIn":600,"credentialExpiresIn":3600,"reusable":true},
        {"path":"/f","methods":[],"description":"{method} {path}","prices":[
            {"when":[{"fact":"method","is":["POST"]},{"fact":"country","is":["DE","FR"]},
             {"fact":"verified_bot","is":["AI Crawler"]}],"sats":9},{"sats":5}],
         "scope":{"bind":["endpoint","method"]},"service":"toll","invoiceExpiresIn":300,"credentialExpiresIn":3600,
         "reusable":true}
    ]}"#;
    let lines: String = expected.lines().map(str::trim_start).collect();
    assert_eq!(policy.catalog("x"), lines);
    let with_invalid_route = parse(r#"{"routes":[{"path":"/a","sats":-1}]}"#).policy.unwrap();
    assert!(!with_invalid_route.catalog("x").contains("/a"));
}

#[test]
fn the_key_cors_must_be_one_or_more_origins_or_a_wildcard() {
    for cors in [
        r#""*""#,
        r#"["*"]"#,
        r#""https://app.example.com""#,
        r#"["https://a.example","http://localhost:5173"]"#,
        r#"["https://a.example:443","http://[::1]:5173","http://127.0.0.1"]"#,
        // Pages of apps and of browser extensions.
        r#"["capacitor://localhost","tauri://localhost","chrome-extension://abcdefghijklmnopabcdefghijklmnop"]"#,
    ] {
        valid(&format!(r#"{{"cors":{cors}}}"#));
    }
    for cors in [
        "[]",
        r#""app.example.com""#,
        r#""https://a.example/""#,
        r#""https://A.example""#,
        r#"["*","https://a.example"]"#,
        r#""null""#,
        r#""htps://a.example""#,
        r#""://a.example""#,
        r#""capacitor://localhost/""#,
        // R8 (CHANGELOG): browsers send no such origin.
        r#""https://a.example:""#,
        r#""https://a.example:0443""#,
        r#""https://a.example:99999""#,
        r#""http://[::1]x""#,
        r#""http://256.0.0.1""#,
        "true",
    ] {
        assert_eq!(errors(&format!(r#"{{"cors":{cors}}}"#))[0].place, "TOLL.cors", "{cors}");
    }
}

#[test]
fn a_route_priced_by_code_is_refused_if_the_code_returns_no_valid_price() {
    let policy = valid(r#"{"routes":[{"path":"/a","price":"code"}]}"#);
    let seller = seller();
    let price = |code: &dyn Fn() -> Option<Result<u64, PriceError>>| {
        let code = |_: &Route, _: &Facts<'_>| code();
        let gate = Gate { code: &code, ..gate(&policy, &seller) };
        match gate.decide(&request("https://x/a", "GET", None), NOW_UNIX) {
            Decision::Challenge(draft) => Ok(draft.price),
            Decision::Open { waived: Some(_) } => Ok(Price::Sats(0)),
            Decision::Refuse(refused) => Err(refused.error.code()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(price(&|| Some(Ok(7))), Ok(Price::Sats(7)));
    assert_eq!(price(&|| Some(Ok(0))), Ok(Price::Sats(0)));
    assert_eq!(price(&|| Some(Ok(10_000_000))), Ok(Price::Sats(10_000_000)));
    assert_eq!(price(&|| Some(Ok(10_000_001))), Err("not_configured"));
    assert_eq!(price(&|| Some(Err(PriceError::LengthRequired))), Err("length_required"));
    assert_eq!(price(&|| None), Err("not_configured"));
    assert_eq!(outcome(&policy, "https://x/a", "GET"), "not_configured");
    assert!(matches!(policy.routes[0].pricing, Pricing::Code));
}

#[test]
fn the_free_tier_applies_to_clients_with_a_known_address_and_without_a_credential() {
    let policy = valid(r#"{"routes":[{"path":"/a","free_requests":2}]}"#);
    let seller = seller();
    let gate = gate(&policy, &seller);
    let decide = |client_ip, authorization| {
        gate.decide(&Request { client_ip, ..request("https://x/a", "GET", authorization) }, NOW_UNIX)
    };
    let key = |client_ip, authorization| match decide(Some(client_ip), authorization) {
        Decision::FreeTier { key, .. } => key,
        other => panic!("{other:?}"),
    };
    let first = key("203.0.113.1", None);
    assert_eq!(first, key("203.0.113.1", Some("Bearer x")));
    assert_ne!(first, key("203.0.113.2", None));
    assert!(!first.contains("203.0.113"), "the key contains no address");
    assert!(matches!(decide(None, None), Decision::Challenge(_)));
    let with_malformed_credential = decide(Some("203.0.113.1"), Some("L402 x"));
    assert!(matches!(
        with_malformed_credential,
        Decision::Refuse(Refused { error: RequestError::Credential(_), route: Some(_) })
    ));
}

#[test]
fn a_method_override_in_the_query_or_an_encoded_query_in_the_path_is_refused_if_the_price_differs() {
    let policy = valid(
        r#"{"routes":[
            {"path":"/a","methods":["POST"],"sats":1},
            {"path":"/a","methods":["DELETE"],"sats":900},
            {"path":"/verbs","price":[{"when":{"method":"DELETE"},"sats":900},{"sats":1}]},
            {"path":"/search/*","price":[{"when":{"query":{"premium":"*"}},"sats":50},{"sats":10}]},
            {"path":"/of;x/:id","price":[{"when":{"query":{"premium":"*"}},"sats":50},{"sats":10}]},
            {"path":"/files/*","sats":5},
            {"path":"/thumbs/image","sats":0},
            {"path":"/base/sold.png","sats":5},
            {"path":"/wp-json/*","sats":5}
        ]}"#,
    );
    for (path, expected) in [
        ("/a", "/a"),
        ("/a?_method=POST", "/a"),
        ("/a?_method=DELETE", "ambiguous_query"),
        ("/a?x=1;%5Fmethod=delete", "ambiguous_query"),
        ("/a?_method=POST&_method=DELETE", "ambiguous_query"),
        ("/a?.method=DELETE", "ambiguous_query"),
        ("/a?=_method=DELETE", "ambiguous_query"),
        // ASP.NET MVC takes the method of a `POST` from this parameter, and Plack from the next one.
        ("/a?X-HTTP-Method-Override=DELETE", "ambiguous_query"),
        ("/a?x=1&x-http%2Dmethod-override=delete", "ambiguous_query"),
        ("/a?X-HTTP-Method-Override=POST", "/a"),
        ("/a?x-tunneled-method=DELETE", "ambiguous_query"),
        // Restlet reads the first of these parameters, Alfresco the second, and Salesforce the third.
        ("/a?method=DELETE", "ambiguous_query"),
        ("/a?alf_method=delete", "ambiguous_query"),
        ("/a?_HttpMethod=DELETE", "ambiguous_query"),
        ("/verbs?method=DELETE", "ambiguous_query"),
        ("/a?X-Method=DELETE", "ambiguous_query"),
        ("/a?method=POST", "/a"),
        ("/a?method=flickr.photos.search", "/a"),
        ("/verbs?payment_method=card", "/verbs"),
        ("/a?methods=DELETE", "/a"),
        ("/verbs?X-HTTP-Method-Override=DELETE", "ambiguous_query"),
        ("/free?X-HTTP-Method-Override=DELETE", "open"),
        // CodeIgniter routes a query that begins with `/` as the path.
        ("/?/files/x", "ambiguous_path"),
        ("/index.php?/a&x=1", "ambiguous_path"),
        ("/?//x/files/y", "ambiguous_path"),
        ("/?/free", "open"),
        ("/a?/a", "/a"),
        ("/login/?/files/x", "ambiguous_path"),
        // SvelteKit sends a form action of the page `/login` in this way.
        ("/login?/files/x", "open"),
        ("/?x=/a", "open"),
        // Zope calls the object that a parameter names.
        ("/?files/x:method=1", "ambiguous_path"),
        ("/?x=1&:method=files/x", "ambiguous_path"),
        ("/?:default%5Fmethod=files%2Fx", "ambiguous_path"),
        ("/files?x:action=1", "/files/*"),
        ("/x?..%2Ffiles/y:utf8:method", "ambiguous_path"),
        ("/?files/x:method.x=1", "ambiguous_path"),
        ("/?files/x:default_action.y.x:int=1", "ambiguous_path"),
        ("/?:method.y=files/x", "ambiguous_path"),
        ("/?files.x=1", "open"),
        ("/?free:method=1", "open"),
        ("/?files:int=1", "open"),
        ("/?a:method=&b:method=&c:method=&d:method=", "ambiguous_path"),
        ("/?b:method=&c:method=&d:method=&e:method=", "open"),
        ("/?b:method=&c:method=&d:method=&e:method=&f:method=", "ambiguous_path"),
        // WordPress serves its REST API at every path.
        ("/?rest_route=/wp/v2/posts", "ambiguous_path"),
        ("/index.php?x=1&rest%5Froute=%2Fwp%2Fv2%2Fposts", "ambiguous_path"),
        ("/free?rest.route=wp/v2/posts", "ambiguous_path"),
        ("/free?rest[route=wp/v2/posts", "ambiguous_path"),
        ("/free?rest%5Broute=/wp/v2/posts", "ambiguous_path"),
        ("/free?rest[route]=/wp/v2/posts", "open"),
        ("/wp-json/wp/v2/posts?rest_route=/wp/v2/posts", "/wp-json/*"),
        // WordPress serves the page that this parameter names at every path.
        ("/?pagename=files/x", "ambiguous_path"),
        ("/index.php?x=1&page%6Eame=/files%2Fx/", "ambiguous_path"),
        // For PHP, the name ends before the NUL.
        ("/?pagename%00x=files/x", "ambiguous_path"),
        ("/?pagename=free", "open"),
        // SvelteKit on Vercel takes the path from this parameter, and Phalcon from the next one.
        ("/?__pathname=/files/x", "ambiguous_path"),
        ("/free?x=1&__pathname=%2Ffiles%2Fx", "ambiguous_path"),
        ("/?__pathname=/free", "open"),
        ("/index.php?_url=/files/x", "ambiguous_path"),
        ("/index.php?_url=/_toll/health", "ambiguous_path"),
        // A URL parser resolves `..` in the value, after which the path is no longer reserved.
        ("/free?__pathname=/_toll/../files/x", "ambiguous_path"),
        ("/free?x_astro_path=/_toll/%2E./files/x", "ambiguous_path"),
        ("/_next/image?url=/_toll/../files/a.png", "ambiguous_path"),
        ("/files/x?_url=/files/x", "/files/*"),
        // Astro and Nitro on Vercel, and OpenCart.
        ("/free?x_astro_path=/files/x", "ambiguous_path"),
        ("/free?x-astro-path=%2Ffiles%2Fx", "ambiguous_path"),
        ("/free?__isr_route=/files/x", "ambiguous_path"),
        ("/index.php?_route_=files/x", "ambiguous_path"),
        ("/free?__isr_route=/free", "open"),
        ("/login?return_path=/files/x", "open"),
        // The login of Symfony goes on to this page.
        ("/login?_target_path=/files/x", "open"),
        // An origin that takes the path from a parameter may take the query from there.
        ("/search/x?x_astro_path=/search/x%3Fpremium=1", "ambiguous_path"),
        ("/search/x?premium=1&__pathname=/search/x", "ambiguous_path"),
        ("/?url=/files/x", "open"),
        // Image optimizers read an image at the path in their query.
        ("/_next/image?url=%2Ffiles%2Fa.png&w=640&q=75", "ambiguous_path"),
        ("/docs/_NEXT/im%61ge/?w=1&url=/files/a.png", "ambiguous_path"),
        ("/.netlify/images?url=/files/a.png", "ambiguous_path"),
        ("/_image?href=%2Ffiles%2Fa.png", "ambiguous_path"),
        // Astro resolves the path of the image as a URL.
        ("/_image?href=files/a.png", "ambiguous_path"),
        ("/_image?href=%09/files/a.png", "ambiguous_path"),
        ("/_image?href=.%2Ffiles/a.png", "ambiguous_path"),
        ("/_image?href=%5Cfiles%5Ca.png", "ambiguous_path"),
        ("/files/_image?href=/files/a.png", "/files/*"),
        ("/base/_image?href=/base/_astro/a.png", "open"),
        ("/base/_image?href=/base/sold.png", "ambiguous_path"),
        ("/base/_image?href=12345/sold.png", "ambiguous_path"),
        ("/base/_image?href=%C3%A9%C3%A9345%5Csold.png", "ambiguous_path"),
        ("/base/_image?href=%F0%9F%98%80%F0%9F%98%805/sold.png", "ambiguous_path"),
        ("/_image?href=/_astro/a.png", "open"),
        ("/_next/image?url=%2Ffree%2Fa.png&w=640&q=75", "open"),
        ("/_next/image?url=https://x/files/a.png", "open"),
        // kk-7: Nuxt Image 2.0 with ipx 3.1
        ("/_ipx/_?x/files/a.png", "ambiguous_path"),
        ("/_ipx/_?a=1/files/a.png", "ambiguous_path"),
        ("/_ipx/_?x/files/%61.png", "ambiguous_path"),
        ("/_ipx/_?x%2Fa/files/a.png", "ambiguous_path"),
        ("/_ipx/_?x%252Fa/files/a.png", "ambiguous_path"),
        ("/%5Fipx/_?x/files/a.png", "ambiguous_path"),
        ("/_ipx/_?a/b/c/d/e/f", "open"),
        ("/_ipx/w_200/free.png?ref=https://x/files/a.png", "open"),
        // nn-9
        ("/_%69px/x%2Fy/files/a.png", "ambiguous_path"),
        ("/%5Fipx/%2F/files/a.png", "ambiguous_path"),
        ("/_%2569px/x%2Fy/files/a.png", "ambiguous_path"),
        ("/_ipx/_/free.png?a/../files/a.png", "ambiguous_path"),
        ("/_ipx/_/free.png?a=/b", "open"),
        ("/_ipx/_/free.png?a=1", "open"),
        ("/free?x/files/a.png", "open"),
        ("/images/x?url=/files/a.png", "open"),
        ("/thumbs/image?url=/files/a.png", "open"),
        ("/a?_method%00x=DELETE", "ambiguous_query"),
        ("/verbs?_method=DELETE", "ambiguous_query"),
        ("/free?_method=DELETE", "open"),
        ("/search/x?premium=1", "/search/*"),
        ("/search/x%3fpremium=1", "ambiguous_path"),
        ("/search/x%253fpremium=1", "ambiguous_path"),
        // A4 (CHANGELOG): Fastify 4 reads the text after `;` as the query.
        ("/search/x;premium=1", "ambiguous_path"),
        ("/search/x%3Bpremium=1", "ambiguous_path"),
        ("/search/a;premium=1/b", "ambiguous_path"),
        ("/of;x/a", "/of;x/:id"),
        ("/of;x/a;premium=1", "ambiguous_path"),
        ("/files/x%3fy", "/files/*"),
        ("/files/x;y", "/files/*"),
    ] {
        assert_eq!(outcome(&policy, &format!("https://x{path}"), "POST"), expected, "{path}");
    }
    assert_eq!(outcome(&policy, "https://x/verbs?method=DELETE", "GET"), "/verbs");
    assert_eq!(outcome(&policy, "https://x/verbs?_method=DELETE", "GET"), "ambiguous_query");
}

/// A3 (CHANGELOG): the method in the query was judged for the path as it was sent only.
#[test]
fn a_method_in_the_query_is_judged_for_each_form_of_the_path() {
    let policy = valid(
        r#"{"routes":[{"path":"/*","sats":0},{"path":"/a","methods":["DELETE"],"sats":900},{"path":"/b","methods":["POST"],"sats":5}]}"#,
    );
    for (path, expected) in [
        ("/A?X-HTTP-Method-Override=DELETE", "ambiguous_query"),
        ("/a.json?_method=DELETE", "ambiguous_query"),
        ("/a/?_method=DELETE", "ambiguous_query"),
        ("/c?_method=DELETE", "open"),
    ] {
        assert_eq!(outcome(&policy, &format!("https://x{path}"), "POST"), expected, "{path}");
    }
    let policy = valid(r#"{"routes":[{"path":"/b","methods":["POST"],"sats":5}]}"#);
    assert_eq!(outcome(&policy, "https://x/b/?_method=POST", "POST"), "/b");
}

#[test]
fn a_name_with_an_extension_is_another_path_if_a_pattern_has_this_name() {
    let policy = valid(
        r#"{"routes":[
            {"path":"/*","sats":5},
            {"path":"/socket.io/*","sats":0},
            {"path":"/v1.0/*","sats":0},
            {"path":"/assets/*","sats":0},
            {"path":"/of/:user/:page","sats":5},
            {"path":"/of/:user/data.json","sats":0},
            {"path":"/report","sats":9},
            {"path":"/report.pdf","sats":0}
        ]}"#,
    );
    for (path, expected) in [
        ("/socket.io/?EIO=4&transport=polling", "open"),
        ("/socket.io", "open"),
        ("/socket.io/socket.io.js", "open"),
        ("/v1.0/", "open"),
        ("/of/ann/data.json", "open"),
        ("/of/ann/data.csv", "/of/:user/:page"),
        ("/report.pdf", "open"),
        ("/report.csv", "ambiguous_path"),
        ("/report.csv/x", "ambiguous_path"),
        ("/assets/report.css", "open"),
        ("/assets/__data.json", "open"),
        ("/socket.js", "/*"),
    ] {
        assert_eq!(outcome(&policy, &format!("https://x{path}"), "GET"), expected, "{path}");
    }
}

#[test]
fn a_path_below_a_name_with_an_extension_has_its_own_route_unless_the_name_is_that_of_a_script() {
    let policy = valid(
        r#"{"routes":[
            {"path":"/whois/:domain","sats":5},
            {"path":"/whois/:domain/history","sats":2},
            {"path":"/whois/:domain/status","sats":0},
            {"path":"/cgi-bin/:name","sats":5},
            {"path":"/cgi-bin/:name/status","sats":0}
        ]}"#,
    );
    for (path, expected) in [
        ("/whois/example.com", "/whois/:domain"),
        ("/whois/example.com/history", "/whois/:domain/history"),
        ("/whois/example.com/status", "open"),
        ("/whois/example.com/other", "ambiguous_path"),
        ("/whois/example%2Ecom/status", "ambiguous_path"),
        ("/whois/example.com/status/", "ambiguous_path"),
        ("/whois/example.com;x/status", "ambiguous_path"),
        ("/whois/example.com%3F/status", "ambiguous_path"),
        ("/whois/example.PHP/status", "ambiguous_path"),
        ("/whois/example.php.x/status", "ambiguous_path"),
        ("/whois/example.py/status", "ambiguous_path"),
        ("/cgi-bin/example/status", "ambiguous_path"),
    ] {
        assert_eq!(outcome(&policy, &format!("https://x{path}"), "GET"), expected, "{path}");
    }
}

/// A2 (CHANGELOG).
#[test]
fn the_work_for_the_paths_in_a_query_is_bounded() {
    let policy = valid(r#"{"routes":[{"path":"/sold","sats":5}]}"#);
    let coordinates = ".x".repeat(50_000);
    let url = format!("https://x/?sold:method{coordinates}=1");
    assert_eq!(outcome(&policy, &url, "GET"), "ambiguous_path");
    // A longer query than one with too many paths adds no path.
    let [some, many] = [10, 10_000].map(|count| aliases::in_query("/", &"a:method&".repeat(count)).len());
    assert_eq!(some, many);
    // Parameters that name no path do not hide one that does.
    let url = format!("https://x/_next/image?{}url=%2Fsold", "url=a&".repeat(10));
    assert_eq!(outcome(&policy, &url, "GET"), "ambiguous_path");
}

#[test]
fn a_method_override_between_a_free_and_a_priced_method_is_refused_in_both_directions() {
    let policy = valid(
        r#"{"routes":[
            {"path":"/a","methods":["GET"],"sats":0},
            {"path":"/a","methods":["POST"],"sats":5},
            {"path":"/b","methods":["POST"],"sats":5}
        ]}"#,
    );
    for (method, path, expected) in [
        ("GET", "/a", "open"),
        ("GET", "/a?_method=GET", "open"),
        ("GET", "/a?_method=POST", "ambiguous_query"),
        ("POST", "/a?_method=GET", "ambiguous_query"),
        ("POST", "/a?_method=POST", "/a"),
        ("GET", "/c?_method=POST", "open"),
        ("POST", "/b?_method=GET", "ambiguous_query"),
    ] {
        assert_eq!(outcome(&policy, &format!("https://x{path}"), method), expected, "{method} {path}");
    }
    // A route is selected for each override, so their number is limited, also where no price differs.
    let overrides = |number: usize| format!("https://x/a?{}", "_method=POST&".repeat(number));
    assert_eq!(outcome(&policy, &overrides(8), "POST"), "/a");
    assert_eq!(outcome(&policy, &overrides(9), "POST"), "ambiguous_query");
}

#[test]
fn a_websocket_upgrade_is_refused_on_a_route_priced_by_the_length_of_the_body() {
    let policy = valid(r#"{"routes":[{"path":"/a","sats_per_kib":2}]}"#);
    let seller = seller();
    let gate = gate(&policy, &seller);
    let upgrade = Request { is_upgrade: true, ..request("https://x/a", "GET", None) };
    let refused =
        Refused { error: RequestError::Price(PriceError::LengthRequired), route: Some(&policy.routes[0]) };
    assert_eq!(gate.decide(&upgrade, NOW_UNIX), Decision::Refuse(refused));
}

#[test]
fn a_price_by_length_or_query_depends_on_the_headers_that_tell_the_length_or_the_charset() {
    for (price, headers) in [
        (r#""sats_per_kib":2"#, vec!["Content-Length", "Content-Encoding"]),
        (r#""sats":2"#, vec![]),
        (r#""price":[{"when":{"header":{"X-A":"1"}},"sats":9},{"sats":1}]"#, vec!["X-A"]),
        // The query may be decoded with the charset of Content-Type.
        (r#""price":"code""#, vec!["Content-Length", "Content-Encoding", "Content-Type"]),
        (r#""price":[{"when":{"query":{"a":"1"}},"sats":9},{"sats":1}]"#, vec!["Content-Type"]),
        (
            r#""price":[{"when":{"content_length":{"min":9},"header":{"X-A":"1"}},"sats":9},{"sats":1}]"#,
            vec!["X-A", "Content-Length", "Content-Encoding"],
        ),
    ] {
        let policy = valid(&format!(r#"{{"routes":[{{"path":"/a",{price}}}]}}"#));
        assert_eq!(policy.routes[0].pricing.headers().collect::<Vec<_>>(), headers, "{price}");
    }
}

#[test]
fn dots_at_the_end_of_a_folder_are_ambiguous() {
    // A3 (CHANGELOG): nginx with `location /static { alias /data/static/; }` opens `/data/static/../files/x`.
    let policy = valid(r#"{"routes":[{"path":"/files/*","sats":5},{"path":"/free/*","sats":0}]}"#);
    for (path, expected) in [
        ("/static../files/x", "ambiguous_path"),
        ("/static%2e%2e/files/x", "ambiguous_path"),
        ("/static..%2ffiles/x", "ambiguous_path"),
        ("/static..\\files/x", "ambiguous_path"),
        ("/free../files/x", "ambiguous_path"),
        ("/free/x../files/x", "ambiguous_path"),
        ("/static..", "open"),
        ("/compare/v1..v2/x", "open"),
        ("/static./x", "open"),
    ] {
        assert_eq!(outcome(&policy, &format!("https://x{path}"), "GET"), expected, "{path}");
    }
}

#[test]
fn routes_that_no_request_can_reach_are_reported() {
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
        let policy = valid(&format!(r#"{{"routes":[{{"path":"{path}"}},{{"path":"/search/a"}}]}}"#));
        let places: Vec<String> = unreachable(&policy).into_iter().map(|error| error.place).collect();
        let expected: &[&str] = if is_reachable { &[] } else { &["TOLL.routes[0].path"] };
        assert_eq!(places, expected, "{path}");
    }
    // A host pattern takes no request from routes of other hosts, nor from a route with a more specific path.
    let hosts = valid(
        r#"{"routes":[{"path":"/a","host":"*.x.test","sats":5},{"path":"/a","host":"y.test","sats":5},{"path":"/a","sats":5}]}"#,
    );
    assert_eq!(unreachable(&hosts), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The price, the credential and the forwarded request use the path as it was sent. If the path is free, no
    /// normalized form of it has a price.
    #[test]
    fn the_priced_path_is_the_path_in_the_credential_and_the_forwarded_path(
        path in "/(?:api|API|a|joke|%6a|%2f|%252f|%5c|\\\\|/|;x|%3b|\\.|%2e|%00|%zz|%|\\?|%3f| |%20|é|index\\.php|:|\\*|dear|cheap){0,8}",
    ) {
        let policy = valid(r#"{"routes":[
            {"path":"/api/joke","sats":5},{"path":"/cheap/*","sats":1},{"path":"/dear/:x","sats":1000},{"path":"/a","sats":0}
        ]}"#);
        let seller = seller();
        let gate = gate(&policy, &seller);
        let url = format!("https://x{path}");
        let request = request(&url, "GET", None);
        match gate.decide(&request, NOW_UNIX) {
            Decision::Challenge(draft) => {
                let CredentialScope::Endpoint { endpoint, .. } = &draft.terms.scope else { panic!() };
                prop_assert_eq!(endpoint, request.url.path);
                prop_assert!(request.url.path_and_query.starts_with(endpoint.as_str()));
                // The path in the credential must select the same route as the path of the request.
                let again = format!("https://x{endpoint}");
                let again = gate.decide(&self::request(&again, "GET", None), NOW_UNIX);
                let is_same = matches!(again, Decision::Challenge(again) if std::ptr::eq(again.route, draft.route));
                prop_assert!(is_same);
            }
            Decision::Open { waived: None } => {
                // An origin that decodes, ignores case and merges slashes must not find a priced path in a free path.
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

/// Percent-decodes a path four times in a row, as nested decoders would. Does not use the decoder that is under test.
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
