//! Sends requests to LNbits under the Worker's rules: no redirect is followed, and the time and size of a response are
//! limited.

use std::io::{self, Read};
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;
use ureq::config::AutoHeaderValue;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::wallet::{HttpRequest, TRY_MS, WalletError, WalletResponse};

/// A response, or why there is none.
pub type HttpResult = Result<WalletResponse, HttpError>;

/// A client that reuses its connections.
pub(super) struct Http(Agent);

/// The result of a request, how long the request took, and when the response was complete.
pub(super) struct TimedResult {
    pub result: HttpResult,
    /// The milliseconds from sending the request to reading the last byte of the response.
    pub ms: u64,
    /// The time when the response was complete.
    pub at_unix: u64,
}

/// The parts of a response of the origin or of the Worker that are judged.
pub struct Answer {
    pub status: u16,
    /// Whether the response is a challenge for a payment.
    pub is_challenge: bool,
    /// Whether the response redirects to another scheme or host.
    pub is_elsewhere: bool,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

pub struct TimedAnswer {
    pub answer: Result<Answer, HttpError>,
    /// The milliseconds from sending the request to reading the beginning of the body.
    pub ms: u64,
}

impl Answer {
    fn read(mut response: Response<Body>, url: &str) -> Self {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let scheme = header("WWW-Authenticate").split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let status = response.status().as_u16();
        let is_challenge = status == 402 && ["l402", "lsat"].contains(&scheme.as_str());
        let is_elsewhere =
            header("Location").contains("://") && !header("Location").starts_with(origin_of(url));
        let mut body = Vec::new();
        // If reading fails, the bytes before the error are judged.
        let _ = response.body_mut().as_reader().take(MAX_ANSWER_BYTES).read_to_end(&mut body);
        Self { status, is_challenge, is_elsewhere, body }
    }
}

/// Returns the scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let authority_at = url.find("://").map_or(0, |at| at.saturating_add(3));
    let path_at = url.get(authority_at..).and_then(|rest| rest.find('/'));
    path_at.and_then(|at| url.get(..authority_at.saturating_add(at))).unwrap_or(url)
}

impl Http {
    /// Creates a client for one base URL. An LNbits on this machine (`http://`) is called without the configured proxy,
    /// which could not reach it.
    pub fn new(base_url: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_millis(TRY_MS)))
            .max_idle_connections_per_host(MAX_CONNECTIONS)
            .user_agent(AutoHeaderValue::from("edgetoll"));
        let config = if base_url.starts_with("http://") { config.proxy(None) } else { config };
        Self(config.build().new_agent())
    }

    pub fn send(&self, request: &HttpRequest) -> TimedResult {
        let clock = Clock::start();
        let response = self.call(request).map_err(HttpError::from);
        let result = response.and_then(|response| read(response, request.max_response_bytes));
        TimedResult { result, ms: clock.ms(), at_unix: now_unix() }
    }

    /// Sends a `GET` request. Reads at most the beginning of the body.
    pub fn get(&self, url: &str) -> TimedAnswer {
        let clock = Clock::start();
        let answer =
            self.0.get(url).call().map(|response| Answer::read(response, url)).map_err(HttpError::from);
        TimedAnswer { answer, ms: clock.ms() }
    }

    fn call(&self, request: &HttpRequest) -> Result<Response<Body>, ureq::Error> {
        let key = request.key.as_deref().map(|key| ("X-Api-Key", key));
        match &request.body {
            Some(body) => {
                let post = self.0.post(&request.url).header("Content-Type", "application/json");
                key.into_iter().fold(post, |post, (name, key)| post.header(name, key)).send(body)
            }
            None => {
                let get = self.0.get(&request.url);
                key.into_iter().fold(get, |get, (name, key)| get.header(name, key)).call()
            }
        }
    }
}

fn read(mut response: Response<Body>, max_bytes: usize) -> HttpResult {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("Retry-After").and_then(|value| value.to_str().ok());
    let retry_after_s = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let bytes = response.body_mut().with_config().limit(limit).read_to_vec()?;
    Ok(WalletResponse { status, retry_after_s, body: String::from_utf8_lossy(&bytes).into_owned() })
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HttpError {
    #[error("the connection was refused: start LNbits, or correct the host and port of its URL")]
    ConnectionRefused,
    /// No TLS connection, or no trusted certificate.
    #[error(
        "there is no trusted TLS connection: LNbits needs a certificate of a public authority for this host \
         name, which the Worker requires too"
    )]
    Tls,
    #[error(
        "LNbits did not answer within {} s: start it, or open its port in the firewall",
        TRY_MS.div_ceil(1_000)
    )]
    Timeout,
    #[error("the response is larger than any response of LNbits: correct the URL")]
    TooLarge,
    /// The connection was closed early, or the response is not HTTP.
    #[error("the server does not speak HTTP: correct the scheme (http or https), host and port of its URL")]
    NotHttp,
    /// The name cannot be resolved, or there is no network route.
    #[error("the host cannot be reached: correct the host of the URL, or check this machine's network")]
    HostUnreachable,
}

impl From<ureq::Error> for HttpError {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Timeout,
            ureq::Error::BodyExceedsLimit(_) => Self::TooLarge,
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => Self::Tls,
            ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => Self::NotHttp,
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
                io::ErrorKind::TimedOut => Self::Timeout,
                // rustls reports its errors as I/O errors of this kind.
                io::ErrorKind::InvalidData => Self::Tls,
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => Self::NotHttp,
                _ => Self::HostUnreachable,
            },
            _ => Self::HostUnreachable,
        }
    }
}

impl From<HttpError> for WalletError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Timeout => Self::Timeout,
            HttpError::TooLarge => Self::TooLarge,
            HttpError::ConnectionRefused
            | HttpError::Tls
            | HttpError::NotHttp
            | HttpError::HostUnreachable => Self::Unreachable,
        }
    }
}

/// A stopwatch.
pub(super) struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "native only")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the milliseconds since the start.
    pub fn ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[allow(clippy::disallowed_methods, reason = "native only")]
pub(super) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

pub fn now_unix() -> u64 {
    since_1970().as_secs()
}

/// The size limit of `/openapi.json`, which has 290 KB in LNbits 1.6.2 without extensions.
pub(super) const MAX_OPENAPI_BYTES: usize = 4_194_304;
/// How much of a response of the origin is read.
const MAX_ANSWER_BYTES: u64 = 4_096;
/// How many requests may be sent at the same time.
pub(super) const MAX_CONNECTIONS: usize = 4;
