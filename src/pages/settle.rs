//! The endpoint `/_toll/settle`. The pay page sends requests to it, to learn whether its invoice was paid.

use crate::http::form;
use crate::strict_json::Json;

/// A request of the pay page to `/_toll/settle`.
#[derive(Debug, PartialEq, Eq)]
pub struct SettleRequest {
    /// The macaroon of the challenge.
    pub macaroon: String,
    /// Path and query of the page that the person requested. If it is `None`, the macaroon determines the page.
    pub to: Option<String>,
    /// Whether the form of the pay page sent the request, which happens in a browser without JavaScript.
    pub is_form: bool,
}

impl SettleRequest {
    /// Parses the body, which is a form or JSON; `None` if the body is malformed.
    pub fn parse(content_type: &str, body: &str) -> Option<Self> {
        let request = if content_type.starts_with(form::MEDIA_TYPE) {
            Self { macaroon: form::field(body, "macaroon")?, to: form::field(body, "to"), is_form: true }
        } else {
            let body = Json::parse(body.as_bytes())?;
            let text = |key: &str| body.get(key)?.as_str().map(str::to_owned);
            Self { macaroon: text("macaroon")?, to: text("to"), is_form: false }
        };
        // The macaroon becomes part of an `Authorization` header. Only characters of base64 are accepted, because
        // others, such as a comma, could add a credential to the header.
        let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b);
        request.macaroon.bytes().all(is_base64).then_some(request)
    }
}

/// Returns the value that a header has when a browser opens a page. The gate prices the page with this value, because
/// the header may have another value in a request to the settle endpoint.
///
/// Returns `None` if the header has the same value in both requests, and `Some(None)` if a browser does not send the
/// header when it opens a page.
pub fn navigation_header(name: &str) -> Option<Option<&'static str>> {
    Some(match name.to_ascii_lowercase().as_str() {
        "accept" => Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        "sec-fetch-dest" => Some("document"),
        "sec-fetch-mode" => Some("navigate"),
        "upgrade-insecure-requests" => Some("1"),
        "content-length" | "content-type" | "origin" => None,
        _ => return None,
    })
}
