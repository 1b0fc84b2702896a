//! Events and their signatures.

use edgetoll::hex;
use edgetoll::nwc::event::{Draft, Event};
use edgetoll::nwc::keys::{PublicKey, SecretKey};
use edgetoll::strict_json::FromJson;
use nostr::event::{Event as NostrEvent, EventBuilder, EventId, FinalizeEvent, Kind, Tag, Tags};
use nostr::types::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CLIENT, NOW, WALLET, bytes, list, text, vectors};

fn bip340_vectors() -> edgetoll::strict_json::Json {
    vectors(include_bytes!("../../vectors/bip340.json"))
}

fn signature(text: &str) -> [u8; 64] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn wallet() -> PublicKey {
    PublicKey::from_hex(&WALLET.public_key().to_hex()).unwrap()
}

/// An event of the wallet, signed by the crate `nostr`.
fn signed(content: &str, tags: &[[&str; 2]]) -> NostrEvent {
    EventBuilder::new(Kind::from(23195), content)
        .tags(tags.iter().map(|tag| Tag::parse(*tag).unwrap()))
        .custom_created_at(Timestamp::from(NOW))
        .finalize(&*WALLET)
        .unwrap()
}

#[test]
fn a_signature_is_that_of_the_vectors() {
    for vector in list(&bip340_vectors(), &["sign"]) {
        let signer = SecretKey::from_hex(text(vector, "secret_key")).unwrap().signer();
        assert_eq!(signer.public_key().to_hex(), text(vector, "public_key"));
        let signed = signer.sign(&bytes(vector, "message"), &bytes(vector, "aux_rand")).unwrap();
        assert_eq!(hex::encode(&signed), text(vector, "signature"), "{vector:?}");
        assert!(signer.public_key().verifies(&bytes(vector, "message"), &signed));
    }
}

#[test]
fn a_signature_is_accepted_exactly_if_the_vectors_say_so() {
    for vector in list(&bip340_vectors(), &["verify"]) {
        let accepted = PublicKey::from_hex(text(vector, "public_key")).is_some_and(|key| {
            key.verifies(&bytes(vector, "message"), &signature(text(vector, "signature")))
        });
        assert_eq!(Some(accepted), vector.get("valid").unwrap().as_bool(), "{vector:?}");
    }
}

#[test]
fn a_change_of_any_field_of_an_event_is_noticed() {
    let event: Value = serde_json::from_str(&signed("content", &[["e", "value"]]).as_json()).unwrap();
    let is_genuine = |event: &Value| Event::parse(&event.to_string()).unwrap().is_by(&wallet());
    assert!(is_genuine(&event));
    let other = signed("another", &[["e", "value"]]);
    for (field, value) in [
        ("id", json!(other.id.to_hex())),
        ("pubkey", json!(CLIENT.public_key().to_hex())),
        ("created_at", json!(NOW + 1)),
        ("kind", json!(23196)),
        ("tags", json!([["e", "other"]])),
        ("tags", json!([["e", "value"], ["p", "more"]])),
        ("tags", json!([])),
        ("content", json!("changed")),
        ("sig", json!(other.sig.to_hex())),
        ("sig", json!("00".repeat(64))),
    ] {
        let mut changed = event.clone();
        changed[field] = value;
        assert!(!is_genuine(&changed), "{changed}");
    }
    // The ID and the author fit, but another key has signed.
    let by_other = EventBuilder::new(Kind::from(1), "").finalize(&*CLIENT).unwrap();
    assert!(!is_genuine(&serde_json::from_str(&by_other.as_json()).unwrap()));
    let mut changed = event.clone();
    changed["content"] = json!("changed");
    let mut forged = Event::parse(&changed.to_string()).unwrap();
    let draft = Draft { created_at: NOW, kind: 23195, tags: forged.tags.clone(), content: "changed".into() };
    let signer = SecretKey::from_hex(&WALLET.secret_key().to_secret_hex()).unwrap().signer();
    forged.id = Event::sign(draft, &signer, &[0; 32]).unwrap().id;
    assert!(!forged.is_by(&wallet()));
    // The wallet has signed an event that names another author.
    let id = EventId::compute(&CLIENT.public_key(), &Timestamp::from(NOW), &Kind::from(1), &Tags::new(), "");
    let mut misattributed = Event::parse(&by_other.as_json()).unwrap();
    misattributed.created_at = NOW;
    misattributed.id = id.to_bytes();
    misattributed.signature = signer.sign(&misattributed.id, &[0; 32]).unwrap();
    assert!(!misattributed.is_by(&wallet()));
}

#[test]
fn an_event_with_a_missing_or_malformed_field_is_refused() {
    let event: Value = serde_json::from_str(&signed("content", &[["e", "value"]]).as_json()).unwrap();
    for field in ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"] {
        let mut changed = event.clone();
        changed.as_object_mut().unwrap().remove(field);
        assert_eq!(Event::parse(&changed.to_string()), None, "without {field}");
        for value in
            [json!(null), json!(-1), json!(1.5), json!(70_000), json!("00"), json!([["e", 1]]), json!({})]
        {
            changed[field] = value;
            let is_allowed = match field {
                "created_at" => changed[field] == 70_000,
                "content" => changed[field].is_string(),
                _ => false,
            };
            assert_eq!(
                Event::parse(&changed.to_string()).is_some(),
                is_allowed,
                "{field}: {}",
                changed[field]
            );
        }
    }
    assert_eq!(Event::parse("[]"), None);
    assert_eq!(Event::parse(&event.to_string().replacen('{', r#"{"kind":1,"#, 1)), None);
}

proptest! {
    /// `any::<String>` has every character that JSON escapes.
    #[test]
    fn an_event_of_another_implementation_has_the_same_id_and_is_accepted(
        content: String, tag: [String; 2], created_at in 0_u64..1 << 40, kind: u16,
    ) {
        let theirs = EventBuilder::new(Kind::from(kind), &content)
            .tag(Tag::parse(tag.clone()).unwrap())
            .custom_created_at(Timestamp::from(created_at))
            .finalize(&*WALLET)
            .unwrap();
        let event = Event::parse(&theirs.as_json()).unwrap();
        prop_assert_eq!(event.id, theirs.id.to_bytes());
        prop_assert_eq!(&event.content, &content);
        prop_assert_eq!(&event.tags, &[tag.to_vec()]);
        prop_assert!(event.is_by(&wallet()));
    }

    #[test]
    fn an_event_is_accepted_by_another_implementation(
        content: String, tag: [String; 2], created_at in 0_u64..1 << 40, kind: u16, random: [u8; 32],
    ) {
        let signer = SecretKey::from_hex(&WALLET.secret_key().to_secret_hex()).unwrap().signer();
        let draft = Draft { created_at, kind, tags: vec![tag.to_vec()], content: content.clone() };
        let event = Event::sign(draft, &signer, &random).unwrap();
        let theirs = NostrEvent::from_json(event.to_json()).unwrap();
        prop_assert!(theirs.verify().is_ok());
        prop_assert_eq!(theirs.content, content);
        prop_assert_eq!(theirs.pubkey, WALLET.public_key());
        prop_assert_eq!(Event::parse(&event.to_json()), Some(event));
    }
}
