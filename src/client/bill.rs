//! Checks an offer before anything is paid. A server can lie about each part of it.

use super::offer::{Offer, StatedSats};
use crate::bolt11::{Bolt11, Bolt11Error};
use crate::payment::PaymentHash;

/// An invoice that may be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    pub payment_hash: PaymentHash,
    pub amount_sats: u64,
    /// The last second in which the invoice can be paid, in Unix time.
    pub expires_at_unix: u64,
}

/// Why an offer is not paid. Nothing was paid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOffer {
    #[error("the invoice cannot be read: {0}")]
    Invoice(#[from] Bolt11Error),
    #[error("the invoice is for the network `{found}`, not `{expected}`")]
    Network { found: String, expected: String },
    #[error("the invoice has no amount")]
    NoAmount,
    #[error("the amount of the invoice is not a whole number of satoshis")]
    PartOfSat,
    #[error("the invoice is for {invoice} sats, but the response states {stated} sats")]
    OtherAmount { invoice: u64, stated: u64 },
    #[error("the response states a price that is not one whole number of satoshis")]
    UnclearAmount,
    #[error("the invoice has another payment hash than the macaroon or the response")]
    OtherHash,
    #[error("the macaroon is for the host `{0}`")]
    OtherHost(String),
    #[error("the invoice has expired")]
    Expired,
    #[error("the macaroon has expired")]
    MacaroonExpired,
    #[error("this invoice was paid before, to {0}")]
    PaidBefore(String),
}

impl Bill {
    /// Checks that the invoice fits to the rest of the offer.
    ///
    /// # Errors
    /// Returns the first check that fails.
    pub fn check(offer: &Offer, host: &str, network: &str, now_unix: u64) -> Result<Self, BadOffer> {
        let invoice = Bolt11::parse(&offer.invoice)?;
        if invoice.network() != network {
            let (found, expected) = (invoice.network().to_owned(), network.to_owned());
            return Err(BadOffer::Network { found, expected });
        }
        let amount_sats = amount_sats(&invoice)?;
        for stated in offer.stated_sats.into_iter().chain(offer.terms.amount_sats) {
            match stated {
                StatedSats::Unclear => return Err(BadOffer::UnclearAmount),
                StatedSats::Sats(stated) if stated != amount_sats => {
                    return Err(BadOffer::OtherAmount { invoice: amount_sats, stated });
                }
                StatedSats::Sats(_) => {}
            }
        }
        let payment_hash = invoice.payment_hash();
        if offer.stated_hashes.iter().any(|hash| *hash != payment_hash) {
            return Err(BadOffer::OtherHash);
        }
        if let Some(other) = offer.terms.hosts.iter().find(|bound| !bound.eq_ignore_ascii_case(host)) {
            return Err(BadOffer::OtherHost(other.clone()));
        }
        let expires_at_unix = invoice.expires_at_unix();
        if expires_at_unix < now_unix {
            return Err(BadOffer::Expired);
        }
        if offer.terms.until_unix.is_some_and(|until| until < now_unix) {
            return Err(BadOffer::MacaroonExpired);
        }
        Ok(Self { payment_hash, amount_sats, expires_at_unix })
    }
}

fn amount_sats(invoice: &Bolt11) -> Result<u64, BadOffer> {
    let msat = invoice.amount_msat().filter(|msat| *msat > 0).ok_or(BadOffer::NoAmount)?;
    match (msat.checked_div(MSAT_PER_SAT), msat.checked_rem(MSAT_PER_SAT)) {
        (Some(sats), Some(0)) => Ok(sats),
        _ => Err(BadOffer::PartOfSat),
    }
}

const MSAT_PER_SAT: u64 = 1000;
