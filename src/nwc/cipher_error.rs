//! Why a text cannot be encrypted or decrypted.

use thiserror::Error;

/// The same reasons for both encryptions. No reason contains a part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CipherError {
    #[error("the text is empty or too long")]
    Length,
    #[error("the encrypted text has the wrong form")]
    Form,
    #[error("the encrypted text has an unknown version")]
    Version,
    #[error("the encrypted text was changed, or the key is another one")]
    Mac,
    #[error("the padding is wrong")]
    Padding,
    #[error("the decrypted text is not UTF-8")]
    Utf8,
}
