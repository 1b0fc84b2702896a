//! The protocol of one connection to a wallet: subscriptions, requests, responses and notifications.

use super::event::{Draft, Event};
use super::info::{Encryption, INFO};
use super::keys::{PublicKey, Signer};
use super::nip44::ConversationKey;
use super::uri::NwcUri;
use super::{CipherError, nip04};
use crate::hex;

/// The keys of a connection. They are computed once, because the arithmetic of the curve is the slowest part.
pub struct Session {
    wallet: PublicKey,
    signer: Signer,
    /// Our public key in hexadecimal.
    client: String,
    nip04_key: [u8; 32],
    nip44_key: ConversationKey,
}

/// What is asked of the wallet.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The name of the method, such as `make_invoice`.
    pub method: &'static str,
    /// The parameters as a JSON object.
    pub params_json: &'a str,
    /// The time of the request, in Unix seconds.
    pub now_unix: u64,
    /// When the wallet must no longer act on the request, in Unix seconds.
    pub expiration_unix: u64,
}

/// A request as the relay gets it.
pub struct SealedRequest {
    /// The ID of the event, which the response names: 64 lower-case hexadecimal digits.
    pub id: String,
    pub event_json: String,
}

/// The response of the wallet.
pub struct Response {
    /// The ID of the request: 64 lower-case hexadecimal digits.
    pub request_id: String,
    /// The decrypted JSON.
    pub text: String,
}

impl Session {
    pub fn new(uri: &NwcUri) -> Self {
        let shared_x = uri.secret().shared_x(uri.wallet());
        let signer = uri.secret().signer();
        Self {
            wallet: uri.wallet().clone(),
            client: signer.public_key().to_hex(),
            signer,
            nip04_key: shared_x,
            nip44_key: ConversationKey::new(&shared_x),
        }
    }

    /// Returns the public key of the wallet.
    pub fn wallet(&self) -> &PublicKey {
        &self.wallet
    }

    /// Returns the filter of the wallet's newest info event.
    pub fn info_filter(&self) -> String {
        format!("{{\"kinds\":[{INFO}],\"authors\":[\"{}\"],\"limit\":1}}", self.wallet.to_hex())
    }

    /// Returns the filter of responses since a time in Unix seconds.
    pub fn response_filter(&self, since_unix: u64) -> String {
        self.filter(RESPONSE, since_unix)
    }

    /// Returns the filter of notifications since a time in Unix seconds. A wallet with both encryptions sends each
    /// notification twice, in events of two kinds: the filter selects one.
    pub fn notification_filter(&self, encryption: Encryption, since_unix: u64) -> String {
        self.filter(notification_kind(encryption), since_unix)
    }

    /// Encrypts and signs a request. The random bytes must not be used again. Returns `None` if the request is longer
    /// than 65,535 bytes.
    pub fn seal(
        &self,
        encryption: Encryption,
        request: &Request<'_>,
        random: &[u8; RANDOM_BYTES],
    ) -> Option<SealedRequest> {
        let text = format!("{{\"method\":\"{}\",\"params\":{}}}", request.method, request.params_json);
        let (nonce, signing) = random.split_first_chunk::<32>()?;
        let tag = |name: &str, value: String| vec![name.to_owned(), value];
        let mut tags =
            vec![tag("p", self.wallet.to_hex()), tag("expiration", request.expiration_unix.to_string())];
        if encryption == Encryption::Nip44 {
            tags.push(tag("encryption", "nip44_v2".to_owned()));
        }
        let content = self.encrypt(encryption, &text, nonce).ok()?;
        let draft = Draft { created_at: request.now_unix, kind: REQUEST, tags, content };
        let event = Event::sign(draft, &self.signer, signing.first_chunk()?)?;
        Some(SealedRequest { id: hex::encode(&event.id), event_json: event.to_json() })
    }

    /// Returns the response in an event. `requested` is the encryption of the request: a weaker one is refused, because
    /// the relay must not be able to choose it.
    ///
    /// Returns `None` if the event is no response, is for another client, is not signed by the wallet, names no request,
    /// or cannot be decrypted.
    pub fn open_response(&self, requested: Encryption, event: &Event) -> Option<Response> {
        let encryption = match event.content.contains(nip04::SEPARATOR) {
            true => Encryption::Nip04,
            false => Encryption::Nip44,
        };
        let request_id = hex::decode_32(event.values("e").next()?)?;
        if event.kind != RESPONSE || encryption < requested || !self.is_from_wallet(event) {
            return None;
        }
        let text = self.decrypt(encryption, &event.content).ok()?;
        Some(Response { request_id: hex::encode(&request_id), text })
    }

    /// Returns the JSON of the notification in an event. Returns `None` in the same cases as
    /// [`open_response`](Self::open_response), except that a notification names no request.
    pub fn open_notification(&self, requested: Encryption, event: &Event) -> Option<String> {
        let encryption = [Encryption::Nip44, Encryption::Nip04]
            .into_iter()
            .find(|encryption| event.kind == notification_kind(*encryption))?;
        if encryption < requested || !self.is_from_wallet(event) {
            return None;
        }
        self.decrypt(encryption, &event.content).ok()
    }

    fn filter(&self, kind: u16, since_unix: u64) -> String {
        let Self { wallet, client, .. } = self;
        let wallet = wallet.to_hex();
        format!(
            "{{\"kinds\":[{kind}],\"authors\":[\"{wallet}\"],\"#p\":[\"{client}\"],\"since\":{since_unix}}}"
        )
    }

    /// Whether the wallet has signed the event, and for no other client. The signature is checked last, because it is
    /// the slowest check.
    fn is_from_wallet(&self, event: &Event) -> bool {
        event.values("p").all(|client| client == self.client) && event.is_by(&self.wallet)
    }

    fn encrypt(&self, encryption: Encryption, text: &str, nonce: &[u8; 32]) -> Result<String, CipherError> {
        match encryption {
            Encryption::Nip44 => self.nip44_key.encrypt(text, nonce),
            Encryption::Nip04 => {
                nip04::encrypt(&self.nip04_key, text, nonce.first_chunk().ok_or(CipherError::Length)?)
            }
        }
    }

    fn decrypt(&self, encryption: Encryption, content: &str) -> Result<String, CipherError> {
        match encryption {
            Encryption::Nip44 => self.nip44_key.decrypt(content),
            Encryption::Nip04 => nip04::decrypt(&self.nip04_key, content),
        }
    }
}

/// The kind of a notification says how it is encrypted.
fn notification_kind(encryption: Encryption) -> u16 {
    match encryption {
        Encryption::Nip04 => 23196,
        Encryption::Nip44 => 23197,
    }
}

/// The random bytes of a request: 32 for the encryption, and 32 for the signature.
pub const RANDOM_BYTES: usize = 64;
const REQUEST: u16 = 23194;
const RESPONSE: u16 = 23195;
