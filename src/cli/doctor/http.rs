//! One call over the network, with the Worker's manners: no redirect is followed, an answer has a limit of time and of size.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;
use ureq::config::AutoHeaderValue;
use ureq::http::Response;
use ureq::{Agent, Body, Error as Failure};

use crate::wallet::{TRY_MS, WalletError, WalletRequest, WalletResponse};

/// A client that keeps its connections.
pub(super) struct Http(Agent);

/// What became of a call.
pub(super) struct Sent {
    pub answer: Result<WalletResponse, Unreached>,
    /// From the first byte sent to the last one read.
    pub ms: u64,
    /// When the answer was there.
    pub at_unix: u64,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreached {
    /// The port is closed.
    #[error("nothing listens there: start LNbits, or correct the host and port in its URL")]
    Refused,
    /// No connection that could be trusted.
    #[error(
        "there is no trustworthy TLS: it needs a valid certificate for this host name from a public authority, for the Worker too"
    )]
    Tls,
    /// None in time.
    #[error("there was no answer within {} s", TRY_MS.div_ceil(1_000))]
    Timeout,
    /// More than an answer can be.
    #[error("the answer is larger than LNbits' can be: correct its URL")]
    TooLarge,
    /// It broke off, or speaks something else.
    #[error("what listens there gave no HTTP answer: correct its URL, http or https among it")]
    NoHttp,
    /// The name is not known, or the network is down.
    #[error("there is no way there: correct the host in its URL, or look at this machine's network")]
    NoWay,
}

impl Http {
    /// For this base. A proxy of the environment is for the world outside, not for this machine.
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

    /// Sends a call.
    pub fn send(&self, call: &WalletRequest) -> Sent {
        let clock = Clock::start();
        let answer = self.request(call).map_err(unreached);
        let answer = answer.and_then(|response| read(response, call.max_response_bytes));
        Sent { answer, ms: clock.ms(), at_unix: now_unix() }
    }

    fn request(&self, call: &WalletRequest) -> Result<Response<Body>, Failure> {
        let key = call.key.as_deref().map(|key| ("X-Api-Key", key));
        match &call.body {
            Some(body) => {
                let request = self.0.post(&call.url).header("Content-Type", "application/json");
                key.into_iter().fold(request, |request, (name, key)| request.header(name, key)).send(body)
            }
            None => {
                let request = self.0.get(&call.url);
                key.into_iter().fold(request, |request, (name, key)| request.header(name, key)).call()
            }
        }
    }
}

fn read(mut response: Response<Body>, max_bytes: usize) -> Result<WalletResponse, Unreached> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("Retry-After").and_then(|value| value.to_str().ok());
    let retry_after_s = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let bytes = response.body_mut().with_config().limit(limit).read_to_vec().map_err(unreached)?;
    Ok(WalletResponse { status, retry_after_s, body: String::from_utf8_lossy(&bytes).into_owned() })
}

fn unreached(failure: Failure) -> Unreached {
    match failure {
        Failure::Timeout(_) => Unreached::Timeout,
        Failure::BodyExceedsLimit(_) => Unreached::TooLarge,
        Failure::Tls(_) | Failure::Rustls(_) => Unreached::Tls,
        Failure::Protocol(_) | Failure::LargeResponseHeader(..) => Unreached::NoHttp,
        Failure::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Unreached::Refused,
            io::ErrorKind::TimedOut => Unreached::Timeout,
            io::ErrorKind::InvalidData => Unreached::Tls,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Unreached::NoHttp,
            _ => Unreached::NoWay,
        },
        _ => Unreached::NoWay,
    }
}

impl From<Unreached> for WalletError {
    fn from(unreached: Unreached) -> Self {
        match unreached {
            Unreached::Timeout => Self::Timeout,
            Unreached::TooLarge => Self::TooLarge,
            Unreached::Refused | Unreached::Tls | Unreached::NoHttp | Unreached::NoWay => Self::Unreachable,
        }
    }
}

/// Measures how long something takes.
pub(super) struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "native only")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The time since 1970.
#[allow(clippy::disallowed_methods, reason = "native only")]
pub(super) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn now_unix() -> u64 {
    since_1970().as_secs()
}

/// LNbits 1.6.2 describes itself in 290 KB, extensions not counted.
pub(super) const MAX_OPENAPI_BYTES: usize = 4_194_304;
/// So many calls may be on their way at once.
pub(super) const MAX_CONNECTIONS: usize = 4;
