//! Sends requests with the library `ureq`.

use std::io::{self, Read};
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::{HttpError, Incoming, MAX_CONNECTIONS, Outgoing, Size};
use crate::wallet::TRY_MS;

pub(super) struct Client(Agent);

impl Client {
    /// `is_local` is whether the server is on this machine.
    pub fn new(is_local: bool) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_millis(TRY_MS)))
            .max_idle_connections_per_host(MAX_CONNECTIONS)
            .user_agent(AutoHeaderValue::from("edgetoll"));
        let config = if is_local { config.proxy(None) } else { config };
        Self(config.build().new_agent())
    }

    pub fn send(&self, request: &Outgoing<'_>) -> Result<Incoming, HttpError> {
        let headers = [("X-Api-Key", request.key), ("Authorization", request.authorization)];
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let response = match request.body {
            Some(body) => {
                let post = self.0.post(request.url).header("Content-Type", "application/json");
                headers.fold(post, |post, (name, value)| post.header(name, value)).send(body)
            }
            None => {
                headers.fold(self.0.get(request.url), |get, (name, value)| get.header(name, value)).call()
            }
        };
        Ok(read(response?, request.size)?)
    }
}

fn read(mut response: Response<Body>, size: Size) -> Result<Incoming, ureq::Error> {
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let incoming = Incoming {
        status: response.status().as_u16(),
        retry_after: header("Retry-After"),
        www_authenticate: header("WWW-Authenticate"),
        location: header("Location"),
        body: Vec::new(),
    };
    let body = match size {
        Size::UpTo(bytes) => response.body_mut().with_config().limit(bytes_u64(bytes)).read_to_vec()?,
        Size::Beginning(bytes) => {
            let mut body = Vec::new();
            let _ = response.body_mut().as_reader().take(bytes_u64(bytes)).read_to_end(&mut body);
            body
        }
    };
    Ok(Incoming { body, ..incoming })
}

fn bytes_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
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
