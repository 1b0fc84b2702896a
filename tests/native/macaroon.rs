//! Macaroons: minting, verification and attenuation, compared with `libmacaroon`.

use crate::support;
use crate::support::invoice::invoice_terms;
use crate::support::slots::SECOND;
use base64::Engine;
use edgetoll::bolt11::Bolt11;
use edgetoll::keys::{KeySet, Keys, SigningKey, TollSecret};
use edgetoll::payment::{PaymentHash, Preimage};
use edgetoll::protocols::l402::caveat::{Caveat, CredentialScope, InvoiceTerms, ScopeRule, Service, Terms};
use edgetoll::protocols::l402::challenge::{Challenge, ParsedChallenge};
use edgetoll::protocols::l402::credential::Authorization;
use edgetoll::protocols::l402::macaroon::{
    Encoding, Encodings, Identifier, Macaroon, MacaroonError, Signature,
};
use edgetoll::protocols::l402::refusal::Refusal;
use edgetoll::protocols::l402::verify::{CheckedCaveats, Demand, Grant, check_caveats, verify};
use edgetoll::protocols::price::{Fiat, FiatPrice, Price};
use edgetoll::strict_json::Json;

use std::num::NonZeroU32;
use std::sync::LazyLock;

use libmacaroon::{Format, MacaroonKey, Verifier};
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;
const PREIMAGE: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

fn keys() -> Keys {
    Keys::new(TollSecret::new(&crate::support::secret::SECRET).unwrap(), None)
}

fn preimage() -> Preimage {
    Preimage::from_hex(PREIMAGE).unwrap()
}

fn terms() -> Terms {
    Terms {
        service: Service::default(),
        expires_at_unix: NOW + 3_600,
        price: Price::Sats(5),
        sold_as: None,
        host: "x".to_owned(),
        scope: CredentialScope::Endpoint { endpoint: "/a".to_owned(), method: Some("GET".to_owned()) },
        ip: None,
        uses: None,
        payable_until_unix: NOW + 300,
    }
}

static TOLL: LazyLock<Service> = LazyLock::new(Service::default);

fn demand() -> Demand<'static> {
    Demand { price: &Price::Sats(5), ..support::gate::demand(&TOLL, NOW) }
}

fn mint(encoding: Encoding, terms: &Terms) -> Macaroon {
    mint_for(encoding, terms, &invoice_terms(terms))
}

fn mint_for(encoding: Encoding, terms: &Terms, invoice: &InvoiceTerms) -> Macaroon {
    let keys = keys();
    let set: &KeySet = keys.current();
    let mut caveats = terms.caveats(encoding, invoice);
    match encoding {
        Encoding::Standard => {
            let identifier = Identifier::new(set, preimage().payment_hash(), &[7; 28]);
            Macaroon::standard(&identifier.signing_key(set), &terms.host, &identifier)
                .with_caveats(&caveats)
                .unwrap()
        }
        Encoding::LightningToll => {
            caveats.push(Caveat::issuer_mark(&set.issuer_mark(&preimage().payment_hash())));
            Macaroon::lightning_toll(set.lightning_toll_key(), preimage().payment_hash())
                .with_caveats(&caveats)
                .unwrap()
        }
    }
}

fn verify_paid(macaroon: &Macaroon, demand: &Demand<'_>) -> Result<Grant, Refusal> {
    verify(macaroon, Some(&preimage()), &keys(), demand)
}

/// Checks only the caveats that the macaroon has. Does not check its signature or its preimage. A caveat that the route
/// requires may be missing.
fn check(macaroon: &Macaroon, demand: &Demand<'_>) -> Result<CheckedCaveats, Refusal> {
    let mark = keys().current().issuer_mark(&macaroon.payment_hash());
    check_caveats(macaroon, &[mark], demand)
}

fn realm(name: &str) -> ScopeRule {
    ScopeRule::Realm(name.to_owned())
}

fn mint_with_caveat(encoding: Encoding, caveat: &str) -> Macaroon {
    let caveat = match encoding {
        Encoding::Standard => caveat.to_owned(),
        Encoding::LightningToll => caveat.replacen('=', " = ", 1),
    };
    mint(encoding, &terms()).attenuate(&caveat).unwrap()
}

const ENCODINGS: [Encoding; 2] = [Encoding::Standard, Encoding::LightningToll];

#[test]
fn every_minted_caveat_is_parsed_and_satisfied_by_the_request_that_was_paid_for() {
    let terms = Terms {
        ip: Some("203.0.113.7".to_owned()),
        uses: NonZeroU32::new(3),
        price: Price::Fiat(FiatPrice { fiat: Fiat::parse("0.01 USD").unwrap(), min_sats: 1, max_sats: 100 }),
        sold_as: Some("0123456789abcdef".repeat(2)),
        ..terms()
    };
    let invoice = InvoiceTerms { wallet: SECOND, ..invoice_terms(&terms) };
    let demand = Demand { ip: Some("203.0.113.7"), ..demand() };
    for encoding in ENCODINGS {
        let macaroon = mint_for(encoding, &terms, &invoice);
        let grant = verify_paid(&macaroon, &demand).unwrap();
        assert_eq!(grant.expires_at_unix, NOW + 3_600);
        assert_eq!((grant.amount_sats, grant.uses, grant.wallet), (5, NonZeroU32::new(3), SECOND));
        assert_eq!(grant.payable_until_unix, Some(NOW + 300));
        let bound = check(&macaroon, &demand).unwrap().bound;
        assert!(bound.host && bound.endpoint && bound.method && bound.ip && bound.fiat && !bound.realm);
        assert!(!grant.other_issuer);
    }
    assert_eq!(
        terms.caveats(Encoding::Standard, &invoice),
        [
            "services=toll:0",
            "toll_valid_until=1800003600",
            "amount_sats=5",
            "host=x",
            "endpoint=/a",
            "method=GET",
            "ip=203.0.113.7",
            "uses=3",
            "fiat=0.01 USD",
            "sold_as=0123456789abcdef0123456789abcdef",
            "wallet=2",
            "payable_until=1800000300"
        ]
    );
}

/// R1 (CHANGELOG): origins redirect a path to the same path with or without a slash at its end.
#[test]
fn a_credential_is_valid_with_and_without_a_slash_at_the_end_of_the_path() {
    for encoding in ENCODINGS {
        assert!(verify_paid(&mint(encoding, &terms()), &Demand { endpoint: "/a/", ..demand() }).is_ok());
        let scope = CredentialScope::Endpoint { endpoint: "/a/".to_owned(), method: Some("GET".to_owned()) };
        assert!(verify_paid(&mint(encoding, &Terms { scope, ..terms() }), &demand()).is_ok());
    }
}

#[test]
fn a_credential_is_refused_if_one_of_its_caveats_is_not_satisfied() {
    let refusal = |demand: &Demand<'_>| {
        ENCODINGS.map(|encoding| verify_paid(&mint(encoding, &terms()), demand).unwrap_err())
    };
    let code = |demand: Demand<'_>| refusal(&demand).map(|refusal| refusal.code());
    assert_eq!(code(Demand { now_unix: NOW + 3_601, ..demand() }), ["expired"; 2]);
    assert_eq!(code(Demand { host: "y", ..demand() }), ["host_mismatch"; 2]);
    assert_eq!(code(Demand { endpoint: "/A", ..demand() }), ["endpoint_mismatch"; 2]);
    assert_eq!(code(Demand { endpoint: "/a//", ..demand() }), ["endpoint_mismatch"; 2]);
    assert_eq!(code(Demand { endpoint: "/a/b", ..demand() }), ["endpoint_mismatch"; 2]);
    assert_eq!(code(Demand { method: "POST", ..demand() }), ["method_mismatch"; 2]);
    assert_eq!(code(Demand { price: &Price::Sats(6), ..demand() }), ["underpaid"; 2]);
    let bound_to_ip = Terms { ip: Some("203.0.113.7".to_owned()), ..terms() };
    let bound_to_realm = Terms { scope: CredentialScope::Realm("club".to_owned()), ..terms() };
    for encoding in ENCODINGS {
        for ip in [None, Some("203.0.113.8"), Some("203.0.113.7 ")] {
            let refusal = verify_paid(&mint(encoding, &bound_to_ip), &Demand { ip, ..demand() }).unwrap_err();
            assert_eq!(refusal.code(), "ip_mismatch");
        }
        for scope in [ScopeRule::Endpoint { binds_method: true }, realm("pub")] {
            let refusal =
                verify_paid(&mint(encoding, &bound_to_realm), &Demand { scope: &scope, ..demand() })
                    .unwrap_err();
            assert_eq!(refusal.code(), "realm_mismatch");
        }
        let other_path = Demand { scope: &realm("club"), endpoint: "/z", method: "POST", ..demand() };
        assert!(verify_paid(&mint(encoding, &bound_to_realm), &other_path).is_ok());
        assert!(check(&mint(encoding, &bound_to_realm), &other_path).unwrap().bound.realm);
    }
    let other_service = verify_paid(
        &mint(Encoding::Standard, &terms()),
        &Demand { service: &Service::parse("other").unwrap(), ..demand() },
    );
    assert_eq!(other_service.unwrap_err().code(), "service_mismatch");
}

#[test]
fn a_price_in_a_currency_is_covered_only_by_the_same_or_a_larger_amount_in_the_same_currency() {
    let price =
        |fiat: &str| Price::Fiat(FiatPrice { fiat: Fiat::parse(fiat).unwrap(), min_sats: 1, max_sats: 100 });
    let paid = |fiat: &str| Terms { price: price(fiat), ..terms() };
    let demand_in_usd = Demand { price: &price("0.01 USD"), ..demand() };
    for (fiat, is_enough) in [("0.01 USD", true), ("0.02 USD", true), ("0.009 USD", false), ("5 EUR", false)]
    {
        let verdict = verify_paid(&mint(Encoding::Standard, &paid(fiat)), &demand_in_usd);
        assert_eq!(verdict.is_ok(), is_enough, "{fiat}: {verdict:?}");
    }
    for (text, other) in [("0.01 USD", "0.0100 USD"), ("10 EUR", "10.0 EUR"), ("1.50 CHF", "1.5 CHF")] {
        let (fiat, other) = (Fiat::parse(text).unwrap(), Fiat::parse(other).unwrap());
        assert_eq!(fiat.as_str(), text);
        assert!(fiat.covers(&other) && other.covers(&fiat));
    }
    for text in [
        "0 USD",
        "0.0 USD",
        "1",
        "1 usd",
        "1 USDT",
        "1. USD",
        ".5 USD",
        "-1 USD",
        "1e2 USD",
        "1.123456789 USD",
        "1  USD",
    ] {
        assert_eq!(Fiat::parse(text), None, "{text}");
    }
}

#[test]
fn a_repeated_caveat_never_widens_a_credential() {
    for encoding in ENCODINGS {
        for (caveat, code) in [
            ("expires_at=1800003601", "widened_caveat"),
            ("toll_valid_until=1900000000", "widened_caveat"),
            ("endpoint=/b", "endpoint_mismatch"),
            ("host=y", "host_mismatch"),
            ("method=POST", "method_mismatch"),
            ("amount_sats=4", "underpaid"),
            ("realm=club", "realm_mismatch"),
            ("ip=203.0.113.7", "ip_mismatch"),
            ("expires_at=1", "expired"),
            ("services=other:0", "widened_caveat"),
            ("services=toll:1", "widened_caveat"),
            ("services=toll:0,other:0", "widened_caveat"),
        ] {
            assert_eq!(
                verify_paid(&mint_with_caveat(encoding, caveat), &demand()).unwrap_err().code(),
                code,
                "{encoding:?} {caveat}"
            );
        }
        let grant = verify_paid(&mint_with_caveat(encoding, "amount_sats=1000000"), &demand()).unwrap();
        assert_eq!(grant.amount_sats, 5);
        let grant = verify_paid(&mint_with_caveat(encoding, "payable_until=9999999999"), &demand()).unwrap();
        assert_eq!(
            grant.payable_until_unix,
            Some(NOW + 300),
            "a holder cannot extend the time in which the invoice is payable"
        );
        let grant = verify_paid(&mint_with_caveat(encoding, "expires_at=1800000001"), &demand()).unwrap();
        assert_eq!(grant.expires_at_unix, NOW + 1);
        // A repeated caveat with the same value narrows nothing and widens nothing.
        for caveat in ["expires_at=1800003600", "services=toll:0", "amount_sats=5", "endpoint=/a"] {
            let grant = verify_paid(&mint_with_caveat(encoding, caveat), &demand());
            assert_eq!(grant.map(|grant| grant.expires_at_unix), Ok(NOW + 3_600), "{encoding:?} {caveat}");
        }
    }
    let bought = Terms { uses: NonZeroU32::new(2), ..terms() };
    let invoice = InvoiceTerms { wallet: SECOND, ..invoice_terms(&bought) };
    let widened = mint_for(Encoding::Standard, &bought, &invoice)
        .attenuate("wallet=1")
        .unwrap()
        .attenuate("uses=9")
        .unwrap();
    let grant = verify_paid(&widened, &demand()).unwrap();
    assert_eq!((grant.wallet, grant.uses), (SECOND, NonZeroU32::new(2)));
}

#[test]
fn a_malformed_caveat_with_a_reserved_name_is_refused_and_an_unknown_caveat_is_ignored() {
    for encoding in ENCODINGS {
        for caveat in [
            "endpoint=",
            "host=",
            "Endpoint=/a",
            "ENDPOINT=/a",
            "еndpoint=/a",
            "endpoint\u{200b}=/a",
            "expires_at=never",
            "expires_at=NaN",
            "expires_at=",
            "expires_at=+1800000001",
            "expires_at=1800000001.5",
            "expires_at=1_800_000_001",
            "expires_at=１８００００００００",
            "expires_at=-1",
            "expires_at=99999999999999999999",
            "amount_sats=5.0",
            "amount_sats=0x10",
            "uses=0",
            "uses=-1",
            "wallet=0",
            "wallet=9",
            "wallet=03",
            "fiat=free",
            "services=",
            "services=toll",
            "services=toll:0,",
            "services=toll:256",
            "payable_until=",
            "toll_valid_until=soon",
            "TOLL_valid_until=1900000000",
            "edgetoll=",
            "edgetoll=00000000000000000000000000000000",
            "Edgetoll=x",
            "Expires_At=1",
        ] {
            let refusal = verify_paid(&mint_with_caveat(encoding, caveat), &demand()).unwrap_err();
            let codes = ["malformed_caveat", "endpoint_mismatch", "host_mismatch", "unsatisfiable_caveat"];
            assert!(codes.contains(&refusal.code()), "{encoding:?} {caveat}: {refusal}");
        }
        for caveat in [
            "preimage=00",
            "foo=bar",
            "endpoints=/b",
            "other_valid_until=1",
            "toll_capabilities=read",
            "paid=true",
            "a==b",
        ] {
            assert!(
                verify_paid(&mint_with_caveat(encoding, caveat), &demand()).is_ok(),
                "{encoding:?} {caveat}"
            );
        }
    }
    // I3 (CHANGELOG): the packages of lightning-toll for Python and Node and edgetoll removed different characters here.
    for encoding in ENCODINGS {
        for caveat in [
            "=x",
            " =x",
            "\u{1c}method=POST",
            "\u{1c}expires_at=1",
            "\u{85}note=1",
            "note\u{7f}=1",
            "x\u{0}y=1",
            "\u{feff}uses=1",
            "\u{a0}host=y",
            "endpoint=\u{85}/a",
            "endpoint=/a\n",
            "endpoint=\t/a",
            "endpoint=/a\u{a0}",
            "endpoint=\u{feff}/a",
            "expires_at=\u{2028}1900000000",
            "expires_at=1900000000\r",
            "expires_at=\u{3000}1900000000",
        ] {
            let refusal = verify_paid(&mint_with_caveat(encoding, caveat), &demand()).unwrap_err();
            assert_eq!(refusal.code(), "malformed_caveat", "{encoding:?} {caveat:?}: {refusal}");
        }
        for caveat in [" endpoint = /a ", "expires_at=  1800000001  ", "note=x\n"] {
            assert!(
                verify_paid(&mint_with_caveat(encoding, caveat), &demand()).is_ok(),
                "{encoding:?} {caveat:?}"
            );
        }
    }
    let is_accepted = |encoding, caveat| {
        verify_paid(&mint(encoding, &terms()).attenuate(caveat).unwrap(), &demand()).is_ok()
    };
    assert!(is_accepted(Encoding::Standard, "no equals sign here"));
    assert!(!is_accepted(Encoding::LightningToll, "no equals sign here"));
    assert!(!is_accepted(Encoding::Standard, "endpoint"));
}

#[test]
fn a_macaroon_of_another_issuer_does_not_count_as_minted_by_edgetoll_after_caveats_are_added() {
    let keys = keys();
    let set = keys.current();
    let caveats = ["expires_at = 1800003600", "endpoint = /a", "method = GET"].map(str::to_owned);
    let of_other_issuer = Macaroon::lightning_toll(set.lightning_toll_key(), preimage().payment_hash())
        .with_caveats(&caveats)
        .unwrap();
    assert!(verify_paid(&of_other_issuer, &demand()).unwrap().other_issuer);
    let added = of_other_issuer.attenuate("host = x").unwrap().attenuate("amount_sats = 1000000").unwrap();
    assert!(verify_paid(&added, &demand()).unwrap().other_issuer);
    let mark_of_another = Caveat::issuer_mark(&set.issuer_mark(&PaymentHash::from_bytes([1; 32])));
    assert_eq!(
        verify_paid(&added.attenuate(&mark_of_another).unwrap(), &demand()).unwrap_err().code(),
        "unsatisfiable_caveat"
    );
    let decoded = ["expires_at = 1800003600", "endpoint = /caf\u{e9}", "method = GET"].map(str::to_owned);
    let decoded = Macaroon::lightning_toll(set.lightning_toll_key(), preimage().payment_hash())
        .with_caveats(&decoded)
        .unwrap();
    assert!(verify_paid(&decoded, &Demand { endpoint: "/caf%C3%A9", ..demand() }).is_ok());
    let own_terms =
        Terms { scope: CredentialScope::Endpoint { endpoint: "/a%2Fb".to_owned(), method: None }, ..terms() };
    let own =
        verify_paid(&mint(Encoding::LightningToll, &own_terms), &Demand { endpoint: "/a%252Fb", ..demand() });
    assert_eq!(
        own.unwrap_err().code(),
        "endpoint_mismatch",
        "the path in a macaroon of edgetoll is compared without decoding"
    );
}

#[test]
fn more_than_100_caveats_are_refused_and_so_are_more_than_4_macaroons_or_8192_bytes_in_an_l402_header() {
    let mut macaroon = mint(Encoding::Standard, &terms());
    while macaroon.caveats().count() < 100 {
        macaroon = macaroon.attenuate("a=b").unwrap();
    }
    assert!(Macaroon::parse(&macaroon.encode()).is_ok());
    assert_eq!(macaroon.attenuate("a=b").unwrap_err(), MacaroonError::TooManyCaveats);
    let caveats = vec!["a = b".to_owned(); 101];
    let key = SigningKey::lightning_toll(b"k");
    let minted = Macaroon::lightning_toll(&key, preimage().payment_hash()).with_caveats(&caveats);
    assert_eq!(minted.unwrap_err(), MacaroonError::TooManyCaveats);
    let wire =
        format!(r#"{{"id":"{}","caveats":{caveats:?},"signature":"{}"}}"#, "0".repeat(64), "0".repeat(64));
    let many = base64::engine::general_purpose::STANDARD.encode(wire);
    assert_eq!(Macaroon::parse(&many), Err(MacaroonError::TooManyCaveats));
    let header = |count: usize| {
        format!("L402 {}:{PREIMAGE}", vec![mint(Encoding::Standard, &terms()).encode(); count].join(","))
    };
    assert!(Authorization::split(&header(4)).credentials()[0].is_ok());
    assert_eq!(
        Authorization::split(&header(5)).credentials()[0].as_ref().err(),
        Some(&Refusal::MalformedCredential)
    );
    let padding = |length: usize| format!("L402 {}:{PREIMAGE}", "A".repeat(length - 5 - 65));
    let refusal =
        |length: usize| Authorization::split(&padding(length)).credentials()[0].as_ref().err().cloned();
    assert_eq!(refusal(8_193), Some(Refusal::CredentialTooLarge));
    assert_ne!(refusal(8_192), Some(Refusal::CredentialTooLarge));
    assert!(Authorization::split(&format!("Bearer {}", "x".repeat(65_536))).credentials().is_empty());
}

fn mint_challenge(keys: &Keys, bolt11: Bolt11) -> Challenge {
    let (terms, encodings) = (terms(), Encodings::Both);
    let invoice = invoice_terms(&terms);
    Challenge::mint(keys.current(), encodings, &terms, &invoice, String::new(), bolt11, &[7; 28]).unwrap()
}

#[test]
fn challenges_of_edgetoll_and_of_other_l402_and_lsat_servers_are_parsed() {
    let keys = keys();
    let vectors = Json::parse(include_bytes!("../vectors/bolt11.json")).unwrap();
    let invoice = vectors.get("valid").unwrap().as_array().unwrap()[1].as_str().unwrap();
    let bolt11 = Bolt11::parse(invoice).unwrap();
    let bolt11_hash = bolt11.payment_hash();
    let challenge = mint_challenge(&keys, bolt11);
    let parsed = ParsedChallenge::parse(&challenge.header()).unwrap();
    assert_eq!(parsed.bolt11, invoice);
    assert_eq!(Macaroon::parse(&parsed.macaroon).unwrap().encoding(), Encoding::Standard);
    let body = Json::parse(challenge.body(None).as_bytes()).unwrap();
    let of_body = Macaroon::parse(body.get("macaroon").unwrap().as_str().unwrap()).unwrap();
    assert_eq!(of_body.encoding(), Encoding::LightningToll);
    assert_eq!(of_body.payment_hash(), bolt11_hash);
    assert_eq!(body.get("expiresAt").unwrap().as_u64(), Some(NOW + 3_600));
    assert_eq!(body.get("description"), Some(&Json::Null));
    assert_eq!(Macaroon::parse(&parsed.macaroon).unwrap().signature(&keys), Signature::Valid);
    for header in [
        r#"L402 invoice="i", macaroon="m""#,
        r#"L402 version="0", token="m", invoice="i""#,
        r#"LSAT macaroon="m",invoice="i""#,
        r#"Payment id="x", L402 macaroon=m, invoice=i"#,
        r#"Bearer error="l402 required", L402 macaroon="m", invoice="i""#,
    ] {
        let parsed = ParsedChallenge::parse(header).unwrap();
        assert_eq!((parsed.macaroon.as_str(), parsed.bolt11.as_str()), ("m", "i"), "{header}");
    }
    for header in [
        "",
        "L402",
        "Bearer x",
        r#"L402 macaroon="m""#,
        "L402 \u{e9}",
        r#"xl402 macaroon="m", invoice="i""#,
        r#"L402 macaroon="", invoice="i""#,
    ] {
        assert_eq!(ParsedChallenge::parse(header), None, "{header}");
    }
}

#[test]
fn debug_output_contains_neither_preimages_nor_caveats() {
    assert_eq!(format!("{:?}", preimage()), "Preimage(..)");
    assert!(!format!("{:?}", mint(Encoding::Standard, &terms())).contains("toll_valid_until"));
}

fn caveat() -> impl Strategy<Value = String> {
    "[a-z_]{1,20}=[ -~]{0,60}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn libmacaroon_parses_and_verifies_a_macaroon_of_edgetoll(
        root in any::<[u8; 32]>(), token_id in any::<[u8; 32]>(), hash in any::<[u8; 32]>(),
        location in "[a-z.]{1,300}", caveats in proptest::collection::vec(caveat(), 0..20),
    ) {
        let identifier = Identifier { payment_hash: PaymentHash::from_bytes(hash), token_id };
        let macaroon = Macaroon::standard(&SigningKey::standard(&root), &location, &identifier).with_caveats(&caveats).unwrap();
        let parsed = libmacaroon::Macaroon::deserialize(macaroon.encode()).unwrap();
        prop_assert_eq!(parsed.identifier(), identifier.to_bytes());
        prop_assert_eq!(parsed.location(), Some(location.as_str()));
        let read: Vec<Vec<u8>> = parsed.first_party_caveats().iter().map(|one| one.as_first_party().unwrap().predicate().to_vec()).collect();
        let written: Vec<Vec<u8>> = caveats.iter().map(|one| one.as_bytes().to_vec()).collect();
        prop_assert_eq!(read, written);
        let mut verifier = Verifier::default();
        verifier.satisfy_general(|_| true);
        prop_assert!(verifier.verify(&parsed, &MacaroonKey::generate(&root), &[]).is_ok());
        prop_assert!(verifier.verify(&parsed, &MacaroonKey::generate(b"other"), &[]).is_err());
    }

    #[test]
    fn edgetoll_parses_and_verifies_a_macaroon_of_libmacaroon(
        root in any::<[u8; 32]>(), token_id in any::<[u8; 32]>(), hash in any::<[u8; 32]>(),
        location in proptest::option::of("[a-z.]{1,300}"), caveats in proptest::collection::vec(caveat(), 0..20),
    ) {
        let identifier = Identifier { payment_hash: PaymentHash::from_bytes(hash), token_id };
        let key = MacaroonKey::generate(&root);
        let mut macaroon = libmacaroon::Macaroon::create(location.as_deref(), &key, identifier.to_bytes()).unwrap();
        for caveat in &caveats {
            macaroon.add_first_party_caveat(caveat).unwrap();
        }
        let parsed = Macaroon::parse(&macaroon.serialize(Format::V2).unwrap()).unwrap();
        prop_assert!(parsed.is_signed_by(&SigningKey::standard(&root)));
        prop_assert!(!parsed.is_signed_by(&SigningKey::standard(b"other")));
        prop_assert_eq!(parsed.payment_hash(), identifier.payment_hash);
        prop_assert_eq!(parsed.caveats().collect::<Vec<_>>(), caveats.iter().map(|one| one.as_bytes()).collect::<Vec<_>>());
    }

    #[test]
    fn a_minted_macaroon_is_parsed_to_the_terms_that_were_sold(
        service in "[a-z0-9_]{1,32}", amount_sats in 0_u64..10_000_000, host in "[a-z0-9.-]{1,60}", endpoint in "/[!-~]{0,80}",
        method in proptest::option::of("[A-Z]{3,8}"), uses in any::<u32>(), standard: bool,
    ) {
        let scope = CredentialScope::Endpoint { endpoint: endpoint.clone(), method: method.clone() };
        let uses = NonZeroU32::new(uses);
        let service = Service::parse(&service).unwrap();
        let terms = Terms { service: service.clone(), price: Price::Sats(amount_sats), host: host.clone(), scope, uses, ..terms() };
        let encoding = if standard { Encoding::Standard } else { Encoding::LightningToll };
        let invoice = InvoiceTerms { amount_sats, ..invoice_terms(&terms) };
        let read = Macaroon::parse(&mint_for(encoding, &terms, &invoice).encode()).unwrap();
        let method = method.as_deref().unwrap_or("GET");
        let demand = Demand { service: &service, host: &host, endpoint: &endpoint, method, price: &Price::Sats(amount_sats), ..demand() };
        let grant = verify_paid(&read, &demand).unwrap();
        prop_assert_eq!((grant.amount_sats, grant.uses, grant.other_issuer), (amount_sats, uses, false));
    }

    #[test]
    fn a_macaroon_with_a_flipped_bit_is_refused_unless_its_payment_and_caveats_are_unchanged(bit in 0_usize.., standard: bool) {
        let encoding = if standard { Encoding::Standard } else { Encoding::LightningToll };
        let macaroon = mint(encoding, &terms());
        let mut text = macaroon.encode().into_bytes();
        // The bit is flipped in the base64 text, so it can change any field or make the text invalid base64.
        let bit = bit % (text.len() * 8);
        text[bit / 8] ^= 1 << (bit % 8);
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        if let Ok(flipped) = Macaroon::parse(&text)
            && flipped.signature(&keys()) == Signature::Valid
        {
            // The signature stays valid in two cases:
            // 1. The bit is in the location of a standard macaroon. The signature does not cover the location.
            // 2. The flip changes the letter case of a hexadecimal digit in a lightning-toll macaroon.
            prop_assert_eq!(flipped.payment_hash(), macaroon.payment_hash());
            prop_assert!(flipped.caveats().eq(macaroon.caveats()));
        }
    }

    #[test]
    fn attenuation_never_widens_a_credential(caveats in proptest::collection::vec(prop_oneof![
        "(amount_sats|uses|payable_until|expires_at|toll_valid_until|wallet)=[0-9]{1,12}",
        "(host|endpoint|method|ip|realm|services|fiat|edgetoll)=(x|/a|/b|GET|POST|club|toll:0|1 USD|203.0.113.7)",
        "[a-z]{1,8}=[a-z]{0,8}",
    ], 0..6), standard: bool, price_sats in 0_u64..10, later in 0_u64..8_000, get: bool) {
        let encoding = if standard { Encoding::Standard } else { Encoding::LightningToll };
        let bought = mint(encoding, &terms());
        let narrowed = caveats.iter().try_fold(bought.clone(), |macaroon, caveat| {
            macaroon.attenuate(&if standard { caveat.clone() } else { caveat.replacen('=', " = ", 1) })
        }).unwrap();
        let (price, scope) = (Price::Sats(price_sats), realm("club"));
        let demand = Demand {
            price: &price, now_unix: NOW + later, method: if get { "GET" } else { "POST" },
            scope: &scope, ip: Some("203.0.113.7"), ..demand()
        };
        if let Ok(after) = check(&narrowed, &demand) {
            let before = check(&bought, &demand).expect("the bought macaroon is accepted wherever the narrowed one is");
            prop_assert!(after.expires_at_unix <= before.expires_at_unix);
            prop_assert!(after.amount_sats <= before.amount_sats && after.amount_sats >= Some(price_sats));
            prop_assert!(after.payable_until_unix <= before.payable_until_unix);
            prop_assert_eq!(after.other_issuer, before.other_issuer);
        }
    }

    #[test]
    fn the_order_of_added_caveats_does_not_change_whether_a_credential_is_accepted(
        caveats in proptest::collection::vec("(amount_sats|uses|host|method|preimage|x)=(5|1|x|GET)", 1..5),
    ) {
        let add = |caveats: &mut dyn Iterator<Item = &String>| {
            caveats.fold(mint(Encoding::Standard, &terms()), |macaroon, caveat| macaroon.attenuate(caveat).unwrap())
        };
        let [one, other] = [add(&mut caveats.iter()), add(&mut caveats.iter().rev())].map(|macaroon| verify_paid(&macaroon, &demand()).is_ok());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn no_bytes_make_the_macaroon_or_header_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,300}") {
        let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let behind_version = [&[2][..], &bytes].concat();
        let standard = base64::engine::general_purpose::STANDARD.encode(behind_version);
        for text in [&text, &encoded, &standard] {
            if let Ok(macaroon) = Macaroon::parse(text) {
                let _ = check_caveats(&macaroon, &[], &demand());
            }
            let _ = Authorization::split(text).credentials();
            let _ = Authorization::split(&format!("L402 {text}:{PREIMAGE}, {text}")).others();
            let _ = ParsedChallenge::parse(text);
        }
    }
}

#[test]
fn a_caveat_that_a_holder_added_does_not_count_as_a_caveat_of_the_issuer() {
    let sold =
        Terms { scope: CredentialScope::Endpoint { endpoint: "/a".to_owned(), method: None }, ..terms() };
    let demand = Demand { ip: Some("203.0.113.7"), ..demand() };
    for encoding in ENCODINGS {
        let separator = if encoding == Encoding::Standard { "=" } else { " = " };
        let added = ["method=GET", "ip=203.0.113.7", "wallet=2", "fiat=9 USD"]
            .iter()
            .fold(mint(encoding, &sold), |macaroon, caveat| {
                macaroon.attenuate(&caveat.replacen('=', separator, 1)).unwrap()
            });
        let bound = check(&added, &demand).unwrap().bound;
        assert!(bound.endpoint && bound.host);
        assert!(!bound.method && !bound.ip && !bound.fiat, "{encoding:?}");
        assert_eq!(check(&added, &demand).unwrap().wallet, None);
    }
}
