//! A Lightning payment: its hash, its preimage, and the wallet slot that made its invoice.

use std::fmt;

use crate::{crypto, hex};

/// The SHA-256 digest of a payment's preimage. It is public: the invoice contains it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PaymentHash([u8; 32]);

impl PaymentHash {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses exactly 64 hexadecimal digits, in either case.
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

    /// Returns the first 8 hexadecimal digits, the part that a log line may contain.
    pub fn short(&self) -> String {
        self.to_hex().chars().take(8).collect()
    }
}

impl fmt::Debug for PaymentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentHash({})", self.to_hex())
    }
}

/// The proof of a payment. It is secret: `Debug` does not show it.
#[derive(Clone)]
pub struct Preimage([u8; 32]);

impl Preimage {
    /// Parses exactly 64 hexadecimal digits, in either case.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode_32(text).map(Self)
    }

    /// Whether all bytes are zero. LNbits returns this for a payment whose preimage it does not know.
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 32]
    }

    /// Returns the payment hash that this preimage proves.
    pub fn payment_hash(&self) -> PaymentHash {
        PaymentHash(crypto::sha256(&self.0))
    }

    /// Whether this preimage belongs to the payment hash, in constant time.
    pub fn proves(&self, payment_hash: &PaymentHash) -> bool {
        crypto::constant_time_eq(&self.payment_hash().0, &payment_hash.0)
    }
}

impl fmt::Debug for Preimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preimage(..)")
    }
}

/// The place of a wallet in the configuration: slot 1 is `LNBITS_URL`, slot 2 is `LNBITS_URL_2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalletSlot {
    One,
    Two,
}

impl WalletSlot {
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    /// Parses the value of a `wallet` caveat.
    pub fn parse(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.as_str() == number)
    }

    /// Returns the number of the slot, as the `wallet` caveat and the log contain it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }

    /// Returns the slot that takes over when this one fails.
    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }
}
