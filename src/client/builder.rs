//! The options of a client.

use std::path::Path;
use std::sync::Arc;

use super::flow::Payer;
use super::journal::{Journal, JournalError};
use super::wallet::Wallet;
use super::{Http, TollClient, TollMiddleware};

/// What a client may pay. The defaults are finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The highest price of a request, in satoshis: 100 by default.
    pub max_sats: u64,
    /// The highest sum of payments to one host in 24 hours, in satoshis: 1,000 by default.
    pub budget_sats_per_host: u64,
    /// The highest sum of all payments in 24 hours, in satoshis: 10,000 by default.
    pub budget_sats: u64,
    /// The highest routing fee of a payment, in satoshis: 10 by default. Not every wallet can limit it.
    pub max_fee_sats: u64,
    /// The hosts that may be paid; `None` for all.
    pub hosts: Option<Vec<String>>,
    /// Whether servers without encryption may be paid. The loopback interface needs no encryption.
    pub allows_http: bool,
    /// The prefix of the network in invoices: `bc` for Bitcoin.
    pub network: String,
    /// Whether a host may be paid that refused an earlier payment, and content whose earlier payment has expired with an
    /// unknown outcome.
    pub pays_again: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_sats: 100,
            budget_sats_per_host: 1000,
            budget_sats: 10_000,
            max_fee_sats: 10,
            hosts: None,
            allows_http: false,
            network: "bc".to_owned(),
            pays_again: false,
        }
    }
}

/// Builds a [`TollClient`] or a [`TollMiddleware`].
#[derive(Default)]
pub struct TollClientBuilder {
    limits: Limits,
    wallet: Option<Arc<dyn Wallet>>,
    journal: Option<Journal>,
}

impl TollClientBuilder {
    /// Sets the wallet that pays. Without a wallet, nothing is paid.
    #[must_use]
    pub fn wallet(self, wallet: impl Wallet + 'static) -> Self {
        self.shared_wallet(Arc::new(wallet))
    }

    /// Sets a wallet that others use too.
    #[must_use]
    pub fn shared_wallet(mut self, wallet: Arc<dyn Wallet>) -> Self {
        self.wallet = Some(wallet);
        self
    }

    /// Sets the highest price of a request, in satoshis.
    #[must_use]
    pub fn max_sats(mut self, max_sats: u64) -> Self {
        self.limits.max_sats = max_sats;
        self
    }

    /// Allows payments to this host. From the first call on, no other host is paid.
    #[must_use]
    pub fn pay_only_to(mut self, host: &str) -> Self {
        self.limits.hosts.get_or_insert_default().push(host.to_ascii_lowercase());
        self
    }

    /// Sets all limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps payments and credentials in a file, so that they survive the process. Without a file, they are kept in
    /// memory.
    ///
    /// # Errors
    /// Fails if the file cannot be created or read.
    pub fn journal(mut self, file: impl AsRef<Path>) -> Result<Self, JournalError> {
        self.journal = Some(Journal::open(file.as_ref())?);
        Ok(self)
    }

    pub fn build(self) -> TollClient {
        TollClient { payer: Arc::new(self.payer()), http: Http::new() }
    }

    /// Returns a middleware for `reqwest_middleware`, which pays for requests of an existing client.
    pub fn build_middleware(self) -> TollMiddleware {
        TollMiddleware::new(self.payer())
    }

    fn payer(self) -> Payer {
        Payer {
            limits: self.limits,
            wallet: self.wallet,
            journal: Arc::new(self.journal.unwrap_or_else(Journal::in_memory)),
            locks: Arc::default(),
            requests: Arc::default(),
        }
    }
}
