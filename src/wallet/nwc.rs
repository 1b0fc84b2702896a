//! A wallet that is reached over Nostr Wallet Connect (NIP-47): its requests, and the checks that a response must pass.
//! `crate::nwc` encrypts and signs, and the Durable Object `NwcConnection` talks to the relay.

use serde::Serialize;

use super::extra::{self, Extra};
use super::lnbits::text;
use super::receipt::{Receipt, Sale};
use super::{
    Invoice, InvoiceRequest, NwcRequest, Payment, PaymentStatus, WalletError, WalletResponse, whole_sats,
};
use crate::bolt11::Bolt11;
use crate::nwc::uri::{NwcUri, NwcUriError};
use crate::payment::{PaymentHash, WalletSlot};
use crate::protocols::price::Price;
use crate::protocols::record::OwnInvoice;
use crate::strict_json::Json;
use crate::{crypto, hex};

/// A connection to a wallet.
pub struct NwcWallet {
    uri: NwcUri,
    identity: [String; 2],
    /// The name of the Durable Object that holds the connection. A connection with another secret has another object.
    object: String,
}

/// A method of NIP-47 that edgetoll uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NwcMethod {
    GetInfo,
    ListTransactions,
    LookupInvoice,
    MakeInvoice,
}

impl NwcMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GetInfo => "get_info",
            Self::ListTransactions => "list_transactions",
            Self::LookupInvoice => "lookup_invoice",
            Self::MakeInvoice => "make_invoice",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        const ALL: [NwcMethod; 4] = [
            NwcMethod::GetInfo,
            NwcMethod::ListTransactions,
            NwcMethod::LookupInvoice,
            NwcMethod::MakeInvoice,
        ];
        ALL.into_iter().find(|method| method.as_str() == word)
    }
}

impl NwcWallet {
    /// `url` is the address of the connection, as the wallet shows it.
    ///
    /// # Errors
    /// Fails if the address cannot be used. The error does not contain it.
    pub fn new(url: &str) -> Result<Self, NwcUriError> {
        let uri = NwcUri::parse(url)?;
        let identity = uri.identity();
        let [wallet, secret] = &identity;
        let object = hex::encode(&crypto::sha256(format!("{wallet}\n{secret}").as_bytes()));
        Ok(Self { identity, object, uri })
    }

    pub fn uri(&self) -> &NwcUri {
        &self.uri
    }

    /// Returns the public key of the wallet and the secret key of the connection, which together identify the wallet.
    pub fn identity(&self) -> [&str; 2] {
        let [wallet, secret] = &self.identity;
        [wallet, secret]
    }

    /// Returns the request that creates an invoice. The metadata holds what `extra` holds for LNbits. A wallet may drop
    /// it.
    ///
    /// # Errors
    /// Fails if the price is in a currency: NIP-47 has no exchange rates.
    pub fn create(&self, invoice: &InvoiceRequest<'_>) -> Result<NwcRequest, WalletError> {
        let Price::Sats(sats) = invoice.price else { return Err(WalletError::NoRates) };
        let params = MakeInvoice {
            amount: sats.saturating_mul(1_000),
            description: invoice.description,
            expiry: invoice.expiry_s,
            metadata: Extra::new(invoice),
        };
        Ok(self.request(NwcMethod::MakeInvoice, &params))
    }

    /// Checks the response to [`create`](Self::create): see [`Wallet::read_created`](super::Wallet::read_created).
    pub fn read_created(
        &self,
        invoice: &InvoiceRequest<'_>,
        response: &WalletResponse,
        now_unix: u64,
    ) -> Result<Invoice, WalletError> {
        let made = read(NwcMethod::MakeInvoice, response)?;
        let bolt11 = Bolt11::parse(text(&made, "invoice")?)?;
        // Old wallets report neither a state nor the payment hash.
        if optional(&made, "state").is_some_and(|state| state.as_str() != Some("pending")) {
            return Err(WalletError::NotPending);
        }
        if optional(&made, "payment_hash").is_some_and(|hash| !is_hash(hash, &bolt11.payment_hash())) {
            return Err(WalletError::OtherPaymentHash);
        }
        Invoice::check(bolt11, invoice, now_unix)
    }

    /// Returns the request that looks up a payment.
    pub fn look_up(&self, payment_hash: &PaymentHash) -> NwcRequest {
        self.request(NwcMethod::LookupInvoice, &LookupInvoice { payment_hash: payment_hash.to_hex() })
    }

    /// Returns the request for the list: see [`Wallet::list_request`](super::Wallet::list_request).
    pub fn list_request(&self, response: &WalletResponse, page: usize) -> Option<NwcRequest> {
        let transaction = read(NwcMethod::LookupInvoice, response).ok()?;
        if looked_up_state(&transaction, response) != Err(WalletError::Unconfirmed) {
            return None;
        }
        // LNbits lists payments that were created after `from`, until the end of the second `until`.
        let created_unix = transaction.get("created_at").and_then(Json::as_u64)?;
        let params = ListTransactions {
            until: Some(created_unix.saturating_add(1)),
            ..ListTransactions::paid(created_unix.saturating_sub(1), page.saturating_mul(PAGE_ROWS))
        };
        Some(self.request(NwcMethod::ListTransactions, &params))
    }

    /// Whether the list has a payment: see [`Wallet::read_listed`](super::Wallet::read_listed).
    pub fn read_listed(
        &self,
        payment_hash: &PaymentHash,
        list: &WalletResponse,
    ) -> Result<Option<bool>, WalletError> {
        let list = read(NwcMethod::ListTransactions, list).map_err(|_| WalletError::Unconfirmed)?;
        let rows = list.get("transactions").and_then(Json::as_array).ok_or(WalletError::Unconfirmed)?;
        let is_paid = |row: &Json| {
            is_settled(row) && row.get("payment_hash").is_some_and(|hash| is_hash(hash, payment_hash))
        };
        let is_listed = rows.iter().any(is_paid);
        Ok((is_listed || rows.len() < PAGE_ROWS).then_some(is_listed))
    }

    /// Returns the status of a payment: see [`Wallet::read_looked_up`](super::Wallet::read_looked_up).
    pub fn read_looked_up(
        &self,
        payment: &Payment,
        response: &WalletResponse,
        now_unix: u64,
    ) -> Result<PaymentStatus, WalletError> {
        let transaction = read(NwcMethod::LookupInvoice, response)?;
        if !transaction.get("payment_hash").is_some_and(|hash| is_hash(hash, &payment.hash)) {
            return Err(WalletError::OtherPaymentHash);
        }
        let amount_msat = transaction.get("amount").and_then(Json::as_u64);
        if !is_incoming(&transaction) || whole_sats(amount_msat) != Some(payment.amount_sats) {
            return Err(WalletError::OtherAmount);
        }
        match looked_up_state(&transaction, response)? {
            State::Settled => return Ok(PaymentStatus::Paid),
            State::Closed => return Ok(PaymentStatus::Unpaid),
            State::Open => {}
        }
        let payable = invoice(&transaction).filter(|bolt11| {
            bolt11.payment_hash() == payment.hash
                && bolt11.amount_msat() == amount_msat
                && bolt11.expires_at_unix() > now_unix
        });
        Ok(payable.map_or(PaymentStatus::Unpaid, PaymentStatus::Pending))
    }

    /// Returns the receipt of a payment: see [`Wallet::read_receipt`](super::Wallet::read_receipt).
    pub fn read_receipt(
        &self,
        payment_hash: &PaymentHash,
        sale: Option<&Sale>,
        response: &WalletResponse,
    ) -> Result<Option<Receipt>, WalletError> {
        let transaction = read(NwcMethod::LookupInvoice, response)?;
        let receipt = match looked_up_state(&transaction, response)? {
            State::Settled => receipt(&transaction, sale),
            State::Open | State::Closed => None,
        };
        Ok(receipt.filter(|receipt| receipt.payment_hash == *payment_hash))
    }

    /// Returns an invoice of edgetoll: see [`Wallet::read_own_invoice`](super::Wallet::read_own_invoice).
    ///
    /// The client has chosen the payment hash. To a payment that it does not know, the extension *NWC Service Provider* of
    /// LNbits answers `INTERNAL`, and other wallets without a result. Such an answer is not a failure of the wallet:
    /// otherwise, three made-up preimages would open its circuit.
    pub fn read_own_invoice(
        &self,
        payment_hash: &PaymentHash,
        response: &WalletResponse,
    ) -> Result<Option<OwnInvoice>, WalletError> {
        let transaction = match read(NwcMethod::LookupInvoice, response) {
            Err(WalletError::UnknownPayment) => return Ok(None),
            Err(WalletError::Internal | WalletError::Missing(_)) => return Err(WalletError::Refused),
            transaction => transaction?,
        };
        let state = match looked_up_state(&transaction, response) {
            Err(WalletError::Unconfirmed) => return Err(WalletError::Unconfirmed),
            state => state.map_err(|_| WalletError::Refused)?,
        };
        let is_paid = state == State::Settled;
        let own = own_invoice(&transaction, is_paid);
        Ok(own.filter(|own| own.payment_hash == *payment_hash))
    }

    /// Returns the request for a page of paid incoming payments whose invoices were created since a time.
    pub fn list_paid(&self, from_unix: u64, offset: usize) -> NwcRequest {
        self.request(NwcMethod::ListTransactions, &ListTransactions::paid(from_unix, offset))
    }

    /// Reads a page of paid payments.
    ///
    /// # Errors
    /// Fails if the response is not a list of payments. A row that cannot be read is skipped.
    pub fn read_paid(&self, response: &WalletResponse) -> Result<TransactionPage, WalletError> {
        let result = read(NwcMethod::ListTransactions, response)?;
        let rows = result
            .get("transactions")
            .and_then(Json::as_array)
            .ok_or(WalletError::Missing("transactions"))?;
        let payments =
            rows.iter().filter(|row| is_settled(row)).filter_map(|row| receipt(row, None)).collect();
        Ok(TransactionPage { payments, rows: rows.len(), is_full: rows.len() >= PAGE_ROWS })
    }

    /// Returns the request that shows what the connection may do.
    pub fn info(&self) -> NwcRequest {
        self.request(NwcMethod::GetInfo, &NoParams {})
    }

    fn request(&self, method: NwcMethod, params: &impl Serialize) -> NwcRequest {
        let params = serde_json::to_string(params).unwrap_or_default();
        NwcRequest { object: self.object.clone(), method, params }
    }
}

/// The state of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The payment may still be paid.
    Open,
    Settled,
    /// The payment failed, or its invoice expired.
    Closed,
}

/// A page of the list of paid payments.
#[derive(Debug, PartialEq, Eq)]
pub struct TransactionPage {
    /// The payments on the page that are for invoices of edgetoll.
    pub payments: Vec<Receipt>,
    /// The number of rows of the page.
    pub rows: usize,
    /// Whether the list may continue.
    pub is_full: bool,
}

/// The header of a call of the Durable Object that holds the connection. The parameters of the method are the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NwcCall {
    pub slot: WalletSlot,
    pub method: NwcMethod,
    /// How long the object may wait for the wallet.
    pub limit_ms: u32,
}

impl NwcCall {
    pub fn parse(text: &str) -> Option<Self> {
        let [slot, method, limit_ms] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some(Self {
            slot: WalletSlot::parse(slot)?,
            method: NwcMethod::parse(method)?,
            limit_ms: limit_ms.parse().ok()?,
        })
    }

    pub fn to_text(self) -> String {
        format!("{} {} {}", self.slot.as_str(), self.method.as_str(), self.limit_ms)
    }
}

/// Reads the answer of the Durable Object: the response of the wallet, or `!` and the name of a fault.
///
/// # Errors
/// Returns the fault as an error.
pub fn read_answer(answer: &str) -> Result<WalletResponse, WalletError> {
    let Some(fault) = answer.strip_prefix('!') else {
        let body = answer.to_owned();
        return Ok(WalletResponse { status: 200, retry_after_s: None, body, is_listed: None });
    };
    Err(match fault {
        "timeout" => WalletError::Timeout,
        "refused" => WalletError::RelayRefused,
        "no_encryption" => WalletError::NoEncryption,
        "may_spend" => WalletError::MaySpend,
        "no_info" => WalletError::NoInfo,
        "not_configured" => WalletError::NotConfigured,
        _ => WalletError::Unreachable,
    })
}

/// Whether a connection may spend, from the response to [`NwcWallet::info`]; `None` if the response is inconclusive. A
/// list without methods is inconclusive, because every connection of edgetoll needs `make_invoice`.
pub fn may_spend(response: &WalletResponse) -> Option<bool> {
    let info = read(NwcMethod::GetInfo, response).ok()?;
    let methods = info.get("methods")?.as_array()?;
    let names: Vec<&str> = methods.iter().map(Json::as_str).collect::<Option<_>>()?;
    let spends = |name: &&str| {
        name.starts_with("pay_") || name.starts_with("multi_pay_") || SPENDING_METHODS.contains(name)
    };
    (!names.is_empty()).then(|| names.iter().any(spends))
}

/// Whether the wallet keeps what edgetoll records with an invoice, from the response to a look-up; `None` if the response
/// is inconclusive.
pub fn keeps_record(response: &WalletResponse) -> Option<bool> {
    let transaction = read(NwcMethod::LookupInvoice, response).ok()?;
    Some(transaction.get("metadata").and_then(extra::read_record).is_some())
}

/// Whether the wallet reports the state of a payment, from the response to a look-up; `None` if the response is inconclusive.
pub fn reports_state(response: &WalletResponse) -> Option<bool> {
    let transaction = read(NwcMethod::LookupInvoice, response).ok()?;
    reported_state(&transaction).ok().map(|state| state.is_some())
}

/// Returns the receipt of the payment in a notification; `None` if it reports no payment for an invoice of edgetoll.
pub fn receipt_of_notification(notification: &str) -> Option<Receipt> {
    let notification = Json::parse(notification.as_bytes())?;
    if notification.get("notification_type")?.as_str()? != "payment_received" {
        return None;
    }
    let transaction = notification.get("notification")?;
    if is_settled(transaction) { receipt(transaction, None) } else { None }
}

/// Returns the result of a response.
fn read(method: NwcMethod, response: &WalletResponse) -> Result<Json, WalletError> {
    let answer = Json::parse(response.body.as_bytes()).filter(Json::is_object).ok_or(WalletError::NotJson)?;
    if let Some(error) = answer.get("error").filter(|error| **error != Json::Null) {
        return Err(refusal(error.get("code").and_then(Json::as_str).unwrap_or_default()));
    }
    if text(&answer, "result_type")? != method.as_str() {
        return Err(WalletError::Missing("result_type"));
    }
    answer.get("result").filter(|result| result.is_object()).cloned().ok_or(WalletError::Missing("result"))
}

/// Returns the error for a code of NIP-47.
fn refusal(code: &str) -> WalletError {
    match code {
        "RATE_LIMITED" => WalletError::RateLimited { retry_after_s: None },
        "QUOTA_EXCEEDED" => WalletError::QuotaExceeded,
        "NOT_FOUND" => WalletError::UnknownPayment,
        "INTERNAL" => WalletError::Internal,
        "RESTRICTED" | "UNAUTHORIZED" | "NOT_IMPLEMENTED" | "UNSUPPORTED_ENCRYPTION" => {
            WalletError::Restricted
        }
        _ => WalletError::Refused,
    }
}

/// Returns the state of a payment that was looked up.
///
/// Old wallets report no state, but the time of the settlement. The extension *NWC Service Provider* of LNbits reports such a time also
/// for an invoice that has expired. So the list of paid payments decides.
///
/// # Errors
/// Fails with [`WalletError::Unconfirmed`] if the list is needed and was not requested.
fn looked_up_state(transaction: &Json, response: &WalletResponse) -> Result<State, WalletError> {
    match (reported_state(transaction)?, response.is_listed) {
        (Some(state), _) => Ok(state),
        (None, _) if !has_settlement_time(transaction) => Ok(State::Open),
        (None, Some(true)) => Ok(State::Settled),
        (None, Some(false)) => Ok(State::Closed),
        (None, None) => Err(WalletError::Unconfirmed),
    }
}

/// Whether a payment in a list, or in a notification, is settled. The list has no payments whose invoices have expired.
fn is_settled(transaction: &Json) -> bool {
    match reported_state(transaction) {
        Ok(Some(state)) => state == State::Settled,
        Ok(None) => has_settlement_time(transaction),
        Err(_) => false,
    }
}

/// Returns the state that a wallet reports; `None` if it reports none.
fn reported_state(transaction: &Json) -> Result<Option<State>, WalletError> {
    match optional(transaction, "state").map(Json::as_str) {
        None => Ok(None),
        Some(Some("settled")) => Ok(Some(State::Settled)),
        Some(Some("pending" | "accepted")) => Ok(Some(State::Open)),
        Some(Some("expired" | "failed")) => Ok(Some(State::Closed)),
        Some(_) => Err(WalletError::Missing("state")),
    }
}

fn has_settlement_time(transaction: &Json) -> bool {
    transaction.get("settled_at").and_then(Json::as_u64).is_some_and(|at_unix| at_unix > 0)
}

fn invoice(transaction: &Json) -> Option<Bolt11> {
    transaction.get("invoice").and_then(Json::as_str).and_then(|text| Bolt11::parse(text).ok())
}

/// Returns a value that NIP-47 calls optional; `None` if it is missing. Some wallets write null or an empty text for a
/// missing value.
fn optional<'a>(object: &'a Json, key: &str) -> Option<&'a Json> {
    object.get(key).filter(|value| **value != Json::Null && value.as_str() != Some(""))
}

fn is_incoming(transaction: &Json) -> bool {
    transaction.get("type").and_then(Json::as_str) == Some("incoming")
}

fn is_hash(hash: &Json, expected: &PaymentHash) -> bool {
    hash.as_str().and_then(PaymentHash::from_hex) == Some(*expected)
}

/// Reads a settled payment; `None` if its invoice does not carry the tag of edgetoll and there is no `sale`.
fn receipt(transaction: &Json, sale: Option<&Sale>) -> Option<Receipt> {
    let Sale { route, client } = tagged_sale(transaction).or_else(|| sale.cloned())?;
    if !is_incoming(transaction) {
        return None;
    }
    let payment_hash = PaymentHash::from_hex(transaction.get("payment_hash")?.as_str()?)?;
    let minted_unix = match invoice(transaction) {
        Some(invoice) if invoice.payment_hash() != payment_hash => return None,
        Some(invoice) => invoice.timestamp_unix(),
        None => transaction.get("created_at")?.as_u64().filter(|at_unix| *at_unix <= MAX_TIMESTAMP_UNIX)?,
    };
    let amount_sats = whole_sats(transaction.get("amount")?.as_u64())?;
    Some(Receipt {
        payment_hash,
        amount_sats,
        route,
        client,
        minted_unix,
        settled: transaction
            .get("settled_at")
            .and_then(Json::as_u64)
            .map(|at| at.to_string())
            .unwrap_or_default(),
        terms: transaction
            .get("metadata")
            .map(|extra| extra::read_terms(extra, amount_sats))
            .unwrap_or_default(),
    })
}

/// Reads an invoice and its record; `None` if edgetoll did not request the invoice, or if the wallet has dropped the record.
fn own_invoice(transaction: &Json, is_paid: bool) -> Option<OwnInvoice> {
    let (route, record) = extra::read_record(transaction.get("metadata")?)?;
    let bolt11 = invoice(transaction)?;
    let amount_msat = transaction.get("amount")?.as_u64();
    let is_same = is_hash(transaction.get("payment_hash")?, &bolt11.payment_hash())
        && amount_msat == bolt11.amount_msat()
        && is_incoming(transaction);
    Some(OwnInvoice {
        payment_hash: bolt11.payment_hash(),
        is_paid,
        amount_sats: whole_sats(amount_msat.filter(|_| is_same))?,
        payable_until_unix: bolt11.expires_at_unix(),
        route,
        record,
    })
}

/// Reads what edgetoll recorded with the invoice.
fn tagged_sale(transaction: &Json) -> Option<Sale> {
    extra::read_sale(transaction.get("metadata")?)
}

#[derive(Serialize)]
struct MakeInvoice<'a> {
    /// In millisatoshis.
    amount: u64,
    description: &'a str,
    /// In seconds.
    expiry: u64,
    metadata: Extra<'a>,
}

#[derive(Serialize)]
struct NoParams {}

#[derive(Serialize)]
struct LookupInvoice {
    payment_hash: String,
}

#[derive(Serialize)]
struct ListTransactions {
    from: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    limit: usize,
    offset: usize,
    unpaid: bool,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl ListTransactions {
    /// The paid incoming payments whose invoices were created since a time.
    const fn paid(from_unix: u64, offset: usize) -> Self {
        Self { from: from_unix, until: None, limit: PAGE_ROWS, offset, unpaid: false, kind: "incoming" }
    }
}

/// The number of rows that are requested for a page.
const PAGE_ROWS: usize = 20;
/// Methods that spend, or that make a connection that may spend, besides `pay_…` and `multi_pay_…` of NIP-47:
/// `create_connection` of Alby Hub, and `execute_quote` of UMA.
const SPENDING_METHODS: [&str; 2] = ["create_connection", "execute_quote"];
/// The timestamp of an invoice has 35 bits (BOLT 11). A time that is not in seconds is greater.
const MAX_TIMESTAMP_UNIX: u64 = 0x0007_FFFF_FFFF;
