//! Wallets create invoices and report whether an invoice was paid.
//!
//! This module builds requests and checks responses. It sends nothing: the Worker sends requests with `fetch`, and
//! `edgetoll doctor` with an HTTP client.

pub mod circuit_breaker;
pub mod failover;
pub mod lnbits;
pub mod probe;
pub mod receipt;
pub mod settlement;
pub mod slots;

use thiserror::Error;

use crate::bolt11::{Bolt11, Bolt11Error};
use crate::payment::{PaymentHash, WalletSlot};
use crate::protocols::price::Price;
use crate::protocols::record::{InvoiceRecord, OwnInvoice};

/// The API of a wallet.
pub trait Wallet {
    /// Returns the request that creates an invoice.
    fn create(&self, invoice: &InvoiceRequest<'_>) -> WalletRequest;

    /// Checks the response to [`Wallet::create`]. The invoice must:
    /// - be pending, and payable for at least a minute;
    /// - have a timestamp within ten minutes of `now_unix`;
    /// - have the requested network, and the payment hash that the response states;
    /// - have the requested amount, or, for a price in a currency, an amount from `min_sats` to `max_sats`.
    ///
    /// # Errors
    /// Returns the first check that fails. The error contains no text from the response, which may contain a secret.
    fn read_created(
        &self,
        invoice: &InvoiceRequest<'_>,
        response: &WalletResponse,
        now_unix: u64,
    ) -> Result<Invoice, WalletError>;

    /// Returns the request that looks up whether a payment has settled.
    fn look_up(&self, payment_hash: &PaymentHash) -> WalletRequest;

    /// Returns the status of a payment from the response to [`Wallet::look_up`].
    ///
    /// # Errors
    /// Fails if the response does not contain the status of the payment, or is for another payment hash or amount. The
    /// error contains no text from the response, which may contain a preimage.
    fn read_looked_up(
        &self,
        payment: &Payment,
        response: &WalletResponse,
        now_unix: u64,
    ) -> Result<PaymentStatus, WalletError>;

    /// Returns an invoice of edgetoll, with its record, from the response to [`Wallet::look_up`]. Returns `None` if the
    /// wallet does not know the payment, or if the invoice is not of edgetoll or has no record. A wallet kind that
    /// keeps no records returns `None` for every response.
    ///
    /// # Errors
    /// Fails if the response does not contain the status of the payment.
    fn read_own_invoice(
        &self,
        payment_hash: &PaymentHash,
        response: &WalletResponse,
    ) -> Result<Option<OwnInvoice>, WalletError>;
}

/// A request to a wallet. The type has no `Debug`, so that the invoice key in it is never logged by mistake.
pub struct WalletRequest {
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

/// The response of a wallet, which may contain the preimage of an unpaid invoice. The type has no `Debug`, so that this
/// preimage is never logged by mistake.
pub struct WalletResponse {
    pub status: u16,
    /// The value of `Retry-After`; `None` if the header is missing or not a number of seconds.
    pub retry_after_s: Option<u64>,
    pub body: String,
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
    /// What the invoice is created for; `None` if the wallet keeps no record of it.
    pub record: Option<&'a InvoiceRecord>,
}

/// An invoice that passed the checks of [`Wallet::read_created`].
#[derive(Debug)]
pub struct Invoice {
    pub bolt11: Bolt11,
    pub amount_sats: u64,
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
    #[error("LNbits failed and gets the next request in {} s", retry_in_ms.div_ceil(1_000))]
    CircuitOpen { retry_in_ms: u64 },
    #[error("too little time was left for a request to LNbits")]
    NoTimeLeft,
    #[error("LNbits could not be reached")]
    Unreachable,
    #[error("LNbits did not answer in time")]
    Timeout,
    #[error("LNbits did not answer before the client's request reached its time limit")]
    DeadlineReached,
    #[error("LNbits' response is too large")]
    TooLarge,
    #[error("LNbits answered with status 429")]
    RateLimited { retry_after_s: Option<u64> },
    #[error("LNbits answered with status 429 for this payment")]
    PaymentRateLimited { retry_after_s: Option<u64> },
    #[error("LNbits answered with status 520: its funding source is down or refused the invoice")]
    FundingSource,
    #[error("LNbits got no status of this payment from its funding source")]
    StatusUnknown,
    #[error("LNbits answered with status {0}")]
    Status(u16),
    #[error("LNbits answered with status {status}: {} or {} is wrong; `cargo run --bin edgetoll -- doctor` says which", slot.url_setting(), slot.key_setting())]
    KeyRefused { status: u16, slot: WalletSlot },
    #[error("LNbits does not know this payment: the configured key may belong to another wallet")]
    UnknownPayment,
    #[error("LNbits' response is not JSON")]
    NotJson,
    #[error("LNbits' response has no valid {0}")]
    Missing(&'static str),
    #[error("LNbits' invoice cannot be read: {0}")]
    Bolt11(#[from] Bolt11Error),
    #[error("LNbits' new invoice is not pending")]
    NotPending,
    #[error("LNbits' response is for another payment hash")]
    OtherPaymentHash,
    #[error("LNbits' response is for another amount")]
    OtherAmount,
    #[error("the price converts to {amount_sats} sats, which is not between min_sats and max_sats")]
    OutOfBounds { amount_sats: u64 },
    #[error("LNbits' invoice is for another network")]
    OtherNetwork,
    #[error("LNbits' clock is more than ten minutes fast or slow")]
    Clock,
    #[error("LNbits' invoice expires too soon")]
    Expired,
}

impl WalletError {
    /// Whether the error counts as a failure of the wallet (`Some(true)`) or as a success (`Some(false)`) for the
    /// circuit breaker; `None` if it counts as neither.
    ///
    /// A client must not be able to open the circuit, which would stop all sales. So an error that a client can cause
    /// with a single request does not count as a failure. For example, LNbits or its node refuses the amount, or LNbits
    /// has no rate for the currency.
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
            | Self::Expired => Some(true),
            // LNbits refuses a single invoice with 400 or 520.
            Self::Status(status) => Some(![400, 520].contains(status)),
            // Each of these errors is about one payment or one invoice. LNbits has a separate rate limit for each
            // payment.
            Self::PaymentRateLimited { .. }
            | Self::UnknownPayment
            | Self::OtherAmount
            | Self::OutOfBounds { .. } => Some(false),
            Self::FundingSource
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

/// The usual size limit of a wallet's response, in bytes. LNbits sends about 2 KB.
pub const MAX_RESPONSE_BYTES: usize = 65_536;
/// How long one request to a wallet may take.
pub const TRY_MS: u64 = 5_000;
/// How long all requests to wallets may take together, counted from the arrival of the client's request.
pub const REQUEST_BUDGET_MS: u64 = 8_000;

const RETRY_AFTER_S: u64 = 5;
/// A longer `Retry-After` is shortened to this time, because the rate limits of LNbits are per minute.
const MAX_RETRY_AFTER_S: u64 = 60;
