//! The test vectors of other implementations. A table in docs/protocol.md lists every vector of lightning-toll whose
//! result differs in edgetoll. A test compares the table with the results.

use std::sync::LazyLock;

use crate::support;
use edgetoll::keys::{SigningKey, TollSecret};
use edgetoll::payment::{PaymentHash, Preimage};
use edgetoll::policy::duration::window_ms;
use edgetoll::protocols::l402::caveat::Service;
use edgetoll::protocols::l402::credential::Authorization;
use edgetoll::protocols::l402::macaroon::{Encoding, Identifier, Macaroon, MacaroonError};
use edgetoll::protocols::l402::refusal::Refusal;
use edgetoll::protocols::l402::verify::{CheckedCaveats, Demand, check_caveats};
use edgetoll::strict_json::Json;

/// November 2023: after the earliest expiry in the vectors (2001), before the other expiries (2025, 2030, 2100).
const NOW: u64 = 1_700_000_000;

static TOLL: LazyLock<Service> = LazyLock::new(Service::default);

fn lightning_toll() -> Json {
    Json::parse(include_bytes!("../vectors/lightning_toll.json")).unwrap()
}

fn macaroon_v2() -> Json {
    Json::parse(include_bytes!("../vectors/macaroon_v2.json")).unwrap()
}

fn text<'a>(value: &'a Json, key: &str) -> &'a str {
    value.get(key).and_then(Json::as_str).unwrap_or_else(|| panic!("no {key} in {value:?}"))
}

fn list<'a>(value: &'a Json, key: &str) -> &'a [Json] {
    value.get(key).and_then(Json::as_array).unwrap_or_else(|| panic!("no {key}"))
}

fn texts(value: &Json, key: &str) -> Vec<String> {
    list(value, key).iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn demand<'a>(endpoint: &'a str, method: &'a str, ip: Option<&'a str>, service: &'a Service) -> Demand<'a> {
    Demand { endpoint, method, ip, ..support::gate::demand(service, NOW) }
}

/// Checks signature, preimage and caveats as `verify` does, but with one signing key instead of the keys of a
/// deployment. Does not check whether a caveat that the route requires is missing.
fn verify_with_key(
    macaroon: &str,
    preimage: &str,
    key: &SigningKey,
    demand: &Demand<'_>,
) -> Result<CheckedCaveats, Refusal> {
    let macaroon = Macaroon::parse(macaroon).map_err(Refusal::MalformedMacaroon)?;
    let preimage = Preimage::from_hex(preimage).ok_or(Refusal::MalformedPreimage)?;
    if !macaroon.is_signed_by(key) {
        return Err(Refusal::BadSignature);
    }
    if !preimage.proves(&macaroon.payment_hash()) {
        return Err(Refusal::WrongPreimage);
    }
    check_caveats(&macaroon, &[], demand)
}

#[test]
fn edgetoll_mints_the_same_macaroons_as_lightning_toll() {
    let vectors = lightning_toll();
    let mut minted = 0;
    for vector in list(&vectors, "mint").iter().filter(|vector| vector.get("id").is_some()) {
        let name = text(vector, "name");
        let key = SigningKey::lightning_toll(text(vector, "secret").as_bytes());
        let caveats = texts(vector, "caveats");
        let Some(payment_hash) = PaymentHash::from_hex(text(vector, "id")) else {
            assert_eq!(name, "payment_hash_not_hex");
            assert_eq!(Macaroon::parse(text(vector, "raw_node")), Err(MacaroonError::Json), "{name}");
            continue;
        };
        let macaroon = Macaroon::lightning_toll(&key, payment_hash).with_caveats(&caveats).unwrap();
        assert_eq!(macaroon.encode(), text(vector, "raw_node"), "{name}");
        for raw in ["raw_node", "raw_python"] {
            let read = Macaroon::parse(text(vector, raw)).unwrap();
            assert_eq!(read, macaroon, "{name}");
            assert!(read.is_signed_by(&key), "{name}");
        }
        minted += 1;
    }
    assert_eq!(minted, 21);
    let errors: Vec<&str> = list(&vectors, "mint")
        .iter()
        .filter(|one| one.get("id").is_none())
        .map(|one| text(one, "name"))
        .collect();
    assert_eq!(errors, ["err_empty_secret", "err_no_payment_hash"]);
    assert!(TollSecret::new("").is_err());
    assert!(PaymentHash::from_hex("").is_none());
}

/// What lightning-toll's Python package, its Node package and edgetoll do with one vector. `code` is the error code of
/// edgetoll. Without an error, `code` is the same text as `edgetoll`.
struct Results {
    name: String,
    python: &'static str,
    node: &'static str,
    edgetoll: &'static str,
    code: String,
}

fn results_of_verify_vectors() -> Vec<Results> {
    let vectors = lightning_toll();
    let results = |vector: &Json| {
        let result_of = |who: &str| {
            let verdict = vector.get(who).unwrap();
            let threw = verdict.get("verify_throws").is_some_and(|thrown| *thrown != Json::Null);
            match verdict.get("accepted").and_then(Json::as_bool) {
                Some(true) => "accepts",
                _ if threw => "crashes",
                _ => "refuses",
            }
        };
        let context = vector.get("context").unwrap();
        let part = |key: &str| context.get(key).and_then(Json::as_str);
        let ip = part("ip").filter(|ip| !ip.is_empty());
        let demand = demand(part("endpoint").unwrap(), part("method").unwrap_or("GET"), ip, &TOLL);
        let key = SigningKey::lightning_toll(text(vector, "secret").as_bytes());
        let result = verify_with_key(text(vector, "raw"), text(vector, "preimage"), &key, &demand);
        Results {
            name: text(vector, "name").to_owned(),
            python: result_of("python"),
            node: result_of("node"),
            edgetoll: if result.is_ok() { "accepts" } else { "refuses" },
            code: result.map_or_else(|refusal| refusal.code().to_owned(), |_| "accepts".to_owned()),
        }
    };
    list(&vectors, "verify").iter().map(results).collect()
}

fn results_of_header_vectors() -> Vec<Results> {
    let vectors = lightning_toll();
    let results = |vector: &Json| {
        let result_of =
            |who: &str| if vector.get(who) == Some(&Json::Null) { "no credential" } else { "reads" };
        let authorization = Authorization::split(text(vector, "header"));
        let (edgetoll, code) = match authorization.credentials().first() {
            None => ("no credential", "no credential"),
            Some(Err(refusal)) => ("refuses", refusal.code()),
            Some(Ok(_)) => ("reads", "reads"),
        };
        let name = format!("header {}", text(vector, "name"));
        Results {
            name,
            python: result_of("python"),
            node: result_of("node"),
            edgetoll,
            code: code.to_owned(),
        }
    };
    list(&vectors, "parse_authorization").iter().map(results).collect()
}

fn results_of_window_vectors() -> Vec<Results> {
    let vectors = lightning_toll();
    let results = |vector: &Json| {
        let input = vector.get("input").unwrap();
        let window_ms = window_ms(input);
        let result_of = |who: &str| {
            let read = vector.get(who).and_then(Json::as_u64);
            if read.is_some() && read == window_ms { "same" } else { "different" }
        };
        let name = match input {
            Json::String(text) => format!("window {text:?}"),
            Json::Integer(ms) => format!("window {ms}"),
            Json::OtherNumber(_) => "window 1500.5".to_owned(),
            Json::Bool(_) => "window true".to_owned(),
            _ => "window null".to_owned(),
        };
        let word = if window_ms.is_some() { "same" } else { "an error" };
        Results {
            name,
            python: result_of("python_ms"),
            node: result_of("node_ms"),
            edgetoll: word,
            code: word.to_owned(),
        }
    };
    list(&vectors, "parse_window").iter().map(results).collect()
}

#[test]
fn edgetoll_accepts_only_credentials_that_lightning_toll_accepts_in_python_and_in_node() {
    let all = results_of_verify_vectors();
    assert_eq!(all.len(), 64);
    for Results { name, python, node, edgetoll, .. } in all {
        if python != "accepts" || node != "accepts" {
            assert_ne!(edgetoll, "accepts", "{name}: python {python}, node {node}");
        }
    }
}

#[test]
fn a_refusal_has_the_same_text_in_edgetoll_and_in_lightning_toll() {
    let vectors = lightning_toll();
    let mut compared = 0;
    for vector in list(&vectors, "verify") {
        let error =
            |who: &str| vector.get(who).and_then(|verdict| verdict.get("error")).and_then(Json::as_str);
        let context = vector.get("context").unwrap();
        let part = |key: &str| context.get(key).and_then(Json::as_str);
        let (Some(python), Some(node)) = (error("python"), error("node")) else { continue };
        let demand = demand(part("endpoint").unwrap(), part("method").unwrap_or("GET"), part("ip"), &TOLL);
        let key = SigningKey::lightning_toll(text(vector, "secret").as_bytes());
        let refusal =
            verify_with_key(text(vector, "raw"), text(vector, "preimage"), &key, &demand).unwrap_err();
        let name = text(vector, "name");
        // edgetoll refuses the expiry -1 as malformed, because `-` is not a digit. lightning-toll refuses it as
        // expired.
        if name == "expires_negative" {
            assert_eq!(refusal.to_string(), "Malformed caveat: expires_at = -1");
        } else {
            assert_eq!((refusal.to_string().as_str(), python), (node, node), "{name}");
        }
        compared += 1;
    }
    assert!(compared >= 15, "{compared}");
}

#[test]
fn the_protocol_document_lists_exactly_the_lightning_toll_vectors_with_a_different_result() {
    let all = [results_of_verify_vectors(), results_of_header_vectors(), results_of_window_vectors()];
    assert_eq!(all.each_ref().map(Vec::len), [64, 16, 17]);
    let is_different =
        |results: &&Results| results.edgetoll != results.python || results.edgetoll != results.node;
    let row = |results: &Results| {
        let Results { name, python, node, code, .. } = results;
        format!("| `{name}` | {python} | {node} | `{code}` |")
    };
    let mut expected: Vec<String> = all.iter().flatten().filter(is_different).map(row).collect();
    let mut documented: Vec<String> = include_str!("../../docs/protocol.md")
        .lines()
        .skip_while(|line| !line.starts_with("| vector |"))
        .skip(2)
        .take_while(|line| line.starts_with("| `"))
        .map(|line| line.split('|').take(5).collect::<Vec<_>>().join("|") + "|")
        .collect();
    expected.sort();
    documented.sort();
    assert_eq!(documented.join("\n"), expected.join("\n"));
}

#[test]
fn generated_macaroon_v2_vectors_are_minted_parsed_and_signed_as_in_other_implementations() {
    let vectors = macaroon_v2();
    assert_eq!(list(&vectors, "generated").len(), 15);
    for vector in list(&vectors, "generated") {
        let name = text(vector, "name");
        let key = SigningKey::standard(&hex(text(vector, "root_key_hex")));
        let (identifier, caveats) = (hex(text(vector, "identifier_hex")), texts(vector, "caveats"));
        let signature = key.sign(&identifier, caveats.iter().map(|caveat| caveat.as_bytes()));
        assert_eq!(signature.to_vec(), hex(text(vector, "signature_hex")), "{name}");
        for encoded in ["base64_std", "base64_url_nopad"] {
            let read = Macaroon::parse(text(vector, encoded));
            let Some(identifier) = Identifier::parse(&identifier) else {
                assert_eq!(read, Err(MacaroonError::Identifier), "{name}");
                continue;
            };
            let read = read.unwrap();
            assert!(read.is_signed_by(&key), "{name}");
            assert!(!read.is_signed_by(&SigningKey::standard(b"another")), "{name}");
            assert_eq!(read.encode(), text(vector, "base64_std"), "{name}");
            let location = vector.get("location").and_then(Json::as_str).unwrap_or_default();
            assert_eq!(
                Macaroon::standard(&key, location, &identifier).with_caveats(&caveats).unwrap(),
                read,
                "{name}"
            );
            if let Some(hash) = vector.get("payment_hash_hex").and_then(Json::as_str) {
                assert_eq!(read.payment_hash().to_hex(), hash, "{name}");
                assert!(
                    Preimage::from_hex(text(vector, "preimage_hex")).unwrap().proves(&read.payment_hash())
                );
                let credential = text(vector, "authorization");
                assert!(Authorization::split(credential).credentials()[0].is_ok(), "{name}");
            }
        }
    }
}

#[test]
fn the_caveats_of_generated_macaroon_v2_vectors_are_checked() {
    let vectors = macaroon_v2();
    let generated = |wanted: &str| {
        let vector =
            list(&vectors, "generated").iter().find(|vector| text(vector, "name").starts_with(wanted));
        Macaroon::parse(text(vector.unwrap(), "base64_std")).unwrap()
    };
    let check = |name: &str, service: &str, now_unix: u64| {
        let service = Service::parse(service).unwrap();
        check_caveats(&generated(name), &[], &Demand { now_unix, ..demand("/", "GET", None, &service) })
    };
    assert_eq!(check("04", "api", NOW).unwrap().expires_at_unix, 1_893_456_000);
    assert_eq!(check("04", "blog", NOW), Err(Refusal::ServiceMismatch("blog".to_owned())));
    assert_eq!(
        check("05", "api", NOW).unwrap().expires_at_unix,
        1_893_456_000,
        "the preimage caveat of lnget is ignored"
    );
    assert_eq!(check("06", "api", NOW), Err(Refusal::ServiceMismatch("api".to_owned())));
    assert_eq!(
        check("06", "blog", NOW),
        Err(Refusal::MissingCaveat("expiry")),
        "valid for blog, but without an expiry"
    );
    assert_eq!(check("08", "api", NOW).unwrap().expires_at_unix, 1_735_689_600);
    assert_eq!(check("08", "api", 1_735_689_601), Err(Refusal::Expired));
    assert_eq!(check("09", "api", NOW), Err(Refusal::WidenedCaveat("the expiry")));
    assert_eq!(check("10", "api", NOW), Err(Refusal::MissingCaveat("expiry")), "unknown caveats are ignored");
}

#[test]
fn published_macaroon_v2_vectors_have_the_published_signature_and_are_refused_without_a_payment_hash() {
    let vectors = macaroon_v2();
    assert_eq!(list(&vectors, "published").len(), 10);
    for vector in list(&vectors, "published") {
        let name = text(vector, "name");
        let part = |key: &str| vector.get(key).and_then(Json::as_str);
        let root_key =
            part("root_key_hex").map(hex).or(part("root_key_ascii").map(|key| key.as_bytes().to_vec()));
        let identifier =
            part("identifier_hex").map(hex).or(part("identifier_ascii").map(|text| text.as_bytes().to_vec()));
        if let (Some(root_key), Some(identifier), Some(signature)) =
            (root_key, &identifier, part("signature_hex"))
        {
            let caveats = texts(vector, "caveats");
            let signed =
                SigningKey::standard(&root_key).sign(identifier, caveats.iter().map(|one| one.as_bytes()));
            assert_eq!(signed.to_vec(), hex(signature), "{name}");
        }
        let Some(encoded) = part("base64_std").or(part("base64_url")) else { continue };
        let read = Macaroon::parse(encoded);
        match name {
            _ if name.contains("third-party") => assert_eq!(read, Err(MacaroonError::ThirdParty), "{name}"),
            "lsat-js golang generated macaroon" => {
                assert_eq!(read.unwrap().payment_hash().to_hex(), text(vector, "payment_hash_hex"), "{name}");
            }
            _ if identifier.is_some_and(|identifier| identifier.len() == 66) => {
                assert!(read.is_ok(), "{name}")
            }
            _ => assert_eq!(read, Err(MacaroonError::Identifier), "{name}"),
        }
    }
}

#[test]
fn negative_macaroon_v2_vectors_are_refused() {
    let vectors = macaroon_v2();
    let genuine =
        list(&vectors, "generated").iter().find(|vector| text(vector, "name").starts_with("04")).unwrap();
    let key = SigningKey::standard(&hex(text(genuine, "root_key_hex")));
    assert_eq!(list(&vectors, "negative").len(), 17);
    for vector in list(&vectors, "negative") {
        let (name, expect) = (text(vector, "name"), text(vector, "expect"));
        let read = Macaroon::parse(text(vector, "base64_std"));
        match expect {
            "bad-signature" => assert!(!read.unwrap().is_signed_by(&key), "{name}"),
            "bad-identifier" | "unknown-version" => {
                assert_eq!(read, Err(MacaroonError::Identifier), "{name}")
            }
            "reject" => assert_eq!(read, Err(MacaroonError::ThirdParty), "{name}"),
            "parse-error" | "unsupported-format" => assert!(read.is_err(), "{name}"),
            _ => panic!("{name}: {expect}"),
        }
    }
}

#[test]
fn edgetoll_parses_unusual_macaroon_v2_vectors_as_other_implementations_do() {
    let vectors = macaroon_v2();
    for vector in list(&vectors, "parse_only") {
        let read = Macaroon::parse(text(vector, "base64_std")).unwrap();
        match text(vector, "name") {
            "P01-empty-location-field" => {
                let with_no_field =
                    list(&vectors, "generated").iter().find(|one| text(one, "name").starts_with("04"));
                let key = SigningKey::standard(&hex(text(with_no_field.unwrap(), "root_key_hex")));
                assert!(read.is_signed_by(&key));
            }
            _ => {
                // A caveat that is not UTF-8 is ignored, so the macaroon has no expiry.
                let verdict = check_caveats(
                    &read,
                    &[],
                    &demand("/", "GET", None, &Service::parse("randomnumber").unwrap()),
                );
                assert_eq!(verdict, Err(Refusal::MissingCaveat("expiry")));
            }
        }
    }
}

#[test]
fn authorization_header_vectors_are_accepted_or_refused_as_expected() {
    let vectors = macaroon_v2();
    let genuine =
        list(&vectors, "generated").iter().find(|vector| text(vector, "name").starts_with("04")).unwrap();
    let key = SigningKey::standard(&hex(text(genuine, "root_key_hex")));
    assert_eq!(list(&vectors, "authorization_headers").len(), 13);
    for vector in list(&vectors, "authorization_headers") {
        let (name, expect) = (text(vector, "name"), text(vector, "expect"));
        let is_valid = |macaroon: &Macaroon, preimage: &Preimage| {
            macaroon.is_signed_by(&key)
                && preimage.proves(&macaroon.payment_hash())
                && check_caveats(macaroon, &[], &demand("/", "GET", None, &Service::parse("api").unwrap()))
                    .is_ok()
        };
        let credentials = Authorization::split(text(vector, "value")).credentials();
        let accepted = credentials.iter().flatten().any(|credential| {
            let Some(preimage) = &credential.preimage else { return false };
            credential.macaroons.iter().flatten().any(|macaroon| is_valid(macaroon, preimage))
        });
        // The vector H16 is the value of a gRPC header, which edgetoll does not read.
        let expected = expect.starts_with("accept") && !name.starts_with("H16");
        assert_eq!(accepted, expected, "{name}: {expect}");
    }
}

#[test]
fn a_lightning_toll_macaroon_is_told_apart_from_a_standard_macaroon() {
    let vectors = [lightning_toll(), macaroon_v2()];
    let [toll, standard] = [list(&vectors[0], "mint"), list(&vectors[1], "generated")];
    assert_eq!(Macaroon::parse(text(&toll[0], "raw_node")).unwrap().encoding(), Encoding::LightningToll);
    assert_eq!(Macaroon::parse(text(&standard[0], "base64_std")).unwrap().encoding(), Encoding::Standard);
}
