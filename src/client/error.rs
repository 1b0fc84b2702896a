//! Errors of the client.

use thiserror::Error;

use super::bill::BadOffer;
use super::journal::{JournalError, Payment};
use super::wallet::WalletError;

/// Why a request was not served. [`money_may_have_moved`](ClientError::money_may_have_moved) tells whether something
/// may be paid.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The request could not be sent, or its response did not arrive. This call paid nothing.
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[source] reqwest_middleware::Error),
    #[error("the URL cannot be used: {0}")]
    Url(String),
    /// The body is a stream, so the request could not be repeated after the payment. Nothing was sent.
    #[error("the body is a stream, so the request could not be repeated after a payment")]
    UnrepeatableBody,
    /// The connection is not encrypted, so others could read and use the credential. Nothing was paid.
    #[error("{0} is not encrypted: use https, or allow http")]
    Insecure(String),
    #[error("{0} is not one of the hosts that may be paid")]
    HostNotAllowed(String),
    /// The 402 response is larger than 64 KiB. Nothing was paid.
    #[error("the 402 response is too large")]
    ChallengeTooLarge,
    /// The 402 response did not arrive completely within 20 seconds. Nothing was paid.
    #[error("the 402 response did not arrive in time")]
    ChallengeTooSlow,
    /// The challenge contradicts itself or has expired. Nothing was paid.
    #[error("the server asks for a payment that is not made: {0}")]
    BadOffer(#[from] BadOffer),
    /// The response says nothing about the price: a limit was reached, the server failed, or the 402 has no challenge that this client
    /// can pay. Nothing was paid.
    #[error("the price is not known: the server answered with status {0}")]
    NoPrice(u16),
    /// Nothing was paid.
    #[error("the price is {price_sats} sats, more than the limit of {limit_sats} sats")]
    TooExpensive { price_sats: u64, limit_sats: u64 },
    /// Nothing was paid.
    #[error("the price is {price_sats} sats, but the budget {scope} has only {left_sats} sats left")]
    OverBudget { price_sats: u64, left_sats: u64, scope: BudgetScope },
    /// The host did not accept an earlier payment. Nothing was paid.
    #[error("{host} gave no access for a payment of {} sats (payment hash {}), so it is not paid again", payment.amount_sats, payment.payment_hash)]
    NotHonoured { host: String, payment: Box<Payment> },
    #[error("the price is {price_sats} sats, and there is no wallet to pay it")]
    NoWallet { price_sats: u64 },
    /// The wallet did not pay.
    #[error("the wallet did not pay: {0}")]
    NotPaid(WalletError),
    /// It is not known whether the wallet has paid. The next call for the same content tries to find out, and does not pay
    /// another invoice meanwhile.
    #[error("it is not known whether {} sats were paid (payment hash {}): {reason}", payment.amount_sats, payment.payment_hash)]
    MayBePaid { payment: Box<Payment>, reason: WalletError },
    /// The payment was made, but its response did not arrive. The next call uses the credential.
    #[error("{} sats were paid (payment hash {}), but the response did not arrive: {source}", payment.amount_sats, payment.payment_hash)]
    AnswerLost { payment: Box<Payment>, source: reqwest_middleware::Error },
    /// The payment was made, and the server refused its proof.
    #[error("{} sats were paid (payment hash {}), but the server answered with status {status}", payment.amount_sats, payment.payment_hash)]
    PaidNotServed { payment: Box<Payment>, status: u16 },
    /// Without a journal, nothing is paid.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Which budget is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetScope {
    Host,
    Total,
}

impl std::fmt::Display for BudgetScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "of 24 hours for this host",
            Self::Total => "of 24 hours",
        })
    }
}

impl ClientError {
    /// Whether this call, or an earlier one for the same content, has paid something or may have.
    pub fn money_may_have_moved(&self) -> bool {
        self.payment().is_some()
    }

    /// Returns the payment that was made or may be made.
    pub fn payment(&self) -> Option<&Payment> {
        match self {
            Self::MayBePaid { payment, .. }
            | Self::AnswerLost { payment, .. }
            | Self::PaidNotServed { payment, .. } => Some(payment),
            _ => None,
        }
    }
}
