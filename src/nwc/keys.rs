//! Keys on the curve secp256k1: signatures (BIP-340) and shared secrets.

use std::ops::Mul;

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::point::AffineCoordinates;
use k256::schnorr::{Signature, SigningKey, VerifyingKey};
use k256::{NonZeroScalar, ProjectivePoint};

use crate::hex;

/// The public key of an author: the x coordinate of a point of the curve.
#[derive(Clone)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Parses exactly 64 hexadecimal digits. Returns `None` for any other text, and if no point of the curve has this x
    /// coordinate.
    pub fn from_hex(text: &str) -> Option<Self> {
        VerifyingKey::from_bytes(&hex::decode_32(text)?.into()).ok().map(Self)
    }

    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }

    /// Returns 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.to_bytes())
    }

    /// Whether the signature of the message is by the owner of this key (BIP-340).
    pub fn verifies(&self, message: &[u8; 32], signature: &[u8; 64]) -> bool {
        Signature::from_bytes(signature).is_ok_and(|signature| self.0.verify_raw(message, &signature).is_ok())
    }
}

/// A secret key. It has no `Debug`.
#[derive(Clone)]
pub struct SecretKey(NonZeroScalar);

impl SecretKey {
    /// Parses exactly 64 hexadecimal digits. Returns `None` for any other text, for zero, and for a number that is not
    /// less than the order of the curve.
    pub fn from_hex(text: &str) -> Option<Self> {
        NonZeroScalar::from_repr(hex::decode_32(text)?.into()).into_option().map(Self)
    }

    /// Returns 64 lower-case hexadecimal digits, which are a secret.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0.to_repr())
    }

    /// Computes the public key, once for all signatures.
    pub fn signer(&self) -> Signer {
        Signer(SigningKey::from(self.0))
    }

    /// Returns the x coordinate of the point that both owners of the keys can compute. It is a secret, and not uniformly
    /// distributed: NIP-04 uses it as the key, NIP-44 hashes it.
    pub fn shared_x(&self, other: &PublicKey) -> [u8; 32] {
        ProjectivePoint::from(*other.0.as_affine()).mul(*self.0).to_affine().x().into()
    }
}

/// A secret key together with its public key.
pub struct Signer(SigningKey);

impl Signer {
    pub fn public_key(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// Signs a message (BIP-340). `random` protects the key against side channels. Returns `None` if the nonce is zero,
    /// which has a probability of 2⁻²⁵⁶.
    pub fn sign(&self, message: &[u8; 32], random: &[u8; 32]) -> Option<[u8; 64]> {
        self.0.sign_raw(message, random).ok().map(|signature| signature.to_bytes())
    }
}
