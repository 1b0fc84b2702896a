//! Requests to a wallet, its responses and its notifications.

use edgetoll::nwc::event::Event;
use edgetoll::nwc::info::{Encryption, WalletInfo};
use edgetoll::nwc::session::Request;
use edgetoll::strict_json::FromJson;
use nostr::event::{Event as NostrEvent, EventBuilder, FinalizeEvent, Kind, Tag};
use nostr::key::Keys;
use nostr::nips::nip47::{
    MakeInvoiceRequest, Method, Nip47Ciphers, NostrWalletConnectUri, Notification, Request as NostrRequest,
    RequestParams, Response as NostrResponse,
};
use nostr::types::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CLIENT, NOW, WALLET, keys, session};

const BOTH: [(Encryption, Nip47Ciphers); 2] =
    [(Encryption::Nip04, Nip47Ciphers::NIP04), (Encryption::Nip44, Nip47Ciphers::NIP44V2)];
const REQUEST_ID: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn encrypted(cipher: Nip47Ciphers, from: &Keys, text: &Value) -> String {
    cipher.encrypt(from.secret_key(), &CLIENT.public_key(), &text.to_string()).unwrap()
}

fn event(kind: u16, from: &Keys, content: &str, tags: &[[&str; 2]]) -> NostrEvent {
    let tags = tags.iter().map(|tag| Tag::parse(*tag).unwrap());
    EventBuilder::new(Kind::from(kind), content).tags(tags).finalize(from).unwrap()
}

fn ours(event: &NostrEvent) -> Event {
    Event::parse(&event.as_json()).unwrap()
}

fn client() -> String {
    CLIENT.public_key().to_hex()
}

#[test]
fn a_request_is_opened_by_another_implementation_of_the_wallet() {
    let params = MakeInvoiceRequest {
        amount: 21_000,
        description: Some("a \"memo\"".into()),
        description_hash: None,
        expiry: Some(600),
    };
    let params_json = serde_json::to_string(&params).unwrap();
    let request = Request {
        method: "make_invoice",
        params_json: &params_json,
        now_unix: NOW,
        expiration_unix: NOW + 30,
    };
    for (encryption, cipher) in BOTH {
        let sealed = session().seal(encryption, &request, &[9; 64]).unwrap();
        let event = NostrEvent::from_json(&sealed.event_json).unwrap();
        event.verify().unwrap();
        assert_eq!((event.id.to_hex(), event.pubkey), (sealed.id, CLIENT.public_key()));
        assert_eq!((event.kind, event.created_at), (Kind::WalletConnectRequest, Timestamp::from(NOW)));
        assert_eq!(event.tags.public_keys().collect::<Vec<_>>(), [WALLET.public_key()]);
        assert_eq!(event.tags.expiration(), Some(Timestamp::from(NOW + 30)));
        let announced = event.tags.iter().find(|tag| tag.kind() == "encryption").and_then(Tag::content);
        assert_eq!(announced, (encryption == Encryption::Nip44).then_some("nip44_v2"));
        let text = cipher.decrypt(WALLET.secret_key(), &CLIENT.public_key(), &event.content).unwrap();
        let expected = RequestParams::MakeInvoice(params.clone());
        assert_eq!(
            NostrRequest::from_json(text).unwrap(),
            NostrRequest { method: Method::MakeInvoice, params: expected }
        );
    }
}

#[test]
fn other_random_bytes_make_another_ciphertext_and_another_signature() {
    let request = Request { method: "get_info", params_json: "{}", now_unix: NOW, expiration_unix: NOW };
    for (encryption, _) in BOTH {
        let content = |random: [u8; 64]| {
            let event: Value =
                serde_json::from_str(&session().seal(encryption, &request, &random).unwrap().event_json)
                    .unwrap();
            (event["content"].clone(), event["sig"].clone())
        };
        let mut random = [0; 64];
        let first = content(random);
        // The last byte is for the signature alone.
        random[63] = 1;
        let second = content(random);
        assert_eq!(first.0, second.0);
        assert_ne!(first.1, second.1);
        random[0] = 1;
        assert_ne!(second.0, content(random).0);
    }
}

#[test]
fn a_request_that_is_too_long_is_not_sealed() {
    let params_json = format!("{{\"x\":\"{}\"}}", "x".repeat(65_535));
    let request =
        Request { method: "make_invoice", params_json: &params_json, now_unix: NOW, expiration_unix: NOW };
    for (encryption, _) in BOTH {
        assert!(session().seal(encryption, &request, &[9; 64]).is_none());
    }
}

#[test]
fn a_response_of_another_implementation_is_opened() {
    let text = json!({ "result_type": "get_balance", "error": null, "result": { "balance": 21_000 } });
    for (encryption, cipher) in BOTH {
        let content = encrypted(cipher, &WALLET, &text);
        let client = client();
        let with_tags = [["p", &client], ["e", REQUEST_ID]];
        for tags in [&with_tags[..], &with_tags[1..]] {
            let event = event(23195, &WALLET, &content, tags);
            let response = session().open_response(encryption, &ours(&event)).unwrap();
            assert_eq!(response.request_id, REQUEST_ID);
            let uri = NostrWalletConnectUri::parse(super::address()).unwrap();
            let theirs = NostrResponse::from_event(&uri, &event, cipher).unwrap();
            assert_eq!(NostrResponse::from_json(response.text).unwrap(), theirs);
        }
    }
}

#[test]
fn a_response_is_refused_if_anything_is_wrong_with_it() {
    let text = json!({ "result_type": "get_balance", "result": { "balance": 21_000 } });
    let client = client();
    let stranger = keys(3);
    let stranger_hex = stranger.public_key().to_hex();
    let tags = [["p", client.as_str()], ["e", REQUEST_ID]];
    for (encryption, cipher) in BOTH {
        let opens = |event: &Event| session().open_response(encryption, event).is_some();
        let content = encrypted(cipher, &WALLET, &text);
        let good = ours(&event(23195, &WALLET, &content, &tags));
        assert!(opens(&good));

        let other_kind = event(23194, &WALLET, &content, &tags);
        let other_author = event(23195, &stranger, &encrypted(cipher, &stranger, &text), &tags);
        let other_receiver = event(23195, &WALLET, &content, &[["p", &stranger_hex], ["e", REQUEST_ID]]);
        let two_receivers =
            event(23195, &WALLET, &content, &[["p", &client], ["p", &stranger_hex], ["e", REQUEST_ID]]);
        let no_request = event(23195, &WALLET, &content, &tags[..1]);
        let malformed_request = event(23195, &WALLET, &content, &[["p", &client], ["e", "07"]]);
        let other_key = event(23195, &WALLET, &encrypted(cipher, &stranger, &text), &tags);
        let plain = event(23195, &WALLET, &text.to_string(), &tags);
        let cut = event(23195, &WALLET, content.get(8..).unwrap(), &tags);
        let empty = event(23195, &WALLET, "", &tags);
        for bad in [
            other_kind,
            other_author,
            other_receiver,
            two_receivers,
            no_request,
            malformed_request,
            other_key,
            plain,
            cut,
            empty,
        ] {
            assert!(!opens(&ours(&bad)), "{}", bad.as_json());
        }

        let other = ours(&event(23195, &WALLET, &encrypted(cipher, &WALLET, &json!({})), &tags));
        let forgeries: [fn(&mut Event, &Event); 4] = [
            |event, _| event.signature[63] ^= 1,
            |event, _| event.id[0] ^= 1,
            |event, other| event.content = other.content.clone(),
            |event, _| event.created_at += 1,
        ];
        for forge in forgeries {
            let mut forged = good.clone();
            forge(&mut forged, &other);
            assert!(!opens(&forged), "{}", forged.to_json());
        }
        // A stranger signs in the name of the wallet.
        let mut forged = ours(&event(23195, &stranger, &content, &tags));
        forged.author = WALLET.public_key().to_bytes();
        assert!(!opens(&forged));
    }
}

#[test]
fn a_response_or_notification_is_never_encrypted_more_weakly_than_requested() {
    let text = json!({ "result_type": "get_balance" });
    let client = client();
    let tags = [["p", client.as_str()], ["e", REQUEST_ID]];
    for (sent, cipher) in BOTH {
        let content = encrypted(cipher, &WALLET, &text);
        let response = ours(&event(23195, &WALLET, &content, &tags));
        let kind = if sent == Encryption::Nip04 { 23196 } else { 23197 };
        let notification = ours(&event(kind, &WALLET, &content, &tags[..1]));
        for (requested, _) in BOTH {
            let expected = sent == Encryption::Nip44 || requested == Encryption::Nip04;
            assert_eq!(session().open_response(requested, &response).is_some(), expected);
            assert_eq!(session().open_notification(requested, &notification).is_some(), expected);
        }
    }
}

#[test]
fn a_notification_of_another_implementation_is_opened() {
    let text = json!({
        "notification_type": "payment_received",
        "notification": {
            "type": "incoming",
            "state": "settled",
            "invoice": "lnbc1",
            "preimage": "07".repeat(32),
            "payment_hash": "08".repeat(32),
            "amount": 21_000,
            "fees_paid": 0,
            "created_at": NOW,
            "expires_at": NOW + 600,
            "settled_at": NOW + 1,
        },
    });
    let client = client();
    let stranger = keys(3);
    for ((encryption, cipher), kind) in BOTH.into_iter().zip([23196, 23197]) {
        let content = encrypted(cipher, &WALLET, &text);
        let good = event(kind, &WALLET, &content, &[["p", &client]]);
        let opened = session().open_notification(encryption, &ours(&good)).unwrap();
        let uri = NostrWalletConnectUri::parse(super::address()).unwrap();
        assert_eq!(Notification::from_json(opened).unwrap(), Notification::from_event(&uri, &good).unwrap());

        let opens = |event: &NostrEvent| session().open_notification(encryption, &ours(event)).is_some();
        let other_kind = if kind == 23196 { 23197 } else { 23196 };
        for bad in [
            event(other_kind, &WALLET, &content, &[["p", &client]]),
            event(23195, &WALLET, &content, &[["p", &client]]),
            event(kind, &stranger, &encrypted(cipher, &stranger, &text), &[["p", &client]]),
            event(kind, &WALLET, &content, &[["p", &stranger.public_key().to_hex()]]),
        ] {
            assert!(!opens(&bad), "{}", bad.as_json());
        }
        let mut forged = ours(&good);
        forged.signature[0] ^= 1;
        assert_eq!(session().open_notification(encryption, &forged), None);
    }
}

#[test]
fn the_strongest_announced_encryption_and_the_notifications_are_read_from_the_info_event() {
    let read = |event: &NostrEvent| WalletInfo::read(&ours(event), session().wallet());
    let info =
        |tags: &[[&str; 2]]| read(&event(13194, &WALLET, "make_invoice lookup_invoice", tags)).unwrap();
    for (words, expected) in [
        ("nip44_v2 nip04", Some(Encryption::Nip44)),
        ("nip04 nip44_v2", Some(Encryption::Nip44)),
        ("nip44_v2", Some(Encryption::Nip44)),
        ("nip04", Some(Encryption::Nip04)),
        ("nip44_v3", None),
        ("", None),
    ] {
        assert_eq!(info(&[["encryption", words]]).encryption, expected, "{words}");
    }
    assert_eq!(info(&[]), WalletInfo { encryption: Some(Encryption::Nip04), notifies: false });
    for (words, expected) in [
        ("payment_received payment_sent", true),
        ("payment_sent payment_received", true),
        ("payment_sent", false),
    ] {
        assert_eq!(info(&[["notifications", words]]).notifies, expected, "{words}");
    }
    assert_eq!(read(&event(13195, &WALLET, "", &[])), None);
    assert_eq!(read(&event(13194, &keys(3), "", &[])), None);
    let mut forged = ours(&event(13194, &WALLET, "", &[["encryption", "nip44_v2"]]));
    forged.tags.clear();
    assert_eq!(WalletInfo::read(&forged, session().wallet()), None);
}

proptest! {
    #[test]
    fn any_signed_content_is_opened_or_refused(content in "\\PC{0,200}", kind in 23195_u16..23198) {
        let signed = ours(&event(kind, &WALLET, &content, &[["e", REQUEST_ID]]));
        prop_assert!(session().open_response(Encryption::Nip04, &signed).is_none());
        prop_assert!(session().open_notification(Encryption::Nip04, &signed).is_none());
    }
}
