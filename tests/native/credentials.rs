//! Which credentials a route accepts. Satisfied caveats are not enough: a credential must also meet the requirements of
//! the route.

use std::num::NonZeroU32;

use crate::support::gate::{demand, gate, seller as seller_with};
use crate::support::invoice::invoice_terms;
use crate::support::request::request;
use edgetoll::error::RequestError;
use edgetoll::gate::{CountedUses, Decision, Purchase, Refused, Request, Seller, WhenSpent};
use edgetoll::keys::{KeySet, Keys, TollSecret};
use edgetoll::payment::Preimage;
use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::protocols::l402::caveat::{Caveat, CredentialScope, Service, Terms};
use edgetoll::protocols::l402::credential::{
    Authorization, Credential, OtherCarriers, is_macaroon_header, may_contain_own_macaroon,
};
use edgetoll::protocols::l402::macaroon::{Encoding, Identifier, Macaroon, Signature};
use edgetoll::protocols::l402::refusal::Refusal;
use edgetoll::protocols::l402::verify::{Demand, verify};
use edgetoll::protocols::price::{Fiat, FiatPrice, Price};
use edgetoll::strict_json::Json;

const NOW: u64 = 1_800_000_000;
const PREIMAGE: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
const IP: &str = "203.0.113.7";
const ROUTES: &str = r#""routes":[
    {"path":"/plain","sats":5},
    {"path":"/any","sats":5,"bind":["endpoint"]},
    {"path":"/mine","sats":5,"bind":["endpoint","method","ip"]},
    {"path":"/club","sats":5,"realm":"club"},
    {"path":"/club/mine","sats":5,"realm":"club","bind":["ip"]},
    {"path":"/counted","sats":5,"uses":1},
    {"path":"/counted/five","sats":5,"uses":5},
    {"path":"/fiat","fiat":"0.01 USD"},
    {"path":"/varied","price":[{"when":{"method":"POST"},"sats":9},{"sats":5}]},
    {"path":"/weighed","sats_per_kib":5}
]"#;

fn policy(settings: &str) -> Policy {
    let list = format!("{{{settings}{ROUTES}}}");
    Policy::parse(&Json::parse(list.as_bytes()).unwrap(), fold_case).policy.unwrap()
}

fn seller_of(secret: &str, previous: Option<&str>) -> Seller {
    let checked = |text: &str| TollSecret::new(text).unwrap();
    seller_with(Keys::new(checked(secret), previous.map(checked)))
}

fn test_seller() -> Seller {
    seller_of(&crate::support::secret::SECRET, None)
}

/// Returns a secret that differs from `SECRET`.
fn other_secret() -> String {
    crate::support::secret::SECRET.chars().rev().collect()
}

/// Returns the decision of the gate as text: `paid`, `counted` with the number of uses, `challenge`, or the code of the
/// refusal or error.
fn outcome(policy: &Policy, seller: &Seller, path: &str, method: &str, macaroon: &Macaroon) -> String {
    let url = format!("https://x{path}");
    let authorization = format!("L402 {}:{PREIMAGE}", macaroon.encode());
    let request = Request { client_ip: Some(IP), ..request(&url, method, Some(&authorization)) };
    match gate(policy, seller).decide(&request, NOW) {
        Decision::Paid(Purchase { counted: None, .. }) => "paid".to_owned(),
        Decision::Paid(Purchase { counted: Some(CountedUses { is_taken: false, .. }), .. }) => {
            "paid".to_owned()
        }
        Decision::Paid(Purchase { counted: Some(CountedUses { bought, .. }), .. }) => {
            format!("counted {bought}")
        }
        Decision::Challenge(draft) => draft.refused.map_or("challenge", |refusal| refusal.code()).to_owned(),
        Decision::Refuse(Refused { error, .. }) => error.code().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn terms(scope: CredentialScope, ip: Option<&str>) -> Terms {
    Terms {
        service: Service::default(),
        expires_at_unix: NOW + 3_600,
        price: Price::Sats(5),
        sold_as: None,
        host: "x".to_owned(),
        scope,
        ip: ip.map(str::to_owned),
        uses: None,
        payable_until_unix: NOW + 300,
    }
}

fn endpoint(path: &str, method: Option<&str>) -> CredentialScope {
    CredentialScope::Endpoint { endpoint: path.to_owned(), method: method.map(str::to_owned) }
}

fn mint_with(set: &KeySet, encoding: Encoding, caveats: Vec<String>) -> Macaroon {
    let payment_hash = Preimage::from_hex(PREIMAGE).unwrap().payment_hash();
    match encoding {
        Encoding::Standard => {
            let identifier = Identifier::new(set, payment_hash, &[7; 28]);
            Macaroon::standard(&identifier.signing_key(set), "x", &identifier).with_caveats(&caveats).unwrap()
        }
        Encoding::LightningToll => {
            Macaroon::lightning_toll(set.lightning_toll_key(), payment_hash).with_caveats(&caveats).unwrap()
        }
    }
}

fn mint(encoding: Encoding, terms: &Terms) -> Macaroon {
    let seller = test_seller();
    let mut caveats = terms.caveats(encoding, &invoice_terms(terms));
    if encoding == Encoding::LightningToll {
        let payment_hash = Preimage::from_hex(PREIMAGE).unwrap().payment_hash();
        caveats.push(Caveat::issuer_mark(&seller.keys.current().issuer_mark(&payment_hash)));
    }
    mint_with(seller.keys.current(), encoding, caveats)
}

fn mint_as_other_issuer(caveats: &[&str]) -> Macaroon {
    mint_with(
        test_seller().keys.current(),
        Encoding::LightningToll,
        caveats.iter().map(|one| (*one).to_owned()).collect(),
    )
}

const ENCODINGS: [Encoding; 2] = [Encoding::Standard, Encoding::LightningToll];

#[test]
fn a_credential_needs_every_caveat_that_the_route_requires() {
    let realm = |name: &str| CredentialScope::Realm(name.to_owned());
    let cases = [
        ("/plain", terms(endpoint("/plain", Some("GET")), None), "paid"),
        ("/plain", terms(endpoint("/plain", None), None), "unbound"),
        ("/plain", terms(endpoint("/any", Some("GET")), None), "endpoint_mismatch"),
        ("/plain", terms(realm("club"), None), "realm_mismatch"),
        ("/any", terms(endpoint("/any", None), None), "paid"),
        ("/mine", terms(endpoint("/mine", Some("GET")), Some(IP)), "paid"),
        ("/mine", terms(endpoint("/mine", Some("GET")), None), "unbound"),
        ("/mine", terms(endpoint("/mine", Some("GET")), Some("203.0.113.8")), "ip_mismatch"),
        ("/club", terms(realm("club"), None), "paid"),
        ("/club", terms(realm("pub"), None), "realm_mismatch"),
        ("/club", terms(endpoint("/club", Some("GET")), None), "unbound"),
        ("/club/mine", terms(realm("club"), Some(IP)), "paid"),
        ("/club/mine", terms(realm("club"), None), "unbound"),
        ("/counted", terms(endpoint("/counted", Some("GET")), None), "unbound"),
        (
            "/counted",
            Terms { uses: NonZeroU32::new(1), ..terms(endpoint("/counted", Some("GET")), None) },
            "counted 1",
        ),
    ];
    let (policy, seller) = (policy(""), test_seller());
    for (path, terms, expected) in cases {
        for encoding in ENCODINGS {
            let macaroon = mint(encoding, &terms);
            assert_eq!(
                outcome(&policy, &seller, path, "GET", &macaroon),
                expected,
                "{encoding:?} {path} {terms:?}"
            );
        }
    }
}

#[test]
fn a_macaroon_that_lacks_any_of_five_required_caveats_is_refused() {
    let (policy, seller) = (policy(""), test_seller());
    let terms = terms(endpoint("/plain", Some("GET")), None);
    let complete = terms.caveats(Encoding::Standard, &invoice_terms(&terms));
    for name in ["toll_valid_until", "amount_sats", "host", "endpoint", "method"] {
        let caveats: Vec<String> =
            complete.iter().filter(|caveat| !caveat.starts_with(name)).cloned().collect();
        assert_eq!(caveats.len(), complete.len() - 1);
        let macaroon = mint_with(seller.keys.current(), Encoding::Standard, caveats);
        assert_eq!(outcome(&policy, &seller, "/plain", "GET", &macaroon), "unbound", "{name}");
    }
}

#[test]
fn a_caveat_that_the_holder_added_does_not_meet_a_requirement_of_the_route() {
    let (policy, seller) = (policy(""), test_seller());
    for encoding in ENCODINGS {
        let separator = if encoding == Encoding::Standard { "=" } else { " = " };
        let bought = mint(encoding, &terms(endpoint("/mine", None), None));
        let added = ["method", "GET", "ip", IP];
        let extended =
            added.chunks(2).fold(bought, |macaroon, pair| macaroon.attenuate(&pair.join(separator)).unwrap());
        assert_eq!(outcome(&policy, &seller, "/mine", "GET", &extended), "unbound", "{encoding:?}");
    }
}

#[test]
fn a_route_priced_in_a_currency_needs_a_credential_with_at_least_this_price_in_this_currency() {
    let (policy, seller) = (policy(""), test_seller());
    let price = |fiat: &str| {
        Price::Fiat(FiatPrice { fiat: Fiat::parse(fiat).unwrap(), min_sats: 1, max_sats: 1_000 })
    };
    let sold = |fiat: Option<&str>| Terms {
        price: fiat.map_or(Price::Sats(5), price),
        ..terms(endpoint("/fiat", Some("GET")), None)
    };
    for encoding in ENCODINGS {
        for (fiat, expected) in [
            (Some("0.01 USD"), "paid"),
            (Some("1.00 USD"), "paid"),
            (Some("0.0099 USD"), "underpaid"),
            (Some("1 EUR"), "underpaid"),
            (None, "unbound"),
        ] {
            assert_eq!(
                outcome(&policy, &seller, "/fiat", "GET", &mint(encoding, &sold(fiat))),
                expected,
                "{fiat:?}"
            );
        }
        let added = if encoding == Encoding::Standard { "fiat=9 USD" } else { "fiat = 9 USD" };
        let extended = mint(encoding, &sold(None)).attenuate(added).unwrap();
        assert_eq!(outcome(&policy, &seller, "/fiat", "GET", &extended), "unbound");
    }
}

#[test]
fn a_macaroon_of_another_issuer_is_refused_on_a_route_with_a_variable_price_or_uses_or_a_realm() {
    let (policy, seller) = (policy(""), test_seller());
    let expiry = format!("expires_at = {}", NOW + 3_600);
    for (path, expected) in [
        ("/plain", "paid"),
        ("/varied", "foreign"),
        ("/weighed", "foreign"),
        ("/fiat", "foreign"),
        ("/counted", "foreign"),
        ("/club", "foreign"),
    ] {
        let endpoint = format!("endpoint = {path}");
        let macaroon = mint_as_other_issuer(&[
            &expiry,
            &endpoint,
            "method = GET",
            "uses = 1",
            "fiat = 9 USD",
            "realm = club",
        ]);
        let plain = mint_as_other_issuer(&[&expiry, &endpoint, "method = GET"]);
        assert_eq!(outcome(&policy, &seller, path, "GET", &plain), expected, "{path}");
        assert_ne!(outcome(&policy, &seller, path, "GET", &macaroon), "paid", "{path}");
    }
}

#[test]
fn a_credential_has_the_smallest_of_its_uses_caveats_and_at_most_as_many_uses_as_the_route_sells() {
    let (policy, seller) = (policy(""), test_seller());
    let sold =
        |uses| Terms { uses: NonZeroU32::new(uses), ..terms(endpoint("/counted/five", Some("GET")), None) };
    let outcome = |method, macaroon: &Macaroon| outcome(&policy, &seller, "/counted/five", method, macaroon);
    for encoding in ENCODINGS {
        let uses =
            |number: u32| format!("uses{}{number}", if encoding == Encoding::Standard { "=" } else { " = " });
        assert_eq!(outcome("GET", &mint(encoding, &sold(5))), "counted 5");
        assert_eq!(outcome("GET", &mint(encoding, &sold(5)).attenuate(&uses(2)).unwrap()), "counted 2");
        assert_eq!(outcome("GET", &mint(encoding, &sold(5)).attenuate(&uses(9)).unwrap()), "counted 5");
        // The credential has more uses than the route sells, for example because another route of its realm sold it.
        assert_eq!(outcome("GET", &mint(encoding, &sold(100))), "counted 5");
        // A `uses` caveat that the holder added does not meet the requirement of the route.
        let unlimited = terms(endpoint("/counted/five", Some("GET")), None);
        assert_eq!(outcome("GET", &mint(encoding, &unlimited).attenuate(&uses(9)).unwrap()), "unbound");
        assert_eq!(outcome("HEAD", &mint(encoding, &sold(5))), "paid", "HEAD takes no use");
    }
    // A holder who shortens the expiry can still use the original macaroon. So the count of uses is stored until the
    // expiry that the issuer wrote.
    let sold = mint(Encoding::Standard, &sold(5));
    let ended = sold.attenuate(&format!("toll_valid_until={}", NOW + 2)).unwrap();
    for (macaroon, expires_at_unix) in [(sold, NOW + 3_600), (ended, NOW + 2)] {
        let authorization = format!("L402 {}:{PREIMAGE}", macaroon.encode());
        let request = request("https://x/counted/five", "GET", Some(&authorization));
        let gate = gate(&policy, &seller);
        let Decision::Paid(Purchase { grant, counted: Some(_), .. }) = gate.decide(&request, NOW) else {
            panic!()
        };
        assert_eq!((grant.expires_at_unix, grant.issued_until_unix), (expires_at_unix, NOW + 3_600));
    }
    // A holder may limit the uses of a credential that has no limit.
    let plain = mint(Encoding::Standard, &terms(endpoint("/plain", Some("GET")), None));
    let limited = plain.attenuate("uses=1").unwrap();
    assert_eq!(self::outcome(&policy, &seller, "/plain", "GET", &limited), "counted 1");
}

#[test]
fn a_macaroon_of_another_issuer_is_valid_for_one_path_with_a_fixed_price_for_at_most_a_day() {
    let seller = test_seller();
    let in_a_day = format!("expires_at = {}", NOW + 86_400);
    let later = format!("expires_at = {}", NOW + 86_401);
    let cases = [
        (vec![in_a_day.as_str(), "endpoint = /plain", "method = GET"], "/plain", "paid"),
        (vec![&later, "endpoint = /plain", "method = GET"], "/plain", "foreign"),
        (vec!["endpoint = /plain", "method = GET"], "/plain", "unbound"),
        (vec![&in_a_day, "method = GET"], "/plain", "unbound"),
        (vec![&in_a_day, "method = GET", "services = toll:0"], "/plain", "unbound"),
        (vec![&in_a_day, "endpoint = /plain"], "/plain", "unbound"),
        (vec![&in_a_day, "endpoint = /any"], "/any", "paid"),
        (vec![&in_a_day, "endpoint = /mine", "method = GET"], "/mine", "unbound"),
        (vec![&in_a_day, "endpoint = /mine", "method = GET", "ip = 203.0.113.7"], "/mine", "paid"),
        (vec![&in_a_day, "endpoint = /club", "method = GET"], "/club", "foreign"),
        (vec![&in_a_day, "endpoint = /club", "realm = club"], "/club", "foreign"),
        (vec![&in_a_day, "realm = club"], "/club", "foreign"),
        (
            vec![&later, "endpoint = /plain", "method = GET", "host = x", "amount_sats = 9"],
            "/plain",
            "foreign",
        ),
    ];
    for (caveats, path, expected) in cases {
        assert_eq!(
            outcome(&policy(""), &seller, path, "GET", &mint_as_other_issuer(&caveats)),
            expected,
            "{caveats:?}"
        );
    }
    let valid = mint_as_other_issuer(&[&in_a_day, "endpoint = /plain", "method = GET"]);
    assert_eq!(outcome(&policy(r#""accept_foreign":false,"#), &seller, "/plain", "GET", &valid), "foreign");
    assert_eq!(outcome(&policy(r#""foreign_max_age":"1h","#), &seller, "/plain", "GET", &valid), "foreign");
    assert_eq!(
        outcome(&policy(r#""macaroon":"l402","#), &seller, "/plain", "GET", &valid),
        "encoding_not_accepted"
    );
}

// I8 (CHANGELOG): Aperture accepts these headers (docs/metering.md in its repository).
#[test]
fn a_macaroon_with_its_preimage_in_a_caveat_is_accepted_in_the_headers_of_aperture() {
    let (policy, seller) = (policy(""), test_seller());
    let bought = mint(Encoding::Standard, &terms(endpoint("/plain", Some("GET")), None));
    let in_hex = |caveat: &str| {
        let bytes = edgetoll::base64::decode(&bought.attenuate(caveat).unwrap().encode()).unwrap();
        edgetoll::hex::encode(&bytes)
    };
    let decide = |macaroons| {
        let other_carriers = OtherCarriers { toll_authorization: None, macaroons };
        let request = Request { other_carriers, ..request("https://x/plain", "GET", None) };
        gate(&policy, &seller).decide(&request, NOW)
    };
    let paid = in_hex(&format!("preimage={PREIMAGE}"));
    assert!(matches!(decide([Some(&paid), None]), Decision::Paid(_)));
    assert!(matches!(decide([None, Some(&paid)]), Decision::Paid(_)));
    let wrong = in_hex(&format!("preimage={}", "1".repeat(64)));
    let refused = RequestError::Credential(Refusal::WrongPreimage);
    assert!(
        matches!(decide([Some(&wrong), None]), Decision::Refuse(Refused { error, .. }) if error == refused)
    );
}

#[test]
fn a_revoked_credential_is_refused() {
    let payment_hash = Preimage::from_hex(PREIMAGE).unwrap().payment_hash().to_hex();
    let macaroon = mint(Encoding::Standard, &terms(endpoint("/plain", Some("GET")), None));
    let revoking = policy(&format!("\"revoked\":[\"{payment_hash}\"],"));
    assert_eq!(outcome(&revoking, &test_seller(), "/plain", "GET", &macaroon), "revoked");
    let another = policy(&format!("\"revoked\":[\"{}\"],", "0".repeat(64)));
    assert_eq!(outcome(&another, &test_seller(), "/plain", "GET", &macaroon), "paid");
}

#[test]
fn a_macaroon_of_the_previous_secret_is_valid_and_a_macaroon_of_an_unknown_secret_is_refused() {
    let policy = policy("");
    let terms = terms(endpoint("/plain", Some("GET")), None);
    let rotated = seller_of(&other_secret(), Some(&crate::support::secret::SECRET));
    let with_other_secret = seller_of(&other_secret(), None);
    for (encoding, expected) in
        [(Encoding::Standard, "unknown_key"), (Encoding::LightningToll, "bad_signature")]
    {
        let macaroon = mint(encoding, &terms);
        assert_eq!(outcome(&policy, &rotated, "/plain", "GET", &macaroon), "paid", "{encoding:?}");
        assert_eq!(
            outcome(&policy, &with_other_secret, "/plain", "GET", &macaroon),
            expected,
            "{encoding:?}"
        );
    }
    // The current secret signs new macaroons, so a deployment that has only the previous secret does not know the key.
    let minted = mint_with(
        rotated.keys.current(),
        Encoding::Standard,
        terms.caveats(Encoding::Standard, &invoice_terms(&terms)),
    );
    assert_eq!(minted.signature(&test_seller().keys), Signature::UnknownKey);
}

#[test]
fn an_unknown_key_is_reported_first_then_a_wrong_preimage_then_an_unsatisfied_caveat() {
    let seller = test_seller();
    let service = Service::default();
    let demand = Demand { host: "y", endpoint: "/other", ..demand(&service, NOW + 999_999) };
    let wrong = Preimage::from_hex(&"0".repeat(64)).unwrap();
    let right = Preimage::from_hex(PREIMAGE).unwrap();
    for encoding in ENCODINGS {
        let macaroon = mint(encoding, &terms(endpoint("/plain", Some("GET")), None));
        assert_eq!(
            verify(&macaroon, Some(&wrong), &seller.keys, &demand),
            Err(Refusal::WrongPreimage),
            "{encoding:?}"
        );
        assert_eq!(
            verify(&macaroon, Some(&right), &seller.keys, &demand),
            Err(Refusal::Expired),
            "{encoding:?}"
        );
    }
    let with_other_secret = seller_of(&other_secret(), None);
    let macaroon = mint(Encoding::Standard, &terms(endpoint("/plain", None), None));
    assert_eq!(verify(&macaroon, Some(&wrong), &with_other_secret.keys, &demand), Err(Refusal::UnknownKey));
}

#[test]
fn a_request_from_an_unknown_address_is_refused_on_a_route_that_binds_the_client_address() {
    let policy = policy("");
    let request = request("https://x/mine", "GET", None);
    let seller = test_seller();
    let decision = gate(&policy, &seller).decide(&request, NOW);
    assert!(matches!(
        decision,
        Decision::Refuse(Refused { error: RequestError::UnknownClient, route: Some(_) })
    ));
}

#[test]
fn a_path_too_long_for_a_credential_is_not_sold() {
    let list = r#"{"routes":[{"path":"/files/*"}]}"#;
    let policy = Policy::parse(&Json::parse(list.as_bytes()).unwrap(), fold_case).policy.unwrap();
    let seller = test_seller();
    for (length, sold) in [(4_096, true), (4_097, false)] {
        let url = format!("https://x/files/{}", "x".repeat(length - "/files/".len()));
        let request = request(&url, "GET", None);
        let decision = gate(&policy, &seller).decide(&request, NOW);
        assert_eq!(matches!(decision, Decision::Challenge(_)), sold, "{length}");
    }
}

// I8 (CHANGELOG)
#[test]
fn a_header_with_a_macaroon_of_this_deployment_is_recognized_in_every_spelling() {
    for name in
        ["Macaroon", "macaroon", "Grpc-Metadata-Macaroon", "grpc_metadata_macaroon", "Grpc.Metadata.Macaroon"]
    {
        assert!(is_macaroon_header(name), "{name}");
    }
    for name in ["X-Macaroon", "Macaroons", "Authorization", ""] {
        assert!(!is_macaroon_header(name), "{name}");
    }
    let keys = test_seller().keys;
    let own = mint(Encoding::Standard, &terms(endpoint("/plain", Some("GET")), None));
    let bytes = edgetoll::base64::decode(&own.encode()).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    for value in [
        hex.clone(),
        own.encode(),
        format!("0X{hex}"),
        format!("\"{hex}\""),
        format!("{hex}:{PREIMAGE}"),
        format!("macaroon={hex}"),
        format!("L402 {hex},x"),
        "x".repeat(8_193),
    ] {
        assert!(may_contain_own_macaroon(&value, &keys, &mut 0), "{value}");
    }
    let foreign = seller_of(&other_secret(), None).keys;
    for value in [hex.as_str(), "", "x", "0201036c6e64", &"x".repeat(8_192)] {
        assert!(!may_contain_own_macaroon(value, &foreign, &mut 0), "{value}");
    }
}

#[test]
fn if_the_uses_of_one_payment_are_spent_the_next_credential_is_used() {
    let (policy, seller) = (policy(""), test_seller());
    let preimages: Vec<String> = (1..=6).map(|n| format!("{n:064x}")).collect();
    let credential = |n: usize, uses: u32, is_proven: bool| {
        let preimage = preimages.get(n).unwrap();
        let scope = endpoint("/counted/five", Some("GET"));
        let terms = Terms { uses: NonZeroU32::new(uses), ..terms(scope, None) };
        let payment_hash = Preimage::from_hex(preimage).unwrap().payment_hash();
        let identifier = Identifier::new(seller.keys.current(), payment_hash, &[7; 28]);
        let key = identifier.signing_key(seller.keys.current());
        let caveats = terms.caveats(Encoding::Standard, &invoice_terms(&terms));
        let macaroon = Macaroon::standard(&key, "x", &identifier).with_caveats(&caveats).unwrap();
        format!("L402 {}:{}", macaroon.encode(), if is_proven { preimage.as_str() } else { "" })
    };
    // Returns the first digits of the payment hashes in the order in which they are used, and what ends the list.
    let order = |credentials: &[String]| {
        let authorization = credentials.join(", ");
        let request = request("https://x/counted/five", "GET", Some(&authorization));
        let Decision::Paid(mut purchase) = gate(&policy, &seller).decide(&request, NOW) else { panic!() };
        let mut hashes = Vec::new();
        loop {
            hashes.push(purchase.grant.payment_hash);
            match *purchase.counted.unwrap().when_spent {
                WhenSpent::Next(next) => purchase = next,
                WhenSpent::Refuse(error) => panic!("{error}"),
                WhenSpent::Challenge(draft) => return (hashes, draft.refused.unwrap().code().to_owned()),
                WhenSpent::Unsettled { claims, .. } => return (hashes, format!("{} claims", claims.len())),
            }
        }
    };
    let hashes = |numbers: &[usize]| -> Vec<_> {
        let hash = |n: &usize| Preimage::from_hex(preimages.get(*n).unwrap()).unwrap().payment_hash();
        numbers.iter().map(hash).collect()
    };
    let proven = |n| credential(n, 5, true);
    assert_eq!(order(&[proven(0)]), (hashes(&[0]), "spent".to_owned()));
    assert_eq!(order(&[proven(1), proven(0)]), (hashes(&[1, 0]), "spent".to_owned()));
    // The same credential again costs no second request to the meter.
    assert_eq!(order(&[proven(0), proven(0), proven(1)]), (hashes(&[0, 1]), "spent".to_owned()));
    let unproven = [proven(0), credential(1, 5, false), credential(2, 5, false)];
    assert_eq!(order(&unproven), (hashes(&[0]), "2 claims".to_owned()));
    // Each purchase can cost a request to the meter, so there are four at most.
    let many: Vec<String> = (0..6).map(proven).collect();
    assert_eq!(order(&many), (hashes(&[0, 1, 2, 3]), "spent".to_owned()));
}

#[test]
fn a_malformed_macaroon_beside_a_good_one_is_skipped_if_the_credential_has_a_colon() {
    let good = mint(Encoding::Standard, &terms(endpoint("/plain", Some("GET")), None)).encode();
    let well_formed = |text: &str| {
        let parsed = Credential::parse(text)?;
        Ok(parsed.macaroons.iter().map(Result::is_ok).collect::<Vec<_>>())
    };
    for preimage in ["", PREIMAGE] {
        assert_eq!(well_formed(&format!("x,{good}:{preimage}")), Ok(vec![false, true]));
    }
    assert_eq!(well_formed(&good), Ok(vec![true]));
    assert_eq!(well_formed(&format!("x,{good}")), Err(Refusal::MalformedCredential));
}

// R4 (CHANGELOG)
#[test]
fn a_word_that_clients_write_in_place_of_a_preimage_counts_as_no_preimage() {
    let good = mint(Encoding::Standard, &terms(endpoint("/plain", Some("GET")), None)).encode();
    let preimage = |text: &str| {
        let preimage = Credential::parse(&format!("{good}:{text}"))?.preimage;
        Ok(preimage.map(|preimage| preimage.payment_hash()))
    };
    let payment_hash = Preimage::from_hex(PREIMAGE).unwrap().payment_hash();
    for missing in ["", "undefined", "null", "None", &"0".repeat(64), &format!("0x{}", "0".repeat(64))] {
        assert_eq!(preimage(missing), Ok(None), "{missing}");
    }
    for digits in [PREIMAGE.to_owned(), format!("0x{PREIMAGE}"), format!("0X{}", PREIMAGE.to_uppercase())] {
        assert_eq!(preimage(&digits), Ok(Some(payment_hash)), "{digits}");
    }
    for malformed in ["x", "0x", "nothing", "undefined0", &format!("0x0x{PREIMAGE}"), &format!("{PREIMAGE}0")]
    {
        assert_eq!(preimage(malformed), Err(Refusal::MalformedPreimage), "{malformed}");
    }
}

// A2 (CHANGELOG)
#[test]
fn macaroons_in_one_header_have_a_hundred_caveats_together() {
    let seller = test_seller();
    let own = mint(Encoding::Standard, &terms(endpoint("/plain", Some("GET")), None));
    let zeros = "0".repeat(64);
    let of_others = |caveats: usize| {
        let caveats = vec!["\"\""; caveats].join(",");
        let json = format!("{{\"id\":\"{zeros}\",\"caveats\":[{caveats}],\"signature\":\"{zeros}\"}}");
        edgetoll::base64::encode_url_safe(json.as_bytes())
    };
    let policy = policy("");
    // A macaroon with fewer than ten caveats counts as one with ten.
    for (caveats, most) in [(0, 10), (9, 10), (10, 10), (11, 9), (100, 1)] {
        let header = |times| vec![of_others(caveats); times].join(",");
        let is_forwarded = |header: &str| !may_contain_own_macaroon(header, &seller.keys, &mut 0);
        assert!(is_forwarded(&header(most)), "{most} macaroons with {caveats} caveats");
        assert!(!is_forwarded(&header(most + 1)), "{most} and one more macaroons with {caveats} caveats");
        let is_credential = |value: &str| {
            let macaroons = [Some(value), None];
            let other_carriers = OtherCarriers { macaroons, ..OtherCarriers::default() };
            let request = Request { other_carriers, ..request("https://x/plain", "GET", None) };
            matches!(gate(&policy, &seller).decide(&request, NOW), Decision::Unsettled { .. })
        };
        assert!(is_credential(&own.encode()));
        let after = format!("{},{}", header(most + 1), own.encode());
        assert!(!is_credential(&after), "after {most} and one more macaroons with {caveats} caveats");
        let of_length = |length: usize| {
            let own = own.encode();
            format!("{own},{}", "x".repeat(length - own.len() - 1))
        };
        assert!(is_credential(&of_length(8_192)) && !is_credential(&of_length(8_193)));
    }
}

// Attack A2 (CHANGELOG): with `TOLL_SECRET_PREVIOUS`, six macaroons of 100 caveats and a few cookies cost 3 ms of CPU time.
#[test]
fn the_macaroons_of_a_request_are_verified_up_to_200_caveats() {
    let policy = policy("");
    let seller = test_seller();
    let good = mint(Encoding::LightningToll, &terms(endpoint("/plain", Some("GET")), None)).encode();
    let forged = |caveats: usize| {
        let plain = Macaroon::lightning_toll(
            seller_of(&other_secret(), None).keys.current().lightning_toll_key(),
            Preimage::from_hex(PREIMAGE).unwrap().payment_hash(),
        );
        plain.with_caveats(&vec!["a = b".to_owned(); caveats]).unwrap().encode()
    };
    let outcome = |macaroons: &[String]| {
        let credentials: Vec<String> =
            macaroons.iter().map(|macaroon| format!("L402 {macaroon}:{PREIMAGE}")).collect();
        let header = credentials.join(", ");
        match gate(&policy, &seller).decide(&request("https://x/plain", "GET", Some(&header)), NOW) {
            Decision::Paid(_) => "paid",
            Decision::Refuse(Refused { error, .. }) => error.code(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(outcome(&[forged(100), forged(80), good.clone()]), "paid");
    let of_good = Macaroon::parse(&good).unwrap().caveats().count();
    assert_eq!(outcome(&[forged(100), forged(100 - of_good), good.clone()]), "paid");
    assert_eq!(outcome(&[forged(100), forged(101 - of_good), good.clone()]), "bad_signature");
    assert_eq!(outcome(&[forged(100), forged(100), good.clone()]), "bad_signature");
    assert_eq!(outcome(&[good, forged(100), forged(100)]), "paid");
}

// A2 (CHANGELOG): 110 KB of commas used 9 ms.
#[test]
fn an_authorization_header_of_more_than_8192_bytes_is_not_split() {
    let long = "x".repeat(8_192);
    for (header, is_l402) in [
        (format!("Negotiate {long}"), false),
        // By chance, base64 can contain the name of the scheme.
        (format!("Negotiate {long}L402/{long}=LSAT="), false),
        (",".repeat(8_193), false),
        (format!("L402 {long}:"), true),
        (format!("Bearer {long}, L402 a:b"), true),
        (format!("Bearer {long},\"lsat a:b"), true),
        (format!("{},L402", ",".repeat(8_192)), true),
    ] {
        let split = Authorization::split(&header);
        let refused: Vec<_> = split.credentials().into_iter().map(|one| one.err()).collect();
        match is_l402 {
            true => assert_eq!(refused, [Some(Refusal::CredentialTooLarge)], "{}", &header[..10]),
            false => assert!(refused.is_empty(), "{}", &header[..10]),
        }
        assert_eq!(split.others(), (!is_l402).then(|| header.clone()), "{}", &header[..10]);
    }
}
