//! Our own answers. No cache may store them, but for the public price list, and files that everybody may have.

use web_sys::{Headers, ReadableStream, Response, ResponseInit};
use worker::wasm_bindgen::JsValue;

use crate::l402::challenge::{Challenge, SCHEME};
use crate::l402::refusal::Refusal;
use crate::policy::price::Cost;
use crate::policy::url::RequestUrl;
use crate::problem::Problem;

/// 402 with an invoice, and why the credential that came with the request was not enough.
pub fn challenge(challenge: &Challenge, refused: Option<&Refusal>) -> Result<Response, JsValue> {
    json(402, &[("WWW-Authenticate", &challenge.header())], &challenge.body(refused))
}

/// 402 with the price alone.
pub fn quote(cost: Cost<'_>) -> Result<Response, JsValue> {
    let (name, price) = match cost {
        Cost::Sats(sats) => ("X-Toll-Price-Sats", sats.to_string()),
        Cost::Fiat(price) => ("X-Toll-Price-Fiat", price.fiat.as_str().to_owned()),
    };
    response(402, &[("WWW-Authenticate", SCHEME), (name, &price)], None)
}

/// The public price list, for everybody and for a minute.
pub fn prices(catalog: &str) -> Result<Response, JsValue> {
    let headers = [("Cache-Control", "public, max-age=60"), ("Access-Control-Allow-Origin", "*")];
    json(200, &headers, catalog)
}

/// A status alone.
pub fn empty(status: u16) -> Result<Response, JsValue> {
    response(status, &[], None)
}

/// A refusal.
pub fn problem(problem: &Problem) -> Result<Response, JsValue> {
    let header = problem.header();
    let header = header.as_ref().map(|(name, value)| (*name, value.as_str()));
    json(problem.status(), header.as_slice(), &problem.body())
}

/// Whether we run, and whether there is a price list to run with.
pub fn health(is_configured: bool) -> Result<Response, JsValue> {
    json(200, &[], &format!("{{\"status\":\"ok\",\"configured\":{is_configured}}}"))
}

/// 308 to the same URL over https.
pub fn to_https(url: &RequestUrl<'_>) -> Result<Response, JsValue> {
    response(308, &[("Location", &format!("https://{}", url.after_scheme))], None)
}

/// Sends the client there.
pub fn to(status: u16, place: &str, cookie: Option<&str>) -> Result<Response, JsValue> {
    let mut headers = vec![("Location", place)];
    headers.extend(cookie.map(|cookie| ("Set-Cookie", cookie)));
    response(status, &headers, None)
}

/// A file of ours, which may load nothing but what stands beside it, and stands in no frame.
pub fn page(status: u16, content_type: &str, body: Option<&ReadableStream>) -> Result<Response, JsValue> {
    let headers = [
        ("Content-Type", content_type),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        // With `no-referrer` a browser would send our own form from the origin `null`.
        ("Referrer-Policy", "same-origin"),
        NOSNIFF,
    ];
    Response::new_with_opt_readable_stream_and_init(body, &init(status, &headers)?)
}

/// A file for everybody.
pub fn file(content_type: &str, body: Option<&ReadableStream>) -> Result<Response, JsValue> {
    let headers = [
        ("Content-Type", content_type),
        ("Cache-Control", "no-cache"),
        ("Access-Control-Allow-Origin", "*"),
        NOSNIFF,
    ];
    Response::new_with_opt_readable_stream_and_init(body, &init(200, &headers)?)
}

/// 402 for a person. What may run in it has the nonce.
pub fn pay_page(challenge: &str, nonce: &str, html: &str) -> Result<Response, JsValue> {
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = [
        ("WWW-Authenticate", challenge),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", &policy),
        ("Referrer-Policy", "same-origin"),
        NOSNIFF,
    ];
    response(402, &headers, Some(html))
}

/// What the pay page's script is told, and the cookie with it.
pub fn standing(status: u16, standing: &str, cookie: Option<&str>) -> Result<Response, JsValue> {
    let cookie = cookie.map(|cookie| ("Set-Cookie", cookie));
    json(status, cookie.as_slice(), &format!("{{\"status\":\"{standing}\"}}"))
}

/// A text of such a type.
pub fn text(content_type: &str, text: &str) -> Result<Response, JsValue> {
    response(200, &[("Content-Type", content_type), NOSNIFF], Some(text))
}

/// JSON.
pub fn json(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Response, JsValue> {
    let content_type = [("Content-Type", "application/json; charset=utf-8")];
    response(status, &[&content_type, headers].concat(), Some(body))
}

fn response(status: u16, headers: &[(&str, &str)], body: Option<&str>) -> Result<Response, JsValue> {
    Response::new_with_opt_str_and_init(body, &init(status, headers)?)
}

fn init(status: u16, headers: &[(&str, &str)]) -> Result<ResponseInit, JsValue> {
    let ours = Headers::new()?;
    ours.set("Cache-Control", "no-store")?;
    for (name, value) in headers {
        ours.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&ours);
    Ok(init)
}

const NOSNIFF: (&str, &str) = ("X-Content-Type-Options", "nosniff");
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
