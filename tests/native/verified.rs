//! The memory of verified macaroons. It saves the computation of a signature, and changes no verdict.

use std::sync::LazyLock;

use crate::support::gate::{demand, gate, seller as seller_with};
use crate::support::price_list::valid;
use crate::support::request::request;
use edgetoll::base64;
use edgetoll::gate::{Decision, Gate, Request, Seller};
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::payment::{PaymentHash, Preimage};
use edgetoll::policy::Policy;
use edgetoll::protocols::l402::caveat::{CredentialScope, Service};
use edgetoll::protocols::l402::cookie;
use edgetoll::protocols::l402::macaroon::{Encoding, Encodings, Identifier, Macaroon, Signature};
use edgetoll::protocols::l402::refusal::Refusal;
use edgetoll::protocols::l402::verify::{Demand, Grant, verify, verify_with_signature};
use edgetoll::protocols::price::Price;

const NOW: u64 = 1_800_000_000;
const KIND: &str = "3600 toll";
const PREIMAGE: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
const ENCODINGS: [Encoding; 2] = [Encoding::Standard, Encoding::LightningToll];

static REVOKED: LazyLock<[PaymentHash; 1]> = LazyLock::new(|| [preimage().payment_hash()]);

fn keys_of(secret: &str) -> Keys {
    Keys::new(TollSecret::new(secret).unwrap(), None)
}

fn keys() -> Keys {
    keys_of(&crate::support::secret::SECRET)
}

fn preimage() -> Preimage {
    Preimage::from_hex(PREIMAGE).unwrap()
}

fn policy() -> Policy {
    valid(r#"{"routes":[{"path":"/a","sats":5,"honor_paid":false},{"path":"/dear","sats":9}]}"#)
}

/// Mints a macaroon for five satoshis and `GET /a` on the host `x`.
fn mint(keys: &Keys, encoding: Encoding) -> Macaroon {
    let set = keys.current();
    let hash = preimage().payment_hash();
    let caveats = ["expires_at=1800003600", "amount_sats=5", "endpoint=/a", "method=GET", "host=x"];
    match encoding {
        Encoding::Standard => {
            let identifier = Identifier::new(set, hash, &[7; 28]);
            let caveats = [&caveats[..], &["payable_until=1800000300"]].concat();
            let caveats: Vec<String> = caveats.into_iter().map(str::to_owned).collect();
            Macaroon::standard(&identifier.signing_key(set), "x", &identifier).with_caveats(&caveats).unwrap()
        }
        Encoding::LightningToll => {
            let mark = format!("edgetoll={}", set.issuer_mark(&hash));
            let caveats: Vec<String> = caveats.iter().map(|one| one.replacen('=', " = ", 1)).collect();
            let caveats = [caveats, vec![mark.replacen('=', " = ", 1)]].concat();
            Macaroon::lightning_toll(set.lightning_toll_key(), hash).with_caveats(&caveats).unwrap()
        }
    }
}

/// Verifies for a request to `GET /a`. Also returns whether the keys remember the macaroon.
fn judge(
    macaroon: &Macaroon,
    keys: &Keys,
    change: impl FnOnce(&mut Demand<'_>),
) -> Result<(Grant, bool), Refusal> {
    let service = Service::default();
    let mut demand = demand(&service, NOW);
    change(&mut demand);
    let verified = verify_with_signature(macaroon, Some(&preimage()), keys, &demand);
    verified.map(|(grant, signature)| (grant, signature.is_remembered()))
}

fn is_remembered(macaroon: &Macaroon, keys: &Keys) -> bool {
    judge(macaroon, keys, |_| ()).unwrap().1
}

fn remember(macaroon: &Macaroon, keys: &Keys) {
    let service = Service::default();
    let demand = demand(&service, NOW);
    verify_with_signature(macaroon, Some(&preimage()), keys, &demand).unwrap().1.remember();
    assert!(is_remembered(macaroon, keys));
}

/// Sends a request with the macaroon to the gate. Returns whether the request is paid.
fn is_paid(seller: &Seller, macaroon: &Macaroon, path: &str, is_settled: bool, cookie: Option<&str>) -> bool {
    let (policy, url) = (policy(), format!("https://x{path}"));
    let authorization = format!("L402 {}:{PREIMAGE}", macaroon.encode());
    let authorization = Some(authorization.as_str()).filter(|_| cookie.is_none());
    let request = Request { cookie, ..request(&url, "GET", authorization) };
    let gate = Gate { is_settled: &|_, _| is_settled, ..gate(&policy, seller) };
    matches!(gate.decide(&request, NOW), Decision::Paid(_))
}

#[test]
fn only_a_request_that_is_paid_and_settled_makes_the_keys_remember_its_macaroon() {
    for encoding in ENCODINGS {
        let seller = seller_with(keys());
        let macaroon = mint(&seller.keys, encoding);
        assert!(!is_paid(&seller, &macaroon, "/a", false, None));
        assert!(!is_paid(&seller, &macaroon, "/dear", true, None));
        assert!(!is_remembered(&macaroon, &seller.keys), "{encoding:?}");
        assert!(is_paid(&seller, &macaroon, "/a", true, None));
        assert!(is_remembered(&macaroon, &seller.keys), "{encoding:?}");
        assert!(is_paid(&seller, &macaroon, "/a", true, None));
        assert!(!is_paid(&seller, &macaroon, "/dear", true, None));
        let other = ENCODINGS.into_iter().find(|other| *other != encoding).unwrap();
        assert!(!is_remembered(&mint(&seller.keys, other), &seller.keys), "{encoding:?}");
    }
}

#[test]
fn a_paid_cookie_makes_the_keys_remember_its_macaroon_and_a_cookie_with_a_wrong_tag_does_not() {
    let seller = seller_with(keys());
    let macaroon = mint(&seller.keys, Encoding::Standard);
    let (grant, _) = judge(&macaroon, &seller.keys, |_| ()).unwrap();
    let scope = CredentialScope::Endpoint { endpoint: "/a".to_owned(), method: None };
    let set_cookie = cookie::set(&seller.keys, &macaroon, &grant, &scope, KIND, NOW).unwrap();
    let (cookie, _) = set_cookie.split_once(';').unwrap();
    let (value, tag) = cookie.split_once('.').unwrap();
    let forged = format!("{value}.{}", tag.chars().rev().collect::<String>());
    assert!(!is_paid(&seller, &macaroon, "/a", true, Some(&forged)));
    assert!(!is_remembered(&macaroon, &seller.keys));
    assert!(is_paid(&seller, &macaroon, "/a", true, Some(cookie)));
    assert!(is_remembered(&macaroon, &seller.keys));
}

#[test]
fn a_remembered_macaroon_is_judged_by_each_request() {
    for encoding in ENCODINGS {
        let keys = keys();
        let macaroon = mint(&keys, encoding);
        remember(&macaroon, &keys);
        let refused = |change: fn(&mut Demand<'_>)| judge(&macaroon, &keys, change).unwrap_err();
        assert_eq!(refused(|demand| demand.now_unix = 1_800_003_601), Refusal::Expired);
        assert!(matches!(refused(|demand| demand.host = "y"), Refusal::HostMismatch { .. }));
        assert!(matches!(refused(|demand| demand.endpoint = "/dear"), Refusal::EndpointMismatch { .. }));
        assert!(matches!(refused(|demand| demand.method = "POST"), Refusal::MethodMismatch { .. }));
        assert!(matches!(refused(|demand| demand.price = &Price::Sats(6)), Refusal::Underpaid { .. }));
        assert_eq!(refused(|demand| demand.binds_ip = true), Refusal::MissingCaveat("ip"));
        let refuse_encoding = |demand: &mut Demand<'_>| demand.encodings = all_but(encoding);
        assert_eq!(judge(&macaroon, &keys, refuse_encoding).unwrap_err(), Refusal::EncodingNotAccepted);
        assert_eq!(refused(|demand| demand.revoked = &*REVOKED), Refusal::Revoked);
        let service = Service::default();
        let wrong = Preimage::from_hex(&"0".repeat(64)).unwrap();
        let refusal = verify(&macaroon, Some(&wrong), &keys, &demand(&service, NOW)).unwrap_err();
        assert_eq!(refusal, Refusal::WrongPreimage);
        assert!(is_remembered(&macaroon, &keys));
    }
}

#[test]
fn other_keys_do_not_remember_the_macaroon() {
    let other_secret: String = crate::support::secret::SECRET.chars().rev().collect();
    for encoding in ENCODINGS {
        let (keys, same, other) = (keys(), keys(), keys_of(&other_secret));
        let macaroon = mint(&keys, encoding);
        remember(&macaroon, &keys);
        assert!(!is_remembered(&macaroon, &same));
        let refusal = judge(&macaroon, &other, |_| ()).unwrap_err();
        assert!(matches!(refusal, Refusal::UnknownKey | Refusal::BadSignature), "{refusal:?}");
    }
}

#[test]
fn every_change_of_one_bit_of_a_remembered_macaroon_is_refused() {
    for encoding in ENCODINGS {
        let keys = keys();
        let macaroon = mint(&keys, encoding);
        remember(&macaroon, &keys);
        let bytes = base64::decode(&macaroon.encode()).unwrap();
        let mut parsed = 0;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let Ok(changed) = Macaroon::parse(&base64::encode_standard(&changed)) else { continue };
                // Two changes are not signed: that of the location, and that of a hexadecimal digit of the signature
                // to upper case.
                if changed.digest() == macaroon.digest() {
                    assert_eq!(changed.signature(&keys), Signature::Valid);
                    continue;
                }
                parsed += 1;
                let refusal = judge(&changed, &keys, |_| ()).unwrap_err();
                assert!(
                    matches!(refusal, Refusal::UnknownKey | Refusal::BadSignature),
                    "{at} {bit} {refusal:?}"
                );
            }
        }
        assert!(parsed > 300, "{parsed}");
    }
}

#[test]
fn caveats_with_the_same_bytes_in_other_places_are_another_macaroon() {
    let keys = keys();
    let macaroon = mint(&keys, Encoding::Standard);
    remember(&macaroon, &keys);
    let caveats: Vec<Vec<u8>> = macaroon.caveats().map(<[u8]>::to_vec).collect();
    let bytes = base64::decode(&macaroon.encode()).unwrap();
    let (before, signature) = (&bytes[..1 + 3 + 2 + 66 + 1], &bytes[bytes.len() - 32..]);
    let with = |caveats: &[Vec<u8>]| {
        let mut bytes = before.to_vec();
        for caveat in caveats {
            bytes.extend([2, u8::try_from(caveat.len()).unwrap()]);
            bytes.extend(caveat);
            bytes.push(0);
        }
        bytes.extend([0, 6, 32]);
        bytes.extend(signature);
        Macaroon::parse(&base64::encode_standard(&bytes)).unwrap()
    };
    assert!(is_remembered(&with(&caveats), &keys));
    let mut moved = caveats.clone();
    let last = moved[0].pop().unwrap();
    moved[1].insert(0, last);
    let joined = [vec![[&caveats[0][..], &caveats[1]].concat()], caveats[2..].to_vec()].concat();
    let mut swapped = caveats.clone();
    swapped.swap(0, 1);
    let added = [caveats.clone(), vec![Vec::new()]].concat();
    let mut others = vec![moved, joined, swapped, added, Vec::new()];
    others.extend((0..caveats.len()).map(|at| {
        let mut fewer = caveats.clone();
        fewer.remove(at);
        fewer
    }));
    for caveats in others {
        assert_eq!(judge(&with(&caveats), &keys, |_| ()).unwrap_err(), Refusal::BadSignature);
    }
}

/// Returns the setting that accepts all encodings except one.
fn all_but(refused: Encoding) -> Encodings {
    match refused {
        Encoding::Standard => Encodings::LightningToll,
        Encoding::LightningToll => Encodings::Standard,
    }
}
