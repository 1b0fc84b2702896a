//! The API of LNbits: its requests, and the checks that a response must pass.

use serde::Serialize;

use super::extra::{self, Extra};
use super::receipt::tagged_invoice;
use super::{
    HttpRequest, Invoice, InvoiceRequest, MAX_RESPONSE_BYTES, Payment, PaymentStatus, WalletError,
    WalletResponse, whole_sats,
};
use crate::bolt11::Bolt11;
use crate::http::url;
use crate::payment::PaymentHash;
use crate::protocols::price::Price;
use crate::protocols::record::OwnInvoice;
use crate::strict_json::Json;

/// One wallet of an LNbits server: the base URL of the server, and the invoice key of the wallet.
pub struct Lnbits {
    base_url: String,
    invoice_key: String,
}

/// Which setting of a wallet is wrong. The text says what the value must be, such as `must be an https URL`. The caller
/// writes the name of the setting before the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LnbitsConfigError {
    Url(&'static str),
    Key(&'static str),
}

impl Lnbits {
    /// Checks the settings of a wallet.
    ///
    /// # Errors
    /// Returns the first setting that is wrong. The error never contains the value of a setting.
    pub fn new(base_url: &str, invoice_key: &str) -> Result<Self, LnbitsConfigError> {
        if !url::is_safe_base(base_url) {
            return Err(LnbitsConfigError::Url(
                "must be an https URL (http only for localhost), without user, query or fragment",
            ));
        }
        if invoice_key.len() < 8 || !invoice_key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(LnbitsConfigError::Key(
                "must be the invoice key of an LNbits wallet, which has only letters and digits",
            ));
        }
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { base_url, invoice_key: invoice_key.to_owned() })
    }

    /// Returns the base URL and the key, which together identify the wallet. The key is a secret.
    pub fn identity(&self) -> [&str; 2] {
        [&self.base_url, &self.invoice_key]
    }

    /// Returns a `GET` request for a path below the base URL, with or without the key.
    pub fn get(&self, path: &str, with_key: bool) -> HttpRequest {
        let url = format!("{}{path}", self.base_url);
        HttpRequest {
            method: "GET",
            url,
            key: with_key.then(|| self.invoice_key.clone()),
            body: None,
            max_response_bytes: MAX_RESPONSE_BYTES,
        }
    }

    /// Returns the request that creates an invoice.
    ///
    /// `out: false` is always sent, because LNbits would otherwise make an outgoing payment. Some keys in `extra`, such
    /// as `fiat_payment_request`, make LNbits replace the invoice. So the keys are fixed. Of their values, a client
    /// chooses only the host and the method, which have only a few harmless characters
    /// ([`is_recordable`](crate::protocols::record::is_recordable)).
    pub fn create(&self, invoice: &InvoiceRequest<'_>) -> HttpRequest {
        let (amount, unit) = match invoice.price {
            Price::Sats(sats) => (Amount::Sats(*sats), "sat"),
            Price::Fiat(price) => (Amount::Fiat(price.fiat.amount()), price.fiat.currency()),
        };
        let body = CreateInvoiceBody {
            amount,
            out: false,
            unit,
            memo: invoice.description,
            expiry: invoice.expiry_s,
            webhook: invoice.webhook,
            extra: Extra::new(invoice),
        };
        let body = serde_json::to_string(&body).unwrap_or_default();
        HttpRequest { method: "POST", body: Some(body), ..self.get(PAYMENTS, true) }
    }

    /// Checks the response to [`create`](Self::create): see [`Wallet::read_created`](super::Wallet::read_created).
    pub fn read_created(
        &self,
        invoice: &InvoiceRequest<'_>,
        response: &WalletResponse,
        now_unix: u64,
    ) -> Result<Invoice, WalletError> {
        let payment = read(response, 201)?;
        let payment_hash = PaymentHash::from_hex(text(&payment, "payment_hash")?)
            .ok_or(WalletError::Missing("payment_hash"))?;
        // The invoice is read from `bolt11`. The field `payment_request` may contain another invoice.
        let bolt11 = Bolt11::parse(text(&payment, "bolt11")?)?;
        if text(&payment, "status")? != "pending" {
            return Err(WalletError::NotPending);
        }
        if bolt11.payment_hash() != payment_hash {
            return Err(WalletError::OtherPaymentHash);
        }
        Invoice::check(bolt11, invoice, now_unix)
    }

    /// Returns the request that looks up a payment.
    ///
    /// The request has the key, because LNbits omits the details of the payment from the response to a request without
    /// a key.
    pub fn look_up(&self, payment_hash: &PaymentHash) -> HttpRequest {
        self.get(&format!("{PAYMENTS}/{}", payment_hash.to_hex()), true)
    }

    /// Returns the status of a payment: see [`Wallet::read_looked_up`](super::Wallet::read_looked_up).
    pub fn read_looked_up(
        &self,
        payment: &Payment,
        response: &WalletResponse,
        now_unix: u64,
    ) -> Result<PaymentStatus, WalletError> {
        let answer = match response.status {
            404 => return Err(WalletError::UnknownPayment),
            429 => {
                return Err(WalletError::PaymentRateLimited { retry_after_s: response.retry_after_s });
            }
            _ => read(response, 200)?,
        };
        let is_paid = answer.get("paid").and_then(Json::as_bool).ok_or(WalletError::Missing("paid"))?;
        // LNbits omits the details if the key does not belong to the wallet of the payment.
        let details = answer.get("details").ok_or(WalletError::Missing("details"))?;
        if PaymentHash::from_hex(text(details, "payment_hash")?) != Some(payment.hash) {
            return Err(WalletError::OtherPaymentHash);
        }
        // For a payment from a wallet to itself, LNbits returns the outgoing payment, whose amount is negative. So the
        // sign is ignored.
        let amount_msat = details.get("amount").and_then(Json::magnitude);
        if whole_sats(amount_msat) != Some(payment.amount_sats) {
            return Err(WalletError::OtherAmount);
        }
        match (is_paid, text(details, "status")?) {
            (true, "success") => Ok(PaymentStatus::Paid),
            // LNbits omits the top-level `status` if it got no status from its funding source.
            (false, "pending") if answer.get("status").is_none() => Err(WalletError::StatusUnknown),
            (false, "pending") => {
                let bolt11 = Bolt11::parse(text(details, "bolt11")?)?;
                let is_same = bolt11.payment_hash() == payment.hash && bolt11.amount_msat() == amount_msat;
                let is_payable = bolt11.expires_at_unix() > now_unix;
                Ok(if is_same && is_payable { PaymentStatus::Pending(bolt11) } else { PaymentStatus::Unpaid })
            }
            _ => Ok(PaymentStatus::Unpaid),
        }
    }

    /// Returns an invoice of edgetoll: see [`Wallet::read_own_invoice`](super::Wallet::read_own_invoice).
    ///
    /// An LNbits that does not know the payment for this key responds with 404 and a reason in JSON. If the key is
    /// wrong, it omits the details.
    pub fn read_own_invoice(
        &self,
        payment_hash: &PaymentHash,
        response: &WalletResponse,
    ) -> Result<Option<OwnInvoice>, WalletError> {
        let answer = match response.status {
            404 if read(response, 404)?.get("detail").is_some() => return Ok(None),
            429 => {
                return Err(WalletError::PaymentRateLimited { retry_after_s: response.retry_after_s });
            }
            _ => read(response, 200)?,
        };
        let is_paid = answer.get("paid").and_then(Json::as_bool).ok_or(WalletError::Missing("paid"))?;
        let details = answer.get("details").ok_or(WalletError::Missing("details"))?;
        let Some(invoice) = own_invoice(details).filter(|own| own.payment_hash == *payment_hash) else {
            return Ok(None);
        };
        match (is_paid, text(details, "status")?) {
            // LNbits omits the top-level `status` if it got no status from its funding source.
            (false, "pending") if answer.get("status").is_none() => Err(WalletError::StatusUnknown),
            (is_paid, status) => Ok(Some(OwnInvoice { is_paid: is_paid && status == "success", ..invoice })),
        }
    }
}

/// Reads an invoice and its record from the details of a payment, as not paid. Returns `None` if edgetoll did not
/// request the invoice, if it has no record, or if its amounts differ. An outgoing payment has a negative amount.
fn own_invoice(details: &Json) -> Option<OwnInvoice> {
    let bolt11 = tagged_invoice(details)?;
    let amount_msat = details.get("amount")?.as_u64();
    let amount_sats = whole_sats(amount_msat.filter(|_| amount_msat == bolt11.amount_msat()))?;
    let (route, record) = extra::read_record(details.get("extra")?)?;
    Some(OwnInvoice {
        payment_hash: bolt11.payment_hash(),
        is_paid: false,
        amount_sats,
        payable_until_unix: bolt11.expires_at_unix(),
        route,
        record,
    })
}

/// Returns the body of a response as a JSON object, if the response has the expected status.
pub(super) fn read(response: &WalletResponse, expected: u16) -> Result<Json, WalletError> {
    match response.status {
        status if status == expected => {
            Json::parse(response.body.as_bytes()).filter(Json::is_object).ok_or(WalletError::NotJson)
        }
        429 => Err(WalletError::RateLimited { retry_after_s: response.retry_after_s }),
        // A 520 with `"status": "pending"` means that the funding source failed. A 520 with `"status": "failed"` means
        // that LNbits refuses only this invoice.
        520 if Json::parse(response.body.as_bytes())
            .is_some_and(|json| text(&json, "status") == Ok("pending")) =>
        {
            Err(WalletError::FundingSource)
        }
        status => Err(WalletError::Status(status)),
    }
}

/// Returns the string at a key of a JSON object from LNbits. Fails if the key is missing or its value is not a string.
pub(super) fn text<'a>(object: &'a Json, key: &'static str) -> Result<&'a str, WalletError> {
    object.get(key).and_then(Json::as_str).ok_or(WalletError::Missing(key))
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
    /// A decimal number in a string. LNbits also accepts a JSON number, but the code that formats a floating-point
    /// number would add 10 KB to the wasm.
    Fiat(String),
}

pub(super) const PAYMENTS: &str = "/api/v1/payments";
