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

/// The slot of a wallet in the settings, from 1 to 8. `LNBITS_URL` or `NWC_URL` sets the wallet of slot 1, and
/// `LNBITS_URL_2` or `NWC_URL_2` that of slot 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletSlot(u8);

impl WalletSlot {
    pub const FIRST: Self = Self(1);
    pub const ALL: [Self; 8] = [Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(7), Self(8)];

    /// Returns the number of the slot, from 1 to 8.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Parses the value of a `wallet` caveat; `None` if no slot has this number.
    pub fn parse(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.as_str() == number)
    }

    /// Returns the number of the slot, as it is written in the `wallet` caveat and in the log.
    pub fn as_str(self) -> &'static str {
        self.pick(["1", "2", "3", "4", "5", "6", "7", "8"])
    }

    /// Returns the name of the setting with the URL of the LNbits in this slot.
    pub fn url_setting(self) -> &'static str {
        self.pick(LNBITS_URLS)
    }

    /// Returns the name of the setting with the key of the LNbits in this slot.
    pub fn key_setting(self) -> &'static str {
        self.pick(LNBITS_KEYS)
    }

    /// Returns the name of the setting with the address of the NWC wallet in this slot.
    pub fn nwc_setting(self) -> &'static str {
        self.pick(NWC_URLS)
    }

    /// Returns the value of this slot from a list with one value for each slot.
    fn pick(self, [first, others @ ..]: [&'static str; 8]) -> &'static str {
        // For slot 1, the index is `usize::MAX`.
        others.get(usize::from(self.0).wrapping_sub(2)).unwrap_or(&first)
    }
}

/// The names of a setting of a wallet, one for each slot.
macro_rules! for_each_slot {
    ($name:literal) => {
        [
            $name,
            concat!($name, "_2"),
            concat!($name, "_3"),
            concat!($name, "_4"),
            concat!($name, "_5"),
            concat!($name, "_6"),
            concat!($name, "_7"),
            concat!($name, "_8"),
        ]
    };
}

pub const LNBITS_URLS: [&str; 8] = for_each_slot!("LNBITS_URL");
pub const LNBITS_KEYS: [&str; 8] = for_each_slot!("LNBITS_KEY");
pub const NWC_URLS: [&str; 8] = for_each_slot!("NWC_URL");
