//! A walk over a BOLT 11 invoice: what must be known of an invoice before it is handed to a client. The node's signature
//! is not checked: whoever pays the invoice checks it, and we asked our own LNbits for it.

use thiserror::Error;

use crate::payment::PaymentHash;

/// An invoice whose checksum holds and whose payment hash is known.
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
    /// Reads an invoice (BOLT 11), in upper or lower case.
    ///
    /// # Errors
    /// Where its checksum does not hold, it is cut, or it has not one payment hash.
    pub fn parse(text: &str) -> Result<Self, Bolt11Error> {
        if text.len() > MAX_BYTES || !text.is_ascii() {
            return Err(Bolt11Error::NotBech32);
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) && text.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(Bolt11Error::NotBech32);
        }
        let text = text.to_ascii_lowercase();
        let (prefix, data) = text.rsplit_once('1').ok_or(Bolt11Error::NotBech32)?;
        let groups: Vec<u8> = data.bytes().map(group).collect::<Option<_>>().ok_or(Bolt11Error::NotBech32)?;
        if !checksum_holds(prefix, &groups) {
            return Err(Bolt11Error::Checksum);
        }
        let (network, amount_msat) = read_prefix(prefix)?;
        let body = groups.len().checked_sub(CHECKSUM_GROUPS + SIGNATURE_GROUPS);
        let body = body.and_then(|end| groups.get(..end)).ok_or(Bolt11Error::Truncated)?;
        let (timestamp, fields) = body.split_at_checked(TIMESTAMP_GROUPS).ok_or(Bolt11Error::Truncated)?;
        let fields = read_fields(fields)?;
        Ok(Self {
            text: text.clone(),
            network,
            amount_msat,
            timestamp_unix: number(timestamp).ok_or(Bolt11Error::Truncated)?,
            expiry_s: fields.expiry_s.unwrap_or(DEFAULT_EXPIRY_S),
            payment_hash: fields.payment_hash.ok_or(Bolt11Error::NoPaymentHash)?,
        })
    }

    /// The invoice itself, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The prefix after `ln`: `bc` (bitcoin), `tb` (testnet), `tbs` (signet), `bcrt` (regtest).
    pub fn network(&self) -> &str {
        &self.network
    }

    /// `None` for an invoice that leaves the amount to the payer.
    pub fn amount_msat(&self) -> Option<u64> {
        self.amount_msat
    }

    /// When it was made.
    pub fn timestamp_unix(&self) -> u64 {
        self.timestamp_unix
    }

    /// Seconds after the timestamp; 3600 where the invoice does not say (BOLT 11).
    pub fn expiry_s(&self) -> u64 {
        self.expiry_s
    }

    /// What the preimage of its payment proves.
    pub fn payment_hash(&self) -> PaymentHash {
        self.payment_hash
    }

    /// The last second in which the invoice can be paid.
    pub fn expires_at_unix(&self) -> u64 {
        self.timestamp_unix.saturating_add(self.expiry_s)
    }
}

/// Why a text is no invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's sentence says what it is")]
pub enum Bolt11Error {
    #[error("not bech32")]
    NotBech32,
    #[error("its checksum does not hold")]
    Checksum,
    #[error("its prefix is not that of an invoice")]
    Prefix,
    #[error("it ends too early")]
    Truncated,
    #[error("it has no payment hash")]
    NoPaymentHash,
    #[error("it has two different payment hashes")]
    TwoPaymentHashes,
}

#[derive(Default)]
struct Fields {
    payment_hash: Option<PaymentHash>,
    expiry_s: Option<u64>,
}

/// Tagged fields: a type, a length of two groups, and that many groups. A reader skips what it does not know, and a
/// payment hash of another length than 52 groups (BOLT 11).
fn read_fields(mut groups: &[u8]) -> Result<Fields, Bolt11Error> {
    let mut fields = Fields::default();
    while let [kind, high, low, rest @ ..] = groups {
        let length = (usize::from(*high) << 5) | usize::from(*low);
        let (field, rest) = rest.split_at_checked(length).ok_or(Bolt11Error::Truncated)?;
        groups = rest;
        match (*kind, length) {
            (PAYMENT_HASH, HASH_GROUPS) => {
                let hash = bytes_32(field).ok_or(Bolt11Error::NoPaymentHash)?;
                // A payer may take the first or the last: two that differ would pay for something else than we sell.
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

/// `ln`, the network's letters, and the amount: digits and one of `m u n p` (10^-3 to 10^-12 bitcoin).
fn read_prefix(prefix: &str) -> Result<(String, Option<u64>), Bolt11Error> {
    let rest = prefix.strip_prefix("ln").ok_or(Bolt11Error::Prefix)?;
    let digits_at = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (network, amount) = rest.split_at_checked(digits_at).ok_or(Bolt11Error::Prefix)?;
    if network.is_empty() || !network.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err(Bolt11Error::Prefix);
    }
    let amount_msat = match amount {
        "" => None,
        _ => Some(read_amount_msat(amount).ok_or(Bolt11Error::Prefix)?),
    };
    Ok((network.to_owned(), amount_msat))
}

fn read_amount_msat(amount: &str) -> Option<u64> {
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
        // A tenth of a millisatoshi: only whole ones are valid.
        "p" if value.checked_rem(10) == Some(0) => value.checked_div(10),
        _ => None,
    }
}

/// Big-endian groups of five bits as a number.
fn number(groups: &[u8]) -> Option<u64> {
    groups.iter().try_fold(0_u64, |value, group| value.checked_mul(32)?.checked_add(u64::from(*group)))
}

/// 52 groups as 32 bytes; the last four bits are padding.
fn bytes_32(groups: &[u8]) -> Option<PaymentHash> {
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

/// Bech32's checksum (BIP 173), over the prefix and all groups.
fn checksum_holds(prefix: &str, groups: &[u8]) -> bool {
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

fn group(letter: u8) -> Option<u8> {
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
/// Longer than any invoice that a wallet scans; a bound on the work.
const MAX_BYTES: usize = 4096;
