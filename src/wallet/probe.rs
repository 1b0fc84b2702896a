//! What a look at an LNbits shows: LNbits up to 1.5.6 gives the preimage of an unpaid invoice to anybody, and a wallet's
//! admin key can spend what the paywall earns.

use super::lnbits::{Lnbits, PAYMENTS};
use super::{Answer, Call};
use crate::json::Json;
use crate::l402::preimage::PaymentHash;

/// What is known of an LNbits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// Nothing yet: it did not answer.
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
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Sealed => "sealed",
            Self::Leaks => "leaks",
            Self::AdminKey => "admin_key",
        }
    }

    /// Reads what was stored.
    pub fn parse(text: &str) -> Self {
        let all = [Self::Sealed, Self::Leaks, Self::AdminKey];
        all.into_iter().find(|one| one.as_str() == text).unwrap_or_default()
    }

    /// How long it is believed, in milliseconds.
    pub fn good_for_ms(self) -> u64 {
        match self {
            Self::Sealed => 3_600_000,
            Self::Unknown | Self::Leaks | Self::AdminKey => 60_000,
        }
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
    match answer.status {
        200 => {
            let payment = Json::parse(answer.body.as_bytes())?;
            let is_paid = payment.get("paid").and_then(Json::as_bool)?;
            let tells =
                |object: &Json| object.get("preimage").is_some_and(|preimage| *preimage != Json::Null);
            let is_told = tells(&payment) || payment.get("details").is_some_and(tells);
            // Whoever paid in the meantime may see it.
            (!is_paid).then_some(is_told)
        }
        // Somebody in front of LNbits lets nobody look.
        401 | 403 | 404 => Some(false),
        _ => None,
    }
}
