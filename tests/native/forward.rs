//! The texts in which headers and plans cross between the wasm and JavaScript.

use edgetoll::config::Origin;
use edgetoll::forward::{ForwardReason, ForwardedRequest, ResponsePlan};
use edgetoll::http::header_edits::HeaderEdits;
use edgetoll::http::header_list::HeaderList;
use edgetoll::http::url::is_serialized;
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::payment::PaymentHash;
use edgetoll::protocols::l402::macaroon::Macaroon;
use proptest::prelude::*;
use url::Url;

use crate::support::hostile_heads;
use crate::support::price_list::valid;
use crate::support::request::forwarded_free;

#[test]
fn a_list_of_headers_is_read_from_lines() {
    let text = "GET\nhttps://example.com/\n\n3\naccept\ntext/html, */*\nx-empty\n\nvia\n1.1 a\n";
    let headers = HeaderList::parse(text.to_owned(), text.find('3').unwrap()).unwrap();
    let all = [("accept", "text/html, */*"), ("x-empty", ""), ("via", "1.1 a")];
    assert_eq!(headers.iter().collect::<Vec<_>>(), all);
    assert_eq!(headers.get("Accept"), Some("text/html, */*"));
    assert_eq!(headers.get("X-Empty"), Some(""));
    assert_eq!(headers.get("1.1 a"), None);
    assert_eq!(HeaderList::parse("0\n".to_owned(), 0).unwrap().iter().count(), 0);
}

#[test]
fn all_lines_of_a_header_are_joined() {
    let text = "3\nset-cookie\na=1\nvia\n1.1 a\nset-cookie\nb=2\n";
    let headers = HeaderList::parse(text.to_owned(), 0).unwrap();
    assert_eq!(headers.get("Set-Cookie"), Some("a=1"));
    assert_eq!(headers.joined("Set-Cookie").as_deref(), Some("a=1, b=2"));
    assert_eq!(headers.joined("Via").as_deref(), Some("1.1 a"));
    assert_eq!(headers.joined("Cookie"), None);
}

#[test]
fn a_list_of_headers_with_a_line_break_in_a_value_is_refused() {
    for text in [
        "",
        "0",
        "x\n",
        "1\n",
        "0\nvia\n1.1 a\n",
        "1\nvia\n1.1 a",
        // The value of `a` is `1` and a line break. Read as pairs, the name `x-original-url` would be a value.
        "2\na\n1\n\nx-original-url\n/sold\n",
        "2\na\n1\n\n\nx-original-url\n/sold\n",
        "2\na\n1\n2\n3\nb\n4\n",
    ] {
        assert!(HeaderList::parse(text.to_owned(), 0).is_none(), "{text:?}");
    }
}

#[test]
fn each_change_of_a_header_has_two_lines() {
    let mut edits = HeaderEdits::default();
    edits.delete("cookie");
    edits.set("X-Toll-Status", "paid");
    edits.append("Set-Cookie", "a=1");
    assert_eq!(edits.as_str(), "-cookie\n\n=X-Toll-Status\npaid\n+Set-Cookie\na=1\n");
    assert_eq!(edits.lines(), 6);
}

#[test]
fn a_plan_for_a_response_is_read_as_it_was_written() {
    let open = ResponsePlan {
        reason: ForwardReason::Open,
        route: None,
        expires_at_unix: None,
        payment_hash: None,
        is_shared: false,
        public_origin: "https://api.example.com",
        origin_url: "http://127.0.0.1:3000/base/x?a=b",
        page: None,
    };
    let paid = ResponsePlan {
        reason: ForwardReason::Paid,
        route: Some(12),
        expires_at_unix: Some(1_900_000_000),
        payment_hash: Some(PaymentHash::from_bytes([7; 32])),
        is_shared: true,
        // A header value can contain a tab.
        page: Some("https://shop.example.com\t1\t2"),
        ..open.clone()
    };
    for plan in [open, paid] {
        assert_eq!(ResponsePlan::parse(&plan.to_line()), Some(plan));
    }
    assert_eq!(ResponsePlan::parse(""), None);
    assert_eq!(ResponsePlan::parse("paid\t1\t2"), None);
}

/// The Fetch standard, "CORS protocol".
#[test]
fn only_pages_that_the_price_list_allows_may_read_a_response() {
    const ALLOW: &str = "=Access-Control-Allow-Origin";
    let edits = |cors: &str, page: &str, headers: &str| -> Vec<(String, String)> {
        let policy = valid(&format!(r#"{{"cors":{cors},"routes":[]}}"#));
        let headers = HeaderList::parse(headers.to_owned(), 0).unwrap();
        let edits = shared_with(page).edits(&headers, &policy, &Origin::Zone, |_, _| None);
        let lines: Vec<String> = edits.as_str().lines().map(str::to_owned).collect();
        lines.chunks_exact(2).map(|change| (change[0].clone(), change[1].clone())).collect()
    };
    let value = |edits: &[(String, String)], name: &str| {
        edits.iter().find(|(changed, _)| changed == name).map(|(_, value)| value.clone())
    };
    let (any, shop) = (r#"["*"]"#, r#"["https://shop.test"]"#);
    for (cors, page, headers, allowed, vary) in [
        (any, "https://else.test", "0\n", Some("*"), None),
        (shop, "https://shop.test", "0\n", Some("https://shop.test"), Some("Origin")),
        (shop, "https://else.test", "0\n", None, Some("Origin")),
        (shop, "https://shop.test", "1\nvary\nAccept\n", Some("https://shop.test"), Some("Accept, Origin")),
    ] {
        let edits = edits(cors, page, headers);
        assert_eq!(value(&edits, ALLOW).as_deref(), allowed, "{cors} {page}");
        assert_eq!(value(&edits, "=Vary").as_deref(), vary, "{cors} {page}");
        let exposed = value(&edits, "=Access-Control-Expose-Headers").unwrap_or_default();
        assert_eq!(exposed.split(", ").any(|name| name == "WWW-Authenticate"), allowed.is_some());
    }
    let own = edits(any, "https://else.test", "1\naccess-control-allow-origin\nhttps://own.test\n");
    assert_eq!(value(&own, ALLOW), None, "the header of the origin server is kept");
}

fn shared_with(page: &str) -> ResponsePlan<'_> {
    ResponsePlan {
        reason: ForwardReason::Open,
        route: None,
        expires_at_unix: None,
        payment_hash: None,
        is_shared: true,
        public_origin: "https://api.example.com",
        origin_url: "https://api.example.com/x",
        page: Some(page),
    }
}

/// A1 (CHANGELOG): with `Next-Url: /feed`, Next.js serves an intercepting route of `/feed` for `/photo/1`.
#[test]
fn the_page_that_next_js_names_is_forwarded_unless_it_has_another_price() {
    let is_removed = |keep: &str, page: &str, of_route: Option<usize>| {
        let list = format!(
            r#"{{{keep}"routes":[{{"path":"/feed/*","sats":5}},{{"path":"/feed","sats":5}},{{"path":"/posted","methods":["POST"],"sats":5}}]}}"#
        );
        let settings = crate::support::settings::settings(Some(&list), &[]);
        let headers = HeaderList::parse(format!("1\nnext-url\n{page}\n"), 0).unwrap();
        let route = of_route.map(|at| &settings.policy().unwrap().routes[at]);
        let edits = ForwardedRequest { route, ..forwarded_free(&settings, &headers) }.edits();
        edits.as_str().lines().any(|line| line == "-next-url")
    };
    for page in ["/feed", "/feed/1", "/feed/", "/FEED", "/f%65ed", "/feed?x", "/posted", "/_toll/../feed"] {
        assert!(is_removed("", page, None), "{page}");
        assert!(!is_removed(r#""keep_headers":["Next-Url"],"#, page, None), "{page}");
    }
    for page in ["/", "/photos", "/feeds/1"] {
        assert!(!is_removed("", page, None), "{page}");
    }
    assert!(!is_removed("", "/feed/1", Some(0)), "the page of the same route");
    assert!(is_removed("", "/feed", Some(0)));
}

/// I8 (CHANGELOG): the client of an origin that sells `/free` itself, such as lightning-toll 0.1.1, paid and got 402 again.
#[test]
fn a_credential_of_another_issuer_is_forwarded_where_nothing_is_charged() {
    let settings = crate::support::settings::settings(Some("{}"), &[]);
    let own_keys = settings.keys().unwrap().current();
    let other_keys = Keys::new(TollSecret::new("5d41402abc4b2a76b9719d911017c592").unwrap(), None);
    let hash = PaymentHash::from_bytes([7; 32]);
    let [own, other] = [own_keys, other_keys.current()]
        .map(|set| Macaroon::lightning_toll(set.lightning_toll_key(), hash).encode());
    let preimage = "0".repeat(64);
    for (macaroons, reason, is_kept) in [
        (&other, ForwardReason::Open, true),
        (&other, ForwardReason::Observed, true),
        (&other, ForwardReason::Waived, false),
        (&other, ForwardReason::Free, false),
        (&other, ForwardReason::Paid, false),
        (&own, ForwardReason::Open, false),
        (&own, ForwardReason::Observed, false),
        (&format!("{other},{own}"), ForwardReason::Open, false),
        (&"garbage".to_owned(), ForwardReason::Open, true),
    ] {
        for (value, rest) in [
            (format!("L402 {macaroons}:{preimage}"), "-authorization"),
            (format!("Bearer a, LSAT {macaroons}:{preimage}"), "=authorization"),
        ] {
            let headers = HeaderList::parse(format!("1\nauthorization\n{value}\n"), 0).unwrap();
            let edits = ForwardedRequest { reason, ..forwarded_free(&settings, &headers) }.edits();
            let is_changed = edits.as_str().lines().any(|line| line == rest);
            assert_eq!(is_changed, !is_kept, "{reason:?} {value}");
            assert!(is_kept || !edits.as_str().contains(&preimage));
        }
    }
}

/// Attack A2 (CHANGELOG): hundreds of spellings had a limit each.
#[test]
fn macaroon_headers_in_all_spellings_share_one_limit_of_caveats() {
    let settings = hostile_heads::settings();
    let zeros = "0".repeat(64);
    let caveats = vec!["\"\""; 40].join(",");
    let json = format!(r#"{{"id":"{zeros}","caveats":[{caveats}],"signature":"{zeros}"}}"#);
    let macaroon = edgetoll::base64::encode_url_safe(json.as_bytes());
    let names = ["macaroon", "grpc-metadata-macaroon", "grpc_metadata-macaroon", "grpc.metadata.macaroon"];
    let lines: String = names.iter().map(|name| format!("{name}\n{macaroon}\n")).collect();
    let headers = HeaderList::parse(format!("{}\n{lines}", names.len()), 0).unwrap();
    let edits = forwarded_free(&settings, &headers).edits();
    let removed: Vec<&str> = edits.as_str().lines().filter_map(|line| line.strip_prefix('-')).collect();
    assert_eq!(removed, names[2..]);
}

#[test]
fn urls_of_the_usual_shape_need_no_url_parser() {
    for url in [
        "https://api.example.com/",
        "https://api.example.com/v1/users?sort=name&page=2",
        "http://127.0.0.1:8787/api/joke.json",
        "http://localhost:49152/a-b_c~d/@me:x,y",
    ] {
        assert!(is_serialized(url), "{url}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// The expected value is the result of the crate `url`.
    #[test]
    fn a_url_that_needs_no_parser_is_serialized(
        scheme in "https?|HTTP|ftp",
        host in r"([a-zA-Z0-9.\-]{1,8}|[0-9]{1,3}(\.[0-9]{1,3}){0,4}|0x[0-9a-f]{1,3}|xn--[a-z]{1,4}|[a-z]{1,4}\.(xn--[a-z]{1,3}|0x1|1|[a-z]{2})|\[::1\]|[a-z]@[a-z])",
        port in r"(|:|:[0-9]{1,6}|:80|:443|:0[0-9]{1,4}|:\+80)",
        path in r"(/[a-zA-Z0-9._~%+&=@:,;|\\?#' \-]{0,4}){0,4}",
    ) {
        let url = format!("{scheme}://{host}{port}{path}");
        if is_serialized(&url) {
            prop_assert_eq!(Url::parse(&url).map(String::from), Ok(url));
        }
    }
}
