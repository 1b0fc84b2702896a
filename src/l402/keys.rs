//! What signs what. `TOLL_SECRET` itself keys lightning-toll macaroons and nothing else: there `HMAC(secret, id)` *is* a
//! signature, so any other HMAC under it would sign for whoever may choose its message. All else uses a derived key.

use thiserror::Error;

use super::mac;
use super::preimage::PaymentHash;

/// The keys of a deployment: those that sign, and those of the secret before, which only verify.
pub struct Keys {
    current: KeySet,
    previous: Option<KeySet>,
}

impl Keys {
    /// Keys from `TOLL_SECRET` and, while it is rotated, `TOLL_SECRET_PREVIOUS`.
    pub fn new(secret: TollSecret, previous: Option<TollSecret>) -> Self {
        Self { current: KeySet::new(secret), previous: previous.map(KeySet::new) }
    }

    /// The set that signs.
    pub fn current(&self) -> &KeySet {
        &self.current
    }

    /// Every set that may verify, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// All that is derived from one secret.
pub struct KeySet {
    lightning_toll: Vec<u8>,
    standard: [u8; 32],
    client: [u8; 32],
    key_id: [u8; 4],
}

impl KeySet {
    fn new(secret: TollSecret) -> Self {
        let lightning_toll = secret.0.into_bytes();
        let derive = |purpose: &str| mac::hmac_sha256(&lightning_toll, &[b"edgetoll/1/", purpose.as_bytes()]);
        let standard = derive("v2-root");
        let client = derive("client");
        // A root key's message is an identifier of 66 bytes, so this one never collides with it.
        let [a, b, c, d, ..] = mac::hmac_sha256(&standard, &[b"key-id"]);
        Self { lightning_toll, standard, client, key_id: [a, b, c, d] }
    }

    /// The 4 bytes by which a standard macaroon names the secret that signed it.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// The root key of one standard macaroon: each identifier has its own, and none is stored.
    pub fn standard_root(&self, identifier: &[u8]) -> SigningKey {
        SigningKey::standard(&mac::hmac_sha256(&self.standard, &[identifier]))
    }

    /// The key of lightning-toll macaroons.
    pub fn lightning_toll(&self) -> SigningKey {
        SigningKey::lightning_toll(&self.lightning_toll)
    }

    /// A stable name for a client that tells nothing about its address: 32 hex digits.
    pub fn client_pseudonym(&self, client: &str) -> String {
        let tag = mac::hmac_sha256(&self.client, &[client.as_bytes()]);
        super::hex::encode(&tag).chars().take(32).collect()
    }

    /// A name for this deployment that only it can make: 16 hex digits. It marks what it forwards, to see a loop.
    pub fn deployment_tag(&self) -> String {
        super::hex::encode(&mac::hmac_sha256(&self.client, &[b"deployment"])).chars().take(16).collect()
    }
}

/// The key under which a macaroon's identifier is signed; every caveat is then signed under the signature before it.
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// From a root key, as libmacaroons derives it (go-macaroon, js-macaroon and pymacaroons do the same).
    pub fn standard(root_key: &[u8]) -> Self {
        Self(mac::hmac_sha256(b"macaroons-key-generator", &[root_key]).to_vec())
    }

    /// From a lightning-toll secret, which is the key as it is.
    pub fn lightning_toll(secret: &[u8]) -> Self {
        Self(secret.to_vec())
    }

    /// The signature over an identifier and its caveats, in order.
    pub(super) fn sign<'a>(&self, identifier: &[u8], caveats: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
        caveats.fold(mac::hmac_sha256(&self.0, &[identifier]), |signature, caveat| {
            mac::hmac_sha256(&signature, &[caveat])
        })
    }
}

/// A secret that is long and varied enough to sign money with, and not one that somebody published.
pub struct TollSecret(String);

impl TollSecret {
    /// At least 32 characters, at least 10 different ones, none of the words that stand in samples.
    pub fn new(text: &str) -> Result<Self, WeakSecret> {
        if text.chars().count() < MIN_CHARACTERS {
            return Err(WeakSecret::Short);
        }
        let is_first = |(at, c): &(usize, char)| text.find(*c) == Some(*at);
        if text.char_indices().filter(is_first).count() < MIN_DIFFERENT {
            return Err(WeakSecret::Repetitive);
        }
        let folded = text.to_ascii_lowercase();
        if SAMPLE_WORDS.iter().any(|word| folded.contains(word)) {
            return Err(WeakSecret::Sample);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why a secret is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WeakSecret {
    #[error("shorter than 32 characters")]
    Short,
    #[error("made of fewer than 10 different characters")]
    Repetitive,
    #[error("a sample, not a secret: make one with `openssl rand -hex 32`")]
    Sample,
}

/// The payment hash in a standard identifier stands after a version of 2 bytes (L402, Aperture's `lsat.Identifier`).
pub(super) fn standard_identifier(key_id: [u8; 4], payment_hash: &PaymentHash, nonce: &[u8; 28]) -> Vec<u8> {
    [&[0, 0][..], payment_hash.as_bytes(), &key_id, nonce].concat()
}

const MIN_CHARACTERS: usize = 32;
const MIN_DIFFERENT: usize = 10;
const SAMPLE_WORDS: [&str; 8] =
    ["secret", "change", "example", "sample", "replace", "password", "placeholder", "edgetoll"];
