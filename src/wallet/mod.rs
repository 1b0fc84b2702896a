//! Wallets create invoices and report whether an invoice was paid.
//!
//! This module builds requests and checks responses. It sends nothing: the Worker sends requests with `fetch` or over a
//! relay, and `edgetoll doctor` with clients of its own.

pub mod circuit_breaker;
mod extra;
pub mod failover;
pub mod lnbits;
#[cfg(feature = "nwc")]
pub mod nwc;
pub mod probe;
pub mod receipt;
pub mod settlement;
pub mod slots;

use std::num::NonZeroU32;

use thiserror::Error;

use crate::bolt11::{Bolt11, Bolt11Error};
use crate::payment::{PaymentHash, WalletSlot};
use crate::protocols::price::Price;
use crate::protocols::record::{InvoiceRecord, OwnInvoice};
use lnbits::Lnbits;
#[cfg(feature = "nwc")]
use nwc::{NwcMethod, NwcWallet};
use receipt::{Receipt, Sale};

/// A wallet.
pub enum Wallet {
    Lnbits(Lnbits),
    #[cfg(feature = "nwc")]
    Nwc(NwcWallet),
}

impl Wallet {
    /// Returns two texts that together identify the wallet. The second is a secret.
    pub fn identity(&self) -> [&str; 2] {
        match self {
            Self::Lnbits(lnbits) => lnbits.identity(),
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => nwc.identity(),
        }
    }

    /// Whether the wallet converts a price in a currency to satoshis.
    pub fn converts(&self) -> bool {
        matches!(self, Self::Lnbits(_))
    }

    /// Returns the request that creates an invoice.
    ///
    /// # Errors
    /// Fails if the wallet cannot convert a price in a currency.
    pub fn create(&self, invoice: &InvoiceRequest<'_>) -> Result<WalletRequest, WalletError> {
        match self {
            Self::Lnbits(lnbits) => Ok(WalletRequest::Http(lnbits.create(invoice))),
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => nwc.create(invoice).map(WalletRequest::Nwc),
        }
    }

    /// Checks the response to [`Wallet::create`]. The invoice must:
    /// - be pending, and payable for at least a minute;
    /// - have a timestamp within ten minutes of `now_unix`;
    /// - have the requested network, and the payment hash that the response states;
    /// - have the requested amount, or, for a price in a currency, an amount from `min_sats` to `max_sats`.
    ///
    /// # Errors
    /// Returns the first check that fails. The error contains no text from the response, which may contain a secret.
    pub fn read_created(
        &self,
        invoice: &InvoiceRequest<'_>,
        response: &WalletResponse,
        now_unix: u64,
    ) -> Result<Invoice, WalletError> {
        match self {
            Self::Lnbits(lnbits) => lnbits.read_created(invoice, response, now_unix),
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => nwc.read_created(invoice, response, now_unix),
        }
    }

    /// Returns the request that looks up whether a payment has settled.
    pub fn look_up(&self, payment_hash: &PaymentHash) -> WalletRequest {
        match self {
            Self::Lnbits(lnbits) => WalletRequest::Http(lnbits.look_up(payment_hash)),
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => WalletRequest::Nwc(nwc.look_up(payment_hash)),
        }
    }

    /// Returns the request for a page of the wallet's list of paid payments, if the response to [`Wallet::look_up`] does not say whether
    /// the payment was paid or has expired. The first page is 0.
    #[cfg_attr(not(feature = "nwc"), expect(unused_variables, reason = "LNbits always says it"))]
    pub fn list_request(&self, response: &WalletResponse, page: usize) -> Option<WalletRequest> {
        match self {
            Self::Lnbits(_) => None,
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => nwc.list_request(response, page).map(WalletRequest::Nwc),
        }
    }

    /// Whether the response to [`Wallet::list_request`] has a payment; `None` if it may be on the next page.
    ///
    /// # Errors
    /// Fails if the response is not a list of payments.
    #[cfg_attr(not(feature = "nwc"), expect(unused_variables, reason = "LNbits is never asked"))]
    pub fn read_listed(
        &self,
        payment_hash: &PaymentHash,
        list: &WalletResponse,
    ) -> Result<Option<bool>, WalletError> {
        match self {
            Self::Lnbits(_) => Err(WalletError::Unconfirmed),
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => nwc.read_listed(payment_hash, list),
        }
    }

    /// Returns the status of a payment from the response to [`Wallet::look_up`].
    ///
    /// # Errors
    /// Fails if the response does not contain the status of the payment, or is for another payment hash or amount. The
    /// error contains no text from the response, which may contain a preimage.
    pub fn read_looked_up(
        &self,
        payment: &Payment,
        response: &WalletResponse,
        now_unix: u64,
    ) -> Result<PaymentStatus, WalletError> {
        match self {
            Self::Lnbits(lnbits) => lnbits.read_looked_up(payment, response, now_unix),
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => nwc.read_looked_up(payment, response, now_unix),
        }
    }

    /// Returns the receipt of a payment from the response to [`Wallet::look_up`]; `None` if the payment is not paid, or
    /// not for an invoice of edgetoll. `sale` is used if the wallet has dropped what edgetoll recorded with the invoice.
    ///
    /// # Errors
    /// Fails if the wallet does not know the payment, or does not report whether it is paid.
    pub fn read_receipt(
        &self,
        payment_hash: &PaymentHash,
        #[cfg_attr(not(feature = "nwc"), expect(unused_variables, reason = "LNbits drops nothing"))]
        sale: Option<&Sale>,
        response: &WalletResponse,
    ) -> Result<Option<Receipt>, WalletError> {
        match self {
            Self::Lnbits(lnbits) => lnbits.read_receipt(payment_hash, response),
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => nwc.read_receipt(payment_hash, sale, response),
        }
    }

    /// Returns an invoice of edgetoll, with its record, from the response to [`Wallet::look_up`]. Returns `None` if the
    /// wallet does not know the payment, or if the invoice is not of edgetoll or has no record.
    ///
    /// # Errors
    /// Fails if the response does not contain the status of the payment.
    pub fn read_own_invoice(
        &self,
        payment_hash: &PaymentHash,
        response: &WalletResponse,
    ) -> Result<Option<OwnInvoice>, WalletError> {
        match self {
            Self::Lnbits(lnbits) => lnbits.read_own_invoice(payment_hash, response),
            #[cfg(feature = "nwc")]
            Self::Nwc(nwc) => nwc.read_own_invoice(payment_hash, response),
        }
    }
}

/// A request to a wallet. The type has no `Debug`, so that a key in it is never logged by mistake.
pub enum WalletRequest {
    Http(HttpRequest),
    #[cfg(feature = "nwc")]
    Nwc(NwcRequest),
}

/// A request to an LNbits. The type has no `Debug`, so that the invoice key in it is never logged by mistake.
pub struct HttpRequest {
    pub method: &'static str,
    /// The sender must not follow redirects, because another host would get the key.
    pub url: String,
    /// The value of `X-Api-Key`, if the request needs a key.
    pub key: Option<String>,
    /// The JSON body of a `POST`.
    pub body: Option<String>,
    /// A longer response is refused.
    pub max_response_bytes: usize,
}

/// A request to a wallet over Nostr Wallet Connect (NIP-47).
#[cfg(feature = "nwc")]
pub struct NwcRequest {
    /// The name of the Durable Object that holds the connection.
    pub object: String,
    pub method: NwcMethod,
    /// The parameters as a JSON object.
    pub params: String,
}

/// The response of a wallet, which may contain the preimage of an unpaid invoice. The type has no `Debug`, so that this
/// preimage is never logged by mistake.
pub struct WalletResponse {
    /// The HTTP status; 200 for each response over Nostr Wallet Connect.
    pub status: u16,
    /// The value of `Retry-After`; `None` if the header is missing or not a number of seconds.
    pub retry_after_s: Option<u64>,
    pub body: String,
    /// Whether the wallet's list of paid payments has the payment: see [`Wallet::list_request`]. `None` if the list was not requested.
    pub is_listed: Option<bool>,
}

/// An invoice to be created.
#[derive(Clone, Copy)]
pub struct InvoiceRequest<'a> {
    /// The wallet converts a price in a currency to satoshis.
    pub price: &'a Price,
    /// The text that the payer reads, of at most [`MAX_BYTES`](crate::policy::description::MAX_BYTES).
    pub description: &'a str,
    /// How long the invoice can be paid, in seconds.
    pub expiry_s: u64,
    /// The network as BOLT 11 abbreviates it, such as `bc`.
    pub network: &'a str,
    /// The pattern of the route that is sold.
    pub route: &'a str,
    /// The pseudonym of the client, if its address is known.
    pub client: Option<&'a str>,
    /// The URL that the wallet calls when the invoice is paid; `None` if no webhook is wanted.
    pub webhook: Option<&'a str>,
    /// The number of requests that are sold; `None` if the number is not limited.
    pub uses: Option<NonZeroU32>,
    /// What the invoice is created for; `None` if the wallet keeps no record of it.
    pub record: Option<&'a InvoiceRecord>,
}

/// An invoice that passed the checks of [`Wallet::read_created`].
#[derive(Debug)]
pub struct Invoice {
    pub bolt11: Bolt11,
    pub amount_sats: u64,
}

impl Invoice {
    /// Checks a new invoice against the request, as [`Wallet::read_created`] says. `now_unix` is the current time.
    ///
    /// # Errors
    /// Returns the first check that fails.
    fn check(bolt11: Bolt11, requested: &InvoiceRequest<'_>, now_unix: u64) -> Result<Self, WalletError> {
        let amount_sats = whole_sats(bolt11.amount_msat()).ok_or(WalletError::OtherAmount)?;
        match requested.price {
            Price::Sats(sats) if *sats != amount_sats => return Err(WalletError::OtherAmount),
            Price::Fiat(price) if !(price.min_sats..=price.max_sats).contains(&amount_sats) => {
                return Err(WalletError::OutOfBounds { amount_sats });
            }
            Price::Sats(_) | Price::Fiat(_) => {}
        }
        if bolt11.network() != requested.network {
            return Err(WalletError::OtherNetwork);
        }
        if bolt11.timestamp_unix().abs_diff(now_unix) > MAX_CLOCK_SKEW_S {
            return Err(WalletError::Clock);
        }
        if bolt11.expires_at_unix() < now_unix.saturating_add(MIN_LEFT_S) {
            return Err(WalletError::Expired);
        }
        Ok(Self { bolt11, amount_sats })
    }
}

/// A payment to look up.
#[derive(Clone, Copy, Debug)]
pub struct Payment {
    pub hash: PaymentHash,
    /// The amount of the invoice.
    pub amount_sats: u64,
}

/// The status of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    Paid,
    /// The payment is not paid yet, and this invoice can still be paid.
    Pending(Bolt11),
    /// The payment failed, or its invoice expired. A later look-up may still return `Paid`, because some funding
    /// sources report a payment late.
    Unpaid,
}

/// Why a wallet created no invoice, or why it is not known whether an invoice was paid.
///
/// An error contains no text from the response of the wallet, which may contain the preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WalletError {
    #[error("the wallet that created the invoice is no longer configured")]
    NotConfigured,
    #[error("the runtime returned no random bytes")]
    NoRandomness,
    #[error("the macaroon for the invoice could not be minted")]
    Unmintable,
    #[error("the wallet failed and gets the next request in {} s", retry_in_ms.div_ceil(1_000))]
    CircuitOpen { retry_in_ms: u64 },
    #[error("too little time was left for a request to the wallet")]
    NoTimeLeft,
    #[error("the wallet could not be reached")]
    Unreachable,
    #[error("the wallet did not answer in time")]
    Timeout,
    #[error("the wallet did not answer before the client's request reached its time limit")]
    DeadlineReached,
    #[error("the wallet's response is too large")]
    TooLarge,
    #[error("the wallet gets too many requests")]
    RateLimited { retry_after_s: Option<u64> },
    #[error("the wallet gets too many requests for this payment")]
    PaymentRateLimited { retry_after_s: Option<u64> },
    #[error("LNbits answered with status 520: its funding source is down or refused the invoice")]
    FundingSource,
    #[error("LNbits got no status of this payment from its funding source")]
    StatusUnknown,
    #[error("LNbits answered with status {0}")]
    Status(u16),
    #[error("LNbits answered with status {status}: {} or {} is wrong; `cargo run --bin edgetoll -- doctor` says which", slot.url_setting(), slot.key_setting())]
    KeyRefused { status: u16, slot: WalletSlot },
    #[error("the wallet does not know this payment: the settings may be those of another wallet")]
    UnknownPayment,
    #[error("the wallet's response is not JSON")]
    NotJson,
    #[error("the wallet's response has no valid {0}")]
    Missing(&'static str),
    #[error("the wallet's invoice cannot be read: {0}")]
    Bolt11(#[from] Bolt11Error),
    #[error("the wallet's new invoice is not pending")]
    NotPending,
    #[error("the wallet's response is for another payment hash")]
    OtherPaymentHash,
    #[error("the wallet's response is for another amount")]
    OtherAmount,
    #[error("the price converts to {amount_sats} sats, which is not between min_sats and max_sats")]
    OutOfBounds { amount_sats: u64 },
    #[error("the wallet's invoice is for another network")]
    OtherNetwork,
    #[error("the wallet's clock is more than ten minutes fast or slow")]
    Clock,
    #[error("the wallet's invoice expires too soon")]
    Expired,
    #[error("the binding NWC_CONNECTION is missing from the Wrangler file")]
    NotBound,
    #[error("the wallet cannot convert a price in a currency: only LNbits can")]
    NoRates,
    #[error("the wallet has used up its quota (QUOTA_EXCEEDED)")]
    QuotaExceeded,
    #[error("the wallet answered INTERNAL: it failed, or refused the request")]
    Internal,
    #[error("the wallet does not say whether this payment was paid or has expired")]
    Unconfirmed,
    #[error(
        "the wallet does not let this connection do that: create a connection that may create and look up invoices"
    )]
    Restricted,
    #[error("the wallet refused the request")]
    Refused,
    #[error("the relay refused the request")]
    RelayRefused,
    #[error("the wallet announces no encryption that edgetoll knows")]
    NoEncryption,
    #[error("the connection may spend what you earn: create a connection that may only receive")]
    MaySpend,
    #[error(
        "the wallet does not say whether the connection may spend (get_info): create a connection that may only receive"
    )]
    NoInfo,
}

impl WalletError {
    /// Whether the error counts as a failure of the wallet (`Some(true)`) or as a success (`Some(false)`) for the
    /// circuit breaker; `None` if it counts as neither.
    ///
    /// A client must not be able to open the circuit, which would stop all sales. So an error that a client can cause
    /// with a single request does not count as a failure. For example, LNbits or its node refuses the amount, or LNbits
    /// has no rate for the currency. Wallets over Nostr Wallet Connect answer `INTERNAL` to a description that they refuse, and to a
    /// payment that they do not know.
    pub fn is_fault_of_wallet(&self) -> Option<bool> {
        match self {
            Self::Unreachable
            | Self::Timeout
            | Self::TooLarge
            | Self::RateLimited { .. }
            | Self::NotJson
            | Self::Missing(_)
            | Self::Bolt11(_)
            | Self::NotPending
            | Self::OtherPaymentHash
            | Self::OtherNetwork
            | Self::Clock
            | Self::KeyRefused { .. }
            | Self::Expired
            | Self::QuotaExceeded
            | Self::Restricted
            | Self::RelayRefused
            | Self::NoEncryption
            | Self::NoInfo => Some(true),
            // LNbits refuses a single invoice with 400 or 520.
            Self::Status(status) => Some(![400, 520].contains(status)),
            // Each of these errors is about one payment or one invoice. LNbits has a separate rate limit for each
            // payment.
            Self::PaymentRateLimited { .. }
            | Self::UnknownPayment
            | Self::OtherAmount
            | Self::Refused
            | Self::OutOfBounds { .. } => Some(false),
            Self::FundingSource
            | Self::Internal
            | Self::Unconfirmed
            | Self::NoRates
            | Self::NotBound
            | Self::MaySpend
            | Self::StatusUnknown
            | Self::DeadlineReached
            | Self::NotConfigured
            | Self::NoRandomness
            | Self::Unmintable
            | Self::NoTimeLeft
            | Self::CircuitOpen { .. } => None,
        }
    }

    /// Whether the request may be sent to the same wallet again at once. This is so if the connection failed, or if the
    /// status means a temporary failure. It is not so after a timeout, because a second attempt would have even less
    /// time.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Status(500 | 502 | 503 | 504))
    }

    /// Returns the seconds after which the client should try again.
    pub fn retry_after_s(&self) -> u64 {
        match self {
            Self::CircuitOpen { retry_in_ms } => retry_in_ms.div_ceil(1_000).max(1),
            Self::RateLimited { retry_after_s: Some(seconds) }
            | Self::PaymentRateLimited { retry_after_s: Some(seconds) } => {
                (*seconds).clamp(1, MAX_RETRY_AFTER_S)
            }
            _ => RETRY_AFTER_S,
        }
    }
}

/// Converts millisatoshis to satoshis; `None` if the amount is missing, zero or not a whole number of satoshis.
fn whole_sats(amount_msat: Option<u64>) -> Option<u64> {
    let sats = amount_msat?.checked_div(1_000)?;
    (sats.checked_mul(1_000) == amount_msat && sats > 0).then_some(sats)
}

/// The usual size limit of a wallet's response, in bytes. LNbits sends about 2 KB.
pub const MAX_RESPONSE_BYTES: usize = 65_536;
/// How long one request to a wallet may take.
pub const TRY_MS: u64 = 5_000;
/// How long all requests to wallets may take together, counted from the arrival of the client's request.
pub const REQUEST_BUDGET_MS: u64 = 8_000;

const RETRY_AFTER_S: u64 = 5;
/// A longer `Retry-After` is shortened to this time, because the rate limits of LNbits are per minute.
const MAX_RETRY_AFTER_S: u64 = 60;
/// How far the timestamp of a new invoice may be from the Worker's clock.
pub const MAX_CLOCK_SKEW_S: u64 = 600;
/// A new invoice is refused if it expires in less than this time, because the payer would not have time to pay.
const MIN_LEFT_S: u64 = 60;
