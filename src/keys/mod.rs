//! Keys derived from `TOLL_SECRET`, one for each purpose.
//!
//! `TOLL_SECRET` itself signs lightning-toll macaroons and nothing else: `HMAC(TOLL_SECRET, id)` is the signature of
//! such a macaroon without caveats. If edgetoll used the secret for other messages too, a client that can choose a
//! message could get a macaroon signed without payment. So every other purpose has its own key: `K(purpose) =
//! HMAC-SHA256(TOLL_SECRET, "edgetoll/1/" + purpose)`.
//!
//! | purpose | message | what the HMAC of the message is |
//! | --- | --- | --- |
//! | `v2-root` | an identifier of 66 bytes | the root key of a macaroon |
//! | `v2-root` | `key-id` | the key id |
//! | `native` | a payment hash of 32 bytes | the issuer mark |
//! | `client` | `client:` + address | the pseudonym of a client |
//! | `client` | `free:` + address + route | the free-tier key |
//! | `client` | `deployment` | the tag of the deployment |
//! | `settled` | `paid:` + hash | the KV key of a settled payment |
//! | `settled` | `cookie:` + hash + expiry + digest | the tag of a cookie |
//! | `settled` | `wallet:` + URL + key | the key of a probe result and of a sync cursor |
//! | `hook` | a nonce | the tag of a webhook URL |
//! | `sold-as` | the digest of what is sold, 32 bytes | the tag of what is sold |
//! | `admin` | `token:` + token | a tag by which tokens are compared |
//! | `admin` | `session:` + expiry + token | the tag of an admin session |
//!
//! If a key has several kinds of messages, each kind has its own prefix, or a length that no other kind has. So an HMAC
//! of one kind of message is never valid for another kind.

mod verified;

use thiserror::Error;

use crate::crypto::HmacKey;
use crate::payment::PaymentHash;
use crate::{crypto, hex};
use verified::VerifiedMacaroons;

/// The keys of a deployment: a current key set, which signs and verifies, and a previous key set, which only verifies.
pub struct Keys {
    current: KeySet,
    previous: Option<KeySet>,
    verified: VerifiedMacaroons,
}

impl Keys {
    /// Derives the keys from `TOLL_SECRET` and, during a rotation, from `TOLL_SECRET_PREVIOUS`.
    pub fn new(secret: TollSecret, previous: Option<TollSecret>) -> Self {
        let (current, previous) = (KeySet::new(secret), previous.map(KeySet::new));
        Self { current, previous, verified: VerifiedMacaroons::default() }
    }

    /// Returns the key set that signs new macaroons and tags.
    pub fn current(&self) -> &KeySet {
        &self.current
    }

    /// Returns the memory of macaroons whose signatures are valid under these keys.
    pub(crate) fn verified(&self) -> &VerifiedMacaroons {
        &self.verified
    }

    /// Returns the key sets that verify macaroons and tags, the current key set first.
    pub fn all(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// The keys of one secret: the secret itself, and the derived keys in the table of the module documentation.
pub struct KeySet {
    lightning_toll: SigningKey,
    macaroon_root: HmacKey,
    issuer: HmacKey,
    client: HmacKey,
    settlement: HmacKey,
    sale: HmacKey,
    webhook: HmacKey,
    admin: HmacKey,
    key_id: [u8; 4],
}

impl KeySet {
    fn new(secret: TollSecret) -> Self {
        let of_secret = HmacKey::new(secret.0.as_bytes());
        let derive = |purpose: &str| HmacKey::new(&of_secret.sign(&[b"edgetoll/1/", purpose.as_bytes()]));
        let macaroon_root = derive("v2-root");
        let [a, b, c, d, ..] = macaroon_root.sign(&[b"key-id"]);
        Self {
            macaroon_root,
            issuer: derive("native"),
            client: derive("client"),
            settlement: derive("settled"),
            sale: derive("sold-as"),
            webhook: derive("hook"),
            admin: derive("admin"),
            key_id: [a, b, c, d],
            lightning_toll: SigningKey::lightning_toll(secret.0.as_bytes()),
        }
    }

    /// Derives the keys from a secret that is not checked. The worked example in docs/protocol.md has a secret that
    /// [`check_secret`] refuses.
    #[cfg(test)]
    pub(crate) fn from_unchecked(secret: &str) -> Self {
        Self::new(TollSecret(secret.to_owned()))
    }

    /// Returns the key id: 4 bytes in the identifier of a standard macaroon, which tell which secret signed the
    /// macaroon.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// Returns the key that signs the standard macaroon with this identifier. Each identifier has its own signing key,
    /// which is derived whenever it is needed and never stored.
    pub fn standard_key(&self, identifier: &[u8]) -> SigningKey {
        SigningKey::standard(&self.macaroon_root.sign(&[identifier]))
    }

    /// Returns the signing key of lightning-toll macaroons: the secret itself.
    pub fn lightning_toll_key(&self) -> &SigningKey {
        &self.lightning_toll
    }

    /// Returns the issuer mark of a payment: 32 hexadecimal digits. The caveat with this mark shows that this
    /// deployment minted a lightning-toll macaroon.
    ///
    /// A lightning-toll server with the same `TOLL_SECRET` can sign macaroons too, but does not write the issuer mark.
    /// A holder can add any caveat, but cannot compute the issuer mark.
    pub fn issuer_mark(&self, payment_hash: &PaymentHash) -> String {
        half_hex(&self.issuer.sign(&[payment_hash.as_bytes()]))
    }

    /// Returns the pseudonym of a client: 32 hexadecimal digits. It is the same for all requests of the client, and
    /// does not reveal the client's address.
    pub fn client_pseudonym(&self, client: &str) -> String {
        half_hex(&self.client.sign(&[b"client:", client.as_bytes()]))
    }

    /// Returns the key under which a client's free requests on a route are counted: 32 hexadecimal digits.
    pub fn free_tier_key(&self, route: &str, client: &str) -> String {
        half_hex(&self.client.sign(&[b"free:", client.as_bytes(), b"\n", route.as_bytes()]))
    }

    /// Returns the tag of this deployment: 32 hexadecimal digits. Every forwarded request has the tag in a header. If a
    /// loop sends the request back to this Worker, the Worker recognizes the tag.
    pub fn deployment_tag(&self) -> String {
        half_hex(&self.client.sign(&[b"deployment"]))
    }

    /// Returns the name under which KV stores a settled payment: 32 hexadecimal digits.
    pub fn settlement_key(&self, payment_hash: &PaymentHash) -> String {
        half_hex(&self.settlement.sign(&[b"paid:", payment_hash.as_bytes()]))
    }

    /// Returns the tag of a credential cookie, which confirms that the payment has settled: 64 hexadecimal digits.
    pub fn cookie_tag(
        &self,
        payment_hash: &PaymentHash,
        expires_at_unix: u64,
        macaroon_digest: &[u8; 32],
    ) -> String {
        let expires = expires_at_unix.to_be_bytes();
        let parts = [b"cookie:".as_slice(), payment_hash.as_bytes(), &expires, macaroon_digest];
        hex::encode(&self.settlement.sign(&parts))
    }

    /// Returns the name under which the probe result and the sync cursor of a wallet are stored, derived from the
    /// wallet's URL and API key: 32 hexadecimal digits.
    pub fn wallet_key(&self, [url, key]: [&str; 2]) -> String {
        half_hex(&self.settlement.sign(&[b"wallet:", url.as_bytes(), b"\n", key.as_bytes()]))
    }

    /// Returns the MAC of the record of an invoice: 32 hexadecimal digits.
    pub fn record_mac(&self, record: &str) -> String {
        half_hex(&self.settlement.sign(&[b"record:", record.as_bytes()]))
    }

    /// Returns the tag of what a route sells: 32 hexadecimal digits. `digest` is
    /// [`Route::sold_as`](crate::policy::route::Route::sold_as).
    pub fn sold_as(&self, digest: &[u8; 32]) -> String {
        half_hex(&self.sale.sign(&[digest]))
    }

    /// Returns the tag at the end of the webhook URL of an invoice, which shows that this deployment created the URL:
    /// 64 hexadecimal digits.
    pub fn webhook_tag(&self, nonce: &str) -> String {
        hex::encode(&self.webhook.sign(&[nonce.as_bytes()]))
    }

    /// Returns the HMAC of `parts`. It is either the tag of an admin session, or a tag of an `ADMIN_TOKEN`: tokens are
    /// compared by their tags, in constant time.
    pub fn admin_tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.admin.sign(parts)
    }
}

/// The key that signs the identifier of a macaroon. Each caveat is signed with the previous signature as the key.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Derives the key from a root key, in the same way as libmacaroons, go-macaroon, js-macaroon and pymacaroons.
    pub fn standard(root_key: &[u8]) -> Self {
        Self(crypto::hmac_sha256(b"macaroons-key-generator", &[root_key]).to_vec())
    }

    /// Uses the secret itself as the key, because lightning-toll signs its macaroons with the secret itself.
    pub fn lightning_toll(secret: &[u8]) -> Self {
        Self(secret.to_vec())
    }

    /// Returns the signature over an identifier and the caveats in their order.
    pub fn sign<'a>(&self, identifier: &[u8], caveats: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
        caveats.fold(crypto::hmac_sha256(&self.0, &[identifier]), |signature, caveat| {
            crypto::hmac_sha256(&signature, &[caveat])
        })
    }
}

/// A `TOLL_SECRET` or `TOLL_SECRET_PREVIOUS` that [`check_secret`] accepts.
pub struct TollSecret(String);

impl TollSecret {
    /// Accepts a secret that is not weak.
    ///
    /// # Errors
    /// Returns why the secret is weak.
    pub fn new(text: &str) -> Result<Self, WeakSecret> {
        check_secret(text).map(|()| Self(text.to_owned()))
    }
}

/// Checks that a secret is not obviously weak.
///
/// # Errors Refuses a secret in three cases:
/// 1. It has fewer than 32 characters.
/// 2. It has fewer than 10 different characters.
/// 3. It contains a word that occurs in sample secrets, such as `example`.
pub fn check_secret(text: &str) -> Result<(), WeakSecret> {
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
    Ok(())
}

/// Why [`check_secret`] refuses a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WeakSecret {
    #[error("shorter than 32 characters")]
    Short,
    #[error("made of fewer than 10 different characters")]
    Repetitive,
    #[error("a sample, not a secret: create a random secret with `openssl rand -hex 32`")]
    Sample,
}

fn half_hex(tag: &[u8; 32]) -> String {
    hex::encode(tag).chars().take(32).collect()
}

const MIN_CHARACTERS: usize = 32;
const MIN_DIFFERENT: usize = 10;
const SAMPLE_WORDS: [&str; 10] = [
    "0123456789",
    "abcdefgh",
    "change",
    "edgetoll",
    "example",
    "password",
    "placeholder",
    "replace",
    "sample",
    "secret",
];
