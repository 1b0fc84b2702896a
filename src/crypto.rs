//! HMAC-SHA256, SHA-256, and the comparison of secrets in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Digest;
use subtle::ConstantTimeEq;

/// Returns the HMAC-SHA256 (RFC 2104) of the concatenated parts. The key may have any length.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    HmacKey::new(key).sign(parts)
}

/// An HMAC-SHA256 key that is used for many messages. Half of the work for a short message depends only on the key, and is
/// done once.
#[derive(Clone)]
pub struct HmacKey(Hmac<sha2::Sha256>);

impl HmacKey {
    /// The key may have any length.
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new(&key_block(key).into()))
    }

    /// Returns the HMAC of the concatenated parts.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Returns the SHA-256 digest of the bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

/// SHA-256 of a text that is added in parts.
#[derive(Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    pub fn add(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Whether two byte strings are equal. The time does not depend on where they differ, so that an attacker cannot guess
/// a secret byte by byte.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Whether a tag is one of the known tags, compared as [`constant_time_eq`] does.
pub fn is_one_of(tag: &str, known: &[String]) -> bool {
    known.iter().any(|known| constant_time_eq(known.as_bytes(), tag.as_bytes()))
}

/// Returns the HMAC block of a key: the key, or its digest if it has more than 64 bytes, padded with zeros.
fn key_block(key: &[u8]) -> [u8; 64] {
    let hashed;
    let key = if key.len() > 64 {
        hashed = sha256(key);
        &hashed[..]
    } else {
        key
    };
    let mut block = [0; 64];
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    block
}
