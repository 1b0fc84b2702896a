//! LNbits: the request for an invoice, and the checks that its answer must pass before anybody is asked to pay it.

use serde::Serialize;
use thiserror::Error;

use crate::json::Json;
use crate::l402::bolt11::{Bolt11, Bolt11Error};
use crate::l402::preimage::PaymentHash;
use crate::policy::price::Cost;
use crate::policy::url;

/// Where LNbits is, and the invoice key of the wallet that is paid.
pub struct Lnbits {
    payments_url: String,
    invoice_key: String,
}

impl Lnbits {
    /// Checks the two settings.
    ///
    /// # Errors
    /// A sentence that names the setting and tells nothing of its value.
    pub fn new(base_url: &str, invoice_key: &str) -> Result<Self, &'static str> {
        if !url::is_safe_base(base_url) {
            return Err(
                "LNBITS_URL is an https URL (http only for this machine), without user, query or fragment",
            );
        }
        if invoice_key.len() < 8 || !invoice_key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("LNBITS_KEY is the invoice key of an LNbits wallet: letters and digits");
        }
        let payments_url = format!("{}/api/v1/payments", base_url.trim_end_matches('/'));
        Ok(Self { payments_url, invoice_key: invoice_key.to_owned() })
    }

    /// Where invoices are made, by POST.
    pub fn payments_url(&self) -> &str {
        &self.payments_url
    }

    /// The value of `X-Api-Key`.
    pub fn invoice_key(&self) -> &str {
        &self.invoice_key
    }
}

/// An invoice to be made.
pub struct InvoiceRequest<'a> {
    /// What it asks for; LNbits converts a price in a currency.
    pub cost: Cost<'a>,
    /// What the payer reads; cut where BOLT 11 ends it.
    pub description: &'a str,
    /// Seconds in which it can be paid.
    pub expiry_s: u64,
    /// As BOLT 11 writes it.
    pub network: &'a str,
    /// The route's pattern.
    pub route: &'a str,
    /// The client's pseudonym.
    pub client: Option<&'a str>,
}

impl InvoiceRequest<'_> {
    /// The body of the POST. `out` is spelled out, since LNbits takes an absent one for a payment; `extra` has nothing of
    /// the customer's in it, since some of its keys replace the invoice.
    pub fn body(&self) -> String {
        let (amount, unit) = match self.cost {
            Cost::Sats(sats) => (sats.to_string(), "sat"),
            Cost::Fiat(price) => (price.fiat.amount(), price.fiat.currency()),
        };
        let body = Body {
            out: false,
            unit,
            memo: cut(self.description, MAX_MEMO_BYTES),
            expiry: self.expiry_s,
            extra: Extra { tag: "edgetoll", route: self.route, c: self.client },
        };
        let body = serde_json::to_string(&body).unwrap_or_default();
        // An amount such as 0.01 goes in as it is: serde_json would bring 10 KB of floating point into the wasm.
        format!("{{\"amount\":{amount},{}", body.trim_start_matches('{'))
    }

    /// Checks an answer: the invoice is for this amount, on this network, fresh, and for the hash that LNbits says.
    ///
    /// # Errors
    /// The first check that it does not pass. Nothing of the answer is in it.
    pub fn read_answer(&self, status: u16, body: &str, now_unix: u64) -> Result<Invoice, InvoiceError> {
        if status != 201 {
            return Err(InvoiceError::Status(status));
        }
        let answer = Json::parse(body.as_bytes()).ok_or(InvoiceError::NotJson)?;
        let text =
            |key: &'static str| answer.get(key).and_then(Json::as_str).ok_or(InvoiceError::Missing(key));
        let payment_hash =
            PaymentHash::from_hex(text("payment_hash")?).ok_or(InvoiceError::Missing("payment_hash"))?;
        // `payment_request` may be something else than the invoice of this payment.
        let bolt11 = Bolt11::parse(text("bolt11")?)?;
        if bolt11.payment_hash() != payment_hash {
            return Err(InvoiceError::OtherPaymentHash);
        }
        let amount_sats = whole_sats(bolt11.amount_msat()).ok_or(InvoiceError::OtherAmount)?;
        match self.cost {
            Cost::Sats(sats) if sats != amount_sats => return Err(InvoiceError::OtherAmount),
            Cost::Fiat(price) if !(price.min_sats..=price.max_sats).contains(&amount_sats) => {
                return Err(InvoiceError::OutOfBounds { amount_sats });
            }
            Cost::Sats(_) | Cost::Fiat(_) => {}
        }
        if bolt11.network() != self.network {
            return Err(InvoiceError::OtherNetwork);
        }
        if bolt11.timestamp_unix().abs_diff(now_unix) > MAX_CLOCK_SKEW_S {
            return Err(InvoiceError::Clock);
        }
        if bolt11.expires_at_unix() < now_unix.saturating_add(MIN_LEFT_S) {
            return Err(InvoiceError::Expired);
        }
        Ok(Invoice { bolt11, amount_sats })
    }
}

/// An invoice that passed.
#[derive(Debug)]
pub struct Invoice {
    /// As LNbits gave it.
    pub bolt11: Bolt11,
    /// What it asks for.
    pub amount_sats: u64,
}

/// Why there is no invoice. Nothing of LNbits' answer is in it but its status: the answer holds the preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's sentence says what it is")]
pub enum InvoiceError {
    #[error("no wallet is configured")]
    NotConfigured,
    #[error("the runtime gave no random numbers")]
    NoRandomness,
    #[error("its macaroon cannot be minted")]
    Unmintable,
    #[error("LNbits could not be reached")]
    Unreachable,
    #[error("LNbits did not answer in time")]
    Timeout,
    #[error("LNbits answered more than 64 KB")]
    TooLarge,
    #[error("LNbits answered with status {0}")]
    Status(u16),
    #[error("LNbits answered something else than JSON")]
    NotJson,
    #[error("LNbits' answer has no good {0}")]
    Missing(&'static str),
    #[error("LNbits' invoice cannot be read: {0}")]
    Bolt11(#[from] Bolt11Error),
    #[error("LNbits' invoice is for another payment hash")]
    OtherPaymentHash,
    #[error("LNbits' invoice is for another amount")]
    OtherAmount,
    #[error("the price comes to {amount_sats} sats, which is outside of min_sats and max_sats")]
    OutOfBounds { amount_sats: u64 },
    #[error("LNbits' invoice is for another network")]
    OtherNetwork,
    #[error("LNbits' clock is more than ten minutes away")]
    Clock,
    #[error("LNbits' invoice ends too soon")]
    Expired,
}

fn whole_sats(amount_msat: Option<u64>) -> Option<u64> {
    let sats = amount_msat?.checked_div(1_000)?;
    (sats.checked_mul(1_000) == amount_msat && sats > 0).then_some(sats)
}

/// The text cut on a character border.
fn cut(text: &str, max_bytes: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at.saturating_add(c.len_utf8()));
    let end = ends.take_while(|end| *end <= max_bytes).last().unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[derive(Serialize)]
struct Body<'a> {
    out: bool,
    unit: &'a str,
    memo: &'a str,
    expiry: u64,
    extra: Extra<'a>,
}

#[derive(Serialize)]
struct Extra<'a> {
    tag: &'a str,
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<&'a str>,
}

/// An answer of LNbits is 2 KB.
pub const MAX_ANSWER_BYTES: usize = 65_536;
/// How long one try may take.
pub const TIMEOUT_MS: u32 = 5_000;
/// A BOLT 11 description is at most 639 bytes.
const MAX_MEMO_BYTES: usize = 639;
const MAX_CLOCK_SKEW_S: u64 = 600;
const MIN_LEFT_S: u64 = 60;
