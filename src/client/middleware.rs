//! A middleware for `reqwest_middleware`, so that existing code pays with one more line.

use std::sync::Arc;

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tokio::sync::Mutex;

use super::flow::{Payer, Sender};

/// Pays for the requests of a `reqwest_middleware` client.
///
/// ```no_run
/// # fn run(wallet: edgetoll::client::wallet::LnbitsWallet) {
/// let middleware = edgetoll::client::TollClient::builder().wallet(wallet).build_middleware();
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(middleware).build();
/// # }
/// ```
///
/// The client should not follow redirects to other origins: it would send the header `X-Preimage` there.
///
/// An error of the client is a [`ClientError`](super::ClientError) in [`Error::Middleware`].
pub struct TollMiddleware(Arc<Payer>);

impl TollMiddleware {
    pub(super) fn new(payer: Payer) -> Self {
        Self(Arc::new(payer))
    }
}

#[async_trait]
impl Middleware for TollMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let rest = Rest { next, extensions: Mutex::new(extensions) };
        match self.0.run(&rest, request).await {
            Ok(response) => Ok(response.into_inner()),
            Err(super::ClientError::Unreachable(error)) => Err(error),
            Err(error) => Err(Error::Middleware(error.into())),
        }
    }
}

/// The rest of the middleware, and the client.
struct Rest<'a> {
    next: Next<'a>,
    extensions: Mutex<&'a mut Extensions>,
}

#[async_trait]
impl Sender for Rest<'_> {
    async fn send(&self, request: Request) -> Result<Response> {
        let mut extensions = self.extensions.lock().await;
        self.next.clone().run(request, &mut extensions).await
    }
}
