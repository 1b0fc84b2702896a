//! The client that pays: requests to servers that ask for Lightning payments, within limits.
//!
//! ```no_run
//! use edgetoll::client::{TollClient, wallet::LnbitsWallet};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let wallet = LnbitsWallet::new("https://lnbits.example.com", &std::env::var("LNBITS_ADMIN_KEY")?);
//! let client = TollClient::builder().wallet(wallet).max_sats(50).journal("payments.jsonl")?.build();
//! let joke = client.get("https://api.example.com/joke").await?.into_inner().text().await?;
//! # Ok(()) }
//! ```
//!
//! Before it pays, the client checks that the invoice fits to everything else that the server said. It pays at most
//! `max_sats` for a request, and no more than its budgets in 24 hours. Every payment is in the [`Journal`](journal)
//! before the wallet gets the invoice, so a payment is never made twice and never lost, also if the process is killed.

mod bill;
mod budget;
mod builder;
mod challenge;
mod delivery;
mod error;
mod flow;
pub mod journal;
mod middleware;
mod offer;
mod resource_locks;
mod response;
mod stats;
mod target;
mod terms;
pub mod wallet;
mod www_authenticate;

pub use bill::{BadOffer, Bill};
pub use builder::{Limits, TollClientBuilder};
pub use error::{BudgetScope, ClientError};
pub use middleware::TollMiddleware;
pub use offer::{Offer, ProofKind, StatedSats};
pub use response::TollResponse;
pub use stats::{Spent, Stats};
pub use terms::Terms;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{IntoUrl, Method, Request, Url};

use flow::{Payer, Sender};
use journal::JournalError;

use crate::http::url::is_loopback;

/// A client that pays. Clones share the limits, the wallet, and the journal.
#[derive(Clone)]
pub struct TollClient {
    payer: Arc<Payer>,
    http: Http,
}

impl TollClient {
    /// Returns a builder with the default limits, without a wallet.
    pub fn builder() -> TollClientBuilder {
        TollClientBuilder::default()
    }

    /// Returns a client with another highest price of a request. It shares everything else with this one.
    #[must_use]
    pub fn with_max_sats(&self, max_sats: u64) -> Self {
        let mut payer = Payer::clone(&self.payer);
        payer.limits.max_sats = max_sats;
        Self { payer: Arc::new(payer), http: self.http.clone() }
    }

    /// Sends a `GET` request, and pays if the server asks for it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, url: impl IntoUrl) -> Result<TollResponse, ClientError> {
        let url = url.into_url().map_err(|error| ClientError::Url(error.to_string()))?;
        self.execute(Request::new(Method::GET, url)).await
    }

    /// Sends a request, and pays if the server asks for it. The body must be repeatable: a text or bytes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn execute(&self, request: Request) -> Result<TollResponse, ClientError> {
        self.payer.run(&self.http, request).await
    }

    /// Sends a request without paying. Returns the price and the checked invoice; `None` if the request is free or an
    /// earlier payment covers it.
    ///
    /// # Errors
    /// Fails if the server cannot be reached, or asks for a payment that would not be made.
    pub async fn price(&self, request: Request) -> Result<Option<(Offer, Bill)>, ClientError> {
        self.payer.price(&self.http, request).await
    }

    /// Returns the sums of the journal, with the keys of lightning-toll's `get_stats`.
    ///
    /// # Errors
    /// Fails if the journal cannot be read.
    pub fn stats(&self) -> Result<Stats, JournalError> {
        let requests = self.payer.requests.load(Ordering::Relaxed);
        Ok(Stats::of(&self.payer.journal.payments()?, requests))
    }

    /// Returns what was spent in the last 24 hours, in which the budgets count.
    ///
    /// # Errors
    /// Fails if the journal cannot be read.
    pub fn spent(&self) -> Result<Spent, JournalError> {
        Ok(Spent::of(self.payer.journal.payments()?.iter(), flow::now_unix()))
    }

    /// Returns all payments, the newest first.
    ///
    /// # Errors
    /// Fails if the journal cannot be read.
    pub fn payments(&self) -> Result<Vec<journal::Payment>, JournalError> {
        self.payer.journal.payments()
    }
}

/// Sends a `GET` request with a new client, and pays if the server asks for it.
///
/// # Errors
/// See [`ClientError`].
pub async fn toll_fetch(
    url: impl IntoUrl,
    wallet: impl wallet::Wallet + 'static,
    max_sats: u64,
) -> Result<TollResponse, ClientError> {
    TollClient::builder().wallet(wallet).max_sats(max_sats).build().get(url).await
}

/// The HTTP clients of a [`TollClient`].
#[derive(Clone)]
struct Http {
    remote: HttpClients,
    /// For requests without encryption to this machine.
    local: HttpClients,
}

#[derive(Clone)]
struct HttpClients {
    /// Follows redirects. reqwest removes `Authorization` when a redirect leads to another host.
    any: reqwest::Client,
    /// Follows redirects only within an origin, for requests with `X-Preimage`, which reqwest does not remove.
    same_origin: reqwest::Client,
}

impl Http {
    fn new() -> Self {
        Self { remote: HttpClients::new(Proxy::OfSystem), local: HttpClients::new(Proxy::None) }
    }
}

impl HttpClients {
    fn new(proxy: Proxy) -> Self {
        let same_origin = Policy::custom(|attempt| {
            let first = attempt.previous().first();
            let is_same = first.is_some_and(|first| first.origin() == attempt.url().origin());
            match attempt.previous().len() {
                MAX_REDIRECTS.. => attempt.error("too many redirects"),
                _ if is_same => attempt.follow(),
                _ => attempt.stop(),
            }
        });
        let any = Policy::limited(MAX_REDIRECTS);
        Self { any: http_client(any, proxy), same_origin: http_client(same_origin, proxy) }
    }
}

#[async_trait]
impl Sender for Http {
    async fn send(&self, request: Request) -> Result<reqwest::Response, reqwest_middleware::Error> {
        let clients = match Proxy::of(request.url()) {
            Proxy::OfSystem => &self.remote,
            Proxy::None => &self.local,
        };
        let has_preimage = request.headers().contains_key(delivery::PREIMAGE_HEADER);
        let client = if has_preimage { &clients.same_origin } else { &clients.any };
        Ok(client.execute(request).await?)
    }
}

/// Whether requests go through a proxy.
#[derive(Clone, Copy)]
pub(crate) enum Proxy {
    /// Through the proxy that the environment names, such as `http_proxy`.
    OfSystem,
    None,
}

impl Proxy {
    /// A request without encryption to this machine must not leave it, because it may have a secret.
    pub fn of(url: &Url) -> Self {
        let is_local = url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
        if is_local { Self::None } else { Self::OfSystem }
    }
}

/// Returns an HTTP client with a redirect policy.
pub(crate) fn http_client(redirects: Policy, proxy: Proxy) -> reqwest::Client {
    choose_tls();
    let builder = reqwest::Client::builder().redirect(redirects).connect_timeout(CONNECT_TIMEOUT);
    let builder = match proxy {
        Proxy::OfSystem => builder,
        Proxy::None => builder.no_proxy(),
    };
    let builder = builder.read_timeout(READ_TIMEOUT);
    let builder = builder.user_agent(concat!("edgetoll/", env!("CARGO_PKG_VERSION")));
    builder.build().unwrap_or_default()
}

/// Chooses the cryptography of TLS for this process.
fn choose_tls() {
    static PROVIDER: Once = Once::new();
    // Fails only if the program has chosen a provider already, which is then used.
    PROVIDER.call_once(|| _ = rustls::crypto::ring::default_provider().install_default());
}

const MAX_REDIRECTS: usize = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time in which the next byte must arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
