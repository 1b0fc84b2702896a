//! Who makes invoices, and who says whether they were paid. A wallet says what to send and judges what comes back; whoever
//! calls it does the sending: the Worker with `fetch`, the command with a socket.

pub mod circuit_breaker;
pub mod failover;
pub mod lnbits;
pub mod probe;
pub mod receipt;
pub mod settlement;
pub mod slots;

use thiserror::Error;

use crate::bolt11::{Bolt11, Bolt11Error};
use crate::payment::PaymentHash;
use crate::protocols::price::Price;

/// Makes invoices and looks them up.
pub trait Wallet {
    /// What is sent for an invoice.
    fn create(&self, invoice: &InvoiceRequest<'_>) -> WalletRequest;

    /// Checks what came back: the invoice is for this amount, on this network, fresh, and for the hash that the wallet says.
    ///
    /// # Errors
    /// The first check that it does not pass. Nothing of the answer is in it but its status.
    fn read_created(
        &self,
        invoice: &InvoiceRequest<'_>,
        answer: &WalletResponse,
        now_unix: u64,
    ) -> Result<Invoice, WalletError>;

    /// What is sent to learn whether a payment has arrived.
    fn look_up(&self, payment_hash: &PaymentHash) -> WalletRequest;

    /// What the wallet says of a payment.
    ///
    /// # Errors
    /// Where it does not say, or not of this payment and this amount. Nothing of the answer is in it but its status.
    fn read_looked_up(
        &self,
        payment: &Payment,
        answer: &WalletResponse,
        now_unix: u64,
    ) -> Result<PaymentStatus, WalletError>;
}

/// A request to a wallet. It may hold the invoice key, so it is never shown.
pub struct WalletRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Where it goes; redirects are not followed.
    pub url: String,
    /// The value of `X-Api-Key`, where it is sent.
    pub key: Option<String>,
    /// A JSON text.
    pub body: Option<String>,
    /// More is not read of the answer.
    pub max_response_bytes: usize,
}

/// A wallet's answer. It may hold the preimage of an unpaid invoice, so it is read and dropped, and never shown.
pub struct WalletResponse {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after_s: Option<u64>,
    /// At most as long as the call allows.
    pub body: String,
}

/// An invoice to be made.
#[derive(Clone, Copy)]
pub struct InvoiceRequest<'a> {
    /// What it asks for; the wallet converts a price in a currency.
    pub price: &'a Price,
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
    /// Where the wallet says that it was paid.
    pub webhook: Option<&'a str>,
}

/// An invoice that passed.
#[derive(Debug)]
pub struct Invoice {
    /// As the wallet gave it.
    pub bolt11: Bolt11,
    /// What it asks for.
    pub amount_sats: u64,
}

/// A payment that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Payment {
    /// Its name.
    pub hash: PaymentHash,
    /// What its invoice asked for.
    pub amount_sats: u64,
}

/// What a wallet says of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    /// The money has arrived.
    Paid,
    /// Not yet, and this is the invoice by which it still can.
    Pending(Bolt11),
    /// It has not. That it failed or expired is no last word: some backends change their mind.
    Unpaid,
}

/// Why a wallet made no invoice, or did not say whether one was paid. Nothing of its answer is in it but the status: the
/// answer holds the preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's sentence says what it is")]
pub enum WalletError {
    #[error("the wallet that made the invoice is not configured any more")]
    NotConfigured,
    #[error("the runtime gave no random numbers")]
    NoRandomness,
    #[error("its macaroon cannot be minted")]
    Unmintable,
    #[error("LNbits failed again and again, and is not asked for {} s", retry_in_ms.div_ceil(1_000))]
    CircuitOpen { retry_in_ms: u64 },
    #[error("the time for this request was up before LNbits could be asked")]
    NoTimeLeft,
    #[error("LNbits could not be reached")]
    Unreachable,
    #[error("LNbits did not answer in time")]
    Timeout,
    #[error("LNbits did not answer in the time that this request had left")]
    DeadlineReached,
    #[error("LNbits answered more than it can have to say")]
    TooLarge,
    #[error("LNbits answered with status 429")]
    RateLimited { retry_after_s: Option<u64> },
    #[error("LNbits answered with status 429 about this payment")]
    PaymentRateLimited { retry_after_s: Option<u64> },
    #[error("LNbits answered with status 520: its funding source is down, or refuses this invoice")]
    FundingSource,
    #[error("LNbits could not ask its funding source about this payment")]
    NotAsked,
    #[error("LNbits answered with status {0}")]
    Status(u16),
    #[error("LNbits does not know the payment: its wallet may be another one than that of the key")]
    UnknownPayment,
    #[error("LNbits answered something else than JSON")]
    NotJson,
    #[error("LNbits' answer has no good {0}")]
    Missing(&'static str),
    #[error("LNbits' invoice cannot be read: {0}")]
    Bolt11(#[from] Bolt11Error),
    #[error("LNbits' invoice is not waiting for its payment")]
    NotPending,
    #[error("LNbits' answer is of another payment hash")]
    OtherPaymentHash,
    #[error("LNbits' answer is of another amount")]
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

impl WalletError {
    /// Whether the wallet is at fault; `None` where that does not show. What one request alone brings about (an amount that
    /// LNbits or its node does not take, a currency without a rate) must not keep others from buying.
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
            | Self::Expired => Some(true),
            // 400 and 520 are LNbits' own answers about one invoice.
            Self::Status(status) => Some(![400, 520].contains(status)),
            // LNbits counts each payment that it is asked about apart.
            Self::PaymentRateLimited { .. }
            | Self::UnknownPayment
            | Self::OtherAmount
            | Self::OutOfBounds { .. } => Some(false),
            Self::FundingSource
            | Self::NotAsked
            | Self::DeadlineReached
            | Self::NotConfigured
            | Self::NoRandomness
            | Self::Unmintable
            | Self::NoTimeLeft
            | Self::CircuitOpen { .. } => None,
        }
    }

    /// Whether the same wallet may be asked once more at once: it gave no answer of its own, and was not too slow for it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Status(500 | 502 | 503 | 504))
    }

    /// In how many seconds it is worth to come back.
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

/// An answer of LNbits is 2 KB.
pub const MAX_RESPONSE_BYTES: usize = 65_536;
/// How long one try may take.
pub const TRY_MS: u64 = 5_000;
/// How long a client waits for wallets, all tries together, counted from the arrival of its request.
pub const REQUEST_BUDGET_MS: u64 = 8_000;

const RETRY_AFTER_S: u64 = 5;
/// LNbits counts by the minute.
const MAX_RETRY_AFTER_S: u64 = 60;
