//! What a request is for.

use reqwest::Request;

use super::error::ClientError;
use super::journal::{Payment, Scope};
use super::offer::Offer;
use crate::http::url::is_loopback;

/// What a request is for.
pub struct Target {
    pub url: String,
    /// Scheme, host and port.
    pub origin: String,
    pub host: String,
    pub path: String,
    pub method: String,
    /// Whether others cannot read the connection.
    pub is_private: bool,
}

impl Target {
    /// # Errors
    /// Fails if the URL has no host, or a user.
    pub fn of(request: &Request) -> Result<Self, ClientError> {
        let url = request.url();
        if !url.username().is_empty() || url.password().is_some() {
            // The host of https://api.example.com@evil.example is evil.example.
            let message = "it has a user or a password; send them in the header Authorization";
            return Err(ClientError::Url(message.to_owned()));
        }
        let host = url.host_str().ok_or_else(|| ClientError::Url(url.to_string()))?.to_ascii_lowercase();
        Ok(Self {
            url: url.to_string(),
            origin: url.origin().ascii_serialization(),
            is_private: url.scheme() == "https" || is_loopback(&host),
            host,
            path: url.path().to_owned(),
            method: request.method().as_str().to_owned(),
        })
    }

    /// Returns what an offer sells. A macaroon of an unknown format is assumed to pay only for this path and method, of which `HEAD` counts as
    /// `GET`, and a preimage pays for one request.
    pub fn scope(&self, offer: &Offer) -> Scope {
        if offer.terms.is_known {
            return offer.terms.scope.clone();
        }
        let method = if self.method == "HEAD" { "GET" } else { &self.method };
        Scope { endpoint: Some(self.path.clone()), method: Some(method.to_owned()), ..Scope::default() }
    }

    /// Whether a payment is for the same content. A server that names a new scope in each challenge is not paid anew for the
    /// same request.
    pub fn is_paid_by(&self, payment: &Payment, scope: &Scope) -> bool {
        let is_same_request = payment.path == self.path && payment.method == self.method;
        payment.origin == self.origin && (payment.scope == *scope || is_same_request)
    }
}
