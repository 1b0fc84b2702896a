//! Parses the parts of a BOLT 11 invoice that edgetoll checks before it sends the invoice to a client.
//!
//! The signature of the invoice is not verified: edgetoll gets the invoice from the owner's own wallet, and the payer's
//! wallet verifies the signature before it pays.

use thiserror::Error;

use crate::payment::PaymentHash;

/// A BOLT 11 invoice with a valid checksum and a payment hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bolt11 {
    text: String,
    network: String,
    amount_msat: Option<u64>,
    timestamp_unix: u64,
    expiry_s: u64,
    payment_hash: PaymentHash,
}

impl Bolt11 {
    /// Parses an invoice in upper or lower case.
    ///
    /// # Errors
    /// Fails for an invoice with one of these faults:
    /// 1. It is malformed, or longer than 4,096 bytes.
    /// 2. Its checksum is wrong.
    /// 3. It has no payment hash, or two different payment hashes.
    pub fn parse(text: &str) -> Result<Self, Bolt11Error> {
        if text.len() > MAX_BYTES || !text.is_ascii() {
            return Err(Bolt11Error::NotBech32);
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) && text.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(Bolt11Error::NotBech32);
        }
        let text = text.to_ascii_lowercase();
        let (prefix, data) = text.rsplit_once('1').ok_or(Bolt11Error::NotBech32)?;
        let groups: Vec<u8> =
            data.bytes().map(group_of).collect::<Option<_>>().ok_or(Bolt11Error::NotBech32)?;
        if !is_checksum_valid(prefix, &groups) {
            return Err(Bolt11Error::Checksum);
        }
        let (network, amount_msat) = parse_prefix(prefix)?;
        let body = groups.len().checked_sub(CHECKSUM_GROUPS + SIGNATURE_GROUPS);
        let body = body.and_then(|end| groups.get(..end)).ok_or(Bolt11Error::Truncated)?;
        let (timestamp, fields) = body.split_at_checked(TIMESTAMP_GROUPS).ok_or(Bolt11Error::Truncated)?;
        let fields = parse_fields(fields)?;
        Ok(Self {
            text: text.clone(),
            network,
            amount_msat,
            timestamp_unix: number(timestamp).ok_or(Bolt11Error::Truncated)?,
            expiry_s: fields.expiry_s.unwrap_or(DEFAULT_EXPIRY_S),
            payment_hash: fields.payment_hash.ok_or(Bolt11Error::NoPaymentHash)?,
        })
    }

    /// Returns the invoice in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the network in the prefix: `bc` (Bitcoin), `tb` (testnet), `tbs` (signet) or `bcrt` (regtest).
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Returns the amount in millisatoshis; `None` if the payer chooses it.
    pub fn amount_msat(&self) -> Option<u64> {
        self.amount_msat
    }

    /// Returns when the invoice was created, in Unix seconds.
    pub fn timestamp_unix(&self) -> u64 {
        self.timestamp_unix
    }

    /// Returns the number of seconds, counted from the timestamp, during which the invoice can be paid. It is 3600 if
    /// the invoice does not state an expiry (BOLT 11).
    pub fn expiry_s(&self) -> u64 {
        self.expiry_s
    }

    pub fn payment_hash(&self) -> PaymentHash {
        self.payment_hash
    }

    /// Returns the last second in which the invoice can be paid, as Unix time.
    pub fn expires_at_unix(&self) -> u64 {
        self.timestamp_unix.saturating_add(self.expiry_s)
    }
}

/// Why a text is not a BOLT 11 invoice that edgetoll accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Bolt11Error {
    #[error("the invoice is not bech32")]
    NotBech32,
    #[error("the checksum is wrong")]
    Checksum,
    #[error("the prefix is not that of a BOLT 11 invoice")]
    Prefix,
    #[error("the invoice is truncated")]
    Truncated,
    #[error("the invoice has no payment hash")]
    NoPaymentHash,
    #[error("the invoice has two different payment hashes")]
    TwoPaymentHashes,
}

#[derive(Default)]
struct Fields {
    payment_hash: Option<PaymentHash>,
    expiry_s: Option<u64>,
}

/// Parses the tagged fields, which consist of groups of five bits. Each field is a type of one group, a length of two
/// groups, and a value of as many groups as the length says. A field of an unknown type is skipped, and so is a payment
/// hash that does not have 52 groups (BOLT 11).
fn parse_fields(mut groups: &[u8]) -> Result<Fields, Bolt11Error> {
    let mut fields = Fields::default();
    while let [kind, high, low, rest @ ..] = groups {
        let length = (usize::from(*high) << 5) | usize::from(*low);
        let (field, rest) = rest.split_at_checked(length).ok_or(Bolt11Error::Truncated)?;
        groups = rest;
        match (*kind, length) {
            (PAYMENT_HASH, HASH_GROUPS) => {
                let hash = payment_hash(field).ok_or(Bolt11Error::NoPaymentHash)?;
                // An invoice with two hashes is refused: some wallets would pay the first hash, others the last.
                if fields.payment_hash.is_some_and(|earlier| earlier != hash) {
                    return Err(Bolt11Error::TwoPaymentHashes);
                }
                fields.payment_hash = Some(hash);
            }
            (EXPIRY, _) if fields.expiry_s.is_none() => fields.expiry_s = number(field),
            _ => {}
        }
    }
    if groups.is_empty() { Ok(fields) } else { Err(Bolt11Error::Truncated) }
}

/// Parses the prefix of an invoice: `ln`, the letters of the network, and the amount, which is digits and a multiplier
/// `m`, `u`, `n` or `p` (10^-3, 10^-6, 10^-9 or 10^-12 bitcoin). Returns the network and the amount in millisatoshis;
/// the amount is `None` if the prefix has no amount.
fn parse_prefix(prefix: &str) -> Result<(String, Option<u64>), Bolt11Error> {
    let rest = prefix.strip_prefix("ln").ok_or(Bolt11Error::Prefix)?;
    let digits_at = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (network, amount) = rest.split_at_checked(digits_at).ok_or(Bolt11Error::Prefix)?;
    if network.is_empty() || !network.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err(Bolt11Error::Prefix);
    }
    let amount_msat = match amount {
        "" => None,
        _ => Some(parse_amount_msat(amount).ok_or(Bolt11Error::Prefix)?),
    };
    Ok((network.to_owned(), amount_msat))
}

fn parse_amount_msat(amount: &str) -> Option<u64> {
    let digits = amount.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let multiplier = amount.strip_prefix(digits)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || digits.starts_with('0') {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match multiplier {
        "" => value.checked_mul(MSAT_PER_BTC),
        "m" => value.checked_mul(MSAT_PER_BTC / 1_000),
        "u" => value.checked_mul(MSAT_PER_BTC / 1_000_000),
        "n" => value.checked_mul(MSAT_PER_BTC / 1_000_000_000),
        // `p` stands for a tenth of a millisatoshi. An amount must be a whole number of millisatoshis.
        "p" if value.checked_rem(10) == Some(0) => value.checked_div(10),
        _ => None,
    }
}

/// Returns the number that big-endian groups of five bits encode; `None` if it does not fit into 64 bits.
fn number(groups: &[u8]) -> Option<u64> {
    groups.iter().try_fold(0_u64, |value, group| value.checked_mul(32)?.checked_add(u64::from(*group)))
}

/// Converts 52 groups of five bits to a payment hash of 32 bytes. The last four bits are padding.
fn payment_hash(groups: &[u8]) -> Option<PaymentHash> {
    let mut bytes = [0; 32];
    let mut out = bytes.iter_mut();
    let (mut pending, mut bits) = (0_u16, 0_u32);
    for group in groups {
        pending = (pending << 5) | u16::from(*group);
        bits = bits.saturating_add(5);
        if bits >= 8 {
            bits = bits.saturating_sub(8);
            *out.next()? = u8::try_from((pending >> bits) & 0xff).ok()?;
        }
        pending &= 0xff;
    }
    out.next().is_none().then(|| PaymentHash::from_bytes(bytes))
}

/// Whether the bech32 checksum (BIP 173) over the prefix and all groups is valid.
fn is_checksum_valid(prefix: &str, groups: &[u8]) -> bool {
    let high = prefix.bytes().map(|b| b >> 5);
    let low = prefix.bytes().map(|b| b & 31);
    let values = high.chain([0]).chain(low).chain(groups.iter().copied());
    let residue = values.fold(1_u32, |residue, value| {
        let top = residue >> 25;
        let shifted = ((residue & 0x01ff_ffff) << 5) ^ u32::from(value);
        let feedback = GENERATOR.iter().enumerate().filter(|(bit, _)| (top >> bit) & 1 == 1);
        feedback.fold(shifted, |residue, (_, generator)| residue ^ generator)
    });
    residue == 1
}

/// Returns the five bits that a bech32 character encodes; `None` for any other character.
fn group_of(letter: u8) -> Option<u8> {
    CHARSET.iter().position(|known| *known == letter).and_then(|at| u8::try_from(at).ok())
}

const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
const PAYMENT_HASH: u8 = 1;
const EXPIRY: u8 = 6;
const HASH_GROUPS: usize = 52;
const TIMESTAMP_GROUPS: usize = 7;
const SIGNATURE_GROUPS: usize = 104;
const CHECKSUM_GROUPS: usize = 6;
const DEFAULT_EXPIRY_S: u64 = 3600;
const MSAT_PER_BTC: u64 = 100_000_000_000;
/// The length of the longest invoice that is parsed. Invoices usually have a few hundred bytes. Without this limit, a
/// wallet could make the Worker parse a text of any length.
const MAX_BYTES: usize = 4096;
