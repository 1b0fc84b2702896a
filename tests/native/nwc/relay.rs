//! The messages between a client and a relay.

use std::borrow::Cow;

use edgetoll::nwc::relay::{self, MAX_LIST_MESSAGE_BYTES, MAX_MESSAGE_BYTES, RelayMessage};
use nostr::event::{EventBuilder, EventId, FinalizeEvent, Kind};
use nostr::filter::Filter;
use nostr::message::{ClientMessage, RelayMessage as NostrMessage, SubscriptionId};
use nostr::types::Timestamp;
use proptest::prelude::*;

use super::{CLIENT, NOW, WALLET, session};
use edgetoll::nwc::info::Encryption;

fn parse(text: &str) -> Option<RelayMessage> {
    RelayMessage::parse(text, MAX_MESSAGE_BYTES)
}

#[test]
fn the_messages_of_a_client_are_read_by_another_implementation() {
    let event = EventBuilder::new(Kind::from(23194), "content").finalize(&*CLIENT).unwrap();
    let read = |message: &str| ClientMessage::from_json(message).unwrap();
    assert_eq!(read(&relay::event(&event.as_json())), ClientMessage::event(event));
    let name = "a \"name\"";
    assert_eq!(read(&relay::close(name)), ClientMessage::close(SubscriptionId::new(name)));
    let (session, wallet, client) = (session(), WALLET.public_key(), CLIENT.public_key());
    let since =
        |kind: Kind| Filter::new().kind(kind).author(wallet).pubkey(client).since(Timestamp::from(NOW));
    for (filter, expected) in [
        (session.response_filter(NOW), since(Kind::WalletConnectResponse)),
        (session.notification_filter(Encryption::Nip04, NOW), since(Kind::from(23196))),
        (session.notification_filter(Encryption::Nip44, NOW), since(Kind::from(23197))),
        (session.info_filter(), Filter::new().kind(Kind::WalletConnectInfo).author(wallet).limit(1)),
    ] {
        let expected = ClientMessage::req(SubscriptionId::new(name), vec![expected]);
        assert_eq!(read(&relay::req(name, &filter)), expected);
    }
}

#[test]
fn the_messages_of_a_relay_are_read_as_another_implementation_writes_them() {
    let event = EventBuilder::new(Kind::from(23195), "content").finalize(&*WALLET).unwrap();
    let name = SubscriptionId::new("name");
    let subscription = "name".to_owned();
    let Some(RelayMessage::Event { subscription: read, event: ours }) =
        parse(&NostrMessage::event(name.clone(), event.clone()).as_json())
    else {
        panic!("no event");
    };
    assert_eq!((read, ours.id), (subscription.clone(), event.id.to_bytes()));
    let id = EventId::from_byte_array([7; 32]);
    let ok = |accepted, reason| RelayMessage::Ok { id: id.to_hex(), accepted, reason };
    for (message, expected) in [
        (NostrMessage::eose(name.clone()), RelayMessage::EndOfStored { subscription: subscription.clone() }),
        (NostrMessage::ok(id, true, ""), ok(true, None)),
        (NostrMessage::ok(id, true, "duplicate: known"), ok(true, Some("duplicate"))),
        (NostrMessage::ok(id, false, "rate-limited: slow down"), ok(false, Some("rate-limited"))),
        (NostrMessage::ok(id, false, "a secret: no"), ok(false, None)),
        (
            NostrMessage::closed(name, "auth-required: no"),
            RelayMessage::Closed { subscription, reason: Some("auth-required") },
        ),
        (NostrMessage::notice(Cow::Borrowed("hello")), RelayMessage::Notice),
        (NostrMessage::auth(Cow::Borrowed("challenge")), RelayMessage::Auth),
    ] {
        assert_eq!(parse(&message.as_json()), Some(expected));
    }
}

#[test]
fn an_unknown_or_malformed_message_is_ignored() {
    for message in [
        "",
        "[]",
        "{}",
        "null",
        r#""EOSE""#,
        r#"["EOSE"]"#,
        r#"["EOSE",1]"#,
        r#"["COUNT","name",{"count":1}]"#,
        r#"["OK","07",true,""]"#,
        r#"["OK",1,true,""]"#,
        r#"["EVENT","name"]"#,
        r#"["EVENT","name",{}]"#,
        r#"["EVENT",{}]"#,
        r#"["CLOSED"]"#,
        r#"["EOSE","name"] x"#,
    ] {
        assert_eq!(parse(message), None, "{message}");
    }
}

#[test]
fn a_message_that_is_too_long_is_ignored() {
    let message = |length: usize| format!("[\"NOTICE\",\"{}\"]", "x".repeat(length - 13));
    for max in [MAX_MESSAGE_BYTES, MAX_LIST_MESSAGE_BYTES] {
        assert_eq!(RelayMessage::parse(&message(max), max), Some(RelayMessage::Notice));
        assert_eq!(RelayMessage::parse(&message(max + 1), max), None);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_ignored(text in "\\PC{0,100}", name in "EVENT|OK|EOSE|CLOSED|NOTICE|AUTH") {
        let _ = parse(&text);
        let _ = parse(&format!("[\"{name}\",{text}]"));
        let _ = parse(&serde_json::json!([name, text, text]).to_string());
    }
}
