//! libmacaroons binary v2, as go-macaroon, js-macaroon and pymacaroons write it (libmacaroons doc/format.txt; the L402
//! repository's macaroon-spec.md differs from all of them and from Aperture):
//!
//! ```text
//! 02 | [01 location] | 02 identifier | 00 | ( [01 location] 02 caveat [04 verifier id] 00 )* | 00 | 06 signature
//! ```
//!
//! Every field is its type, its length as a varint, and its bytes.

use super::{Encoding, MAX_CAVEATS, Macaroon, MacaroonError};
use crate::keys::{KeySet, SigningKey};
use crate::payment::PaymentHash;

/// The first byte.
pub const VERSION: u8 = 2;

/// Reads the bytes; nothing may be missing, out of order or left over.
pub fn parse(bytes: &[u8]) -> Result<Macaroon, MacaroonError> {
    let mut reader = Reader(bytes);
    reader.require(VERSION)?;
    let location = reader.optional(LOCATION)?.unwrap_or_default().to_vec();
    let identifier = reader.field(IDENTIFIER)?.to_vec();
    reader.require(END)?;
    let mut caveats = Vec::new();
    while !reader.at(END) {
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

/// Writes the bytes.
pub fn encode(macaroon: &Macaroon) -> Vec<u8> {
    let mut out = vec![VERSION];
    if !macaroon.location.is_empty() {
        put(&mut out, LOCATION, &macaroon.location);
    }
    put(&mut out, IDENTIFIER, &macaroon.identifier);
    out.push(END);
    for caveat in &macaroon.caveats {
        put(&mut out, IDENTIFIER, caveat);
        out.push(END);
    }
    out.push(END);
    put(&mut out, SIGNATURE, &macaroon.signature);
    out
}

/// `u16 0 | payment hash 32 | token id 32`, exactly (L402; Aperture also reads a shorter and a longer one, we do not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// The payment that makes the macaroon good.
    pub payment_hash: PaymentHash,
    /// Names this token among all others.
    pub token_id: [u8; 32],
}

impl Identifier {
    /// Makes the identifier of a new macaroon. Its token id is the key id of the secret that signs it, and a random nonce.
    pub fn new(keys: &KeySet, payment_hash: PaymentHash, nonce: &[u8; 28]) -> Self {
        let mut token_id = [0; 32];
        token_id.iter_mut().zip(keys.key_id().iter().chain(nonce)).for_each(|(slot, byte)| *slot = *byte);
        Self { payment_hash, token_id }
    }

    /// Returns the key of the macaroon with this identifier.
    pub fn signing_key(&self, keys: &KeySet) -> SigningKey {
        keys.standard_key(&self.to_bytes())
    }

    /// Whether it names the secret of this key set.
    pub(super) fn names(&self, keys: &KeySet) -> bool {
        self.token_id.starts_with(&keys.key_id())
    }

    /// Parses the 66 bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 66] = bytes.try_into().ok()?;
        let (payment_hash, token_id) = bytes.strip_prefix(&[0, 0])?.split_at_checked(32)?;
        let payment_hash = PaymentHash::from_bytes(payment_hash.try_into().ok()?);
        Some(Self { payment_hash, token_id: token_id.try_into().ok()? })
    }

    /// Writes the 66 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[0, 0][..], self.payment_hash.as_bytes(), &self.token_id].concat()
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn at(&self, byte: u8) -> bool {
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
        if self.at(kind) { self.field(kind).map(Some) } else { Ok(None) }
    }

    fn field(&mut self, kind: u8) -> Result<&'a [u8], MacaroonError> {
        self.require(kind)?;
        let length = self.varint()?;
        let (field, rest) = self.0.split_at_checked(length).ok_or(MacaroonError::Binary)?;
        self.0 = rest;
        Ok(field)
    }

    /// At most three bytes (a credential is far shorter than 2 MB), and never one more than needed.
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

fn put(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(0x80 | u8::try_from(length & 0x7f).unwrap_or_default());
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or_default());
    out.extend_from_slice(bytes);
}

const END: u8 = 0;
const LOCATION: u8 = 1;
const IDENTIFIER: u8 = 2;
const VERIFIER_ID: u8 = 4;
const SIGNATURE: u8 = 6;
