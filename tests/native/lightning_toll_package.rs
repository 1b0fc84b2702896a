//! Runs `lightning-toll` 0.1.1 from PyPI. With the same secret, the package and edgetoll verify each other's macaroons.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::gate::demand;
use crate::support::invoice::invoice_terms;
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::payment::Preimage;
use edgetoll::protocols::l402::caveat::{Caveat, CredentialScope, Service, Terms};
use edgetoll::protocols::l402::macaroon::{Encoding, Macaroon};
use edgetoll::protocols::l402::verify::{Demand, verify};
use edgetoll::protocols::price::Price;
use edgetoll::strict_json::Json;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Serialize;

const CASES: usize = 250;
/// The year 2100. The package compares an expiry with the system clock, so the expiries of the tests are far ahead.
const FAR_UNIX: u64 = 4_102_444_800;

#[derive(Clone, Debug, Serialize)]
struct Case {
    raw: String,
    preimage: String,
    secret: String,
    payment_hash: String,
    expires_at: u64,
    endpoint: String,
    method: String,
    ip: Option<String>,
}

fn cases() -> Vec<Case> {
    let strategy = (
        "[0-9a-f]{64}",
        "[0-9A-Za-z]{40,64}",
        0_u64..1_000_000,
        "/[a-z0-9/._~-]{0,60}(%[2-7][0-9A-F])?",
        prop_oneof![Just("GET"), Just("POST"), Just("DELETE"), Just("PROPFIND")],
        proptest::option::of("[1-9][0-9]?\\.[1-9][0-9]?\\.[1-9][0-9]?\\.[1-9][0-9]?"),
    );
    let mut runner = TestRunner::deterministic();
    let mut draw = || strategy.new_tree(&mut runner).unwrap().current();
    let case = |(preimage, secret, more_s, endpoint, method, ip): (
        String,
        String,
        u64,
        String,
        &str,
        Option<String>,
    )| {
        let payment_hash = Preimage::from_hex(&preimage).unwrap().payment_hash();
        let keys = Keys::new(TollSecret::new(&secret).ok()?, None);
        let terms = Terms {
            service: Service::default(),
            expires_at_unix: FAR_UNIX + more_s,
            price: Price::Sats(5),
            sold_as: None,
            host: "x".to_owned(),
            scope: CredentialScope::Endpoint { endpoint: endpoint.clone(), method: Some(method.to_owned()) },
            ip: ip.clone(),
            uses: None,
            payable_until_unix: FAR_UNIX,
        };
        let mut caveats = terms.caveats(Encoding::LightningToll, &invoice_terms(&terms));
        caveats.push(Caveat::issuer_mark(&keys.current().issuer_mark(&payment_hash)));
        let raw = Macaroon::lightning_toll(keys.current().lightning_toll_key(), payment_hash)
            .with_caveats(&caveats)
            .unwrap()
            .encode();
        let (expires_at, payment_hash) = (terms.expires_at_unix, payment_hash.to_hex());
        Some(Case {
            raw,
            preimage,
            secret,
            payment_hash,
            expires_at,
            endpoint,
            method: method.to_owned(),
            ip,
        })
    };
    std::iter::repeat_with(|| case(draw())).flatten().take(CASES).collect()
}

/// Runs the package on the cases. Returns its output for each case, a JSON object.
fn run_package(cases: &[Case]) -> Vec<Json> {
    let root = env!("CARGO_MANIFEST_DIR");
    let python = format!("{root}/.tools/lightning-toll/bin/python");
    let mut child = Command::new(&python)
        .arg(format!("{root}/tests/peers/verify_and_mint.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{python}: {error}; `make test` installs it"));
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = cases.iter().map(|case| serde_json::to_string(case).unwrap() + "\n").collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| Json::parse(line.as_bytes()).unwrap()).collect()
}

#[test]
fn lightning_toll_and_edgetoll_accept_the_macaroons_of_each_other() {
    let mut cases = cases();
    let valid_cases = cases.len();
    // The package must refuse these two cases: a wrong secret and another path.
    let wrong_secret = Case { secret: cases[1].secret.clone(), ..cases[0].clone() };
    let other_path = Case { endpoint: "/elsewhere".to_owned(), ..cases[0].clone() };
    cases.extend([wrong_secret, other_path]);
    let outputs = run_package(&cases);
    assert_eq!(outputs.len(), cases.len());
    for (at, (case, output)) in cases.iter().zip(&outputs).enumerate() {
        let field = |key: &str| output.get(key).and_then(Json::as_bool);
        assert_eq!(field("valid"), Some(at < valid_cases), "{case:?}");
        assert_eq!(field("preimage"), Some(true), "{case:?}");

        let minted = Macaroon::parse(output.get("raw").unwrap().as_str().unwrap()).unwrap();
        let keys = Keys::new(TollSecret::new(&case.secret).unwrap(), None);
        let service = Service::default();
        let demand = Demand {
            endpoint: &case.endpoint,
            method: &case.method,
            ip: case.ip.as_deref(),
            ..demand(&service, FAR_UNIX)
        };
        let preimage = Preimage::from_hex(&case.preimage).unwrap();
        let grant = verify(&minted, Some(&preimage), &keys, &demand).unwrap();
        assert!(grant.other_issuer);
        assert_eq!(grant.expires_at_unix, case.expires_at);
        let other_path = Demand { endpoint: "/not/this", ..demand };
        assert!(verify(&minted, Some(&preimage), &keys, &other_path).is_err());
    }
}
