//! Responses of edgetoll itself. Caches may store only the public price list and static files.

use serde::Serialize;
use wasm_bindgen::JsValue;
use web_sys::{Headers, ReadableStream, Response, ResponseInit};

use crate::error::RequestError;
use crate::http::url::RequestUrl;
use crate::protocols::l402::challenge::{Challenge, SCHEME};
use crate::protocols::l402::refusal::Refusal;
use crate::protocols::price::Price;
use crate::protocols::x_preimage;

/// Returns status 402 with an invoice. `refused` tells why the credential of the request was refused; `None` if the
/// response does not mention a refusal.
pub fn challenge(challenge: &Challenge, refused: Option<&Refusal>) -> Result<Response, JsValue> {
    json(402, &[("WWW-Authenticate", &challenge.header())], &challenge.body(refused))
}

/// Returns status 402 with a bare invoice as the body, as rack-lightning and ln-paywall send it.
pub fn bare_invoice(challenge: &Challenge) -> Result<Response, JsValue> {
    let authenticate = challenge.header();
    let headers = [("WWW-Authenticate", authenticate.as_str()), ("Content-Type", x_preimage::MEDIA_TYPE)];
    response(402, &headers, Some(challenge.bolt11.as_str()))
}

/// Returns status 402 with the price alone.
pub fn quote(price: &Price) -> Result<Response, JsValue> {
    let (name, price) = match price {
        Price::Sats(sats) => ("X-Toll-Price-Sats", sats.to_string()),
        Price::Fiat(price) => ("X-Toll-Price-Fiat", price.fiat.as_str().to_owned()),
    };
    response(402, &[("WWW-Authenticate", SCHEME), (name, &price)], None)
}

/// Returns the public price list, which may be cached for a minute and which pages of every origin may read.
pub fn price_list(catalog: &str) -> Result<Response, JsValue> {
    let headers = [("Cache-Control", "public, max-age=60"), ("Access-Control-Allow-Origin", "*")];
    json(200, &headers, catalog)
}

pub fn empty(status: u16) -> Result<Response, JsValue> {
    response(status, &[], None)
}

pub fn error(error: &RequestError) -> Result<Response, JsValue> {
    if let RequestError::Preimage(_) = error {
        // As `http.Error` of Go sends it, which ln-paywall uses.
        return response(error.status(), &[PLAIN_TEXT, NOSNIFF], Some(&(error.to_string() + "\n")));
    }
    let header = error.header();
    let header = header.as_ref().map(|(name, value)| (*name, value.as_str()));
    json(error.status(), header.as_slice(), &error.body())
}

/// Returns a redirect with status 308 to the same URL over https.
pub fn redirect_to_https(url: &RequestUrl<'_>) -> Result<Response, JsValue> {
    response(308, &[("Location", &format!("https://{}", url.after_scheme))], None)
}

pub fn redirect(status: u16, location: &str, cookie: Option<&str>) -> Result<Response, JsValue> {
    let mut headers = vec![("Location", location)];
    headers.extend(cookie.map(|cookie| ("Set-Cookie", cookie)));
    response(status, &headers, None)
}

/// Returns an admin page, or a script or style of an admin page. The page may load only files of this host, and no
/// page can frame it.
pub fn admin_file(
    status: u16,
    content_type: &str,
    body: Option<&ReadableStream>,
) -> Result<Response, JsValue> {
    let headers = [
        ("Content-Type", content_type),
        ("Content-Security-Policy", ADMIN_CONTENT_SECURITY_POLICY),
        // With `no-referrer`, a browser would send `Origin: null` with the forms of the page, and edgetoll would refuse
        // them.
        ("Referrer-Policy", "same-origin"),
        NOSNIFF,
    ];
    Response::new_with_opt_readable_stream_and_init(body, &init(status, &headers)?)
}

/// Returns a public file, which pages of every origin may load.
pub fn static_file(content_type: &str, body: Option<&ReadableStream>) -> Result<Response, JsValue> {
    let headers = [
        ("Content-Type", content_type),
        ("Cache-Control", "no-cache"),
        ("Access-Control-Allow-Origin", "*"),
        NOSNIFF,
    ];
    Response::new_with_opt_readable_stream_and_init(body, &init(200, &headers)?)
}

/// Returns the pay page with status 402. The browser uses only scripts and styles with the nonce.
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

/// Returns the page for an error, with the status and the headers of the error response `error`.
pub fn error_page(error: &Response, nonce: &str, html: &str) -> Result<Response, JsValue> {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let headers = Headers::new_with_headers(&error.headers())?;
    for (name, value) in
        [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", &policy), NOSNIFF]
    {
        headers.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(error.status());
    init.set_headers(&headers);
    Response::new_with_opt_str_and_init(Some(html), &init)
}

/// Returns the response to the script of the pay page: `{"status": …}`.
pub fn settle_status(
    status: u16,
    payment_status: &'static str,
    cookie: Option<&str>,
) -> Result<Response, JsValue> {
    #[derive(Serialize)]
    struct SettleStatus {
        status: &'static str,
    }
    let cookie = cookie.map(|cookie| ("Set-Cookie", cookie));
    json(status, cookie.as_slice(), &to_json(&SettleStatus { status: payment_status }))
}

/// Returns a table, which a browser saves as a file.
pub fn csv(body: &ReadableStream) -> Result<Response, JsValue> {
    let headers = [
        ("Content-Type", "text/csv; charset=utf-8; header=present"),
        ("Content-Disposition", "attachment; filename=\"ledger.csv\""),
        NOSNIFF,
    ];
    Response::new_with_opt_readable_stream_and_init(Some(body), &init(200, &headers)?)
}

pub fn text(content_type: &str, text: &str) -> Result<Response, JsValue> {
    response(200, &[("Content-Type", content_type), NOSNIFF], Some(text))
}

pub fn json(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Response, JsValue> {
    let content_type = [("Content-Type", "application/json; charset=utf-8")];
    response(status, &[&content_type, headers].concat(), Some(body))
}

/// Returns a value as JSON.
pub fn to_json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

fn response(status: u16, headers: &[(&str, &str)], body: Option<&str>) -> Result<Response, JsValue> {
    Response::new_with_opt_str_and_init(body, &init(status, headers)?)
}

fn init(status: u16, headers: &[(&str, &str)]) -> Result<ResponseInit, JsValue> {
    let all = Headers::new()?;
    all.set("Cache-Control", "no-store")?;
    for (name, value) in headers {
        all.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&all);
    Ok(init)
}

const PLAIN_TEXT: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");
const NOSNIFF: (&str, &str) = ("X-Content-Type-Options", "nosniff");
const ADMIN_CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
