//! Nostr Wallet Connect without I/O. The vectors are those of NIP-44 and BIP-340. The crate `nostr`, whose cryptography is
//! libsecp256k1, is the other side: it opens what edgetoll seals, and seals what edgetoll opens.

mod ciphers;
mod events;
mod relay;
mod session;
mod uri;

use std::sync::LazyLock;

use edgetoll::nwc::session::Session;
use edgetoll::nwc::uri::NwcUri;
use edgetoll::strict_json::Json;
use nostr::key::{Keys, SecretKey};

const NOW: u64 = 1_700_000_000;

fn keys(byte: u8) -> Keys {
    Keys::new(SecretKey::from_slice(&[byte; 32]).unwrap())
}

/// The keys of the wallet. The tests know its secret, edgetoll does not.
static WALLET: LazyLock<Keys> = LazyLock::new(|| keys(1));
/// The keys of the connection.
static CLIENT: LazyLock<Keys> = LazyLock::new(|| keys(2));

fn address() -> String {
    let secret = CLIENT.secret_key().to_secret_hex();
    format!(
        "nostr+walletconnect://{}?relay=wss://relay.example.com&secret={secret}",
        WALLET.public_key().to_hex()
    )
}

fn session() -> Session {
    Session::new(&NwcUri::parse(&address()).unwrap_or_else(|error| panic!("{error}")))
}

fn vectors(text: &[u8]) -> Json {
    Json::parse(text).unwrap()
}

fn list<'a>(value: &'a Json, path: &[&str]) -> &'a [Json] {
    path.iter().fold(value, |value, key| value.get(key).unwrap()).as_array().unwrap()
}

fn text<'a>(value: &'a Json, key: &str) -> &'a str {
    value.get(key).and_then(Json::as_str).unwrap_or_else(|| panic!("no {key} in {value:?}"))
}

fn bytes(value: &Json, key: &str) -> [u8; 32] {
    edgetoll::hex::decode_32(text(value, key)).unwrap()
}
