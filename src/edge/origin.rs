//! The way to the origin and back. Bodies stream through in JavaScript, in both directions, and WebSockets pass.

use std::sync::OnceLock;

use js_sys::{Array, Promise};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, Request, RequestInit, RequestRedirect, Response, ResponseInit,
    WorkerGlobalScope, WritableStream,
};
use worker::Env;
use worker::wasm_bindgen::closure::Closure;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::facts::Arrival;
use super::{Failure, environment};
use crate::forward;
use crate::l402::cookie;
use crate::l402::verify::Grant;
use crate::policy::facts::{MAX_LENGTH, Unpriced};
use crate::policy::header;
use crate::policy::route::{Route, Toll};
use crate::problem::Problem;
use crate::settings::{Origin, Settings};

/// On what grounds a request is forwarded.
pub enum Pass {
    /// Nothing is sold there.
    Open,
    /// This very request costs nothing.
    Waived,
    /// Within the free tier.
    Free,
    /// No charge and no content.
    Preflight,
    /// Paid.
    Paid { grant: Grant, amount_sats: u64 },
}

impl Pass {
    /// What the origin is told.
    fn status(&self) -> &'static str {
        match self {
            Self::Open | Self::Waived | Self::Preflight => "open",
            Self::Free => "free",
            Self::Paid { .. } => "paid",
        }
    }
}

/// Forwards a request and prepares the origin's answer for the client. `route` is the priced one, where there is one: its
/// answers are for nobody else, so that no cache may keep them.
pub async fn forward(
    arrival: &Arrival,
    env: &Env,
    settings: &Settings,
    pass: &Pass,
    route: Option<&Route>,
) -> Result<Response, Failure> {
    let path_and_query = arrival.url().ok_or(Problem::AmbiguousPath)?.path_and_query;
    let url = match settings.origin() {
        _ if environment::value(env, BINDING).is_some() => arrival.href.clone(),
        Origin::Url(base) => format!("{base}{path_and_query}"),
        Origin::Zone => arrival.href.clone(),
        Origin::Broken => return Err(Problem::NotConfigured.into()),
    };
    let request = match pass {
        Pass::Preflight => Request::new_with_str_and_init(&url, &bare(arrival))?,
        _ => match sized_body(arrival, route)? {
            None => Request::new_with_str_and_init(&url, as_init(&arrival.request))?,
            Some(body) => {
                let init = bare(arrival);
                init.set_body(&body);
                Request::new_with_str_and_init(&url, &init)?
            }
        },
    };
    prepare_request(&request.headers(), arrival, settings, pass, route)?;
    let timeout_ms = settings.policy().map_or(0, |policy| policy.origin_timeout_ms);
    let may_store = route.is_none_or(|route| route.may_cache);
    let response = fetch(env, &request, may_store, timeout_ms).await?;
    if response.status() > 599 {
        return Err(Problem::OriginUnreachable.into());
    }
    Ok(prepare_response(response, pass, route.is_some())?)
}

/// Method and headers of the request, without its body.
fn bare(arrival: &Arrival) -> RequestInit {
    let init = RequestInit::new();
    init.set_method(&arrival.method);
    init.set_headers(arrival.headers());
    init.set_redirect(RequestRedirect::Manual);
    init
}

/// Where the price depends on the length of the body, the body is held to the length that was announced.
fn sized_body(arrival: &Arrival, route: Option<&Route>) -> Result<Option<JsValue>, Failure> {
    let looks_at_length = route.is_some_and(|route| route.toll.may_look_at_length());
    let length = arrival.header("Content-Length").and_then(|length| length.parse::<u64>().ok());
    let (true, Some(body), Some(length)) = (looks_at_length, arrival.request.body(), length) else {
        return Ok(None);
    };
    if length > MAX_LENGTH {
        return Err(Problem::Unpriced(Unpriced::TooLong).into());
    }
    let sized = FixedLengthStream::new(length as f64)?;
    // A body of another length breaks off, at the origin too.
    let piped = JsFuture::from(body.pipe_to(&sized.writable()?));
    wasm_bindgen_futures::spawn_local(async { drop(piped.await) });
    Ok(Some(sized.readable()?))
}

/// Whether this deployment forwarded the request before.
pub fn is_loop(settings: &Settings, hop: Option<&str>) -> bool {
    hop.is_some_and(|hop| hop == deployment_tag(settings))
}

fn prepare_request(
    headers: &Headers,
    arrival: &Arrival,
    settings: &Settings,
    pass: &Pass,
    route: Option<&Route>,
) -> Result<(), JsValue> {
    let keep = settings.policy().map_or(&[][..], |policy| &policy.keep_headers);
    remove(headers, |name| forward::is_removed(name, keep))?;
    if let Some(toll) = route.map(|route| &route.toll) {
        let looked_at: Vec<&str> = toll.headers().collect();
        let is_misspelt = |name: &str| looked_at.iter().any(|one| forward::is_misspelt(name, one));
        // What code looks at nobody knows: only what every origin reads alike goes on.
        let is_unclear = |name: &str| matches!(toll, Toll::Code) && !header::is_plain(name);
        remove(headers, |name| is_misspelt(name) || is_unclear(name))?;
    }
    if !headers.has(FORWARDED_HOST)? {
        let host = arrival.url().map_or("", |url| url.host);
        headers.set(FORWARDED_HOST, host)?;
    }
    if let Some(header) = headers.get("Authorization")? {
        match forward::authorization(&header) {
            // Written back it would lose letters beyond ASCII.
            Some(others) if others == header => {}
            Some(others) => headers.set("Authorization", &others)?,
            None => headers.delete("Authorization")?,
        }
    }
    if let Some(header) = headers.get("Cookie")? {
        match cookie::others(&header) {
            Some(others) if others == header => {}
            Some(others) => headers.set("Cookie", &others)?,
            None => headers.delete("Cookie")?,
        }
    }
    headers.set(HOP_HEADER, &deployment_tag(settings))?;
    headers.set("X-Toll-Status", pass.status())?;
    if let Pass::Paid { grant, amount_sats } = pass {
        headers.set("X-Toll-Payment-Hash", &grant.payment_hash.to_hex())?;
        headers.set("X-Toll-Amount-Sats", &amount_sats.to_string())?;
    }
    if let Some(client) = arrival.pseudonym(settings) {
        headers.set("X-Toll-Client", &client)?;
    }
    if let Some(token) = settings.origin_token() {
        headers.set("X-Toll-Origin-Token", token)?;
    }
    Ok(())
}

/// Fetches, and gives up when the origin has not begun its answer in time. A begun answer may stream as long as it likes.
async fn fetch(env: &Env, request: &Request, may_store: bool, timeout_ms: u32) -> Result<Response, Failure> {
    let controller = AbortController::new()?;
    let init = RequestInit::new();
    init.set_signal(Some(&controller.signal()));
    if !may_store {
        init.set_cache(web_sys::RequestCache::NoStore);
    }
    let abort = controller.clone();
    let abort = Closure::once(move || abort.abort());
    let timeout_ms = i32::try_from(timeout_ms).unwrap_or(i32::MAX);
    let timer = global()
        .set_timeout_with_callback_and_timeout_and_arguments_0(abort.as_ref().unchecked_ref(), timeout_ms)?;
    let answer = match environment::value(env, BINDING) {
        Some(binding) => binding.unchecked_into::<Fetcher>().fetch(request, &init),
        None => Ok(global().fetch_with_request_and_init(request, &init)),
    };
    let answer = match answer {
        Ok(answer) => JsFuture::from(answer).await,
        Err(error) => Err(error),
    };
    global().clear_timeout_with_handle(timer);
    match answer {
        Ok(response) => Ok(response.unchecked_into()),
        Err(_) if controller.signal().aborted() => Err(Problem::OriginTimeout.into()),
        Err(_) => Err(Problem::OriginUnreachable.into()),
    }
}

fn prepare_response(answer: Response, pass: &Pass, is_priced: bool) -> Result<Response, JsValue> {
    let response = match pass {
        Pass::Preflight => {
            let init = ResponseInit::new();
            init.set_status(answer.status());
            init.set_headers(&answer.headers());
            Response::new_with_opt_str_and_init(None, &init)?
        }
        _ => Response::new_with_opt_readable_stream_and_init(answer.body().as_ref(), as_init(&answer))?,
    };
    let headers = response.headers();
    remove(&headers, header::is_ours)?;
    match pass {
        Pass::Preflight => remove(&headers, |name| !forward::is_for_preflight(name))?,
        Pass::Paid { grant, .. } => headers.set("X-Toll-Expires", &grant.expires_at_unix.to_string())?,
        Pass::Open | Pass::Waived | Pass::Free => {}
    }
    if is_priced {
        let cache_control = forward::private_cache_control(headers.get("Cache-Control")?.as_deref());
        headers.set("Cache-Control", &cache_control)?;
        headers.set("Vary", &forward::vary(headers.get("Vary")?.as_deref()))?;
        for name in forward::CACHE_OVERRIDES {
            headers.delete(name)?;
        }
    }
    Ok(response)
}

fn remove(headers: &Headers, is_removed: impl Fn(&str) -> bool) -> Result<(), JsValue> {
    let names = Array::from(&headers.keys()).into_iter().filter_map(|name| name.as_string());
    names.filter(|name| is_removed(name)).try_for_each(|name| headers.delete(&name))
}

/// A request or response as the initializer of the next one: method, headers, body, redirect mode, status and WebSocket
/// go over without a copy.
fn as_init<T: JsCast>(object: &impl AsRef<JsValue>) -> &T {
    object.as_ref().unchecked_ref()
}

/// Without a secret the tag is this isolate's own: nobody else can know it.
fn deployment_tag(settings: &Settings) -> String {
    static OF_ISOLATE: OnceLock<String> = OnceLock::new();
    match settings.keys() {
        Some(keys) => keys.current().deployment_tag(),
        None => OF_ISOLATE.get_or_init(|| getrandom::u64().unwrap_or_default().to_string()).clone(),
    }
}

/// The runtime's global scope, whose `fetch` leaves the Worker.
pub fn global() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

#[wasm_bindgen]
extern "C" {
    /// A service binding, or the assets.
    pub type Fetcher;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Fetcher, request: &Request, init: &RequestInit) -> Result<Promise, JsValue>;

    /// Fetches by the URL alone.
    #[wasm_bindgen(method, catch, js_name = fetch)]
    pub fn fetch_url(this: &Fetcher, url: &str) -> Result<Promise, JsValue>;

    /// The runtime's own: a stream of so many bytes, no more and no fewer.
    type FixedLengthStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(length: f64) -> Result<FixedLengthStream, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    fn writable(this: &FixedLengthStream) -> Result<WritableStream, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    fn readable(this: &FixedLengthStream) -> Result<JsValue, JsValue>;
}

/// What we have forwarded carries it, so that a request that comes back is known at once.
pub const HOP_HEADER: &str = "X-Toll-Hop";
/// The host that was priced; a client's own is removed, unless the owner keeps it.
const FORWARDED_HOST: &str = "X-Forwarded-Host";
/// The optional service binding.
const BINDING: &str = "ORIGIN";
