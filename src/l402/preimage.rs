//! The two 32-byte numbers of a Lightning payment.

use std::fmt;

use super::{hex, mac};

/// SHA-256 of a payment's preimage. Public: it stands in the invoice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PaymentHash([u8; 32]);

impl PaymentHash {
    /// From the 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From exactly 64 hex digits, in either case.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode_32(text).map(Self)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// The first 8 hex digits: what a log line may carry.
    pub fn short(&self) -> String {
        self.to_hex().chars().take(8).collect()
    }
}

impl fmt::Debug for PaymentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentHash({})", self.to_hex())
    }
}

/// The proof of a payment. Secret: it is never shown, not even by `Debug`.
#[derive(Clone)]
pub struct Preimage([u8; 32]);

impl Preimage {
    /// From exactly 64 hex digits, in either case.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode_32(text).map(Self)
    }

    /// All zeros: what LNbits is known to hand out for a payment whose preimage it does not know.
    pub fn is_blank(&self) -> bool {
        self.0 == [0; 32]
    }

    /// The payment hash that this preimage proves.
    pub fn payment_hash(&self) -> PaymentHash {
        PaymentHash(mac::sha256(&self.0))
    }

    /// Whether this preimage proves the payment, in constant time.
    pub fn proves(&self, payment_hash: &PaymentHash) -> bool {
        mac::equal(&self.payment_hash().0, &payment_hash.0)
    }
}

impl fmt::Debug for Preimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preimage(..)")
    }
}
