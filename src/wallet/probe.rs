//! What a look at an LNbits shows: LNbits up to 1.5.6 gives the preimage of an unpaid invoice to anybody, and a wallet's
//! admin key can spend what the paywall earns.

use super::lnbits::{Lnbits, PAYMENTS};
use super::{Answer, Call};
use crate::json::Json;
use crate::l402::preimage::PaymentHash;

/// What a look at an LNbits showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// Not enough: it did not answer, or not for everybody.
    #[default]
    Unknown,
    /// It keeps the preimages of unpaid invoices to itself.
    Sealed,
    /// It gives them to anybody.
    Leaks,
    /// The key that we were given can pay.
    AdminKey,
}

impl Probe {
    const WORDS: [(Self, &'static str); 3] =
        [(Self::Sealed, "sealed"), (Self::Leaks, "leaks"), (Self::AdminKey, "admin_key")];

    /// How long it is believed, in milliseconds.
    pub fn good_for_ms(self) -> u64 {
        if self == Self::Unknown { MINUTE_MS } else { HOUR_MS }
    }

    /// What the owner is told.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Unknown | Self::Sealed => None,
            Self::Leaks => Some(
                "gives the preimages of unpaid invoices to anybody: update LNbits to 1.6.0 or later; until then it is asked about each payment",
            ),
            Self::AdminKey => Some(
                "is an admin key, which can spend what you earn: put the invoice key of the wallet in its place; until then nothing is sold",
            ),
        }
    }
}

/// What is known of an LNbits, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What was seen.
    pub probe: Probe,
    until_ms: u64,
}

impl Known {
    /// Nothing, and it is time to look.
    pub const NOTHING: Self = Self { probe: Probe::Unknown, until_ms: 0 };

    /// After a look. One that showed too little leaves what was known, for a minute.
    pub fn after(before: Self, seen: Probe, now_ms: u64) -> Self {
        let probe = if seen == Probe::Unknown { before.probe } else { seen };
        Self { probe, until_ms: now_ms.saturating_add(seen.good_for_ms()) }
    }

    /// After a look at the key alone, which was good: what was known, for an hour. That costs only questions about payments.
    pub fn after_key(before: Self, now_ms: u64) -> Self {
        Self { until_ms: now_ms.saturating_add(HOUR_MS), ..before }
    }

    /// What is known then; `None` when it is time to look again.
    pub fn at(self, now_ms: u64) -> Option<Probe> {
        (now_ms < self.until_ms).then_some(self.probe)
    }

    /// As it is stored.
    pub fn to_text(self) -> String {
        let word = Probe::WORDS.iter().find(|(probe, _)| *probe == self.probe).map_or("", |(_, word)| word);
        format!("{word} {}", self.until_ms)
    }

    /// Reads what was stored.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, until_ms) = text.split_once(' ')?;
        let (probe, _) = Probe::WORDS.into_iter().find(|(_, known)| *known == word)?;
        Some(Self { probe, until_ms: until_ms.parse().ok()? })
    }
}

/// With the key: an admin key is told the wallet's id.
pub fn ask_for_wallet(lnbits: &Lnbits) -> Call {
    lnbits.get("/api/v1/wallet", true)
}

/// As anybody, about an invoice that is not paid.
pub fn ask_for_preimage(lnbits: &Lnbits, unpaid: &PaymentHash) -> Call {
    lnbits.get(&format!("{PAYMENTS}/{}", unpaid.to_hex()), false)
}

/// What the two answers show.
pub fn read(wallet: Option<&Answer>, payment: Option<&Answer>) -> Probe {
    match (wallet.and_then(is_admin_key), payment.and_then(leaks)) {
        (Some(true), _) => Probe::AdminKey,
        (_, Some(true)) => Probe::Leaks,
        (Some(false), Some(false)) => Probe::Sealed,
        _ => Probe::Unknown,
    }
}

/// Whether the key can pay; `None` where the answer does not tell.
pub fn is_admin_key(answer: &Answer) -> Option<bool> {
    let wallet = Json::parse(answer.body.as_bytes()).filter(|_| answer.status == 200)?;
    wallet.get("balance").map(|_| wallet.get("id").is_some())
}

/// Whether a stranger learned the preimage; `None` where the answer does not tell.
pub fn leaks(answer: &Answer) -> Option<bool> {
    // Whoever in front of LNbits does not let us look may let others.
    let payment = Json::parse(answer.body.as_bytes()).filter(|_| answer.status == 200)?;
    let is_paid = payment.get("paid").and_then(Json::as_bool)?;
    // LNbits leaves it out where it could not ask its node: then it has not been seen whether it tells.
    let is_told = *payment.get("preimage")? != Json::Null;
    // Whoever paid in the meantime may see it.
    (!is_paid).then_some(is_told)
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
