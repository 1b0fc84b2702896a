//! A macaroon in either of the two encodings that clients hold: libmacaroons' binary v2, which all L402 clients decode,
//! and lightning-toll's JSON. Both sign an identifier and then each caveat under the signature before it, so a holder
//! can add caveats and never take one away.

mod lightning_toll;
mod standard;

pub use standard::Identifier;

use std::fmt;

use thiserror::Error;

use crate::keys::{KeySet, Keys, SigningKey};
use crate::payment::PaymentHash;
use crate::{base64, crypto};

/// A parsed macaroon. That its signature holds is not known before [`Macaroon::signature`] said so.
#[derive(Clone, PartialEq, Eq)]
pub struct Macaroon {
    encoding: Encoding,
    location: Vec<u8>,
    identifier: Vec<u8>,
    payment_hash: PaymentHash,
    caveats: Vec<Vec<u8>>,
    signature: [u8; 32],
}

/// How a macaroon is written, keyed and separates a caveat's name from its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// libmacaroons binary v2 in base64, caveats `key=value`.
    Standard,
    /// lightning-toll: JSON in base64url, caveats `key = value`.
    LightningToll,
}

/// What the keys of a deployment say of a macaroon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Signed by us.
    Good,
    /// It names a key that we do not have (any more).
    UnknownKey,
    /// Not signed by the key it should be signed by.
    Forged,
}

impl Macaroon {
    /// Mints a standard macaroon without a caveat. `key` is the identifier's own ([`Identifier::signing_key`]).
    pub fn standard(key: &SigningKey, location: &str, identifier: &Identifier) -> Self {
        let location = location.as_bytes().to_vec();
        Self::minted(Encoding::Standard, key, location, identifier.to_bytes(), identifier.payment_hash)
    }

    /// Mints a lightning-toll macaroon without a caveat: its identifier is the payment hash in hex text.
    pub fn lightning_toll(key: &SigningKey, payment_hash: PaymentHash) -> Self {
        let identifier = payment_hash.to_hex().into_bytes();
        Self::minted(Encoding::LightningToll, key, Vec::new(), identifier, payment_hash)
    }

    fn minted(
        encoding: Encoding,
        key: &SigningKey,
        location: Vec<u8>,
        identifier: Vec<u8>,
        payment_hash: PaymentHash,
    ) -> Self {
        let signature = key.sign(&identifier, [].into_iter());
        Self { encoding, location, identifier, payment_hash, caveats: Vec::new(), signature }
    }

    /// Adds caveats, in order.
    ///
    /// # Errors
    /// Where it would have more than a macaroon may have.
    pub fn with_caveats(mut self, caveats: &[String]) -> Result<Self, MacaroonError> {
        for caveat in caveats {
            if self.caveats.len() >= MAX_CAVEATS {
                return Err(MacaroonError::TooManyCaveats);
            }
            self.signature = crypto::hmac_sha256(&self.signature, &[caveat.as_bytes()]);
            self.caveats.push(caveat.as_bytes().to_vec());
        }
        Ok(self)
    }

    /// Adds a caveat, as any holder can without a key.
    ///
    /// # Errors
    /// Where it has as many as a macaroon may have.
    pub fn attenuate(&self, caveat: &str) -> Result<Self, MacaroonError> {
        self.clone().with_caveats(&[caveat.to_owned()])
    }

    /// Reads a macaroon in base64, of either encoding: the first byte tells which.
    ///
    /// # Errors
    /// Why it is no macaroon of ours.
    pub fn parse(text: &str) -> Result<Self, MacaroonError> {
        let bytes = base64::decode(text).filter(|bytes| !bytes.is_empty()).ok_or(MacaroonError::Base64)?;
        match bytes.first() {
            Some(&standard::VERSION) => standard::parse(&bytes),
            _ => lightning_toll::parse(&bytes),
        }
    }

    /// The macaroon as clients carry it: standard base64, or lightning-toll's base64url without padding.
    pub fn encode(&self) -> String {
        match self.encoding {
            Encoding::Standard => base64::encode_standard(&standard::encode(self)),
            Encoding::LightningToll => base64::encode_url_safe(lightning_toll::encode(self).as_bytes()),
        }
    }

    /// Checks the signature against the keys, in constant time.
    pub fn signature(&self, keys: &Keys) -> Signature {
        let known: Vec<SigningKey> = match self.encoding {
            Encoding::LightningToll => keys.all().map(KeySet::lightning_toll_key).cloned().collect(),
            Encoding::Standard => {
                let identifier = Identifier::parse(&self.identifier);
                let named = keys.all().filter(|set| identifier.is_some_and(|one| one.names(set)));
                named.map(|set| set.standard_key(&self.identifier)).collect()
            }
        };
        if known.is_empty() {
            return Signature::UnknownKey;
        }
        if known.iter().any(|key| self.is_signed_by(key)) { Signature::Good } else { Signature::Forged }
    }

    /// Whether this key signed the identifier and every caveat, in constant time.
    pub fn is_signed_by(&self, key: &SigningKey) -> bool {
        crypto::constant_time_eq(&key.sign(&self.identifier, self.caveats()), &self.signature)
    }

    /// The encoding it was read from or minted in.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The payment that it is good for once proven.
    pub fn payment_hash(&self) -> PaymentHash {
        self.payment_hash
    }

    /// The caveats as written, the issuer's first.
    pub fn caveats(&self) -> impl Iterator<Item = &[u8]> {
        self.caveats.iter().map(Vec::as_slice)
    }
}

impl fmt::Debug for Macaroon {
    /// Names the payment; the rest is half of a bearer's proof.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Macaroon({:?}, {:?})", self.encoding, self.payment_hash)
    }
}

/// Why a text is no macaroon of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's sentence says what it is")]
pub enum MacaroonError {
    #[error("not base64")]
    Base64,
    #[error("not a binary v2 macaroon")]
    Binary,
    #[error("its identifier is not of version 0, a payment hash and a token id")]
    Identifier,
    #[error("not a lightning-toll macaroon")]
    Json,
    #[error("it has a third-party caveat")]
    ThirdParty,
    #[error("it has more than 100 caveats")]
    TooManyCaveats,
}

/// More caveats than anybody needs; each costs an HMAC.
const MAX_CAVEATS: usize = 100;
