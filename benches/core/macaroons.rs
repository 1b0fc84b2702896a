//! Mints, parses and verifies a macaroon with eight caveats, as a challenge has it.

use std::hint::black_box;

use criterion::Criterion;
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::payment::{Preimage, WalletSlot};
use edgetoll::protocols::l402::caveat::{Caveat, CredentialScope, InvoiceTerms, ScopeRule, Service, Terms};
use edgetoll::protocols::l402::macaroon::{Encoding, Encodings, Identifier, Macaroon, Signature};
use edgetoll::protocols::l402::verify::{Demand, OtherIssuer, verify, verify_with_signature};
use edgetoll::protocols::price::Price;
use libmacaroon::{Format, MacaroonKey, Verifier};

use crate::cpu::CpuTime;

pub fn bench(criterion: &mut Criterion<CpuTime>) {
    let keys = keys();
    for (name, encoding) in [("standard", Encoding::Standard), ("lightning-toll", Encoding::LightningToll)] {
        let text = mint(&keys, encoding);
        let parsed = Macaroon::parse(&text).unwrap();
        let service = Service::default();
        let demand = demand(&service);
        verify(&parsed, Some(&preimage()), &keys, &demand).unwrap();
        criterion.bench_function(&format!("mint/{name}"), |b| b.iter(|| mint(black_box(&keys), encoding)));
        criterion.bench_function(&format!("parse/{name}"), |b| {
            b.iter(|| Macaroon::parse(black_box(&text)).unwrap())
        });
        criterion.bench_function(&format!("signature/{name}"), |b| {
            b.iter(|| assert_eq!(black_box(&parsed).signature(&keys), Signature::Valid));
        });
        criterion.bench_function(&format!("verify/{name}"), |b| {
            b.iter(|| verify(black_box(&parsed), Some(&preimage()), &keys, &demand).unwrap());
        });
    }
    bench_remembered(criterion);
    bench_libmacaroon(criterion, &keys);
}

/// Verifies a macaroon whose payment has settled before.
fn bench_remembered(criterion: &mut Criterion<CpuTime>) {
    for (name, encoding) in [("standard", Encoding::Standard), ("lightning-toll", Encoding::LightningToll)] {
        let keys = keys();
        let parsed = Macaroon::parse(&mint(&keys, encoding)).unwrap();
        let service = Service::default();
        let demand = demand(&service);
        let verify = || verify_with_signature(black_box(&parsed), Some(&preimage()), &keys, &demand).unwrap();
        verify().1.remember();
        assert!(verify().1.is_remembered());
        criterion.bench_function(&format!("verify remembered/{name}"), |b| b.iter(|| verify().0));
    }
}

/// libmacaroon knows no lightning-toll macaroons, and no meaning of a caveat: its `signature` accepts every caveat.
fn bench_libmacaroon(criterion: &mut Criterion<CpuTime>, keys: &Keys) {
    let caveats = terms().caveats(Encoding::Standard, &invoice());
    let identifier = Identifier::new(keys.current(), preimage().payment_hash(), &[7; 28]).to_bytes();
    let mint = || {
        let key = MacaroonKey::generate(black_box(&[9; 32]));
        let mut macaroon = libmacaroon::Macaroon::create(Some("api.example.com"), &key, &identifier).unwrap();
        for caveat in &caveats {
            macaroon.add_first_party_caveat(caveat).unwrap();
        }
        macaroon.serialize(Format::V2).unwrap()
    };
    let text = mint();
    let parsed = libmacaroon::Macaroon::deserialize(&text).unwrap();
    criterion.bench_function("mint/libmacaroon", |b| b.iter(mint));
    criterion.bench_function("parse/libmacaroon", |b| {
        b.iter(|| libmacaroon::Macaroon::deserialize(black_box(&text)).unwrap());
    });
    criterion.bench_function("signature/libmacaroon", |b| {
        b.iter(|| {
            let key = MacaroonKey::generate(black_box(&[9; 32]));
            let mut verifier = Verifier::default();
            verifier.satisfy_general(|_| true);
            verifier.verify(black_box(&parsed), &key, &[]).unwrap();
        });
    });
}

/// Mints as [`Challenge::mint`](edgetoll::protocols::l402::challenge::Challenge::mint) does.
pub fn mint(keys: &Keys, encoding: Encoding) -> String {
    let payment_hash = preimage().payment_hash();
    let terms = terms();
    let mut caveats = terms.caveats(encoding, &invoice());
    let keys = keys.current();
    let macaroon = match encoding {
        Encoding::Standard => {
            let identifier = Identifier::new(keys, payment_hash, &[7; 28]);
            Macaroon::standard(&identifier.signing_key(keys), &terms.host, &identifier)
        }
        Encoding::LightningToll => {
            caveats.push(Caveat::issuer_mark(&keys.issuer_mark(&payment_hash)));
            Macaroon::lightning_toll(keys.lightning_toll_key(), payment_hash)
        }
    };
    macaroon.with_caveats(&caveats).unwrap().encode()
}

fn keys() -> Keys {
    Keys::new(TollSecret::new("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c").unwrap(), None)
}

fn preimage() -> Preimage {
    Preimage::from_hex(PREIMAGE).unwrap()
}

fn terms() -> Terms {
    Terms {
        service: Service::default(),
        expires_at_unix: 1_800_003_600,
        host: "api.example.com".to_owned(),
        scope: CredentialScope::Endpoint {
            endpoint: "/api/v1/weather".to_owned(),
            method: Some("GET".to_owned()),
        },
        ip: None,
        uses: None,
        price: Price::Sats(5),
        sold_as: Some("0123456789abcdef0123456789abcdef".to_owned()),
        payable_until_unix: 1_800_000_300,
    }
}

fn invoice() -> InvoiceTerms {
    InvoiceTerms { amount_sats: 5, wallet: WalletSlot::FIRST, payable_until_unix: 1_800_000_300 }
}

fn demand(service: &Service) -> Demand<'_> {
    Demand {
        now_unix: 1_800_000_000,
        service,
        host: "api.example.com",
        endpoint: "/api/v1/weather",
        method: "GET",
        ip: None,
        price: &Price::Sats(5),
        sold_as: None,
        scope: &ScopeRule::Endpoint { binds_method: true },
        binds_ip: false,
        counts_uses: false,
        encodings: Encodings::Both,
        revoked: &[],
        other_issuer: OtherIssuer::Refused,
    }
}

pub const PREIMAGE: &str = "4242424242424242424242424242424242424242424242424242424242424242";
