//! Wallets that pay invoices for the client.

mod command;
mod lnbits;
#[cfg(feature = "nwc")]
mod nwc;

pub use command::CommandWallet;
pub use lnbits::LnbitsWallet;
#[cfg(all(feature = "cli", feature = "nwc"))]
pub(crate) use nwc::CallError;
#[cfg(feature = "nwc")]
pub use nwc::{NwcUrlError, NwcWallet};

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::payment::{PaymentHash, Preimage};

/// A wallet. An implementation must never pay the same invoice twice; all Lightning nodes refuse to.
#[async_trait]
pub trait Wallet: Send + Sync {
    /// Returns a name for the journal and for messages, without secrets.
    fn name(&self) -> String;

    /// Pays an invoice (BOLT 11). `max_fee_msat` is the highest routing fee; a wallet that cannot limit the fee ignores
    /// it.
    ///
    /// # Errors
    /// The error says whether the payment may still succeed.
    async fn pay_invoice(&self, invoice: &str, max_fee_msat: u64) -> Result<Paid, PayError>;

    /// Creates an invoice that pays this wallet.
    ///
    /// # Errors
    /// Fails if the wallet cannot create invoices or does not respond.
    async fn create_invoice(&self, amount_sats: u64, memo: &str) -> Result<String, WalletError>;

    /// Looks up an outgoing or incoming payment.
    ///
    /// # Errors
    /// Fails if the wallet cannot look up payments or does not respond.
    async fn lookup_invoice(&self, payment_hash: &PaymentHash) -> Result<PaymentState, WalletError>;

    /// Waits until a payment is settled or has failed, at most `limit`. Returns the last known state.
    ///
    /// # Errors
    /// Fails as [`lookup_invoice`](Self::lookup_invoice) does.
    async fn wait_for_payment(
        &self,
        payment_hash: &PaymentHash,
        limit: Duration,
    ) -> Result<PaymentState, WalletError> {
        let polled = async {
            loop {
                match self.lookup_invoice(payment_hash).await {
                    Ok(PaymentState::Pending) => tokio::time::sleep(POLL_INTERVAL).await,
                    other => return other,
                }
            }
        };
        tokio::time::timeout(limit, polled).await.unwrap_or(Ok(PaymentState::Pending))
    }

    /// Returns the balance in millisatoshis.
    ///
    /// # Errors
    /// Fails if the wallet does not tell its balance or does not respond.
    async fn balance_msat(&self) -> Result<u64, WalletError>;
}

/// A payment that was made.
#[derive(Debug)]
pub struct Paid {
    /// The preimage as the wallet returned it, which may not fit the invoice; `None` if it returned none.
    pub preimage: Option<Preimage>,
    /// The routing fee; `None` if the wallet does not tell it.
    pub fee_msat: Option<u64>,
}

/// The state of a payment.
#[derive(Debug)]
pub enum PaymentState {
    Settled(Option<Preimage>),
    Pending,
    /// The payment has failed for good, or the wallet does not know it.
    Unpaid,
}

/// Why a payment was not made, or is not known to be made.
#[derive(Debug, Error)]
pub enum PayError {
    /// Nothing was paid, and nothing will be.
    #[error("{0}")]
    NotPaid(WalletError),
    /// The payment may have been made, or may be made later.
    #[error("{0}")]
    Unknown(WalletError),
}

/// Why a wallet did not do its work. Contains no text from the wallet's response, which may have a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalletError {
    #[error("the wallet cannot be reached")]
    Unreachable,
    #[error("the wallet answered with status {0}")]
    Status(u16),
    #[error("the wallet answered with {0}")]
    Code(String),
    #[error("the wallet's response cannot be read")]
    Unreadable,
    #[error("the wallet returned no preimage of this payment")]
    NoPreimage,
    #[error("the payment is still on its way")]
    Pending,
    #[error("the payment failed")]
    Failed,
    #[error("this wallet cannot do that")]
    Unsupported,
    #[error("the payment was begun with another wallet: {0}")]
    OtherWallet(String),
    #[error("the program of the wallet {0}")]
    Program(String),
}

const POLL_INTERVAL: Duration = Duration::from_millis(500);
