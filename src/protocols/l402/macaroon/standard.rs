//! The binary v2 format of libmacaroons (its doc/format.txt), as go-macaroon, js-macaroon and pymacaroons implement it:
//!
//! ```text
//! 02 | [01 location] | 02 identifier | 00 | ( [01 location] 02 caveat [04 verifier id] 00 )* | 00 | 06 signature
//! ```
//!
//! Every field is its type, its length as a varint, and its bytes. The macaroon-spec.md of the L402 repository differs
//! from all implementations and is not followed.

use super::{Encoding, MAX_CAVEATS, Macaroon, MacaroonError};
use crate::keys::{KeySet, SigningKey};
use crate::payment::PaymentHash;

/// Parses a macaroon strictly: its fields must be complete and in order, and no bytes may follow the signature.
pub fn parse(bytes: &[u8]) -> Result<Macaroon, MacaroonError> {
    let mut reader = FieldReader(bytes);
    reader.require(VERSION)?;
    let location = reader.optional(LOCATION)?.unwrap_or_default().to_vec();
    let identifier = reader.field(IDENTIFIER)?.to_vec();
    reader.require(END)?;
    let mut caveats = Vec::new();
    while !reader.is_at(END) {
        if caveats.len() >= MAX_CAVEATS {
            return Err(MacaroonError::TooManyCaveats);
        }
        reader.optional(LOCATION)?;
        caveats.push(reader.field(IDENTIFIER)?.to_vec());
        if reader.optional(VERIFIER_ID)?.is_some() {
            return Err(MacaroonError::ThirdParty);
        }
        reader.require(END)?;
    }
    reader.require(END)?;
    let signature = reader.field(SIGNATURE)?.try_into().map_err(|_| MacaroonError::Binary)?;
    if !reader.0.is_empty() {
        return Err(MacaroonError::Binary);
    }
    let payment_hash = Identifier::parse(&identifier).ok_or(MacaroonError::Identifier)?.payment_hash;
    Ok(Macaroon { encoding: Encoding::Standard, location, identifier, payment_hash, caveats, signature })
}

pub fn encode(macaroon: &Macaroon) -> Vec<u8> {
    let mut out = vec![VERSION];
    if !macaroon.location.is_empty() {
        put_field(&mut out, LOCATION, &macaroon.location);
    }
    put_field(&mut out, IDENTIFIER, &macaroon.identifier);
    out.push(END);
    for caveat in &macaroon.caveats {
        put_field(&mut out, IDENTIFIER, caveat);
        out.push(END);
    }
    out.push(END);
    put_field(&mut out, SIGNATURE, &macaroon.signature);
    out
}

/// The identifier of a standard macaroon, as L402 defines it. It has 66 bytes:
/// 1. the version, which is 0, in 2 bytes;
/// 2. the payment hash, in 32 bytes;
/// 3. the token id, in 32 bytes.
///
/// Aperture also accepts shorter and longer identifiers. edgetoll refuses such an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identifier {
    pub payment_hash: PaymentHash,
    /// Distinguishes macaroons for the same payment.
    pub token_id: [u8; 32],
}

impl Identifier {
    /// Creates the identifier of a new macaroon. Its token id is the key id, which tells which secret signs the
    /// macaroon, followed by the nonce. The nonce must be random.
    pub fn new(keys: &KeySet, payment_hash: PaymentHash, nonce: &[u8; 28]) -> Self {
        let mut token_id = [0; 32];
        token_id.iter_mut().zip(keys.key_id().iter().chain(nonce)).for_each(|(slot, byte)| *slot = *byte);
        Self { payment_hash, token_id }
    }

    /// Returns the key that signs the macaroon with this identifier.
    pub fn signing_key(&self, keys: &KeySet) -> SigningKey {
        keys.standard_key(&self.to_bytes())
    }

    /// Whether the token id starts with the key id of this key set.
    pub(super) fn names(&self, keys: &KeySet) -> bool {
        self.token_id.starts_with(&keys.key_id())
    }

    /// Parses an identifier; `None` if it does not have 66 bytes, or if its version is not 0.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 66] = bytes.try_into().ok()?;
        let (payment_hash, token_id) = bytes.strip_prefix(&[0, 0])?.split_at_checked(32)?;
        let payment_hash = PaymentHash::from_bytes(payment_hash.try_into().ok()?);
        Some(Self { payment_hash, token_id: token_id.try_into().ok()? })
    }

    /// Returns the 66 bytes of the identifier.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[0, 0][..], self.payment_hash.as_bytes(), &self.token_id].concat()
    }
}

/// Reads the fields of the binary format, and holds the bytes that are not read yet.
struct FieldReader<'a>(&'a [u8]);

impl<'a> FieldReader<'a> {
    fn is_at(&self, byte: u8) -> bool {
        self.0.first() == Some(&byte)
    }

    fn require(&mut self, byte: u8) -> Result<(), MacaroonError> {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(MacaroonError::Binary),
        }
    }

    fn optional(&mut self, kind: u8) -> Result<Option<&'a [u8]>, MacaroonError> {
        if self.is_at(kind) { self.field(kind).map(Some) } else { Ok(None) }
    }

    fn field(&mut self, kind: u8) -> Result<&'a [u8], MacaroonError> {
        self.require(kind)?;
        let length = self.varint()?;
        let (field, rest) = self.0.split_at_checked(length).ok_or(MacaroonError::Binary)?;
        self.0 = rest;
        Ok(field)
    }

    /// Reads the length of a field, which is a varint of at most three bytes. Three bytes are enough for 2 MB, and a
    /// credential has at most 8 KB. A varint that is longer than necessary is refused, so that each length has only one
    /// encoding.
    fn varint(&mut self) -> Result<usize, MacaroonError> {
        let mut value = 0;
        for shift in [0, 7, 14] {
            let (byte, rest) = self.0.split_first().ok_or(MacaroonError::Binary)?;
            self.0 = rest;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let minimal = *byte != 0 || shift == 0;
                return if minimal { Ok(value) } else { Err(MacaroonError::Binary) };
            }
        }
        Err(MacaroonError::Binary)
    }
}

fn put_field(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(0x80 | u8::try_from(length & 0x7f).unwrap_or_default());
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or_default());
    out.extend_from_slice(bytes);
}

/// The first byte of every standard macaroon.
pub const VERSION: u8 = 2;
const END: u8 = 0;
const LOCATION: u8 = 1;
/// The type of the identifier and of a caveat.
const IDENTIFIER: u8 = 2;
/// The type of the verifier id, a field that only third-party caveats have.
const VERIFIER_ID: u8 = 4;
const SIGNATURE: u8 = 6;
