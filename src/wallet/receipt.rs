//! Payments as the ledger reads them from LNbits: a single payment by its payment hash, or a page of the payment list.
//!
//! Only payments whose invoices carry the tag of edgetoll count. This module does not decide whether a credential is
//! valid.

use super::extra::{TAG, read_terms};
use super::lnbits::{Lnbits, PAYMENTS, read, text};
use super::{HttpRequest, WalletError, WalletResponse, whole_sats};
use crate::bolt11::Bolt11;
use crate::payment::PaymentHash;
use crate::protocols::price::Fiat;
use crate::strict_json::Json;

/// A payment that the wallet reports as paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub payment_hash: PaymentHash,
    pub amount_sats: u64,
    /// The pattern of the route.
    pub route: String,
    /// The pseudonym of the client for which the invoice was created.
    pub client: Option<String>,
    /// The timestamp of the invoice.
    pub minted_unix: u64,
    /// When the payment settled, as the wallet writes it: ISO 8601, or Unix seconds; empty if the wallet does not report
    /// this time.
    pub settled: String,
    pub terms: SaleTerms,
}

/// What was sold, as far as the wallet has kept it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaleTerms {
    /// The host in lower case, without a port.
    pub host: Option<String>,
    /// The number of requests; `None` also if it was not limited.
    pub uses: Option<u64>,
    /// The price, if it was in a currency. Otherwise the value of the amount when the invoice was created, in the currency of
    /// the LNbits wallet.
    pub fiat: Option<Fiat>,
}

impl Receipt {
    /// Reads a payment; `None` if it is not paid, or not for an invoice of edgetoll. The filters of the request are
    /// checked again here, since LNbits ignores a filter that it cannot parse.
    fn read(payment: &Json) -> Option<Self> {
        let invoice = tagged_invoice(payment)?;
        if payment.get("status")?.as_str()? != "success" {
            return None;
        }
        let extra = payment.get("extra")?;
        let amount_sats = whole_sats(payment.get("amount")?.as_u64())?;
        let string = |object: &Json, key: &str| object.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            payment_hash: invoice.payment_hash(),
            // An outgoing payment has a negative amount and is skipped.
            amount_sats,
            route: string(extra, "route")?,
            client: string(extra, "c"),
            minted_unix: invoice.timestamp_unix(),
            settled: string(payment, "updated_at").or_else(|| string(payment, "time")).unwrap_or_default(),
            terms: read_terms(extra, amount_sats),
        })
    }
}

/// What is known of a payment without the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// The pattern of the route.
    pub route: String,
    /// The pseudonym of the client.
    pub client: Option<String>,
}

/// A payment that is not paid and may still be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    pub payment_hash: PaymentHash,
    /// The timestamp of the invoice.
    pub minted_unix: u64,
    /// When the invoice expires.
    pub expires_unix: u64,
}

impl Pending {
    /// Reads a payment; `None` if it is not pending, or not for an invoice of edgetoll.
    fn read(payment: &Json) -> Option<Self> {
        let invoice = tagged_invoice(payment)?;
        let is_pending = payment.get("status")?.as_str()? == "pending";
        is_pending.then(|| Self {
            payment_hash: invoice.payment_hash(),
            minted_unix: invoice.timestamp_unix(),
            expires_unix: invoice.expires_at_unix(),
        })
    }
}

/// Returns at most `limit` invoices that expire within `within_s` seconds, sorted by the time of expiry. The invoices
/// after `last` come first, so that each run of the cron trigger continues where the previous run stopped.
pub fn expiring_first(
    mut pending: Vec<Pending>,
    now_unix: u64,
    within_s: u64,
    limit: usize,
    last: Option<Pending>,
) -> Vec<Pending> {
    let soon_unix = now_unix.saturating_add(1)..=now_unix.saturating_add(within_s);
    pending.retain(|one| soon_unix.contains(&one.expires_unix));
    let place = |one: &Pending| (one.expires_unix, one.payment_hash.to_hex());
    let last = last.as_ref().map(place);
    let mut first = Vec::new();
    while first.len() < limit
        && let Some((at, _)) = pending.iter().enumerate().min_by_key(|(_, one)| {
            let place = place(one);
            (last.as_ref().is_some_and(|last| place <= *last), place)
        })
    {
        first.push(pending.remove(at));
    }
    first
}

/// A page of the payment list.
#[derive(Debug, PartialEq, Eq)]
pub struct PaymentPage<T> {
    /// The payments on the page that are for invoices of edgetoll and have the requested status.
    pub payments: Vec<T>,
    /// The number of rows of the page, including rows that are not in `payments`.
    pub rows: usize,
    /// The time of the latest change of the payment in the first row, as LNbits writes it; `None` if it is not known.
    pub first: Option<String>,
    /// The time of the latest change of the payment in the last row, as LNbits writes it; `None` if it is not known.
    pub last: Option<String>,
}

/// Which payments of a wallet are listed, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentList {
    /// Paid payments. The payment with the latest change comes first.
    Paid,
    /// Payments that are not paid and may still be paid. The newest payment comes first.
    Pending,
}

impl Lnbits {
    /// Returns the request for a page of the payment list.
    ///
    /// The request has no filter by time: LNbits compares times as its database stores them, in a time zone that
    /// clients do not know.
    pub fn list(&self, list: PaymentList, offset: usize, limit: usize) -> HttpRequest {
        let filter = match list {
            PaymentList::Paid => "status=success&sortby=updated_at",
            PaymentList::Pending => "status=pending&sortby=time",
        };
        let path =
            format!("{PAYMENTS}/paginated?tag={TAG}&{filter}&direction=desc&limit={limit}&offset={offset}");
        HttpRequest { max_response_bytes: MAX_PAGE_BYTES, ..self.get(&path, true) }
    }

    /// Reads a page of paid payments.
    ///
    /// # Errors
    /// Fails if the response is not a payment list. A row that cannot be read is skipped.
    pub fn read_paid(&self, response: &WalletResponse) -> Result<PaymentPage<Receipt>, WalletError> {
        read_page(response, Receipt::read)
    }

    /// Reads a page of pending payments.
    ///
    /// # Errors
    /// Fails if the response is not a payment list. A row that cannot be read is skipped.
    pub fn read_pending(&self, response: &WalletResponse) -> Result<PaymentPage<Pending>, WalletError> {
        read_page(response, Pending::read)
    }

    /// Reads the response to a look-up; `None` if the payment is not paid, or not for an invoice of edgetoll.
    ///
    /// # Errors
    /// Fails if LNbits does not know the payment, or does not report whether it is paid.
    pub fn read_receipt(
        &self,
        payment_hash: &PaymentHash,
        response: &WalletResponse,
    ) -> Result<Option<Receipt>, WalletError> {
        if response.status == 404 {
            return Err(WalletError::UnknownPayment);
        }
        let answer = read(response, 200)?;
        let is_paid = answer.get("paid").and_then(Json::as_bool).ok_or(WalletError::Missing("paid"))?;
        let receipt = answer.get("details").and_then(Receipt::read);
        Ok(receipt.filter(|receipt| is_paid && receipt.payment_hash == *payment_hash))
    }
}

/// Returns the invoice of a payment; `None` if it does not carry the tag of edgetoll, or has another payment hash.
pub(super) fn tagged_invoice(payment: &Json) -> Option<Bolt11> {
    if payment.get("extra")?.get("tag")?.as_str()? != TAG {
        return None;
    }
    let invoice = Bolt11::parse(payment.get("bolt11")?.as_str()?).ok()?;
    let hash = PaymentHash::from_hex(payment.get("payment_hash")?.as_str()?)?;
    (invoice.payment_hash() == hash).then_some(invoice)
}

fn read_page<T>(
    response: &WalletResponse,
    read_row: impl Fn(&Json) -> Option<T>,
) -> Result<PaymentPage<T>, WalletError> {
    let answer = read(response, 200)?;
    let rows = answer.get("data").and_then(Json::as_array).ok_or(WalletError::Missing("data"))?;
    let changed = |row: Option<&Json>| text(row?, "updated_at").ok().map(str::to_owned);
    Ok(PaymentPage {
        payments: rows.iter().filter_map(read_row).collect(),
        rows: rows.len(),
        first: changed(rows.first()),
        last: changed(rows.last()),
    })
}

/// The usual number of rows that are requested for a page.
pub const PAGE_ROWS: usize = 50;
/// The size limit of a page. A payment takes 2 KB, or 10 KB if every field has its maximum length.
const MAX_PAGE_BYTES: usize = 1_048_576;
