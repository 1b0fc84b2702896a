//! Macaroons in the two encodings that L402 clients use: the binary v2 format of libmacaroons, and the JSON of
//! lightning-toll.
//!
//! In both encodings, the issuer signs the identifier, and each caveat is signed with the signature before it. So a
//! holder can add a caveat, but cannot remove one. This module does not interpret caveats; the module `verify` does.

mod lightning_toll;
mod standard;

pub use standard::Identifier;

use std::fmt;

use thiserror::Error;

use crate::crypto::Sha256;
use crate::keys::{KeySet, Keys, SigningKey};
use crate::payment::PaymentHash;
use crate::{base64, crypto, hex};

/// A macaroon. Parsing does not check its signature: [`Macaroon::signature`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct Macaroon {
    encoding: Encoding,
    location: Vec<u8>,
    identifier: Vec<u8>,
    payment_hash: PaymentHash,
    caveats: Vec<Vec<u8>>,
    signature: [u8; 32],
}

/// The encoding of a macaroon. It also determines the signing key, and what separates the name of a caveat from its
/// value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// libmacaroons binary v2 in base64. Caveats are `key=value`.
    Standard,
    /// The JSON of lightning-toll in base64url. Caveats are `key = value`.
    LightningToll,
}

/// The setting `macaroon`: the encodings of the macaroons that edgetoll mints and accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encodings {
    /// Both encodings. A challenge has a standard macaroon in its header, and a lightning-toll macaroon in its body.
    #[default]
    Both,
    /// Only standard macaroons (libmacaroons v2).
    Standard,
    /// Only lightning-toll macaroons (JSON).
    LightningToll,
}

impl Encodings {
    pub fn accepts(self, encoding: Encoding) -> bool {
        match self {
            Self::Both => true,
            Self::Standard => encoding == Encoding::Standard,
            Self::LightningToll => encoding == Encoding::LightningToll,
        }
    }
}

/// The result of checking the signature of a macaroon with the keys of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    Valid,
    /// The macaroon has the key id of a secret that this deployment does not have, or no longer has.
    UnknownKey,
    /// No key of this deployment made the signature.
    Forged,
}

impl Macaroon {
    /// Mints a standard macaroon without caveats. `key` must be [`Identifier::signing_key`] of this identifier.
    pub fn standard(key: &SigningKey, location: &str, identifier: &Identifier) -> Self {
        let location = location.as_bytes().to_vec();
        Self::mint(Encoding::Standard, key, location, identifier.to_bytes(), identifier.payment_hash)
    }

    /// Mints a lightning-toll macaroon without caveats. Its identifier is the payment hash in hexadecimal digits.
    pub fn lightning_toll(key: &SigningKey, payment_hash: PaymentHash) -> Self {
        let identifier = payment_hash.to_hex().into_bytes();
        Self::mint(Encoding::LightningToll, key, Vec::new(), identifier, payment_hash)
    }

    fn mint(
        encoding: Encoding,
        key: &SigningKey,
        location: Vec<u8>,
        identifier: Vec<u8>,
        payment_hash: PaymentHash,
    ) -> Self {
        let signature = key.sign(&identifier, [].into_iter());
        Self { encoding, location, identifier, payment_hash, caveats: Vec::new(), signature }
    }

    /// Adds caveats in their order, and signs each one.
    ///
    /// # Errors
    /// Fails if the macaroon would have more than 100 caveats.
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

    /// Returns a copy with one more caveat. Every holder can add a caveat, because this needs no key.
    ///
    /// # Errors
    /// Fails if the macaroon has 100 caveats already.
    pub fn attenuate(&self, caveat: &str) -> Result<Self, MacaroonError> {
        self.clone().with_caveats(&[caveat.to_owned()])
    }

    /// Parses a macaroon of either encoding, in standard or URL-safe base64. The first decoded byte determines the
    /// encoding.
    ///
    /// # Errors
    /// Fails if the text is not a macaroon of either encoding, or has a third-party caveat or more than 100 caveats.
    pub fn parse(text: &str) -> Result<Self, MacaroonError> {
        let bytes = base64::decode(text).filter(|bytes| !bytes.is_empty()).ok_or(MacaroonError::Base64)?;
        match bytes.first() {
            Some(&standard::VERSION) => standard::parse(&bytes),
            _ => lightning_toll::parse(&bytes),
        }
    }

    /// Parses a standard macaroon in hexadecimal digits, as lnd and Aperture send it in a header of its own; `None` for
    /// any other text.
    pub fn parse_hex(text: &str) -> Option<Self> {
        standard::parse(&hex::decode(text)?).ok()
    }

    /// Returns the macaroon as clients send it: in standard base64, or, if it is a lightning-toll macaroon, in
    /// base64url without padding.
    pub fn encode(&self) -> String {
        match self.encoding {
            Encoding::Standard => base64::encode_standard(&standard::encode(self)),
            Encoding::LightningToll => base64::encode_url_safe(lightning_toll::encode(self).as_bytes()),
        }
    }

    /// Checks the signature with each key that may have made it. Each comparison takes constant time.
    pub fn signature(&self, keys: &Keys) -> Signature {
        let candidates: Vec<SigningKey> = match self.encoding {
            Encoding::LightningToll => keys.all().map(KeySet::lightning_toll_key).cloned().collect(),
            Encoding::Standard => {
                let identifier = Identifier::parse(&self.identifier);
                let named =
                    keys.all().filter(|set| identifier.is_some_and(|identifier| identifier.names(set)));
                named.map(|set| set.standard_key(&self.identifier)).collect()
            }
        };
        if candidates.is_empty() {
            return Signature::UnknownKey;
        }
        if candidates.iter().any(|key| self.is_signed_by(key)) { Signature::Valid } else { Signature::Forged }
    }

    /// Whether this key made the signature over the identifier and all caveats. The comparison takes constant time.
    pub fn is_signed_by(&self, key: &SigningKey) -> bool {
        crypto::constant_time_eq(&key.sign(&self.identifier, self.caveats()), &self.signature)
    }

    /// Returns a digest of everything that determines whether the signature is valid: the encoding, the identifier, the
    /// caveats and the signature itself. The length of each text is written before the text, so two different macaroons
    /// never have the same digest.
    pub fn digest(&self) -> [u8; 32] {
        let encoding = match self.encoding {
            Encoding::Standard => 0,
            Encoding::LightningToll => 1,
        };
        let mut digest = Sha256::default();
        digest.add(&[encoding]);
        for text in std::iter::once(self.identifier.as_slice()).chain(self.caveats()) {
            digest.add(&text.len().to_be_bytes());
            digest.add(text);
        }
        digest.add(&self.signature);
        digest.finish()
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Returns the hash of the payment that the macaroon was minted for.
    pub fn payment_hash(&self) -> PaymentHash {
        self.payment_hash
    }

    /// Returns the caveats as bytes, in the order in which they were added. The caveats of the issuer come first.
    pub fn caveats(&self) -> impl Iterator<Item = &[u8]> {
        self.caveats.iter().map(Vec::as_slice)
    }
}

impl fmt::Debug for Macaroon {
    /// Shows only the encoding and the payment hash, because a complete macaroon is part of a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Macaroon({:?}, {:?})", self.encoding, self.payment_hash)
    }
}

/// Why a text is not a macaroon that this crate supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MacaroonError {
    #[error("the macaroon is not base64")]
    Base64,
    #[error("the macaroon is not in the binary v2 format")]
    Binary,
    #[error("the identifier is not version 0 with a payment hash and a token id")]
    Identifier,
    #[error("the macaroon is not the JSON of lightning-toll")]
    Json,
    #[error("the macaroon has a third-party caveat, which is not supported")]
    ThirdParty,
    #[error("the macaroon has more than 100 caveats")]
    TooManyCaveats,
}

/// Each caveat costs an HMAC, so a macaroon with more caveats is refused. A credential needs about ten caveats.
const MAX_CAVEATS: usize = 100;
