//! Encryption with NIP-04: AES-256-CBC. It does not protect the text against changes: the signature of the event does.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};

use super::CipherError;
use crate::base64;

/// Returns the encrypted text and the initialization vector in base64, separated by [`SEPARATOR`]. `key` is the result of
/// [`super::keys::SecretKey::shared_x`]. The initialization vector must be random.
///
/// # Errors
/// Fails with [`CipherError::Length`] if the text has more than 65,535 bytes, which is the limit of NIP-44.
pub fn encrypt(key: &[u8; 32], text: &str, iv: &[u8; 16]) -> Result<String, CipherError> {
    if text.len() > usize::from(u16::MAX) {
        return Err(CipherError::Length);
    }
    let mut buffer = text.as_bytes().to_vec();
    buffer.resize(text.len().saturating_add(BLOCK_BYTES), 0);
    let encrypted = cbc::Encryptor::<Aes256>::new(key.into(), iv.into())
        .encrypt_padded::<Pkcs7>(&mut buffer, text.len())
        .map_err(|_| CipherError::Length)?;
    Ok([&base64::encode_standard(encrypted), SEPARATOR, &base64::encode_standard(iv)].concat())
}

/// Returns the text in an encrypted text. The caller must have verified the signature: otherwise the errors would tell
/// an attacker what is in a text.
///
/// # Errors
/// Fails if the encrypted text is malformed, is longer than 1 MiB, or has another key.
pub fn decrypt(key: &[u8; 32], payload: &str) -> Result<String, CipherError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(CipherError::Length);
    }
    let (encrypted, iv) = payload.split_once(SEPARATOR).ok_or(CipherError::Form)?;
    let iv: [u8; 16] = base64::decode(iv).and_then(|iv| iv.try_into().ok()).ok_or(CipherError::Form)?;
    let mut buffer = base64::decode(encrypted).ok_or(CipherError::Form)?;
    let text = cbc::Decryptor::<Aes256>::new(key.into(), &iv.into())
        .decrypt_padded::<Pkcs7>(&mut buffer)
        .map_err(|_| CipherError::Padding)?;
    String::from_utf8(text.to_vec()).map_err(|_| CipherError::Utf8)
}

/// What no text encrypted with NIP-44 contains.
pub const SEPARATOR: &str = "?iv=";
const BLOCK_BYTES: usize = 16;
const MAX_PAYLOAD_BYTES: usize = 1_048_576;
