//! Credential cookies, which a browser sends after a payment instead of an `Authorization` header.

use std::num::NonZeroU32;

use crate::support::gate::{gate, seller as seller_with};
use crate::support::invoice::invoice_terms;
use crate::support::request::request;
use edgetoll::gate::{Decision, Gate, Request, Seller};
use edgetoll::http;
use edgetoll::http::cookie::SESSION_COOKIE;
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::payment::PaymentHash;
use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::protocols::l402::caveat::{CredentialScope, Service, Terms};
use edgetoll::protocols::l402::cookie;
use edgetoll::protocols::l402::macaroon::{Encoding, Identifier, Macaroon};
use edgetoll::protocols::l402::verify::Grant;
use edgetoll::protocols::price::{Fiat, FiatPrice, Price};
use edgetoll::strict_json::Json;

const NOW: u64 = 1_800_000_000;
const KIND: &str = "3600 toll";

fn test_seller() -> Seller {
    seller_with(Keys::new(TollSecret::new(&crate::support::secret::SECRET).unwrap(), None))
}

fn policy() -> Policy {
    let list = r#"{"routes":[{"path":"/a","sats":5},{"path":"/b","sats":5},{"path":"/club/*","sats":5,"realm":"club"},
        {"path":"/five","sats":5,"uses":5}]}"#;
    Policy::parse(&Json::parse(list.as_bytes()).unwrap(), fold_case).policy.unwrap()
}

fn mint(seller: &Seller, scope: CredentialScope) -> Macaroon {
    mint_with_uses(seller, scope, None)
}

fn mint_with_uses(seller: &Seller, scope: CredentialScope, uses: Option<NonZeroU32>) -> Macaroon {
    mint_at_price(seller, scope, uses, Price::Sats(5))
}

fn mint_at_price(
    seller: &Seller,
    scope: CredentialScope,
    uses: Option<NonZeroU32>,
    price: Price,
) -> Macaroon {
    let payment_hash = PaymentHash::from_hex(&"ab".repeat(32)).unwrap();
    let identifier = Identifier::new(seller.keys.current(), payment_hash, &[7; 28]);
    let terms = Terms {
        service: Service::parse("toll").unwrap(),
        expires_at_unix: NOW + 600,
        price,
        sold_as: None,
        host: "x.test".to_owned(),
        scope,
        ip: None,
        uses,
        payable_until_unix: NOW + 300,
    };
    let key = identifier.signing_key(seller.keys.current());
    let caveats = terms.caveats(Encoding::Standard, &invoice_terms(&terms));
    Macaroon::standard(&key, "x.test", &identifier).with_caveats(&caveats).unwrap()
}

fn endpoint(path: &str) -> CredentialScope {
    CredentialScope::Endpoint { endpoint: path.to_owned(), method: Some("GET".to_owned()) }
}

/// Returns the grant of a valid macaroon.
fn grant(policy: &Policy, seller: &Seller, url: &str, macaroon: &Macaroon) -> Grant {
    let credential = format!("L402 {}:", macaroon.encode());
    let gate = gate(policy, seller);
    match gate.decide(&request(url, "GET", Some(&credential)), NOW) {
        Decision::Unsettled { mut claims, .. } => claims.remove(0).purchase.grant,
        other => panic!("{other:?}"),
    }
}

/// Returns `name=value` of the credential cookie for a macaroon whose payment has settled.
fn cookie_for(policy: &Policy, seller: &Seller, url: &str, macaroon: &Macaroon) -> String {
    let grant = grant(policy, seller, url, macaroon);
    let set = cookie::set(&seller.keys, macaroon, &grant, &endpoint("/a"), KIND, NOW).unwrap();
    set.split(';').next().unwrap().to_owned()
}

fn is_accepted(policy: &Policy, seller: &Seller, url: &str, method: &str, cookie: &str) -> bool {
    // This gate knows of no settled payment. So it accepts a cookie only if the tag in the cookie confirms the payment.
    let gate = Gate { is_settled: &|_, _| false, ..gate(policy, seller) };
    let request = Request { cookie: Some(cookie), ..request(url, method, None) };
    matches!(gate.decide(&request, NOW), Decision::Paid(_))
}

/// RFC 6265, 3.1: a cookie is deleted by its name, its path and a time in the past.
#[test]
fn the_cookie_of_a_spent_payment_is_deleted_if_the_client_sent_it() {
    let (policy, seller) = (policy(), test_seller());
    let scope = endpoint("/five");
    let macaroon = mint_with_uses(&seller, scope.clone(), NonZeroU32::new(5));
    let grant = grant(&policy, &seller, "https://x.test/five", &macaroon);
    let set = cookie::set(&seller.keys, &macaroon, &grant, &scope, KIND, NOW).unwrap();
    let sent = set.split(';').next().unwrap();
    let (name, _) = sent.split_once('=').unwrap();
    let deleted = cookie::delete_spent(&format!("a=1; {sent}"), &grant, &scope, KIND).unwrap();
    let attributes: Vec<&str> = deleted.split("; ").collect();
    assert_eq!(attributes[0], format!("{name}="));
    assert!(attributes.contains(&"Path=/five") && attributes.contains(&"Max-Age=0"), "{deleted}");
    assert_eq!(cookie::delete_spent("a=1; toll_000000000000=x", &grant, &scope, KIND), None);
}

#[test]
fn a_credential_cookie_is_valid_for_the_scope_of_its_macaroon_but_only_for_get_and_head() {
    let (policy, seller) = (policy(), test_seller());
    let cookie = cookie_for(&policy, &seller, "https://x.test/a", &mint(&seller, endpoint("/a")));
    let among_others = format!("session=1; {cookie}; theme=dark");
    assert!(is_accepted(&policy, &seller, "https://x.test/a", "GET", &among_others));
    assert!(is_accepted(&policy, &seller, "https://x.test/a?q=1", "HEAD", &cookie));
    for (url, method) in [
        ("https://x.test/b", "GET"),
        ("https://y.test/a", "GET"),
        ("https://x.test/a", "POST"),
        ("https://x.test/five", "GET"),
    ] {
        assert!(!is_accepted(&policy, &seller, url, method, &cookie), "{method} {url}");
    }
    let club = cookie_for(
        &policy,
        &seller,
        "https://x.test/club/1",
        &mint(&seller, CredentialScope::Realm("club".to_owned())),
    );
    assert!(is_accepted(&policy, &seller, "https://x.test/club/2", "GET", &club));
    assert!(!is_accepted(&policy, &seller, "https://x.test/club/2", "POST", &club));
}

/// R10 (CHANGELOG). Browsers send the cookies of a path in the order in which they were set (RFC 6265, 5.4).
#[test]
fn of_many_credential_cookies_that_of_the_scope_and_the_newest_are_read() {
    let (policy, seller) = (policy(), test_seller());
    let read = |scope: CredentialScope, url: &str, uses: Option<NonZeroU32>, position: usize| {
        let macaroon = mint_with_uses(&seller, scope.clone(), uses);
        let grant = grant(&policy, &seller, url, &macaroon);
        let set = cookie::set(&seller.keys, &macaroon, &grant, &scope, KIND, NOW).unwrap();
        let own = set.split(';').next().unwrap();
        // The other cookies are valid too, but for another path.
        let elsewhere = cookie_for(&policy, &seller, "https://x.test/b", &mint(&seller, endpoint("/b")));
        let value = elsewhere.split_once('=').unwrap().1;
        let mut cookies: Vec<String> = (0..39).map(|n| format!("toll_{n:012x}={value}")).collect();
        cookies.insert(position, own.to_owned());
        is_accepted(&policy, &seller, url, "GET", &cookies.join("; "))
    };
    for position in [0, 20, 39] {
        let club = CredentialScope::Realm("club".to_owned());
        assert!(read(club, "https://x.test/club/1", None, position), "{position}");
        assert!(read(endpoint("/a"), "https://x.test/a", None, position), "{position}");
    }
    // The cookie of a path comes before those of realms, and the newest cookie of a realm comes last.
    for position in [0, 3, 28, 39] {
        assert!(read(endpoint("/five"), "https://x.test/five", NonZeroU32::new(5), position), "{position}");
    }
    assert!(!read(endpoint("/five"), "https://x.test/five", NonZeroU32::new(5), 20));
}

#[test]
fn a_credential_cookie_is_refused_if_its_macaroon_does_not_meet_the_requirements_of_the_route() {
    let seller = test_seller();
    let parse = |list: &str| Policy::parse(&Json::parse(list.as_bytes()).unwrap(), fold_case).policy.unwrap();
    let plain = parse(r#"{"routes":[{"path":"/a","sats":5}]}"#);
    let cookie = cookie_for(&plain, &seller, "https://x.test/a", &mint(&seller, endpoint("/a")));
    assert!(is_accepted(&plain, &seller, "https://x.test/a", "GET", &cookie));
    for list in [
        r#"{"routes":[{"path":"/a","sats":5,"uses":3}]}"#.to_owned(),
        r#"{"routes":[{"path":"/a","sats":5,"realm":"club"}]}"#.to_owned(),
        r#"{"routes":[{"path":"/a","sats":6}]}"#.to_owned(),
        r#"{"macaroon":"lightning-toll","routes":[{"path":"/a","sats":5}]}"#.to_owned(),
        format!(r#"{{"revoked":["{}"],"routes":[{{"path":"/a","sats":5}}]}}"#, "ab".repeat(32)),
    ] {
        assert!(!is_accepted(&parse(&list), &seller, "https://x.test/a", "GET", &cookie), "{list}");
    }
}

// A2 (CHANGELOG)
#[test]
fn a_credential_cookie_whose_macaroon_has_more_than_20_caveats_is_not_read() {
    let (policy, seller) = (policy(), test_seller());
    let mut macaroon = mint(&seller, endpoint("/a"));
    for _ in macaroon.caveats().count()..25 {
        let caveats = macaroon.caveats().count();
        let cookie = cookie_for(&policy, &seller, "https://x.test/a", &macaroon);
        let is_read = is_accepted(&policy, &seller, "https://x.test/a", "GET", &cookie);
        assert_eq!(is_read, caveats <= 20, "{caveats}");
        macaroon = macaroon.attenuate(&format!("toll_valid_until={}", NOW + 300)).unwrap();
    }
}

#[test]
fn a_credential_cookie_whose_tag_was_not_made_for_its_macaroon_is_refused() {
    let (policy, seller) = (policy(), test_seller());
    let macaroon = mint(&seller, endpoint("/a"));
    let cookie = cookie_for(&policy, &seller, "https://x.test/a", &macaroon);
    let (name, value) = cookie.split_once('=').unwrap();
    let (text, tag) = value.split_once('.').unwrap();
    let narrowed = macaroon.attenuate(&format!("toll_valid_until={}", NOW + 300)).unwrap().encode();
    let swapped = if tag.starts_with('0') { tag.replacen('0', "1", 1) } else { format!("0{}", &tag[1..]) };
    for forged in [
        format!("{name}={text}"),
        format!("{name}={text}."),
        format!("{name}={text}.{}", "0".repeat(64)),
        format!("{name}={text}.{swapped}"),
        format!("{name}={narrowed}.{tag}"),
        format!("{name}={}.{tag}", macaroon.attenuate("note=mine").unwrap().encode()),
        format!("{name}=.{tag}"),
        format!("{name}="),
        format!("{name}=a.b"),
    ] {
        assert!(!is_accepted(&policy, &seller, "https://x.test/a", "GET", &forged), "{forged}");
    }
    assert!(is_accepted(&policy, &seller, "https://x.test/a", "GET", &format!("{name}=a.b; {cookie}")));
}

#[test]
fn a_credential_cookie_is_valid_while_its_signing_secret_is_the_current_or_the_previous_secret() {
    let (policy, seller) = (policy(), test_seller());
    let cookie = cookie_for(&policy, &seller, "https://x.test/a", &mint(&seller, endpoint("/a")));
    let other = || TollSecret::new("b3a81f6de2947c50d8e19bf06a72c345").unwrap();
    let previous = TollSecret::new(&crate::support::secret::SECRET).unwrap();
    let rotated = seller_with(Keys::new(other(), Some(previous)));
    assert!(is_accepted(&policy, &rotated, "https://x.test/a", "GET", &cookie));
    let changed = seller_with(Keys::new(other(), None));
    assert!(!is_accepted(&policy, &changed, "https://x.test/a", "GET", &cookie));
    // A cookie that another secret signed may belong to another deployment on the same host, so it is not deleted.
    assert_eq!(cookie::invalid_names(&cookie, &changed.keys).count(), 0);
    assert_eq!(cookie::invalid_names(&cookie, &seller.keys).count(), 0);
    let name = cookie.split('=').next().unwrap();
    assert_eq!(cookie::invalid_names(&format!("{name}=garbage; {cookie}"), &seller.keys).count(), 0);
    let garbage = "toll_00000000000a=1; toll_admin=1; tolls=1; toll_theme=dark; toll_00000000000b=a.b";
    assert_eq!(
        cookie::invalid_names(garbage, &seller.keys).collect::<Vec<_>>(),
        ["toll_00000000000a", "toll_00000000000b"]
    );
    // Each name costs two lines of `Set-Cookie`.
    let many: Vec<String> = (0..450).map(|n| format!("toll_{n:012x}=")).collect();
    assert_eq!(cookie::invalid_names(&many.join(";"), &seller.keys).count(), 16);
}

#[test]
fn a_credential_cookie_has_the_lifetime_of_its_credential_and_the_path_of_its_scope() {
    let (policy, seller) = (policy(), test_seller());
    let macaroon = mint(&seller, endpoint("/a"));
    let grant = grant(&policy, &seller, "https://x.test/a", &macaroon);
    let set_for = |scope: CredentialScope| {
        cookie::set(&seller.keys, &macaroon, &grant, &scope, KIND, NOW + 60).unwrap()
    };
    let set = |path: &str| set_for(endpoint(path));
    assert!(set("/a").ends_with("; Path=/a; Max-Age=540; HttpOnly; Secure; SameSite=Lax"), "{}", set("/a"));
    assert!(set("/a;b").contains("; Path=/; "), "{}", set("/a;b"));
    assert!(set("/a,b").contains("; Path=/a,b; "));
    // Browsers ignore a `Path` attribute of more than 1,024 bytes (RFC 6265bis, 5.6), so the cookie gets the path `/`.
    let longer = format!("/{}", "x".repeat(1_024));
    assert!(set(&longer).contains("; Path=/; "));
    let name = |set: &str| set.split('=').next().unwrap().to_owned();
    let realm = |name: &str| set_for(CredentialScope::Realm(name.to_owned()));
    let names = [set("/a"), set("/b"), set("/"), realm("a"), realm("b")].map(|set| name(&set));
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    assert!(realm("a").contains("; Path=/; "));
    // R11 (CHANGELOG): the cookie of an hour replaced the cookie of a month.
    // So did the cookies of two services, and of a price in sats and one in a currency.
    let routes = [
        r#"{"path":"/a","sats":5,"realm":"a"}"#,
        r#"{"path":"/b","sats":5,"realm":"a","credential_expiry":"30d"}"#,
        r#"{"path":"/c","sats":5,"realm":"a","service":"x"}"#,
        r#"{"path":"/d","fiat":"0.01 USD","realm":"a"}"#,
        r#"{"path":"/e","fiat":"0.01 EUR","realm":"a"}"#,
    ];
    let list = format!(r#"{{"routes":[{}]}}"#, routes.join(","));
    let policy = Policy::parse(&Json::parse(list.as_bytes()).unwrap(), fold_case).policy.unwrap();
    let names = policy
        .routes
        .iter()
        .map(|route| {
            cookie::name(
                &CredentialScope::Realm("a".to_owned()),
                &route.kind(),
                route.pricing.fixed().unwrap().currency(),
                None,
            )
        })
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(names.len(), 5);
    assert!(names.contains(&name(&realm("a"))));
    // A path may have prices in sats and in currencies, too.
    let fiat = Fiat::parse("0.01 USD").unwrap();
    let price = Price::Fiat(FiatPrice { fiat, min_sats: 1, max_sats: 100 });
    let in_dollars = mint_at_price(&seller, endpoint("/a"), None, price);
    let of_dollars = cookie::set(&seller.keys, &in_dollars, &grant, &endpoint("/a"), KIND, NOW).unwrap();
    assert_eq!(name(&of_dollars), cookie::name(&endpoint("/a"), KIND, "USD", None));
    assert_ne!(name(&of_dollars), name(&set("/a")));
    assert!(cookie::fits(&macaroon.encode()));
    let long = mint(&seller, endpoint(&format!("/{}", "x".repeat(3_000))));
    assert!(!cookie::fits(&long.encode()));
    assert_eq!(cookie::set(&seller.keys, &long, &grant, &endpoint("/a"), KIND, NOW), None);
}

/// R1 (CHANGELOG). RFC 6265, 5.1.4: a cookie with the path `/a` is sent to `/a/`, but not the other way round.
#[test]
fn a_credential_cookie_has_the_same_name_and_path_with_and_without_a_slash_at_the_end_of_the_path() {
    let (policy, seller) = (policy(), test_seller());
    let macaroon = mint(&seller, endpoint("/a"));
    let grant = grant(&policy, &seller, "https://x.test/a", &macaroon);
    let set = |path: &str| cookie::set(&seller.keys, &macaroon, &grant, &endpoint(path), KIND, NOW).unwrap();
    assert!(set("/a/").contains("; Path=/a; "));
    assert_eq!(set("/a/"), set("/a"));
    assert!(set("/").contains("; Path=/; "));
}

#[test]
fn a_credential_cookie_has_at_most_4096_bytes_of_name_and_value() {
    // A name of 17 bytes, a dot and a tag of 64 bytes leave 4,014 bytes for the macaroon.
    assert!(cookie::fits(&"x".repeat(4_014)) && !cookie::fits(&"x".repeat(4_015)));
    let (policy, seller) = (policy(), test_seller());
    let grant = grant(&policy, &seller, "https://x.test/a", &mint(&seller, endpoint("/a")));
    let lengths = (2_700..2_800).map(|length| {
        let macaroon = mint(&seller, endpoint(&format!("/{}", "x".repeat(length))));
        let set = cookie::set(&seller.keys, &macaroon, &grant, &endpoint("/a"), KIND, NOW);
        assert_eq!(set.is_some(), cookie::fits(&macaroon.encode()), "{length}");
        set.map(|set| set.split(';').next().unwrap().len() - "=".len())
    });
    let lengths: Vec<Option<usize>> = lengths.collect();
    assert!(lengths.contains(&None));
    // base64 has groups of four characters, so no macaroon makes a cookie of 4,095 or 4,096 bytes.
    assert_eq!(lengths.into_iter().max(), Some(Some(4_094)));
}

#[test]
fn a_prefetch_takes_no_use_of_a_credential_cookie() {
    let (policy, seller) = (policy(), test_seller());
    for (path, uses, is_accepted) in [("/a", None, true), ("/five", NonZeroU32::new(5), false)] {
        let url = format!("https://x.test{path}");
        let macaroon = mint_with_uses(&seller, endpoint(path), uses);
        let cookie = cookie_for(&policy, &seller, &url, &macaroon);
        let gate = Gate { is_settled: &|_, _| false, ..gate(&policy, &seller) };
        let visit = Request { cookie: Some(&cookie), ..request(&url, "GET", None) };
        assert!(matches!(gate.decide(&visit, NOW), Decision::Paid(_)), "{path}");
        let prefetch = gate.decide(&Request { is_prefetch: true, ..visit }, NOW);
        assert_eq!(matches!(prefetch, Decision::Paid(_)), is_accepted, "{path}");
    }
}

#[test]
fn a_request_that_a_page_of_another_origin_embeds_takes_no_use_of_a_credential_cookie() {
    let (policy, seller) = (policy(), test_seller());
    for (path, uses) in [("/a", None), ("/five", NonZeroU32::new(5))] {
        let url = format!("https://x.test{path}");
        let macaroon = mint_with_uses(&seller, endpoint(path), uses);
        let cookie = cookie_for(&policy, &seller, &url, &macaroon);
        let gate = Gate { is_settled: &|_, _| false, ..gate(&policy, &seller) };
        for (site, is_accepted) in [("same-origin", true), ("same-site", uses.is_none())] {
            let header = |name: &str| match name {
                "Sec-Fetch-Site" => Some(site.to_owned()),
                "Sec-Fetch-Mode" => Some("no-cors".to_owned()),
                "Sec-Fetch-Dest" => Some("image".to_owned()),
                _ => None,
            };
            let image = Request { cookie: Some(&cookie), header: &header, ..request(&url, "GET", None) };
            assert_eq!(matches!(gate.decide(&image, NOW), Decision::Paid(_)), is_accepted, "{site} {path}");
        }
    }
}

// A9 (CHANGELOG): browsers send the cookies of a host with the requests of pages of the same site, and a page can read the messages of a
// WebSocket.
#[test]
fn a_websocket_of_another_origin_uses_a_credential_cookie_only_if_cors_names_the_origin() {
    let seller = test_seller();
    for (cors, allowed) in [
        ("", &["https://x.test"][..]),
        (r#""cors":["*"],"#, &["https://x.test"]),
        (r#""cors":["https://app.x.test"],"#, &["https://x.test", "https://app.x.test"]),
    ] {
        let list =
            format!(r#"{{{cors}"routes":[{{"path":"/a","sats":5}},{{"path":"/five","sats":5,"uses":5}}]}}"#);
        let policy = Policy::parse(&Json::parse(list.as_bytes()).unwrap(), fold_case).policy.unwrap();
        let cookie = cookie_for(&policy, &seller, "https://x.test/a", &mint(&seller, endpoint("/a")));
        let five = mint_with_uses(&seller, endpoint("/five"), NonZeroU32::new(5));
        let counted = cookie_for(&policy, &seller, "https://x.test/five", &five);
        let gate = Gate { is_settled: &|_, _| false, ..gate(&policy, &seller) };
        for origin in ["https://x.test", "https://app.x.test", "https://b.x.test", "http://x.test", "null"] {
            let header = |name: &str| (name == "Origin").then(|| origin.to_owned());
            for is_upgrade in [true, false] {
                let visit = Request {
                    cookie: Some(&cookie),
                    header: &header,
                    is_upgrade,
                    ..request("https://x.test/a", "GET", None)
                };
                let is_paid = matches!(gate.decide(&visit, NOW), Decision::Paid(_));
                // The browser checks who may read another response: the origin server may allow it too.
                assert_eq!(is_paid, !is_upgrade || allowed.contains(&origin), "{cors} {origin} {is_upgrade}");
                let visit = Request {
                    cookie: Some(&counted),
                    header: &header,
                    is_upgrade,
                    ..request("https://x.test/five", "GET", None)
                };
                let is_paid = matches!(gate.decide(&visit, NOW), Decision::Paid(_));
                assert_eq!(is_paid, allowed.contains(&origin), "uses: {cors} {origin} {is_upgrade}");
            }
        }
    }
}

#[test]
fn cookies_of_credentials_and_of_admin_sessions_are_not_forwarded_to_the_origin() {
    let own = "toll_0123456789ab=2";
    let is_removed = |name: &str| cookie::is_credential_name(name) || name == SESSION_COOKIE;
    let forwarded = |header: &str| http::cookie::without(header, is_removed);
    assert_eq!(forwarded(&format!("a=1; {own};b=3;toll_admin=4")).as_deref(), Some("a=1;b=3"));
    assert_eq!(forwarded(own), None);
    assert_eq!(forwarded(&format!("a=1, {own}, b=2")).as_deref(), Some("a=1, b=2"));
    assert_eq!(forwarded(&format!("a=1,{own}")).as_deref(), Some("a=1"));
    assert_eq!(forwarded(&format!("a=1,2,{own},3, b=2,4")).as_deref(), Some("a=1,2, b=2,4"));
    let other = "a; =b; TOLL_x=1; toll_theme=dark; toll_0123456789abc=1; x=1, 2";
    assert_eq!(forwarded(other).as_deref(), Some(other));
}
