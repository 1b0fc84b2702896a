//! Sends requests to wallets, origins and deployments. No redirect is followed, and the time and size of a response are
//! limited, as in the Worker.

#[cfg(not(target_os = "wasi"))]
mod native;
#[cfg(target_os = "wasi")]
mod node;

use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;

use crate::wallet::{HttpRequest, TRY_MS, WalletError, WalletResponse};
#[cfg(not(target_os = "wasi"))]
use native::Client;
#[cfg(target_os = "wasi")]
use node::Client;

/// A response, or why there is none.
pub type HttpResult = Result<WalletResponse, HttpError>;

/// A client that reuses its connections.
pub(super) struct Http(Client);

/// A request, as the client sends it.
struct Outgoing<'a> {
    url: &'a str,
    /// The value of `X-Api-Key`.
    key: Option<&'a str>,
    /// The value of `Authorization`.
    authorization: Option<&'a str>,
    /// The JSON body of a `POST`; `None` for a `GET`.
    body: Option<&'a str>,
    size: Size,
}

/// How much of the body is read.
#[derive(Clone, Copy)]
enum Size {
    /// The whole body. A longer one is an error.
    UpTo(usize),
    /// The beginning of the body. If reading fails, the bytes before the error.
    Beginning(usize),
}

/// A response: the status, the headers that are judged, and the body.
#[derive(Default)]
struct Incoming {
    status: u16,
    retry_after: Option<String>,
    www_authenticate: Option<String>,
    location: Option<String>,
    body: Vec<u8>,
}

/// The result of a request, how long the request took, and when the response was complete.
pub(super) struct TimedResult {
    pub result: HttpResult,
    /// The milliseconds from sending the request to reading the last byte of the response.
    pub ms: u64,
    /// The time when the response was complete.
    pub at_unix: u64,
}

/// The parts of a response of the origin or of the Worker that are judged.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// The value of `WWW-Authenticate`; several of them are joined with `, `.
    pub www_authenticate: String,
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
    fn new(response: Incoming, url: &str) -> Self {
        let location = response.location.unwrap_or_default();
        Self {
            status: response.status,
            www_authenticate: response.www_authenticate.unwrap_or_default(),
            is_elsewhere: location.contains("://") && !location.starts_with(origin_of(url)),
            body: response.body,
        }
    }

    /// Returns whether the response is a challenge for a payment.
    pub fn is_challenge(&self) -> bool {
        let scheme = self.www_authenticate.split(' ').next().unwrap_or_default();
        self.status == 402 && ["l402", "lsat"].iter().any(|name| scheme.eq_ignore_ascii_case(name))
    }
}

/// Returns the scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let authority_at = url.find("://").map_or(0, |at| at.saturating_add(3));
    let path_at = url.get(authority_at..).and_then(|rest| rest.find('/'));
    path_at.and_then(|at| url.get(..authority_at.saturating_add(at))).unwrap_or(url)
}

impl Http {
    /// Creates a client for one base URL. A server on this machine (`http://`) is called without the configured proxy,
    /// which could not reach it.
    pub fn new(base_url: &str) -> Self {
        Self(Client::new(base_url.starts_with("http://")))
    }

    pub fn send(&self, request: &HttpRequest) -> TimedResult {
        let clock = Clock::start();
        let response = self.0.send(&Outgoing {
            url: &request.url,
            key: request.key.as_deref(),
            authorization: None,
            body: request.body.as_deref(),
            size: Size::UpTo(request.max_response_bytes),
        });
        let result = response.map(|response| WalletResponse {
            status: response.status,
            retry_after_s: response.retry_after.and_then(|seconds| seconds.trim().parse().ok()),
            body: String::from_utf8_lossy(&response.body).into_owned(),
            is_listed: None,
        });
        TimedResult { result, ms: clock.ms(), at_unix: now_unix() }
    }

    /// Sends a `GET` request. Reads at most the beginning of the body.
    pub fn get(&self, url: &str) -> TimedAnswer {
        self.get_authorized(url, None)
    }

    /// Sends a `GET` request with a value of `Authorization`. Reads at most the beginning of the body.
    pub fn get_authorized(&self, url: &str, authorization: Option<&str>) -> TimedAnswer {
        let clock = Clock::start();
        let size = Size::Beginning(MAX_ANSWER_BYTES);
        let request = Outgoing { url, key: None, authorization, body: None, size };
        let answer = self.0.send(&request).map(|response| Answer::new(response, url));
        TimedAnswer { answer, ms: clock.ms() }
    }
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
const MAX_ANSWER_BYTES: usize = 65_536;
/// How many requests may be sent at the same time.
pub(super) const MAX_CONNECTIONS: usize = 4;
