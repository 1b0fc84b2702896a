//! A Lightning payment: its hash, its preimage, and the slot of the wallet that created its invoice.

use std::fmt;

use crate::{crypto, hex};

/// The SHA-256 digest of a payment's preimage. The digest is not secret: the invoice contains it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PaymentHash([u8; 32]);

impl PaymentHash {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses exactly 64 hexadecimal digits, in upper or lower case.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode_32(text).map(Self)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// Returns the first 8 hexadecimal digits, which identify the payment in the log.
    pub fn short(&self) -> String {
        self.to_hex().chars().take(8).collect()
    }
}

impl fmt::Debug for PaymentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentHash({})", self.to_hex())
    }
}

/// The secret that proves a payment. `Debug` does not show it.
#[derive(Clone)]
pub struct Preimage([u8; 32]);

impl Preimage {
    /// Parses exactly 64 hexadecimal digits, in upper or lower case.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode_32(text).map(Self)
    }

    /// Returns 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// Whether all bytes are zero. LNbits returns such a preimage for a payment whose preimage it does not know.
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 32]
    }

    /// Returns the SHA-256 digest of this preimage.
    pub fn payment_hash(&self) -> PaymentHash {
        PaymentHash(crypto::sha256(&self.0))
    }

    /// Whether the SHA-256 digest of this preimage is `payment_hash`. The comparison takes constant time.
    pub fn proves(&self, payment_hash: &PaymentHash) -> bool {
        crypto::constant_time_eq(&self.payment_hash().0, &payment_hash.0)
    }
}

impl fmt::Debug for Preimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preimage(..)")
    }
}

/// The slot of a wallet in the settings: `LNBITS_URL` sets the wallet of slot 1, and `LNBITS_URL_2` that of slot 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalletSlot {
    One,
    Two,
}

impl WalletSlot {
    /// Returns the name of the setting with the URL of the wallet.
    pub fn url_setting(self) -> &'static str {
        match self {
            Self::One => "LNBITS_URL",
            Self::Two => "LNBITS_URL_2",
        }
    }

    /// Returns the name of the setting with the key of the wallet.
    pub fn key_setting(self) -> &'static str {
        match self {
            Self::One => "LNBITS_KEY",
            Self::Two => "LNBITS_KEY_2",
        }
    }

    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    /// Parses the value of a `wallet` caveat; `None` if no slot has this number.
    pub fn parse(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.as_str() == number)
    }

    /// Returns the number of the slot, as it is written in the `wallet` caveat and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }

    /// Returns the other slot, whose wallet takes over when the wallet of this slot fails.
    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }
}
