//! U8 (CHANGELOG): a credential stays valid when the price changes, but it never opens a more expensive variant or
//! another route.

use crate::support::gate::{gate, seller};
use crate::support::price_list::valid;
use crate::support::request::request;
use crate::support::secret::SECRET;
use edgetoll::gate::{Decision, Request, Seller};
use edgetoll::keys::{KeySet, Keys, TollSecret};
use edgetoll::payment::{Preimage, WalletSlot};
use edgetoll::protocols::l402::caveat::{Caveat, InvoiceTerms, Terms};
use edgetoll::protocols::l402::macaroon::{Encoding, Identifier, Macaroon};

const NOW: u64 = 1_800_000_000;
const PREIMAGE: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
const ENCODINGS: [Encoding; 2] = [Encoding::Standard, Encoding::LightningToll];

fn seller_with(previous: Option<&str>) -> Seller {
    let secret = |text: &str| TollSecret::new(text).unwrap();
    seller(Keys::new(secret(&SECRET), previous.map(secret)))
}

/// Returns the terms of the challenge for a request, which is `GET /path` or another method and path.
fn terms(routes: &str, seller: &Seller, target: &str) -> Terms {
    let policy = valid(&format!(r#"{{"routes":[{routes}]}}"#));
    let (method, path) = target.split_once(' ').unwrap();
    let url = format!("https://x{path}");
    match gate(&policy, seller).decide(&from_client(&request(&url, method, None)), NOW) {
        Decision::Challenge(draft) => draft.terms,
        other => panic!("{target}: {other:?}"),
    }
}

fn from_client<'a>(request: &Request<'a>) -> Request<'a> {
    Request { client_ip: Some("203.0.113.7"), ..*request }
}

/// Buys a credential for a request at the prices of a list. The invoice has 5 sats.
fn buy(encoding: Encoding, routes: &str, target: &str) -> Macaroon {
    let seller = seller_with(None);
    mint(encoding, seller.keys.current(), &terms(routes, &seller, target))
}

fn mint(encoding: Encoding, set: &KeySet, terms: &Terms) -> Macaroon {
    let until = terms.payable_until_unix;
    let invoice = InvoiceTerms { amount_sats: 5, wallet: WalletSlot::FIRST, payable_until_unix: until };
    let payment_hash = Preimage::from_hex(PREIMAGE).unwrap().payment_hash();
    let mut caveats = terms.caveats(encoding, &invoice);
    let macaroon = match encoding {
        Encoding::Standard => {
            let identifier = Identifier::new(set, payment_hash, &[7; 28]);
            Macaroon::standard(&identifier.signing_key(set), "x", &identifier)
        }
        Encoding::LightningToll => {
            caveats.push(Caveat::issuer_mark(&set.issuer_mark(&payment_hash)));
            Macaroon::lightning_toll(set.lightning_toll_key(), payment_hash)
        }
    };
    macaroon.with_caveats(&caveats).unwrap()
}

/// Sends a request with a credential at the prices of a list.
fn outcome(macaroon: &Macaroon, seller: &Seller, routes: &str, target: &str) -> String {
    let policy = valid(&format!(r#"{{"routes":[{routes}]}}"#));
    let (method, path) = target.split_once(' ').unwrap();
    let url = format!("https://x{path}");
    let authorization = format!("L402 {}:{PREIMAGE}", macaroon.encode());
    match gate(&policy, seller).decide(&from_client(&request(&url, method, Some(&authorization))), NOW) {
        Decision::Paid(purchase) => format!("paid {}", purchase.grant.amount_sats),
        Decision::Challenge(draft) => draft.refused.map_or("challenge", |refusal| refusal.code()).to_owned(),
        other => panic!("{other:?}"),
    }
}

fn assert_outcomes(cases: &[(&str, &str, &str, &str, &str)]) {
    for (sold, bought, now, requested, expected) in cases {
        for encoding in ENCODINGS {
            let macaroon = buy(encoding, sold, bought);
            let got = outcome(&macaroon, &seller_with(None), now, requested);
            // The encodings write their caveats in different orders, so the first refusal may differ.
            let got =
                if *expected == "refused" && !got.starts_with("paid") { "refused".to_owned() } else { got };
            assert_eq!(got, *expected, "{encoding:?}: {sold}, then {now}: {requested}");
        }
    }
}

#[test]
fn what_was_paid_stays_good_when_the_price_or_its_currency_changes() {
    let get = "GET /a";
    let at = |price: &str| format!(r#"{{"path":"/a",{price}}}"#);
    let (five, six, four) = (at(r#""sats":5"#), at(r#""sats":6"#), at(r#""sats":4"#));
    let (usd, eur, more_usd) =
        (at(r#""fiat":"0.01 USD""#), at(r#""fiat":"0.01 EUR""#), at(r#""fiat":"9 USD""#));
    let not_honored = at(r#""sats":6,"honor_paid":false"#);
    let sold_without = at(r#""sats":5,"honor_paid":false"#);
    assert_outcomes(&[
        (&five, get, &five, get, "paid 5"),
        (&five, get, &six, get, "paid 5"),
        (&five, get, &six, "HEAD /a", "paid 5"),
        (&five, get, &four, get, "paid 5"),
        (&five, get, &usd, get, "paid 5"),
        (&usd, get, &more_usd, get, "paid 5"),
        (&usd, get, &eur, get, "paid 5"),
        (&usd, get, &six, get, "paid 5"),
        (&five, get, &not_honored, get, "underpaid"),
        (&sold_without, get, &six, get, "underpaid"),
        (&sold_without, get, &usd, get, "unbound"),
    ]);
    // Settings that do not change what a credential opens.
    let renamed =
        at(r#""sats":6,"description":"new","listed":false,"credential_expiry":"7d","free_requests":1"#);
    assert_outcomes(&[(&five, get, &renamed, get, "paid 5")]);
    let counted =
        |sats| format!(r#"{{"path":"/a/*","sats":{sats},"uses":3,"bind":["endpoint","method","ip"]}}"#);
    assert_outcomes(&[
        (&counted(5), "GET /a/x", &counted(9), "GET /a/x", "paid 5"),
        (&counted(5), "GET /a/x", &counted(9), "GET /a/y", "refused"),
        (&counted(5), "GET /a/x", &counted(9), "POST /a/x", "refused"),
    ]);
}

#[test]
fn a_credential_of_a_cheaper_variant_does_not_open_a_dearer_one() {
    let get = "GET /a";
    let five = r#"{"path":"/a","sats":5}"#;
    let when = r#"{"path":"/a","price":[{"when":{"query":{"hd":"1"}},"sats":9},{"sats":5}]}"#;
    let per_kib = r#"{"path":"/a","sats_per_kib":9}"#;
    let wildcard = r#"{"path":"/*","sats":5}"#;
    let in_wildcard = r#"{"path":"/*","sats":5},{"path":"/a","sats":9}"#;
    let param = r#"{"path":"/:x","sats":9}"#;
    let by_method = r#"{"path":"/a","methods":["GET"],"sats":5,"bind":["endpoint"]},
        {"path":"/a","methods":["POST"],"sats":9,"bind":["endpoint"]}"#;
    let by_host = r#"{"path":"/a","host":"x","sats":9}"#;
    let of_service = r#"{"path":"/a","sats":9,"service":"toll","bind":["endpoint"]}"#;
    let bound = r#"{"path":"/a","sats":5,"bind":["endpoint","method","ip"]}"#;
    let dear = r#"{"path":"/a","sats":9}"#;
    assert_outcomes(&[
        (when, get, when, "GET /a?hd=1", "underpaid"),
        (when, get, dear, get, "underpaid"),
        (five, get, when, "GET /a?hd=1", "underpaid"),
        (five, get, when, get, "paid 5"),
        (five, get, per_kib, get, "underpaid"),
        (wildcard, get, in_wildcard, get, "underpaid"),
        (five, get, param, get, "underpaid"),
        (by_method, get, by_method, "POST /a", "underpaid"),
        (five, get, by_host, get, "underpaid"),
        (five, get, of_service, get, "underpaid"),
        (bound, get, dear, get, "underpaid"),
        // The route of the purchase is removed, and a wider one is left.
        (in_wildcard, get, r#"{"path":"/*","sats":9}"#, get, "underpaid"),
    ]);
}

#[test]
fn a_credential_of_a_realm_stays_good_only_while_the_realm_has_the_same_routes_and_one_price() {
    let route = |path: &str, sats: u64| format!(r#"{{"path":"{path}","realm":"club","sats":{sats}}}"#);
    let realm = |routes: &[(&str, u64)]| {
        routes.iter().map(|(path, sats)| route(path, *sats)).collect::<Vec<_>>().join(",")
    };
    let five = realm(&[("/a", 5), ("/b", 5)]);
    let nine = realm(&[("/b", 9), ("/a", 9)]);
    let mixed = realm(&[("/a", 5), ("/b", 9)]);
    let grown = realm(&[("/a", 9), ("/b", 9), ("/c", 9)]);
    let free = format!(r#"{five},{{"path":"/free","realm":"club","sats":0}}"#);
    let other = nine.replace("club", "other");
    let large = |last: &str| {
        let routes: Vec<String> = (0..40).map(|n| format!("/{n}")).chain([last.to_owned()]).collect();
        realm(&routes.iter().map(|path| (path.as_str(), 5)).collect::<Vec<_>>())
    };
    let (of_x, of_y) = (large("/x"), large("/y").replace(":5", ":9"));
    let of_x_for_nine = of_x.replace(":5", ":9");
    let one_opted_out = nine.replacen("\"sats\":9", "\"sats\":9,\"honor_paid\":false", 1);
    assert_outcomes(&[
        (&five, "GET /a", &nine, "GET /b", "paid 5"),
        (&free, "GET /a", &nine, "GET /b", "paid 5"),
        (&five, "GET /a", &mixed, "GET /b", "underpaid"),
        (&five, "GET /a", &mixed, "GET /a", "paid 5"),
        (&mixed, "GET /a", &mixed, "GET /b", "underpaid"),
        (&mixed, "GET /a", &nine, "GET /a", "underpaid"),
        (&five, "GET /a", &grown, "GET /c", "underpaid"),
        (&five, "GET /a", &grown, "GET /a", "underpaid"),
        (&five, "GET /a", &other, "GET /a", "underpaid"),
        (&five, "GET /a", &one_opted_out, "GET /a", "underpaid"),
        (&of_x, "GET /x", &of_x_for_nine, "GET /1", "paid 5"),
        (&of_x, "GET /x", &of_y, "GET /1", "underpaid"),
    ]);
}

#[test]
fn only_a_sold_as_caveat_that_this_deployment_wrote_for_this_route_counts() {
    let (five, nine, seller) = (r#"{"path":"/a","sats":5}"#, r#"{"path":"/a","sats":9}"#, seller_with(None));
    let terms = terms(five, &seller, "GET /a");
    let tag = terms.sold_as.clone().unwrap();
    let without = Terms { sold_as: None, ..terms.clone() };
    let of_other_route = Terms { sold_as: Some("0".repeat(32)), ..terms.clone() };
    for encoding in ENCODINGS {
        let separator = if encoding == Encoding::Standard { "=" } else { " = " };
        let added = |macaroon: Macaroon, name: &str, value: &str| {
            macaroon.attenuate(&[name, separator, value].concat()).unwrap()
        };
        let mint = |terms: &Terms| mint(encoding, seller.keys.current(), terms);
        let outcome = |macaroon: &Macaroon| outcome(macaroon, &seller, nine, "GET /a");
        assert_eq!(outcome(&mint(&terms)), "paid 5");
        assert_eq!(outcome(&mint(&of_other_route)), "underpaid");
        assert_eq!(outcome(&added(mint(&without), "sold_as", &tag)), "underpaid");
        assert_eq!(outcome(&added(mint(&of_other_route), "sold_as", &tag)), "underpaid");
        assert_eq!(outcome(&added(mint(&terms), "sold_as", "anything")), "paid 5");
        // A holder can narrow the credential with a lower amount.
        assert_eq!(outcome(&added(mint(&terms), "amount_sats", "4")), "underpaid");
        assert_eq!(outcome(&added(mint(&terms), "endpoint", "/b")), "underpaid");
    }
}

#[test]
fn a_credential_that_was_signed_before_a_rotation_stays_good_when_the_price_changes() {
    let previous: String = SECRET.chars().rev().collect();
    let set = Keys::new(TollSecret::new(&previous).unwrap(), None);
    let old = seller(set);
    let terms = terms(r#"{"path":"/a","sats":5}"#, &old, "GET /a");
    for encoding in ENCODINGS {
        let macaroon = mint(encoding, old.keys.current(), &terms);
        let now = seller_with(Some(&previous));
        assert_eq!(outcome(&macaroon, &now, r#"{"path":"/a","sats":9}"#, "GET /a"), "paid 5");
    }
}
