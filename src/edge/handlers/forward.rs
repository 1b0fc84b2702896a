//! Forwards requests to the origin. Bodies stream through JavaScript in both directions, and WebSockets are forwarded
//! too.

use std::cell::LazyCell;
use std::sync::OnceLock;

use crate::edge::platform::runtime::Env;
use js_sys::Array;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, Request, RequestInit, RequestRedirect, Response, ResponseInit, Url,
    WritableStream,
};

use super::{Action, Answered, HandlerError};
use crate::admin::SESSION_COOKIE;
use crate::bindings::ORIGIN;
use crate::config::{Origin, Settings};
use crate::edge::context::{IncomingRequest, RequestContext};
use crate::edge::platform::environment;
use crate::edge::platform::fetch::{Fetcher, global};
use crate::error::RequestError;
use crate::http::cache_control::{self, VARY_BY_CREDENTIAL};
use crate::http::origin_headers::{PublicUrls, REWRITTEN_HEADERS, SET_COOKIE};
use crate::http::url::{RequestUrl, is_loopback};
use crate::http::{cookie, header};
use crate::policy::facts::{MAX_LENGTH, PriceError};
use crate::policy::price_list::COUNTED_TIMEOUT_MS;
use crate::policy::route::{Pricing, Route};
use crate::protocols::l402::cookie::is_credential_name;
use crate::protocols::l402::credential::{Authorization, is_macaroon_header, may_contain_own_macaroon};
use crate::protocols::l402::verify::Grant;

/// Why a request is forwarded.
pub enum ForwardReason<'a> {
    /// The route has no price, or no route matches.
    Open,
    /// This request to a priced route has the price 0.
    Waived,
    /// The request is within the free tier.
    Free,
    /// A CORS preflight: it costs nothing, and its response has no body.
    Preflight,
    Paid(&'a Grant),
}

impl ForwardReason<'_> {
    /// Returns the value of `X-Toll-Status`.
    fn status(&self) -> &'static str {
        match self {
            Self::Open | Self::Waived | Self::Preflight => "open",
            Self::Free => "free",
            Self::Paid(_) => "paid",
        }
    }

    fn action(&self) -> Action {
        match self {
            Self::Open => Action::Open,
            Self::Waived => Action::Waived,
            Self::Free => Action::Free,
            Self::Preflight => Action::Preflight,
            Self::Paid(_) => Action::Paid,
        }
    }
}

/// Forwards a request. If the request has a priced `route`, the response has headers that forbid shared caches to
/// store it.
pub async fn answer(
    ctx: &RequestContext<'_>,
    reason: &ForwardReason<'_>,
    route: Option<&'static Route>,
) -> Result<Answered, HandlerError> {
    let response = forward(ctx, reason, route).await?;
    Ok(Answered::new(response, reason.action()).on_route(route))
}

async fn forward(
    ctx: &RequestContext<'_>,
    reason: &ForwardReason<'_>,
    route: Option<&Route>,
) -> Result<Response, HandlerError> {
    let url = origin_url(ctx)?;
    let request = match reason {
        ForwardReason::Preflight => Request::new_with_str_and_init(&url, &without_body(ctx.request))?,
        _ => match length_checked_body(ctx.request, route)? {
            None => Request::new_with_str_and_init(&url, as_init(&ctx.request.request))?,
            Some(body) => {
                let init = without_body(ctx.request);
                init.set_body(&body);
                Request::new_with_str_and_init(&url, &init)?
            }
        },
    };
    prepare_request(&request.headers(), ctx, reason, route)?;
    let may_store = route.is_none_or(|route| route.may_cache);
    let response = fetch(ctx.env, &request, may_store, timeout_ms(ctx, reason)).await?;
    if response.status() > 599 {
        return Err(RequestError::OriginUnreachable.into());
    }
    let response = prepare_response(response, reason, route.is_some())?;
    hide_origin(&response.headers(), ctx, &url)?;
    Ok(response)
}

/// Checks whether a paid request could be forwarded.
///
/// # Errors
/// Returns the reason, which the log and the dashboard show.
pub fn check_origin(ctx: &RequestContext<'_>) -> Result<(), &'static str> {
    if environment::binding(ctx.env, ORIGIN).is_some() {
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
        _ if environment::binding(ctx.env, ORIGIN).is_some() => Ok(ctx.request.href.clone()),
        Origin::Url(base) => Ok([base, ctx.url.path_and_query].concat()),
        Origin::Zone => Ok(ctx.request.href.clone()),
        Origin::Invalid => Err(RequestError::NotConfigured),
    }
}

/// Returns method and headers of the request, without its body.
fn without_body(request: &IncomingRequest) -> RequestInit {
    let init = RequestInit::new();
    init.set_method(&request.method);
    init.set_headers(&request.headers);
    init.set_redirect(RequestRedirect::Manual);
    init
}

/// Returns the body as a stream that fails if its length differs from `Content-Length`. Returns `None` if the price
/// does not depend on the length, or if the request has no body or no valid `Content-Length`.
fn length_checked_body(
    request: &IncomingRequest,
    route: Option<&Route>,
) -> Result<Option<JsValue>, HandlerError> {
    let depends_on_length = route.is_some_and(|route| route.pricing.depends_on_length());
    let length = request.header("Content-Length").and_then(|length| length.parse::<u64>().ok());
    let (true, Some(body), Some(length)) = (depends_on_length, request.request.body(), length) else {
        return Ok(None);
    };
    if length > MAX_LENGTH {
        return Err(RequestError::Price(PriceError::TooLong).into());
    }
    let checked = FixedLengthStream::new(length as f64)?;
    // If the body has another length, the stream fails, and so does the request to the origin.
    let piped = JsFuture::from(body.pipe_to(&checked.writable()?));
    wasm_bindgen_futures::spawn_local(async { drop(piped.await) });
    Ok(Some(checked.readable()?))
}

/// Removes these headers, and then adds edgetoll's own headers:
/// 1. headers that only edgetoll may set;
/// 2. headers that could make the origin serve something other than what was priced;
/// 3. the credentials and cookies of edgetoll.
fn prepare_request(
    headers: &Headers,
    ctx: &RequestContext<'_>,
    reason: &ForwardReason<'_>,
    route: Option<&Route>,
) -> Result<(), JsValue> {
    let carries_macaroon = |name: &str| {
        let value = || headers.get(name).ok().flatten();
        let keys = ctx.settings.keys().filter(|_| is_macaroon_header(name));
        keys.is_some_and(|keys| value().is_some_and(|value| may_contain_own_macaroon(&value, keys)))
    };
    let extends_url = |name: &str| {
        let value = || headers.get(name).ok().flatten();
        header::is_url_part(name) && value().is_some_and(|value| header::has_url_syntax(&value))
    };
    remove_where(headers, |name| {
        header::is_removed(name, &ctx.policy().keep_headers) || extends_url(name) || carries_macaroon(name)
    })?;
    if let Some(pricing) = route.map(|route| &route.pricing) {
        let priced_by: Vec<&str> = pricing.headers().collect();
        let is_other_spelling = |name: &str| priced_by.iter().any(|one| header::is_other_spelling(name, one));
        // A price function can read any header, so only headers whose names every origin reads in the same way are
        // forwarded.
        let is_ambiguous = |name: &str| matches!(pricing, Pricing::Code) && !header::is_unambiguous(name);
        let is_encoding = |name: &str| pricing.depends_on_length() && header::is_other_encoding(name);
        remove_where(headers, |name| is_other_spelling(name) || is_ambiguous(name) || is_encoding(name))?;
    }
    if !headers.has(FORWARDED_HOST)? {
        headers.set(FORWARDED_HOST, ctx.url.authority())?;
    }
    replace(headers, "Authorization", |value| Authorization::split(value).others())?;
    let is_own_cookie = |name: &str| is_credential_name(name) || name == SESSION_COOKIE;
    replace(headers, "Cookie", |value| cookie::without(value, is_own_cookie))?;
    headers.set(HOP_HEADER, deployment_tag(ctx.settings))?;
    headers.set("X-Toll-Status", reason.status())?;
    if let ForwardReason::Paid(grant) = reason {
        headers.set("X-Toll-Payment-Hash", &grant.payment_hash.to_hex())?;
        headers.set("X-Toll-Amount-Sats", &grant.amount_sats.to_string())?;
    }
    if let Some(client) = ctx.client_pseudonym() {
        headers.set("X-Toll-Client", &client)?;
    }
    if let Some(token) = &ctx.settings.origin_token {
        headers.set("X-Toll-Origin-Token", token)?;
    }
    Ok(())
}

/// Replaces the value of a header with the result of `change`, or deletes the header if the result is `None`.
fn replace(
    headers: &Headers,
    name: &str,
    change: impl FnOnce(&str) -> Option<String>,
) -> Result<(), JsValue> {
    let Some(value) = headers.get(name)? else { return Ok(()) };
    match change(&value) {
        // An unchanged value is left alone, because setting it again would lose its bytes beyond ASCII.
        Some(changed) if changed == value => Ok(()),
        Some(changed) => headers.set(name, &changed),
        None => headers.delete(name),
    }
}

/// Returns the time limit of the origin. A timer costs a tenth of a request's CPU time, so without `origin_timeout` only a
/// request that takes a use has a limit: its use must be spent or returned.
fn timeout_ms(ctx: &RequestContext<'_>, reason: &ForwardReason<'_>) -> Option<u32> {
    let takes_use = matches!(reason, ForwardReason::Paid(grant) if grant.uses.is_some());
    ctx.policy().origin_timeout_ms.or_else(|| takes_use.then_some(COUNTED_TIMEOUT_MS))
}

/// Sends a request to the origin, with a time limit until the response begins. A response that has begun may stream
/// without a limit.
async fn fetch(
    env: &Env,
    request: &Request,
    may_store: bool,
    timeout_ms: Option<u32>,
) -> Result<Response, HandlerError> {
    let init = RequestInit::new();
    if !may_store {
        init.set_cache(web_sys::RequestCache::NoStore);
    }
    match timeout_ms {
        Some(timeout_ms) => fetch_within(env, request, &init, timeout_ms).await,
        None => send(env, request, &init).await.map_err(|_| RequestError::OriginUnreachable.into()),
    }
}

async fn fetch_within(
    env: &Env,
    request: &Request,
    init: &RequestInit,
    timeout_ms: u32,
) -> Result<Response, HandlerError> {
    let controller = AbortController::new()?;
    init.set_signal(Some(&controller.signal()));
    let abort = controller.clone();
    let abort = Closure::once(move || abort.abort());
    let timeout_ms = i32::try_from(timeout_ms).unwrap_or(i32::MAX);
    let timer = global()
        .set_timeout_with_callback_and_timeout_and_arguments_0(abort.as_ref().unchecked_ref(), timeout_ms)?;
    let response = send(env, request, init).await;
    global().clear_timeout_with_handle(timer);
    response.map_err(|_| match controller.signal().aborted() {
        true => RequestError::OriginTimeout.into(),
        false => RequestError::OriginUnreachable.into(),
    })
}

async fn send(env: &Env, request: &Request, init: &RequestInit) -> Result<Response, JsValue> {
    let pending = match environment::binding(env, ORIGIN) {
        Some(binding) => binding.unchecked_into::<Fetcher>().fetch(request, init)?,
        None => global().fetch_with_request_and_init(request, init),
    };
    JsFuture::from(pending).await.map(JsCast::unchecked_into)
}

fn prepare_response(
    upstream: Response,
    reason: &ForwardReason<'_>,
    is_priced: bool,
) -> Result<Response, JsValue> {
    let response = match reason {
        ForwardReason::Preflight => {
            let init = ResponseInit::new();
            init.set_status(upstream.status());
            init.set_headers(&upstream.headers());
            Response::new_with_opt_str_and_init(None, &init)?
        }
        _ => Response::new_with_opt_readable_stream_and_init(upstream.body().as_ref(), as_init(&upstream))?,
    };
    let headers = response.headers();
    remove_where(&headers, header::is_reserved)?;
    match reason {
        ForwardReason::Preflight => remove_where(&headers, |name| !header::is_for_preflight(name))?,
        ForwardReason::Paid(grant) => headers.set("X-Toll-Expires", &grant.expires_at_unix.to_string())?,
        ForwardReason::Open | ForwardReason::Waived | ForwardReason::Free => {}
    }
    if is_priced {
        let cache_control = cache_control::private(headers.get("Cache-Control")?.as_deref());
        headers.set("Cache-Control", &cache_control)?;
        let vary = cache_control::with_members(headers.get("Vary")?.as_deref(), &VARY_BY_CREDENTIAL);
        headers.set("Vary", &vary)?;
        remove_where(&headers, cache_control::is_cache_override)?;
    }
    Ok(response)
}

/// Replaces the origin's URL with the public URL of this deployment in the response headers that can contain it.
fn hide_origin(headers: &Headers, ctx: &RequestContext<'_>, request_url: &str) -> Result<(), JsValue> {
    let Origin::Url(base) = &ctx.settings.origin else { return Ok(()) };
    // Most responses have none of these headers, so the URL of the origin is parsed only if one exists.
    let public = LazyCell::new(|| PublicUrls::new(base, request_url, ctx.url.origin, resolve_url));
    for name in REWRITTEN_HEADERS {
        if let Some(value) = headers.get(name)?
            && let Some(changed) = public.rewrite(name, &value)
        {
            headers.set(name, &changed)?;
        }
    }
    if !headers.has(SET_COOKIE)? {
        return Ok(());
    }
    let cookies: Vec<String> = headers
        .unchecked_ref::<CookieHeaders>()
        .get_set_cookie()
        .into_iter()
        .filter_map(|one| one.as_string())
        .collect();
    if cookies.iter().all(|cookie| public.rewrite(SET_COOKIE, cookie).is_none()) {
        return Ok(());
    }
    headers.delete(SET_COOKIE)?;
    cookies.iter().try_for_each(|cookie| {
        headers.append(SET_COOKIE, public.rewrite(SET_COOKIE, cookie).as_ref().unwrap_or(cookie))
    })
}

fn resolve_url(url: &str, base: &str) -> Option<String> {
    Url::new_with_base(url, base).ok().map(|url| url.href())
}

fn remove_where(headers: &Headers, is_removed: impl Fn(&str) -> bool) -> Result<(), JsValue> {
    let names = Array::from(&headers.keys()).into_iter().filter_map(|name| name.as_string());
    names.filter(|name| is_removed(name)).try_for_each(|name| headers.delete(&name))
}

/// Uses an existing request or response as the init object of a new one. The new one gets method, headers, body,
/// redirect mode, status and WebSocket of the existing one, without a copy.
fn as_init<T: JsCast>(object: &impl AsRef<JsValue>) -> &T {
    object.as_ref().unchecked_ref()
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

#[wasm_bindgen]
extern "C" {
    /// `Headers` with `getSetCookie`, which `web_sys` does not declare.
    type CookieHeaders;

    #[wasm_bindgen(method, js_name = getSetCookie)]
    fn get_set_cookie(this: &CookieHeaders) -> Array;

    /// A stream of the Workers runtime that fails unless exactly `length` bytes are written to it.
    type FixedLengthStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(length: f64) -> Result<FixedLengthStream, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    fn writable(this: &FixedLengthStream) -> Result<WritableStream, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    fn readable(this: &FixedLengthStream) -> Result<JsValue, JsValue>;
}

/// The header that marks forwarded requests. A marked request that arrives at this deployment again is a loop and is
/// refused.
const HOP_HEADER: &str = "X-Toll-Hop";
/// The header that carries the host of the request, with its port. A value that the client sent is removed, unless `keep_headers`
/// lists this header.
const FORWARDED_HOST: &str = "X-Forwarded-Host";
