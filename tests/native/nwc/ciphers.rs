//! NIP-44, NIP-04 and the shared secret of two keys.

use edgetoll::nwc::keys::{PublicKey, SecretKey};
use edgetoll::nwc::nip44::ConversationKey;
use edgetoll::nwc::{CipherError, nip04};
use edgetoll::{base64, crypto, hex};
use nostr::nips::{nip04 as nostr_nip04, nip44 as nostr_nip44};
use proptest::prelude::*;

use super::{CLIENT, WALLET, bytes, list, text, vectors};

fn nip44_vectors() -> edgetoll::strict_json::Json {
    vectors(include_bytes!("../../vectors/nip44.json"))
}

fn secret(hex: &str) -> SecretKey {
    SecretKey::from_hex(hex).unwrap()
}

fn shared_x(secret_hex: &str, public_hex: &str) -> Option<[u8; 32]> {
    Some(SecretKey::from_hex(secret_hex)?.shared_x(&PublicKey::from_hex(public_hex)?))
}

/// The secret of the wallet and the client of these tests, as each side computes it.
fn shared() -> [u8; 32] {
    let [wallet, client] =
        [&WALLET, &CLIENT].map(|keys| (keys.secret_key().to_secret_hex(), keys.public_key().to_hex()));
    let shared = shared_x(&client.0, &wallet.1).unwrap();
    assert_eq!(shared_x(&wallet.0, &client.1), Some(shared));
    shared
}

#[test]
fn the_conversation_key_is_that_of_the_vectors() {
    for vector in list(&nip44_vectors(), &["v2", "valid", "get_conversation_key"]) {
        let computed = shared_x(text(vector, "sec1"), text(vector, "pub2")).unwrap();
        let expected = ConversationKey::from_bytes(&bytes(vector, "conversation_key"));
        let encrypted = |key: ConversationKey| key.encrypt("a", &[7; 32]);
        assert_eq!(encrypted(ConversationKey::new(&computed)), encrypted(expected), "{vector:?}");
    }
}

#[test]
fn an_invalid_secret_or_public_key_of_the_vectors_is_refused() {
    for vector in list(&nip44_vectors(), &["v2", "invalid", "get_conversation_key"]) {
        assert_eq!(shared_x(text(vector, "sec1"), text(vector, "pub2")), None, "{vector:?}");
    }
}

#[test]
fn a_text_is_encrypted_and_decrypted_with_nip_44_as_in_the_vectors() {
    for vector in list(&nip44_vectors(), &["v2", "valid", "encrypt_decrypt"]) {
        let other = secret(text(vector, "sec2")).signer().public_key();
        let key = ConversationKey::new(&secret(text(vector, "sec1")).shared_x(&other));
        let payload = text(vector, "payload");
        let plain = text(vector, "plaintext");
        assert_eq!(key.encrypt(plain, &bytes(vector, "nonce")).as_deref(), Ok(payload));
        assert_eq!(key.decrypt(payload).as_deref(), Ok(plain));
    }
    for vector in list(&nip44_vectors(), &["v2", "valid", "encrypt_decrypt_long_msg"]) {
        let key = ConversationKey::from_bytes(&bytes(vector, "conversation_key"));
        let plain =
            text(vector, "pattern").repeat(usize::try_from(vector.number("repeat").unwrap()).unwrap());
        let payload = key.encrypt(&plain, &bytes(vector, "nonce")).unwrap();
        assert_eq!(hex::encode(&crypto::sha256(payload.as_bytes())), text(vector, "payload_sha256"));
        assert_eq!(key.decrypt(&payload), Ok(plain));
    }
}

#[test]
fn the_padding_of_nip_44_has_the_length_of_the_vectors() {
    let key = ConversationKey::from_bytes(&[1; 32]);
    let mut lengths = 0;
    for vector in list(&nip44_vectors(), &["v2", "valid", "calc_padded_len"]) {
        let [length, padded] = vector.as_array().unwrap() else { panic!("{vector:?}") };
        let [length, padded] = [length, padded].map(|n| usize::try_from(n.as_u64().unwrap()).unwrap());
        // A text of 65,536 bytes is not encrypted.
        if length < 65_536 {
            let payload = base64::decode(&key.encrypt(&"x".repeat(length), &[2; 32]).unwrap()).unwrap();
            // Version, nonce, length and MAC.
            assert_eq!(payload.len(), padded + 1 + 32 + 2 + 32, "{length}");
            lengths += 1;
        }
    }
    assert!(lengths > 20, "{lengths}");
}

#[test]
fn an_invalid_encrypted_text_or_length_of_the_vectors_is_refused() {
    for vector in list(&nip44_vectors(), &["v2", "invalid", "decrypt"]) {
        let key = ConversationKey::from_bytes(&bytes(vector, "conversation_key"));
        let expected = match text(vector, "note") {
            note if note.starts_with("unknown encryption version") => CipherError::Version,
            note if note.starts_with("invalid payload length") => CipherError::Length,
            "invalid base64" => CipherError::Form,
            "invalid MAC" => CipherError::Mac,
            "invalid padding" => CipherError::Padding,
            note => panic!("{note}"),
        };
        assert_eq!(key.decrypt(text(vector, "payload")), Err(expected), "{vector:?}");
    }
    for length in list(&nip44_vectors(), &["v2", "invalid", "encrypt_msg_lengths"]) {
        let plain = "x".repeat(usize::try_from(length.as_u64().unwrap()).unwrap());
        assert_eq!(ConversationKey::from_bytes(&[1; 32]).encrypt(&plain, &[2; 32]), Err(CipherError::Length));
    }
}

#[test]
fn a_long_list_of_another_implementation_is_decrypted_up_to_one_mebibyte() {
    let encrypted = |length: usize, version| {
        let text = "y".repeat(length);
        let (wallet, client) = (WALLET.secret_key(), CLIENT.public_key());
        match version {
            44 => nostr_nip44::encrypt(wallet, &client, &text, nostr_nip44::Version::V2).unwrap(),
            _ => nostr_nip04::encrypt(wallet, &client, &text).unwrap(),
        }
    };
    let key = ConversationKey::new(&shared());
    for length in [65_535, 65_536, 70_000, 600_000] {
        assert_eq!(key.decrypt(&encrypted(length, 44)), Ok("y".repeat(length)), "{length}");
        assert_eq!(nip04::decrypt(&shared(), &encrypted(length, 4)), Ok("y".repeat(length)), "{length}");
    }
    assert_eq!(key.decrypt(&encrypted(1_000_000, 44)), Err(CipherError::Length));
    assert_eq!(nip04::decrypt(&shared(), &encrypted(1_000_000, 4)), Err(CipherError::Length));
}

#[test]
fn a_malformed_text_of_nip_04_is_refused() {
    let good =
        nostr_nip04::encrypt(WALLET.secret_key(), &CLIENT.public_key(), "a text of two blocks").unwrap();
    let (encrypted, iv) = good.split_once("?iv=").unwrap();
    let cut = base64::encode_standard(&base64::decode(encrypted).unwrap()[..16]);
    for (payload, expected) in [
        (String::new(), CipherError::Form),
        (encrypted.to_owned(), CipherError::Form),
        (format!("{encrypted}?iv="), CipherError::Form),
        (format!("{encrypted}?iv={}", &iv[4..]), CipherError::Form),
        (format!("{encrypted}?iv={iv}?iv={iv}"), CipherError::Form),
        (format!("{encrypted}*?iv={iv}"), CipherError::Form),
        (format!("?iv={iv}"), CipherError::Padding),
        (format!("{}?iv={iv}", &encrypted[4..]), CipherError::Padding),
        (format!("{cut}?iv={iv}"), CipherError::Padding),
    ] {
        assert_eq!(nip04::decrypt(&shared(), &payload), Err(expected), "{payload}");
    }
    assert_eq!(nip04::decrypt(&shared(), &good).as_deref(), Ok("a text of two blocks"));
}

proptest! {
    #[test]
    fn a_text_is_read_by_another_implementation_and_back_with_nip_44(
        plain in ".{1,300}", nonce: [u8; 32], a in 1_u8..255, b in 1_u8..255,
    ) {
        let (ours, theirs) = (super::keys(a), super::keys(b));
        let public = PublicKey::from_hex(&theirs.public_key().to_hex()).unwrap();
        let key = ConversationKey::new(&secret(&ours.secret_key().to_secret_hex()).shared_x(&public));
        let payload = key.encrypt(&plain, &nonce).unwrap();
        let opened = nostr_nip44::decrypt(theirs.secret_key(), &ours.public_key(), &payload).unwrap();
        prop_assert_eq!(&opened, &plain);
        let version = nostr_nip44::Version::V2;
        let payload = nostr_nip44::encrypt(theirs.secret_key(), &ours.public_key(), &plain, version).unwrap();
        prop_assert_eq!(key.decrypt(&payload), Ok(plain));
    }

    #[test]
    fn a_text_is_read_by_another_implementation_and_back_with_nip_04(plain in ".{0,300}", iv: [u8; 16]) {
        let payload = nip04::encrypt(&shared(), &plain, &iv).unwrap();
        let (wallet, client) = (WALLET.public_key(), CLIENT.public_key());
        let expected = nostr_nip04::encrypt_with_iv(CLIENT.secret_key(), &wallet, &plain, iv).unwrap();
        prop_assert_eq!(&payload, &expected);
        prop_assert_eq!(nostr_nip04::decrypt(WALLET.secret_key(), &client, &payload).unwrap(), plain.clone());
        prop_assert_eq!(nip04::decrypt(&shared(), &payload), Ok(plain));
    }

    #[test]
    fn a_text_of_nip_44_that_was_changed_or_cut_is_refused(
        plain in ".{1,80}", at: prop::sample::Index, bit in 0_u32..8, length: prop::sample::Index,
    ) {
        let key = ConversationKey::from_bytes(&[5; 32]);
        let payload = base64::decode(&key.encrypt(&plain, &[6; 32]).unwrap()).unwrap();
        let mut changed = payload.clone();
        changed[at.index(payload.len())] ^= 1 << bit;
        prop_assert!(key.decrypt(&base64::encode_standard(&changed)).is_err());
        let cut = &payload[..length.index(payload.len())];
        prop_assert!(key.decrypt(&base64::encode_standard(cut)).is_err());
    }

    #[test]
    fn any_text_is_decrypted_or_refused(payload in ".{0,200}", chunk in "[A-Za-z0-9+/]{4}") {
        let key = ConversationKey::from_bytes(&[5; 32]);
        let long = ["Ag", &chunk.repeat(40)].concat();
        for payload in [payload.clone(), long.clone(), format!("{long}?iv={payload}"), format!("{payload}?iv={chunk}")] {
            prop_assert!(key.decrypt(&payload).is_err());
            let _ = nip04::decrypt(&[5; 32], &payload);
        }
    }
}
