//! The page that a person gets instead of an error in JSON.

use super::owner;
use crate::error::RequestError;
use crate::http::accept;
use crate::policy::owner::Owner;

/// Whether a browser shows the response to this request as a page. This includes forms with the method `POST`.
///
/// A service worker that fetches the request of a navigation with other options sends it with the mode `same-origin` (Fetch
/// standard, constructor of `Request`).
pub fn is_shown(accept: Option<&str>, fetch_mode: Option<&str>) -> bool {
    fetch_mode.is_none_or(|mode| ["navigate", "same-origin"].contains(&mode))
        && accept::prefers_html(accept.unwrap_or_default())
}

/// Returns each placeholder of the template `error.html` with its value.
pub fn values(
    error: &RequestError,
    method: &str,
    owner: &Owner,
    host: &str,
    nonce: &str,
) -> Vec<(&'static str, String)> {
    let kind = Kind::of(error.status());
    let flag = |is_set: bool| if is_set { "1".to_owned() } else { String::new() };
    let is = |other: Kind| flag(kind == other);
    let retry_after = error.header().filter(|(name, _)| *name == "Retry-After");
    let can_retry = method == "GET" && matches!(kind, Kind::Busy | Kind::Unavailable);
    let mut values = vec![
        ("nonce", nonce.to_owned()),
        ("access", is(Kind::Access)),
        ("busy", is(Kind::Busy)),
        ("not_found", is(Kind::NotFound)),
        ("refused", is(Kind::Refused)),
        ("unavailable", is(Kind::Unavailable)),
        ("retry_after_s", retry_after.map_or(String::new(), |(_, seconds)| seconds)),
        ("can_retry", flag(can_retry)),
        ("sentence", error.to_string()),
        ("code", error.code().to_owned()),
        ("macaroon", String::new()),
    ];
    values.extend(owner::values(owner, host));
    values
}

/// The page for a person without JavaScript whose invoice has expired. The person may have paid already. So the page first
/// offers to check the payment again, and then a new invoice.
pub struct EndedPage<'a> {
    pub nonce: &'a str,
    pub host: &'a str,
    pub owner: &'a Owner,
    /// The path prefix of edgetoll's endpoints.
    pub prefix: &'a str,
    /// Path and query of the page that the person wanted.
    pub path: &'a str,
    pub macaroon: &'a str,
}

impl EndedPage<'_> {
    /// Returns each placeholder of the template `error.html` with its value. The placeholders for errors are empty.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let values = [
            ("nonce", self.nonce),
            ("prefix", self.prefix),
            ("path", self.path),
            ("macaroon", self.macaroon),
        ];
        let of_errors = ERROR_FLAGS.iter().map(|name| (*name, String::new()));
        let values = values.into_iter().map(|(name, value)| (name, value.to_owned()));
        values.chain(of_errors).chain(owner::values(self.owner, self.host)).collect()
    }
}

/// The placeholders of `error.html` that have a block of their own. The page shows the block only if the placeholder
/// has a value.
const ERROR_FLAGS: [&str; 8] =
    ["access", "busy", "not_found", "refused", "unavailable", "retry_after_s", "can_retry", "code"];

/// What the page tells the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The credential is malformed or forged.
    Access,
    Busy,
    NotFound,
    Refused,
    Unavailable,
}

impl Kind {
    fn of(status: u16) -> Self {
        match status {
            401 => Self::Access,
            404 => Self::NotFound,
            409 | 429 => Self::Busy,
            500.. => Self::Unavailable,
            _ => Self::Refused,
        }
    }
}
