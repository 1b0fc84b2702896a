//! Encryption with NIP-44, version 2: ChaCha20 and HMAC-SHA256.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use super::CipherError;
use crate::base64;
use crate::crypto::{HmacKey, constant_time_eq, hmac_sha256};

/// The key of all texts between two owners of keys.
#[derive(Clone)]
pub struct ConversationKey(HmacKey);

impl ConversationKey {
    /// `shared_x` is the result of [`super::keys::SecretKey::shared_x`].
    pub fn new(shared_x: &[u8; 32]) -> Self {
        Self::from_bytes(&hmac_sha256(SALT, &[shared_x]))
    }

    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(HmacKey::new(bytes))
    }

    /// Returns the encrypted text in base64. A nonce must be random, and must not be used for two texts.
    ///
    /// # Errors
    /// Fails with [`CipherError::Length`] if the text has no byte or more than 65,535 bytes.
    pub fn encrypt(&self, text: &str, nonce: &[u8; 32]) -> Result<String, CipherError> {
        let length = u16::try_from(text.len()).map_err(|_| CipherError::Length)?;
        if length == 0 {
            return Err(CipherError::Length);
        }
        let mut padded = length.to_be_bytes().to_vec();
        padded.extend_from_slice(text.as_bytes());
        padded.resize(padded_length(text.len()).saturating_add(2), 0);
        let keys = self.message_keys(nonce);
        keys.apply_key_stream(&mut padded);
        let mac = hmac_sha256(&keys.mac, &[nonce, &padded]);
        Ok(base64::encode_standard(&[&[VERSION], nonce.as_slice(), &padded, &mac].concat()))
    }

    /// Returns the text in an encrypted text.
    ///
    /// # Errors
    /// Fails if the encrypted text is malformed, is longer than 1 MiB, was changed, or has another key.
    pub fn decrypt(&self, payload: &str) -> Result<String, CipherError> {
        if payload.len() < MIN_PAYLOAD_BYTES || payload.len() > MAX_PAYLOAD_BYTES {
            return Err(CipherError::Length);
        }
        // An encoding of the future would begin with `#`.
        if payload.starts_with('#') {
            return Err(CipherError::Version);
        }
        let bytes = base64::decode(payload).ok_or(CipherError::Form)?;
        let (version, rest) = bytes.split_first().ok_or(CipherError::Form)?;
        if *version != VERSION {
            return Err(CipherError::Version);
        }
        let (nonce, rest) = rest.split_first_chunk::<32>().ok_or(CipherError::Form)?;
        let (encrypted, mac) = rest.split_last_chunk::<32>().ok_or(CipherError::Form)?;
        let keys = self.message_keys(nonce);
        if !constant_time_eq(&hmac_sha256(&keys.mac, &[nonce, encrypted]), mac) {
            return Err(CipherError::Mac);
        }
        let mut padded = encrypted.to_vec();
        keys.apply_key_stream(&mut padded);
        String::from_utf8(unpad(&padded).ok_or(CipherError::Padding)?.to_vec()).map_err(|_| CipherError::Utf8)
    }

    /// Expands the key for a message: HKDF (RFC 5869) with the nonce as `info`, and 76 bytes.
    fn message_keys(&self, nonce: &[u8; 32]) -> MessageKeys {
        let first = self.0.sign(&[nonce, &[1]]);
        let second = self.0.sign(&[&first, nonce, &[2]]);
        let third = self.0.sign(&[&second, nonce, &[3]]);
        let mut rest = second.into_iter().chain(third);
        MessageKeys {
            cipher: first,
            nonce: std::array::from_fn(|_| rest.next().unwrap_or_default()),
            mac: std::array::from_fn(|_| rest.next().unwrap_or_default()),
        }
    }
}

/// The keys of one text.
struct MessageKeys {
    cipher: [u8; 32],
    nonce: [u8; 12],
    mac: [u8; 32],
}

impl MessageKeys {
    /// Encrypts plain bytes, and decrypts encrypted ones.
    fn apply_key_stream(&self, bytes: &mut [u8]) {
        ChaCha20::new(&self.cipher.into(), &self.nonce.into()).apply_keystream(bytes);
    }
}

/// Returns the text without its length and its padding. Returns `None` if the padding has not exactly the length of
/// [`padded_length`].
fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_first_chunk::<2>()?;
    let (length, rest) = match u16::from_be_bytes(*length) {
        // A text of 65,536 bytes or more has a longer field for the length.
        0 => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let length = u32::from_be_bytes(*length);
            (usize::try_from(length).ok().filter(|length| *length > usize::from(u16::MAX))?, rest)
        }
        length => (usize::from(length), rest),
    };
    if rest.len() != padded_length(length) {
        return None;
    }
    rest.get(..length)
}

/// Returns the length of a text with padding, which hides the length of the text: a multiple of 32 bytes, or for texts
/// of more than 256 bytes, of an eighth of the next power of two.
fn padded_length(length: usize) -> usize {
    let chunk = length.checked_next_power_of_two().map_or(usize::MAX, |power| (power / 8).max(32));
    length.div_ceil(chunk).saturating_mul(chunk)
}

const VERSION: u8 = 2;
const SALT: &[u8] = b"nip44-v2";
/// The length of the shortest encrypted text.
const MIN_PAYLOAD_BYTES: usize = 132;
const MAX_PAYLOAD_BYTES: usize = 1_048_576;
