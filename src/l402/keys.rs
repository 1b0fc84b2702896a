//! What signs what. `TOLL_SECRET` itself keys lightning-toll macaroons and nothing else: there `HMAC(secret, id)` *is* a
//! signature, so any other HMAC under it would sign for whoever may choose its message. All else uses a derived key.

use thiserror::Error;

use super::mac;
use super::macaroon::Identifier;
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

/// All that is derived from one secret: `HMAC-SHA256(secret, "edgetoll/1/" + purpose)` for each purpose.
pub struct KeySet {
    lightning_toll: SigningKey,
    standard: [u8; 32],
    client: [u8; 32],
    native: [u8; 32],
    settled: [u8; 32],
    hook: [u8; 32],
    admin: [u8; 32],
    key_id: [u8; 4],
}

impl KeySet {
    fn new(secret: TollSecret) -> Self {
        let derive =
            |purpose: &str| mac::hmac_sha256(secret.0.as_bytes(), &[b"edgetoll/1/", purpose.as_bytes()]);
        let (standard, client) = (derive("v2-root"), derive("client"));
        let (native, settled) = (derive("native"), derive("settled"));
        let (hook, admin) = (derive("hook"), derive("admin"));
        // A root key's message is an identifier of 66 bytes, so this one never collides with it.
        let [a, b, c, d, ..] = mac::hmac_sha256(&standard, &[b"key-id"]);
        // From here on the secret itself can only sign lightning-toll macaroons.
        let lightning_toll = SigningKey::lightning_toll(secret.0.as_bytes());
        Self { lightning_toll, standard, client, native, settled, hook, admin, key_id: [a, b, c, d] }
    }

    /// A standard identifier for a payment: its token id begins with the 4 bytes by which we know the secret that signed
    /// it; the rest is `nonce`, which is random.
    pub fn identifier(&self, payment_hash: PaymentHash, nonce: &[u8; 28]) -> Identifier {
        let mut token_id = [0; 32];
        token_id.iter_mut().zip(self.key_id.iter().chain(nonce)).for_each(|(slot, byte)| *slot = *byte);
        Identifier { payment_hash, token_id }
    }

    /// The key of one standard macaroon: each identifier has its own, and none is stored.
    pub fn standard_key(&self, identifier: &Identifier) -> SigningKey {
        SigningKey::standard(&mac::hmac_sha256(&self.standard, &[&identifier.to_bytes()]))
    }

    /// The key of a standard macaroon that names this secret.
    pub(super) fn key_for(&self, identifier: &[u8]) -> Option<SigningKey> {
        let identifier = Identifier::parse(identifier)?;
        identifier.token_id.starts_with(&self.key_id).then(|| self.standard_key(&identifier))
    }

    /// The key of lightning-toll macaroons.
    pub fn lightning_toll_key(&self) -> SigningKey {
        self.lightning_toll.clone()
    }

    /// What marks a lightning-toll macaroon as minted by us: 32 hex digits. Whoever shares `TOLL_SECRET` with a
    /// lightning-toll server accepts its macaroons, and a holder may add any caveat to one; this one he cannot make.
    pub fn native_mark(&self, payment_hash: &PaymentHash) -> String {
        half_hex(&mac::hmac_sha256(&self.native, &[payment_hash.as_bytes()]))
    }

    /// A stable name for a client that tells nothing about its address: 32 hex digits.
    pub fn client_pseudonym(&self, client: &str) -> String {
        half_hex(&mac::hmac_sha256(&self.client, &[b"client:", client.as_bytes()]))
    }

    /// What a client's free requests on a route are counted under: 32 hex digits.
    pub fn free_key(&self, route: &str, client: &str) -> String {
        half_hex(&mac::hmac_sha256(&self.client, &[b"free:", client.as_bytes(), b"\n", route.as_bytes()]))
    }

    /// What it is remembered under that a payment has arrived: 32 hex digits.
    pub fn settled_key(&self, payment_hash: &PaymentHash) -> String {
        half_hex(&mac::hmac_sha256(&self.settled, &[b"paid:", payment_hash.as_bytes()]))
    }

    /// What makes a person's cookie ours: 64 hex digits.
    pub fn cookie_tag(
        &self,
        payment_hash: &PaymentHash,
        expires_at_unix: u64,
        macaroon_digest: &[u8; 32],
    ) -> String {
        let expires = expires_at_unix.to_be_bytes();
        let parts = [b"cookie:".as_slice(), payment_hash.as_bytes(), &expires, macaroon_digest];
        super::hex::encode(&mac::hmac_sha256(&self.settled, &parts))
    }

    /// What is known of a wallet is remembered under this: 32 hex digits of its URL and key.
    pub fn wallet_key(&self, [url, key]: [&str; 2]) -> String {
        half_hex(&mac::hmac_sha256(&self.settled, &[b"wallet:", url.as_bytes(), b"\n", key.as_bytes()]))
    }

    /// What makes the address of a wallet's webhook ours: 64 hex digits.
    pub fn hook_tag(&self, nonce: &str) -> String {
        super::hex::encode(&mac::hmac_sha256(&self.hook, &[nonce.as_bytes()]))
    }

    /// Under this secrets of the operator's are compared and signed, so that none is compared as it is.
    pub fn admin_tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac::hmac_sha256(&self.admin, parts)
    }

    /// A name for this deployment that only it can make: 32 hex digits. It marks what it forwards, to see a loop.
    pub fn deployment_tag(&self) -> String {
        half_hex(&mac::hmac_sha256(&self.client, &[b"deployment"]))
    }
}

fn half_hex(tag: &[u8; 32]) -> String {
    super::hex::encode(tag).chars().take(32).collect()
}

/// The key under which a macaroon's identifier is signed; every caveat is then signed under the signature before it.
#[derive(Clone)]
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
    pub fn sign<'a>(&self, identifier: &[u8], caveats: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
        caveats.fold(mac::hmac_sha256(&self.0, &[identifier]), |signature, caveat| {
            mac::hmac_sha256(&signature, &[caveat])
        })
    }
}

/// A secret that is long and varied enough to sign money with, and not one that somebody published.
pub struct TollSecret(String);

impl TollSecret {
    /// Checks a text.
    ///
    /// # Errors
    /// Where it is weak.
    pub fn new(text: &str) -> Result<Self, WeakSecret> {
        check_secret(text).map(|()| Self(text.to_owned()))
    }
}

/// Whether a text is a secret.
///
/// # Errors
/// Where it has fewer than 32 characters, fewer than 10 different ones, or a word that stands in samples.
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

/// Why a secret is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's sentence says what it is")]
pub enum WeakSecret {
    #[error("shorter than 32 characters")]
    Short,
    #[error("made of fewer than 10 different characters")]
    Repetitive,
    #[error("a sample, not a secret: make one with `openssl rand -hex 32`")]
    Sample,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l402::caveat::{Caveat, Scope, Service, Terms};
    use crate::l402::hex::encode as hex;
    use crate::l402::macaroon::{Encoding, Macaroon, Signature};
    use crate::l402::preimage::Preimage;

    /// The worked example of docs/protocol.md, whose values another program computed.
    fn example(name: &str) -> String {
        let document = include_str!("../../docs/protocol.md");
        let lines = document.lines().skip_while(|line| *line != "## 9. A worked example");
        let mut values = lines.filter_map(|line| line.strip_prefix("    ")?.split_once("  "));
        let value = values.find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name}")).1;
        value.trim().to_owned()
    }

    #[test]
    fn the_worked_example_of_the_protocol_is_what_we_compute() {
        let set = KeySet::new(TollSecret(example("secret")));
        let payment_hash = Preimage::from_hex(&example("preimage")).unwrap().payment_hash();
        assert_eq!(payment_hash.to_hex(), example("payment hash"));
        assert_eq!(hex(&set.standard), example("K(v2-root)"));
        assert_eq!(hex(&set.key_id), example("key id"));
        let identifier = set.identifier(payment_hash, &[7; 28]);
        assert_eq!(hex(&identifier.to_bytes()), example("identifier"));
        assert_eq!(hex(&mac::hmac_sha256(&set.standard, &[&identifier.to_bytes()])), example("root key"));
        let key = set.standard_key(&identifier);
        assert_eq!(hex(&key.0), example("signing key"));

        let terms = Terms {
            service: Service::default(),
            expires_at_unix: 1_800_003_600,
            amount_sats: 5,
            host: "api.example.com".to_owned(),
            scope: Scope::Endpoint { endpoint: "/api/joke".to_owned(), method: Some("GET".to_owned()) },
            ip: None,
            uses: None,
            fiat: None,
            wallet: None,
            payable_until_unix: 1_800_000_300,
        };
        let caveats = terms.caveats(Encoding::Standard);
        assert_eq!(caveats.join(" , "), example("caveats"));
        let signature = key.sign(&identifier.to_bytes(), caveats.iter().map(|caveat| caveat.as_bytes()));
        assert_eq!(hex(&signature), example("signature"));
        let standard = Macaroon::standard(&key, &terms.host, &identifier).with_caveats(&caveats).unwrap();
        assert_eq!(standard.encode(), example("macaroon"));

        let mark = set.native_mark(&payment_hash);
        assert_eq!(mark, example("mark"));
        let mut caveats = terms.caveats(Encoding::LightningToll);
        caveats.push(Caveat::mark(&mark));
        let lightning_toll =
            Macaroon::lightning_toll(&set.lightning_toll_key(), payment_hash).with_caveats(&caveats).unwrap();
        assert_eq!(lightning_toll.encode(), example("lightning-toll macaroon"));
    }

    #[test]
    fn the_secret_of_the_worked_example_is_accepted_by_no_worker() {
        assert_eq!(TollSecret::new(&example("secret")).err(), Some(WeakSecret::Sample));
    }

    #[test]
    fn nothing_that_leaves_the_worker_is_keyed_with_the_secret_itself_but_lightning_toll_signatures() {
        let secret = "whatever was derived from a secret, never it";
        let set = KeySet::new(TollSecret(secret.to_owned()));
        let payment_hash = PaymentHash::from_bytes([3; 32]);
        let identifier = set.identifier(payment_hash, &[7; 28]);
        let keys = Keys::new(TollSecret(secret.to_owned()), None);
        let leaving = [
            set.native_mark(&payment_hash),
            set.client_pseudonym("203.0.113.7"),
            set.deployment_tag(),
            hex(&set.key_id),
            hex(&set.standard_key(&identifier).sign(&identifier.to_bytes(), [].into_iter())),
        ];
        // Each of them, had it been made under the secret itself, would be one of these, in full or cut.
        let messages: [&[u8]; 8] = [
            payment_hash.as_bytes(),
            b"203.0.113.7",
            b"client:203.0.113.7",
            b"deployment",
            b"key-id",
            &identifier.to_bytes(),
            b"edgetoll/1/v2-root",
            b"edgetoll/1/native",
        ];
        for message in messages {
            let oracle = hex(&mac::hmac_sha256(secret.as_bytes(), &[message]));
            assert!(leaving.iter().all(|left| !oracle.starts_with(left.as_str())), "{message:?}");
        }
        // What does leave under it signs a payment hash, which the wallet chooses.
        let signed =
            Macaroon::lightning_toll(&set.lightning_toll_key(), payment_hash).with_caveats(&[]).unwrap();
        assert_eq!(signed.signature(&keys), Signature::Good);
        let chosen = hex(&mac::hmac_sha256(secret.as_bytes(), &[payment_hash.to_hex().as_bytes()]));
        assert_eq!(
            hex(&set.lightning_toll_key().sign(payment_hash.to_hex().as_bytes(), [].into_iter())),
            chosen
        );
    }
}
