//! Forwards requests to the origin. `shell.js` sends them; their bodies stay in JavaScript. WebSockets are forwarded too.

use std::sync::OnceLock;

use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Response, Url};

use super::{Answered, HandlerError};
use crate::config::{Origin, Settings};
use crate::edge::context::{IncomingRequest, RequestContext};
use crate::edge::platform::log::RequestLog;
use crate::edge::platform::{clock, environment, shell};
use crate::error::RequestError;
use crate::forward::{ForwardReason, ForwardedRequest, HOP_HEADER, ResponsePlan, Signing};
use crate::gate::Observation;
use crate::http::header_edits::HeaderEdits;
use crate::http::header_list::HeaderList;
use crate::http::url::{RequestUrl, is_loopback, is_serialized};
use crate::payment::PaymentHash;
use crate::policy::Policy;
use crate::policy::facts::{MAX_LENGTH, PriceError};
use crate::policy::price_list::COUNTED_TIMEOUT_MS;
use crate::policy::route::Route;
use crate::protocols::l402::verify::Grant;

/// A request that can be sent to the origin.
pub struct ForwardPlan {
    url: String,
    body: Body,
    may_store: bool,
    timeout_ms: Option<u32>,
    request_edits: HeaderEdits,
    /// Changes of the response's headers that do not depend on the response.
    pub response_edits: HeaderEdits,
    /// A [`ResponsePlan`].
    pub response: String,
    reason: ForwardReason,
    route: Option<&'static Route>,
    payment_hash: Option<PaymentHash>,
    /// What an observed request would have got.
    observed: Option<Observed>,
}

/// The part of an [`Observation`] that the log records.
struct Observed {
    status: u16,
    sats: u64,
    code: Option<&'static str>,
}

/// The body of a forwarded request.
enum Body {
    /// The body of the request, if it has one.
    Same,
    /// No body. The body of the response is not sent to the client either.
    None,
    /// The body of the request. Sending fails if it has another length.
    OfLength(u64),
}

impl ForwardPlan {
    /// `route` is the priced route of the request. With a route, shared caches are forbidden to store the response.
    /// `is_shared` tells whether the response gets CORS headers. `observation` is that of an observed request.
    pub fn new(
        ctx: &RequestContext<'_>,
        reason: ForwardReason,
        route: Option<&'static Route>,
        grant: Option<&Grant>,
        is_shared: bool,
        observation: Option<&Observation<'_>>,
    ) -> Result<Self, RequestError> {
        let request = ctx.request;
        let url = origin_url(ctx)?;
        let response = ResponsePlan {
            reason,
            route: route.and_then(|route| ctx.policy().position(route)),
            expires_at_unix: grant.map(|grant| grant.expires_at_unix),
            payment_hash: grant.map(|grant| grant.payment_hash),
            is_shared,
            public_origin: ctx.url.origin,
            origin_url: &url,
            page: request.header("Origin"),
        };
        let response = response.to_line();
        let client = ctx.client_pseudonym();
        let forwarded = ForwardedRequest {
            url: ctx.url,
            headers: &request.headers,
            reason,
            grant,
            observed: observation.map(|observation| observation.status),
            route,
            policy: ctx.policy(),
            settings: ctx.settings,
            deployment_tag: deployment_tag(ctx.settings),
            client: client.as_deref(),
            signing: signing(ctx, &url)?,
        };
        Ok(Self {
            body: body(request, reason, route)?,
            may_store: route.is_none_or(|route| route.may_cache || reason == ForwardReason::Observed),
            timeout_ms: timeout_ms(ctx.policy(), grant),
            request_edits: forwarded.edits(),
            response_edits: HeaderEdits::default(),
            response,
            reason,
            route,
            payment_hash: grant.map(|grant| grant.payment_hash),
            observed: observation.map(|seen| Observed {
                status: seen.status,
                sats: seen.sats,
                code: seen.code,
            }),
            url,
        })
    }

    /// Returns the plan as `shell.js` reads it, with the beginning of the log record.
    pub fn to_text(&self, method: &str) -> String {
        let record = RequestLog {
            event: "request",
            method,
            decision: self.reason.as_str(),
            route: self.route.map(|route| route.pattern.as_str()),
            free: None,
            code: self.observed.as_ref().and_then(|observed| observed.code),
            detail: None,
            payment_hash: self.payment_hash.map(|hash| hash.short()),
            observed: self.observed.as_ref().map(|observed| observed.status),
            sats: self.observed.as_ref().map(|observed| observed.sats),
        };
        let body = match self.body {
            Body::Same => String::new(),
            Body::None => "-".to_owned(),
            Body::OfLength(length) => length.to_string(),
        };
        let timeout_ms = self.timeout_ms.map(|ms| ms.to_string()).unwrap_or_default();
        let lines = [
            self.url.as_str(),
            &body,
            if self.may_store { "" } else { "no-store" },
            &timeout_ms,
            &record.beginning(),
            &self.response,
            &self.request_edits.lines().to_string(),
            self.request_edits.as_str(),
        ];
        [&lines.join("\n"), self.response_edits.as_str()].concat()
    }
}

/// Forwards a request, and returns the response of the origin with its changed headers, but without CORS headers.
pub async fn answer(
    ctx: &RequestContext<'_>,
    reason: ForwardReason,
    route: Option<&'static Route>,
    grant: Option<&Grant>,
) -> Result<Answered, HandlerError> {
    let plan = ForwardPlan::new(ctx, reason, route, grant, false, None)?;
    let text = plan.to_text(&ctx.request.method);
    let sent = JsFuture::from(shell::send(&ctx.request.request, ctx.env, &text)).await?;
    let response: Response = match sent.as_string() {
        Some(fault) => return Err(HandlerError::of_origin(&fault)),
        None => sent.unchecked_into(),
    };
    let headers = shell::read_headers(&response);
    let response_plan = ResponsePlan::parse(&plan.response).ok_or(RequestError::Internal)?;
    let edits = response_edits(ctx.settings, ctx.policy(), &response_plan, headers);
    let edits = edits.ok_or(RequestError::Internal)?;
    let response = shell::change(&response, &text, edits.as_str())?;
    Ok(Answered::new(response, reason.into()).on_route(route))
}

/// Returns the changes of a response's headers. `headers` are the headers as lines. Returns `None` if these cannot be
/// read; the response must then not reach the client.
pub fn response_edits(
    settings: &Settings,
    policy: &Policy,
    plan: &ResponsePlan<'_>,
    headers: String,
) -> Option<HeaderEdits> {
    let resolve = |url: &str, base: &str| Url::new_with_base(url, base).ok().map(|url| url.href());
    Some(plan.edits(&HeaderList::parse(headers, 0)?, policy, &settings.origin, resolve))
}

/// Checks whether a paid request could be forwarded.
///
/// # Errors
/// Returns the reason, which the log and the dashboard show.
pub fn check_origin(ctx: &RequestContext<'_>) -> Result<(), &'static str> {
    if environment::bound(ctx.env).origin {
        return Ok(());
    }
    let host = ctx.url.host;
    // A request of the Worker to its own host reaches the Worker again if the host is on workers.dev or is this machine. On
    // a route of a zone, such a request reaches the zone's origin.
    let leads_back = match &ctx.settings.origin {
        Origin::Invalid => return Err("ORIGIN_URL is invalid, so nothing is sold"),
        Origin::Zone => host.ends_with(".workers.dev"),
        Origin::Url(base) => {
            let is_own =
                RequestUrl::parse(&format!("{base}/")).is_some_and(|url| url.origin == ctx.url.origin);
            is_own && (host.ends_with(".workers.dev") || is_loopback(host))
        }
    };
    if leads_back {
        return Err("the origin leads back to this paywall, so nothing is sold: set ORIGIN_URL");
    }
    Ok(())
}

fn origin_url(ctx: &RequestContext<'_>) -> Result<String, RequestError> {
    match &ctx.settings.origin {
        _ if environment::bound(ctx.env).origin => Ok(ctx.request.href.clone()),
        Origin::Url(base) => Ok(sent_url(ctx, [base, ctx.url.path_and_query].concat())),
        Origin::Zone => Ok(ctx.request.href.clone()),
        Origin::Invalid => Err(RequestError::NotConfigured),
    }
}

/// Returns the URL as the runtime sends it, if it is signed: the path of `ORIGIN_URL` may contain `..`, for example.
fn sent_url(ctx: &RequestContext<'_>, url: String) -> String {
    if ctx.settings.origin_key.is_none() || is_serialized(&url) {
        return url;
    }
    Url::new(&url).map(|serialized| serialized.href()).unwrap_or(url)
}

fn signing<'a>(ctx: &RequestContext<'a>, url: &'a str) -> Result<Option<Signing<'a>>, RequestError> {
    let Some(key) = &ctx.settings.origin_key else { return Ok(None) };
    let path_and_query = RequestUrl::parse(url).ok_or(RequestError::Internal)?.path_and_query;
    Ok(Some(Signing { key, method: &ctx.request.method, path_and_query, created_unix: clock::now_unix() }))
}

/// If the price depends on the length of the body, the body must have the length of `Content-Length`.
fn body(
    request: &IncomingRequest,
    reason: ForwardReason,
    route: Option<&Route>,
) -> Result<Body, RequestError> {
    let depends_on_length = route.is_some_and(|route| route.pricing.depends_on_length());
    let length = request.header("Content-Length").and_then(|length| length.parse::<u64>().ok());
    match length {
        _ if reason == ForwardReason::Preflight => Ok(Body::None),
        _ if reason == ForwardReason::Observed => Ok(Body::Same),
        Some(length) if depends_on_length && request.has_body && length > MAX_LENGTH => {
            Err(RequestError::Price(PriceError::TooLong))
        }
        Some(length) if depends_on_length && request.has_body => Ok(Body::OfLength(length)),
        _ => Ok(Body::Same),
    }
}

/// Returns the time limit of the origin. A timer costs a tenth of a request's CPU time, so without `origin_timeout` only a
/// request that takes a use has a limit: its use must be spent or returned.
fn timeout_ms(policy: &Policy, grant: Option<&Grant>) -> Option<u32> {
    let takes_use = grant.is_some_and(|grant| grant.uses.is_some());
    policy.origin_timeout_ms.or_else(|| takes_use.then_some(COUNTED_TIMEOUT_MS))
}

/// Whether this deployment has forwarded the request before.
pub fn is_loop(request: &IncomingRequest, settings: &Settings) -> bool {
    request.header(HOP_HEADER).is_some_and(|hop| hop == deployment_tag(settings))
}

/// Returns the tag that this deployment adds to forwarded requests. Without a secret, the tag is a random number of
/// this isolate.
fn deployment_tag(settings: &Settings) -> &'static str {
    static OF_ISOLATE: OnceLock<String> = OnceLock::new();
    OF_ISOLATE.get_or_init(|| match settings.keys() {
        Some(keys) => keys.current().deployment_tag(),
        None => getrandom::u64().unwrap_or_default().to_string(),
    })
}
