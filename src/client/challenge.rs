//! Reads 402 responses, whose size and duration are limited.

use std::time::Duration;

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Response, ResponseBuilderExt, StatusCode};

use super::error::ClientError;
use super::offer::Offer;

/// A response, and its offer. The body of a 402 has been read, and is still in the response.
pub struct Challenged {
    pub response: Response,
    pub offer: Option<Offer>,
}

impl Challenged {
    /// Reads the offer of a 402 response of `origin`. A response from another origin, after a redirect, has no offer.
    ///
    /// # Errors
    /// Fails if the response is too large or too slow, or breaks off.
    pub async fn read(response: Response, origin: &str) -> Result<Self, ClientError> {
        if response.status() != StatusCode::PAYMENT_REQUIRED || !is_from(&response, origin) {
            return Ok(Self { response, offer: None });
        }
        let (response, body) = read_body(response).await?;
        let lines = response.headers().get_all(WWW_AUTHENTICATE).iter();
        // A realm may have bytes beyond ASCII.
        let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
        let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let offer = Offer::read(&lines, content_type.unwrap_or_default(), &body);
        Ok(Self { response, offer })
    }
}

/// Whether a response comes from an origin, and not from another one after a redirect.
pub fn is_from(response: &Response, origin: &str) -> bool {
    response.url().origin().ascii_serialization() == origin
}

/// Reads the body of a response. Returns the response with the same body.
///
/// # Errors
/// Fails if the body is too large or too slow, or breaks off.
pub async fn read_body(response: Response) -> Result<(Response, Vec<u8>), ClientError> {
    let read = tokio::time::timeout(CHALLENGE_LIMIT, read_all(response)).await;
    read.map_err(|_| ClientError::ChallengeTooSlow)?
}

async fn read_all(mut response: Response) -> Result<(Response, Vec<u8>), ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| ClientError::Unreachable(error.into()))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_CHALLENGE_BYTES {
            return Err(ClientError::ChallengeTooLarge);
        }
    }
    let mut copy = http::Response::builder().status(response.status()).url(response.url().clone());
    if let Some(headers) = copy.headers_mut() {
        headers.clone_from(response.headers());
    }
    let copy = copy.body(body.clone()).map_err(|error| ClientError::Url(error.to_string()))?;
    Ok((Response::from(copy), body))
}

const CHALLENGE_LIMIT: Duration = Duration::from_secs(20);
const MAX_CHALLENGE_BYTES: usize = 65_536;
