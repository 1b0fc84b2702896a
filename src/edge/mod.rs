//! The Worker: it turns a JavaScript request into plain values, lets the gate decide, and does what it says. Bodies stay
//! in JavaScript.

mod answer;
mod environment;
mod log;
mod origin;
mod wallet;

use std::fmt;

use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{Context, Env};

use crate::gate::{Decision, Request};
use crate::l402::caveat::Terms;
use crate::l402::challenge::Challenge;
use crate::policy::client;
use crate::policy::url::RequestUrl;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::wallet::lnbits::{InvoiceError, InvoiceRequest};
use log::Line;
use origin::Pass;

#[cfg(feature = "entry")]
#[worker::event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> Result<web_sys::Response, Unanswered> {
    handle(request, env, context).await
}

/// Answers a request: the whole paywall, for a Worker that has an entry point of its own.
///
/// # Errors
/// Where the runtime makes no response at all: all else that goes wrong is answered.
pub async fn handle(
    request: web_sys::Request,
    env: Env,
    _context: Context,
) -> Result<web_sys::Response, Unanswered> {
    let started_ms = js_sys::Date::now();
    let mut line = Line::new(request.method());
    let answer = match respond(&request, &env, &mut line).await {
        Ok(response) => Ok(response),
        Err(Failure::Problem(problem)) => {
            line.code = Some(problem.code());
            answer::problem(&problem)
        }
        Err(Failure::Js(error)) => {
            line.code = Some(Problem::Internal.code());
            line.detail = error.dyn_ref::<js_sys::Error>().map(|error| error.name().into());
            answer::problem(&Problem::Internal)
        }
    };
    let response = answer.map_err(|_| Unanswered)?;
    line.write(response.status(), js_sys::Date::now() - started_ms);
    Ok(response)
}

/// The runtime made no response.
#[derive(Debug)]
pub struct Unanswered;

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime made no response")
    }
}

impl std::error::Error for Unanswered {}

/// What keeps a request from its answer.
enum Failure {
    /// A refusal that the client may read.
    Problem(Problem),
    /// The runtime threw.
    Js(JsValue),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<JsValue> for Failure {
    fn from(error: JsValue) -> Self {
        Self::Js(error)
    }
}

async fn respond(
    request: &web_sys::Request,
    env: &Env,
    line: &mut Line,
) -> Result<web_sys::Response, Failure> {
    let settings = environment::settings(env);
    let headers = request.headers();
    if origin::is_loop(settings, headers.get(origin::HOP_HEADER)?.as_deref()) {
        return Err(Problem::OriginLoop.into());
    }
    // Not every runtime serializes the URL before it is read: what is priced is what a new request would be sent to.
    let url = web_sys::Url::new(&request.url()).map_err(|_| Problem::AmbiguousPath)?.href();
    let method = request.method();
    let authorization = headers.get("Authorization")?;
    let client = client::bucket(headers.get("CF-Connecting-IP")?.as_deref());
    let facts = Request {
        url: RequestUrl::parse(&url).ok_or(Problem::AmbiguousPath)?,
        method: &method,
        client_ip: client.as_deref(),
        authorization: authorization.as_deref(),
        is_upgrade: headers.get("Upgrade")?.is_some_and(|to| to.to_ascii_lowercase().contains("websocket")),
        is_preflight: method == "OPTIONS" && headers.has("Access-Control-Request-Method")?,
        is_prefetch: is_prefetch(&headers)?,
    };
    let pseudonym = |client: &str| settings.keys().map(|keys| keys.current().client_pseudonym(client));
    let client = client.as_deref().and_then(pseudonym);

    let decision = settings.gate().decide(&facts, now_unix());
    line.decided(&decision);
    let pass = match decision {
        Decision::Health => return Ok(answer::health(settings.policy().is_some())?),
        Decision::Refuse(problem) => return Err(problem.into()),
        Decision::ToHttps => return Ok(answer::to_https(&facts.url)?),
        Decision::Quote { price_sats, .. } => return Ok(answer::quote(price_sats)?),
        Decision::Challenge { route, terms, description, refused } => {
            let route = route.pattern.as_str();
            let challenge = challenge(settings, route, terms, description, client.as_deref()).await;
            let challenge = challenge.map_err(|error| {
                line.detail = Some(error.to_string());
                Problem::InvoiceUnavailable
            })?;
            line.payment_hash = Some(challenge.payment_hash().short());
            return Ok(answer::challenge(&challenge, refused.as_ref())?);
        }
        Decision::Open => Pass::Open,
        Decision::Preflight => Pass::Preflight,
        Decision::Paid { grant, amount_sats, .. } => Pass::Paid { grant, amount_sats },
    };
    let caller = origin::Caller { request, href: &url, url: &facts.url, client: client.as_deref() };
    origin::forward(&caller, env, settings, &pass).await
}

/// Asks the wallet for an invoice and mints its challenge.
async fn challenge(
    settings: &Settings,
    route: &str,
    terms: Terms,
    description: String,
    client: Option<&str>,
) -> Result<Challenge, InvoiceError> {
    let (Some(policy), Some(keys), Some(lnbits)) = (settings.policy(), settings.keys(), settings.lnbits())
    else {
        return Err(InvoiceError::NotConfigured);
    };
    let invoice = InvoiceRequest {
        amount_sats: terms.amount_sats,
        description: &description,
        expiry_s: policy.invoice_expiry_s,
        network: &policy.network,
        route,
        client,
    };
    let bolt11 = wallet::create_invoice(lnbits, &invoice).await?;
    let mut nonce = [0; 28];
    getrandom::fill(&mut nonce).map_err(|_| InvoiceError::NoRandomness)?;
    let challenge = Challenge::new(keys.current(), policy.encodings, terms, description, bolt11, &nonce);
    challenge.map_err(|_| InvoiceError::Unmintable)
}

/// Browsers mark what they fetch before anybody asked for it.
fn is_prefetch(headers: &web_sys::Headers) -> Result<bool, JsValue> {
    for name in ["Sec-Purpose", "Purpose", "X-Moz"] {
        if headers.get(name)?.is_some_and(|value| value.to_ascii_lowercase().contains("prefetch")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The time in seconds. It stands still while the Worker computes, and moves with each answer from outside.
fn now_unix() -> u64 {
    // A float's cast saturates; the clock is never negative.
    (js_sys::Date::now() / 1_000.0) as u64
}
