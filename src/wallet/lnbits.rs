//! LNbits: what it is asked, and the checks that its answers must pass before anybody is asked to pay, or let in.

use serde::Serialize;

use super::{
    Invoice, InvoiceRequest, MAX_RESPONSE_BYTES, Payment, PaymentStatus, Wallet, WalletError, WalletRequest,
    WalletResponse,
};
use crate::bolt11::Bolt11;
use crate::http::url;
use crate::payment::PaymentHash;
use crate::protocols::price::Price;
use crate::strict_json::Json;

/// Where LNbits is, and the invoice key of the wallet that is paid.
pub struct Lnbits {
    base_url: String,
    invoice_key: String,
}

/// Which of the two settings is wrong, and what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LnbitsConfigError {
    /// The URL.
    Url(&'static str),
    /// The key.
    Key(&'static str),
}

impl Lnbits {
    /// Checks the two settings.
    ///
    /// # Errors
    /// What one should be, and nothing of its value.
    pub fn new(base_url: &str, invoice_key: &str) -> Result<Self, LnbitsConfigError> {
        if !url::is_safe_base(base_url) {
            return Err(LnbitsConfigError::Url(
                "must be an https URL (http only for localhost), without user, query or fragment",
            ));
        }
        if invoice_key.len() < 8 || !invoice_key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(LnbitsConfigError::Key(
                "must be the invoice key of an LNbits wallet: letters and digits",
            ));
        }
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { base_url, invoice_key: invoice_key.to_owned() })
    }

    /// What tells this wallet from another: the base of its URL, and the key, which is never shown.
    pub fn identity(&self) -> [&str; 2] {
        [&self.base_url, &self.invoice_key]
    }

    /// A `GET` below the base, with the key or as anybody.
    pub fn get(&self, path: &str, with_key: bool) -> WalletRequest {
        let url = format!("{}{path}", self.base_url);
        WalletRequest {
            method: "GET",
            url,
            key: with_key.then(|| self.invoice_key.clone()),
            body: None,
            max_response_bytes: MAX_RESPONSE_BYTES,
        }
    }
}

impl Wallet for Lnbits {
    /// `out` is always sent: LNbits takes its absence for an outgoing payment. `extra` contains no text of the client, since LNbits
    /// lets some of its keys replace the invoice.
    fn create(&self, invoice: &InvoiceRequest<'_>) -> WalletRequest {
        let (amount, unit) = match invoice.price {
            Price::Sats(sats) => (Amount::Sats(*sats), "sat"),
            Price::Fiat(price) => (Amount::Fiat(price.fiat.amount()), price.fiat.currency()),
        };
        let body = CreateInvoiceBody {
            amount,
            out: false,
            unit,
            memo: cut(invoice.description, MAX_MEMO_BYTES),
            expiry: invoice.expiry_s,
            webhook: invoice.webhook,
            extra: Extra { tag: TAG, route: invoice.route, c: invoice.client },
        };
        let body = serde_json::to_string(&body).unwrap_or_default();
        WalletRequest { method: "POST", body: Some(body), ..self.get(PAYMENTS, true) }
    }

    fn read_created(
        &self,
        invoice: &InvoiceRequest<'_>,
        answer: &WalletResponse,
        now_unix: u64,
    ) -> Result<Invoice, WalletError> {
        let payment = read(answer, 201)?;
        let payment_hash = PaymentHash::from_hex(text(&payment, "payment_hash")?)
            .ok_or(WalletError::Missing("payment_hash"))?;
        // `payment_request` may be something else than the invoice of this payment.
        let bolt11 = Bolt11::parse(text(&payment, "bolt11")?)?;
        if text(&payment, "status")? != "pending" {
            return Err(WalletError::NotPending);
        }
        if bolt11.payment_hash() != payment_hash {
            return Err(WalletError::OtherPaymentHash);
        }
        let amount_sats = whole_sats(bolt11.amount_msat()).ok_or(WalletError::OtherAmount)?;
        match invoice.price {
            Price::Sats(sats) if *sats != amount_sats => return Err(WalletError::OtherAmount),
            Price::Fiat(price) if !(price.min_sats..=price.max_sats).contains(&amount_sats) => {
                return Err(WalletError::OutOfBounds { amount_sats });
            }
            Price::Sats(_) | Price::Fiat(_) => {}
        }
        if bolt11.network() != invoice.network {
            return Err(WalletError::OtherNetwork);
        }
        if bolt11.timestamp_unix().abs_diff(now_unix) > MAX_CLOCK_SKEW_S {
            return Err(WalletError::Clock);
        }
        if bolt11.expires_at_unix() < now_unix.saturating_add(MIN_LEFT_S) {
            return Err(WalletError::Expired);
        }
        Ok(Invoice { bolt11, amount_sats })
    }

    /// With the key: LNbits tells a stranger less.
    fn look_up(&self, payment_hash: &PaymentHash) -> WalletRequest {
        self.get(&format!("{PAYMENTS}/{}", payment_hash.to_hex()), true)
    }

    fn read_looked_up(
        &self,
        payment: &Payment,
        answer: &WalletResponse,
        now_unix: u64,
    ) -> Result<PaymentStatus, WalletError> {
        let answer = match answer.status {
            404 => return Err(WalletError::UnknownPayment),
            429 => {
                let retry_after_s = answer.retry_after_s;
                return Err(WalletError::PaymentRateLimited { retry_after_s });
            }
            _ => read(answer, 200)?,
        };
        let is_paid = answer.get("paid").and_then(Json::as_bool).ok_or(WalletError::Missing("paid"))?;
        // Without the wallet's own key there are none.
        let details = answer.get("details").ok_or(WalletError::Missing("details"))?;
        if PaymentHash::from_hex(text(details, "payment_hash")?) != Some(payment.hash) {
            return Err(WalletError::OtherPaymentHash);
        }
        // Of a payment within one wallet LNbits shows the outgoing side, which is negative.
        let amount_msat = details.get("amount").and_then(Json::magnitude);
        if whole_sats(amount_msat) != Some(payment.amount_sats) {
            return Err(WalletError::OtherAmount);
        }
        match (is_paid, text(details, "status")?) {
            (true, "success") => Ok(PaymentStatus::Paid),
            // LNbits leaves out its own word where it could not ask its node.
            (false, "pending") if answer.get("status").is_none() => Err(WalletError::NotAsked),
            (false, "pending") => {
                let bolt11 = Bolt11::parse(text(details, "bolt11")?)?;
                let is_same = bolt11.payment_hash() == payment.hash && bolt11.amount_msat() == amount_msat;
                let is_payable = bolt11.expires_at_unix() > now_unix;
                Ok(if is_same && is_payable { PaymentStatus::Pending(bolt11) } else { PaymentStatus::Unpaid })
            }
            _ => Ok(PaymentStatus::Unpaid),
        }
    }
}

/// The JSON of an answer with the expected status.
pub(super) fn read(answer: &WalletResponse, expected: u16) -> Result<Json, WalletError> {
    match answer.status {
        status if status == expected => {
            Json::parse(answer.body.as_bytes()).filter(Json::is_object).ok_or(WalletError::NotJson)
        }
        429 => Err(WalletError::RateLimited { retry_after_s: answer.retry_after_s }),
        // Else it refuses this one invoice: `failed`.
        520 if Json::parse(answer.body.as_bytes())
            .is_some_and(|json| text(&json, "status") == Ok("pending")) =>
        {
            Err(WalletError::FundingSource)
        }
        status => Err(WalletError::Status(status)),
    }
}

pub(super) fn text<'a>(object: &'a Json, key: &'static str) -> Result<&'a str, WalletError> {
    object.get(key).and_then(Json::as_str).ok_or(WalletError::Missing(key))
}

pub(super) fn whole_sats(amount_msat: Option<u64>) -> Option<u64> {
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
struct CreateInvoiceBody<'a> {
    amount: Amount,
    out: bool,
    unit: &'a str,
    memo: &'a str,
    expiry: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<&'a str>,
    extra: Extra<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Amount {
    Sats(u64),
    /// LNbits reads a decimal number in a string like a number. Floating point would add 10 KB to the wasm.
    Fiat(String),
}

#[derive(Serialize)]
struct Extra<'a> {
    tag: &'a str,
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<&'a str>,
}

/// What our invoices carry.
pub(super) const TAG: &str = "edgetoll";
pub(super) const PAYMENTS: &str = "/api/v1/payments";
/// A BOLT 11 description is at most 639 bytes.
const MAX_MEMO_BYTES: usize = 639;
/// How far the time of an invoice may be from ours, in seconds.
pub const MAX_CLOCK_SKEW_S: u64 = 600;
const MIN_LEFT_S: u64 = 60;
