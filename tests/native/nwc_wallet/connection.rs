//! A connection to a relay. The crate `nostr` is the wallet.

use edgetoll::nwc::connection::{Connection, Incoming};
use edgetoll::nwc::session::{RANDOM_BYTES, Request};
use edgetoll::nwc::uri::NwcUri;
use nostr::event::{Event, EventBuilder, FinalizeEvent, Kind, Tag};
use nostr::key::{Keys, SecretKey};
use nostr::nips::nip47::Nip47Ciphers;
use nostr::types::Timestamp;

use super::*;

const REQUEST_ID: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn keys(byte: u8) -> Keys {
    Keys::new(SecretKey::from_slice(&[byte; 32]).unwrap())
}

fn wallet_keys() -> Keys {
    keys(1)
}

fn client_keys() -> Keys {
    keys(2)
}

fn connection() -> Connection {
    let (wallet, secret) = (wallet_keys().public_key().to_hex(), client_keys().secret_key().to_secret_hex());
    let uri =
        NwcUri::parse(&format!("nostr+walletconnect://{wallet}?relay=wss://x.example.com&secret={secret}"));
    Connection::new(&uri.unwrap_or_else(|error| panic!("{error}")))
}

fn message(subscription: &str, kind: u16, from: &Keys, content: &str, tags: &[[&str; 2]]) -> String {
    message_at(NOW, subscription, kind, from, content, tags)
}

fn message_at(
    created_at: u64,
    subscription: &str,
    kind: u16,
    from: &Keys,
    content: &str,
    tags: &[[&str; 2]],
) -> String {
    let tags = tags.iter().map(|tag| Tag::parse(*tag).unwrap());
    let event = EventBuilder::new(Kind::from(kind), content).tags(tags);
    let event = event.custom_created_at(Timestamp::from(created_at)).finalize(from).unwrap();
    format!("[\"EVENT\",\"{subscription}\",{}]", event.as_json())
}

fn info(from: &Keys, tags: &[[&str; 2]]) -> String {
    info_at(NOW, from, tags)
}

fn info_at(created_at: u64, from: &Keys, tags: &[[&str; 2]]) -> String {
    message_at(created_at, "info", 13194, from, "make_invoice lookup_invoice", tags)
}

/// Returns a connection that has read an info event with these tags.
fn informed(tags: &[[&str; 2]]) -> Connection {
    let mut connection = connection();
    connection.ask_for_info();
    assert_eq!(connection.read(&info(&wallet_keys(), tags)), None);
    assert_eq!(connection.read("[\"EOSE\",\"info\"]"), Some(Incoming::InfoRead));
    connection
}

fn encrypted(cipher: Nip47Ciphers, from: &Keys, text: &str) -> String {
    cipher.encrypt(from.secret_key(), &client_keys().public_key(), &text.to_owned()).unwrap()
}

fn response(cipher: Nip47Ciphers, from: &Keys, text: &str) -> String {
    let client = client_keys().public_key().to_hex();
    message("wallet", 23195, from, &encrypted(cipher, from, text), &[["p", &client], ["e", REQUEST_ID]])
}

fn filters(message: &str) -> Vec<Value> {
    let Value::Array(values) = serde_json::from_str(message).unwrap() else { panic!("{message}") };
    assert_eq!(values[0], "REQ");
    values[1..].to_vec()
}

/// Returns the decrypted content of a request and the encryption that it announces.
fn sealed(connection: &Connection, cipher: Nip47Ciphers) -> (String, Option<String>) {
    let request = Request { method: "get_info", params_json: "{}", now_unix: NOW, expiration_unix: NOW + 5 };
    let (id, message) = connection.seal(&request, &[9; RANDOM_BYTES]).unwrap();
    let parsed: Value = serde_json::from_str(&message).unwrap();
    assert_eq!((&parsed[0], parsed[1]["id"].as_str()), (&json!("EVENT"), Some(id.as_str())));
    let event = Event::from_json(parsed[1].to_string()).unwrap();
    event.verify().unwrap();
    let text =
        cipher.decrypt(wallet_keys().secret_key(), &client_keys().public_key(), &event.content).unwrap();
    let tag = event.tags.iter().find(|tag| tag.kind() == "encryption").and_then(Tag::content);
    (text, tag.map(str::to_owned))
}

#[test]
fn the_info_event_is_asked_for_and_then_responses_and_notifications_are_subscribed_to() {
    let (wallet, client) = (wallet_keys().public_key().to_hex(), client_keys().public_key().to_hex());
    let asked = filters(&connection().ask_for_info());
    assert_eq!(asked, [json!("info"), json!({ "kinds": [13194], "authors": [wallet], "limit": 1 })]);
    let filter = |kind: u16, since: u64| json!({ "kinds": [kind], "authors": [wallet], "#p": [client], "since": since });
    // The clock of the wallet may be slow.
    let responses = filter(23195, NOW - 600);
    for (tags, expected) in [
        (&[["encryption", "nip44_v2 nip04"]][..], vec![responses.clone()]),
        (&[["notifications", "payment_sent"]], vec![responses.clone()]),
        (
            &[["notifications", "payment_received payment_sent"]],
            vec![responses.clone(), filter(23196, NOW - 600)],
        ),
        (
            &[["encryption", "nip04 nip44_v2"], ["notifications", "payment_received"]],
            vec![responses.clone(), filter(23197, NOW - 600)],
        ),
        (
            &[["encryption", "nip04"], ["notifications", "payment_received"]],
            vec![responses.clone(), filter(23196, NOW - 600)],
        ),
    ] {
        let subscribed = filters(&informed(tags).subscribe(NOW).unwrap());
        assert_eq!((&subscribed[0], &subscribed[1..]), (&json!("wallet"), &expected[..]), "{tags:?}");
    }
    // A relay without an info event.
    assert_eq!(filters(&connection().subscribe(100).unwrap())[1..], [filter(23195, 0)]);
}

#[test]
fn a_request_has_the_strongest_encryption_that_the_wallet_announces() {
    let text = "{\"method\":\"get_info\",\"params\":{}}".to_owned();
    let nip44 = (text.clone(), Some("nip44_v2".to_owned()));
    assert_eq!(sealed(&informed(&[["encryption", "nip04 nip44_v2"]]), Nip47Ciphers::NIP44V2), nip44);
    for connection in [connection(), informed(&[]), informed(&[["encryption", "nip04"]])] {
        assert_eq!(sealed(&connection, Nip47Ciphers::NIP04), (text.clone(), None));
    }
    for words in ["", "nip44", "nip44_v3", "nip44_v2,nip04", "NIP04"] {
        let unknown = informed(&[["encryption", words]]);
        let request = Request { method: "get_info", params_json: "{}", now_unix: NOW, expiration_unix: NOW };
        assert!(
            unknown.subscribe(NOW).is_none() && unknown.seal(&request, &[9; RANDOM_BYTES]).is_none(),
            "{words}"
        );
    }
}

#[test]
fn an_info_event_that_the_wallet_has_not_signed_means_nothing() {
    let mut connection = informed(&[["encryption", "nip44_v2"]]);
    let good = info(&wallet_keys(), &[["encryption", "nip04"]]);
    let forged = good.replacen("make_invoice", "make_INVOICE", 1);
    let other_kind = message("info", 13195, &wallet_keys(), "", &[["encryption", "nip04"]]);
    for text in [info(&keys(3), &[["encryption", "nip04"]]), forged, other_kind] {
        assert_eq!(connection.read(&text), None);
        assert_eq!(sealed(&connection, Nip47Ciphers::NIP44V2).1.as_deref(), Some("nip44_v2"));
    }
}

#[test]
fn a_relay_that_withholds_the_info_event_or_sends_an_older_one_does_not_weaken_the_encryption() {
    let strong = || informed(&[["encryption", "nip44_v2 nip04"]]);
    let encryption =
        |connection: &Connection, cipher: Nip47Ciphers| sealed(connection, cipher).1.unwrap_or_default();
    let mut withheld = strong();
    withheld.ask_for_info();
    assert_eq!(withheld.read("[\"EOSE\",\"info\"]"), Some(Incoming::InfoRead));
    assert_eq!(encryption(&withheld, Nip47Ciphers::NIP44V2), "nip44_v2");
    let mut older = strong();
    older.read(&info_at(NOW - 1, &wallet_keys(), &[]));
    assert_eq!(encryption(&older, Nip47Ciphers::NIP44V2), "nip44_v2");
    // The wallet itself may announce a weaker encryption.
    let mut newer = strong();
    newer.read(&info_at(NOW + 1, &wallet_keys(), &[["encryption", "nip04"]]));
    assert_eq!(encryption(&newer, Nip47Ciphers::NIP04), "");
}

#[test]
fn responses_and_notifications_of_the_wallet_are_passed_on_and_others_are_not() {
    let client = client_keys().public_key().to_hex();
    let text = "{\"result_type\":\"get_info\"}";
    for (tags, cipher, kind, other) in [
        (&[["encryption", "nip44_v2"]][..], Nip47Ciphers::NIP44V2, 23197, Nip47Ciphers::NIP04),
        (&[][..], Nip47Ciphers::NIP04, 23196, Nip47Ciphers::NIP44V2),
    ] {
        let mut connection = informed(tags);
        let read = connection.read(&response(cipher, &wallet_keys(), text));
        let expected = Incoming::Response { request_id: REQUEST_ID.to_owned(), text: text.to_owned() };
        assert_eq!(read, Some(expected));
        let notification = |kind: u16, cipher, from: &Keys| {
            message("wallet", kind, from, &encrypted(cipher, from, text), &[["p", &client]])
        };
        let read = connection.read(&notification(kind, cipher, &wallet_keys()));
        assert_eq!(read, Some(Incoming::Notification { text: text.to_owned() }));
        assert_eq!(connection.read(&response(cipher, &keys(3), text)), None);
        assert_eq!(connection.read(&notification(kind, cipher, &keys(3))), None);
        assert_eq!(
            connection.read(&notification(kind, other, &wallet_keys())),
            None,
            "the kind of another encryption"
        );
        let replaced = response(cipher, &wallet_keys(), text).replacen(REQUEST_ID, &"08".repeat(32), 1);
        assert_eq!(connection.read(&replaced), None, "the event is signed with its tags");
    }
    // A response with the weaker encryption is refused.
    let mut strong = informed(&[["encryption", "nip44_v2 nip04"]]);
    assert_eq!(strong.read(&response(Nip47Ciphers::NIP04, &wallet_keys(), text)), None);
}

#[test]
fn a_relay_may_end_the_subscription_of_the_info_event_when_it_has_sent_the_event() {
    let mut informed = informed(&[["encryption", "nip44_v2"]]);
    assert_eq!(informed.read("[\"CLOSED\",\"info\",\"\"]"), Some(Incoming::InfoRead));
    assert_eq!(informed.read("[\"CLOSED\",\"wallet\",\"\"]"), Some(Incoming::Closed));
}

#[test]
fn each_message_of_a_relay_has_a_meaning_or_none() {
    let refused = || Some(Incoming::Refused { request_id: REQUEST_ID.to_owned() });
    let ok = |accepted: &str, reason: &str| format!("[\"OK\",\"{REQUEST_ID}\",{accepted},{reason}]");
    for (text, expected) in [
        ("[\"EOSE\",\"wallet\"]".to_owned(), Some(Incoming::Subscribed)),
        ("[\"EOSE\",\"info\"]".to_owned(), Some(Incoming::InfoRead)),
        ("[\"EOSE\",\"other\"]".to_owned(), None),
        ("[\"CLOSED\",\"wallet\",\"error: x\"]".to_owned(), Some(Incoming::Closed)),
        ("[\"CLOSED\",\"info\",\"auth-required: x\"]".to_owned(), Some(Incoming::Closed)),
        (ok("true", "\"\""), None),
        (ok("false", "\"blocked: x\""), refused()),
        (ok("false", "\"x\""), refused()),
        (ok("false", "5"), refused()),
        // The relay has the event, so the wallet gets it.
        (ok("false", "\"duplicate: x\""), None),
        (ok("null", "\"\""), None),
        ("[\"NOTICE\",\"x\"]".to_owned(), None),
        ("[\"AUTH\",\"x\"]".to_owned(), None),
        ("[\"EVENT\",\"wallet\",{}]".to_owned(), None),
        ("[]".to_owned(), None),
        ("{}".to_owned(), None),
        (String::new(), None),
        ("[".repeat(100_000), None),
        (format!("[\"EOSE\",\"wallet\",\"{}\"]", "x".repeat(1_048_576)), None),
    ] {
        assert_eq!(connection().read(&text), expected, "{}", text.get(..60).unwrap_or(&text));
    }
}
