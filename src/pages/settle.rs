//! `/_toll/settle`: the pay page asks whether its invoice was paid.

use crate::http::form;
use crate::strict_json::Json;

/// The question of a pay page.
#[derive(Debug, PartialEq, Eq)]
pub struct SettleRequest {
    /// The macaroon of the challenge.
    pub macaroon: String,
    /// Path and query of the page that the person wants.
    pub to: Option<String>,
    /// Whether a form asks, in a browser without JavaScript.
    pub is_form: bool,
}

impl SettleRequest {
    /// Parses the body: a form, or JSON.
    pub fn parse(content_type: &str, body: &str) -> Option<Self> {
        let request = if content_type.starts_with(form::MEDIA_TYPE) {
            Self { macaroon: form::field(body, "macaroon")?, to: form::field(body, "to"), is_form: true }
        } else {
            let body = Json::parse(body.as_bytes())?;
            let text = |key: &str| body.get(key)?.as_str().map(str::to_owned);
            Self { macaroon: text("macaroon")?, to: text("to"), is_form: false }
        };
        // The macaroon becomes part of an `Authorization` header, so other characters could add credentials to it.
        let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b);
        request.macaroon.bytes().all(is_base64).then_some(request)
    }
}

/// Returns the header that a browser sends when it opens a page, where the request of the pay page has another one. The inner `None`
/// means that the browser sends none; the outer `None`, that both requests have the same.
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
