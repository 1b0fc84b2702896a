//! The incoming request, and everything else that its handlers need.

use crate::edge::platform::runtime::{Context, Env};
use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Request;

use super::platform::clock::Deadline;
use super::platform::shell;
use crate::config::Settings;
use crate::gate::{self, Gate};
use crate::http::header_list::HeaderList;
use crate::http::url::{self, RequestUrl};
use crate::pages::{error_page, pay_page};
use crate::policy::Policy;
use crate::policy::client::{self, ClientSource};
use crate::policy::facts::EdgeFact;
use crate::policy::fetch_metadata;
use crate::protocols::l402::credential::{MACAROON_HEADERS, OtherCarriers};

/// Everything that a handler needs to answer a request.
#[derive(Clone, Copy)]
pub struct RequestContext<'a> {
    pub request: &'a IncomingRequest,
    pub url: RequestUrl<'a>,
    pub env: &'a Env,
    /// Keeps the Worker alive for work after the response.
    pub context: &'a Context,
    pub settings: &'static Settings,
    pub gate: Gate<'static, 'a>,
    pub deadline: Deadline,
}

impl RequestContext<'_> {
    pub fn policy(&self) -> &'static Policy {
        self.gate.policy
    }

    /// Returns the pseudonym of the client; `None` if the address of the client or the keys are not known.
    pub fn client_pseudonym(&self) -> Option<String> {
        self.request.client_pseudonym(self.settings)
    }

    /// Returns the /48 network of the client. Returns `None` in these cases:
    /// - the client has an IPv4 address;
    /// - the address of the client is not known;
    /// - `client_ipv6_prefix` is 48 or less.
    pub fn client_network(&self) -> Option<String> {
        client::network(self.request.client.as_deref()?)
    }
}

/// A request as it arrived.
pub struct IncomingRequest {
    /// The JavaScript request, for its body and for the facts that Cloudflare adds.
    pub request: Request,
    pub headers: HeaderList,
    pub has_body: bool,
    /// The whole URL. The path and query that are forwarded are exactly those that the gate prices.
    pub href: String,
    pub method: String,
    /// The client's IPv4 address or IPv6 prefix; `None` if the address is not known.
    pub client: Option<String>,
}

impl IncomingRequest {
    pub fn read(request: Request, settings: &Settings) -> Self {
        let head = shell::read_request(&request);
        let mut lines = head.splitn(4, '\n');
        let mut line = || lines.next().unwrap_or_default();
        let (method, href, has_body) = (line().to_owned(), line(), line() == "1");
        // Not every runtime normalizes the URL of a request. So the gate prices the same URL that the origin receives.
        let href = match url::is_serialized(href) {
            true => href.to_owned(),
            false => web_sys::Url::new(href).map(|url| url.href()).unwrap_or_default(),
        };
        let headers_at = head.len().saturating_sub(line().len());
        // A request whose headers cannot be read gets no URL, and so is refused.
        let (href, headers) = match HeaderList::parse(head, headers_at) {
            Some(headers) => (href, headers),
            None => (String::new(), HeaderList::default()),
        };
        let default = ClientSource::default();
        let source = settings.policy().map_or(&default, |policy| &policy.client);
        let client = source.client(headers.get(&source.header), headers.get("CF-Worker"));
        Self { request, headers, has_body, href, method, client }
    }

    /// Returns the parts of the URL; `None` if it is not an http or https URL.
    pub fn url(&self) -> Option<RequestUrl<'_>> {
        RequestUrl::parse(&self.href)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Whether a browser sent this request to open a page. A request that prefers JSON to HTML does not count.
    pub fn is_navigation(&self) -> bool {
        let (accept, fetch_mode) = (self.header("Accept"), self.header("Sec-Fetch-Mode"));
        pay_page::is_navigation(&self.method, accept, fetch_mode)
    }

    /// Whether a browser shows the response to this request as a page.
    pub fn shows_response(&self) -> bool {
        let (accept, fetch_mode) = (self.header("Accept"), self.header("Sec-Fetch-Mode"));
        self.method != "HEAD" && error_page::is_shown(accept, fetch_mode)
    }

    /// Returns the pseudonym of the client, which the origin receives as `X-Toll-Client`; `None` if the address of the
    /// client or the keys are not known.
    pub fn client_pseudonym(&self, settings: &Settings) -> Option<String> {
        Some(settings.keys()?.current().client_pseudonym(self.client.as_deref()?))
    }

    /// Returns the part of the request that the gate needs.
    pub fn for_gate<'a>(
        &'a self,
        url: RequestUrl<'a>,
        header: &'a dyn Fn(&str) -> Option<String>,
        edge: &'a dyn Fn(EdgeFact) -> Option<String>,
    ) -> gate::Request<'a> {
        gate::Request {
            url,
            method: &self.method,
            client_ip: self.client.as_deref(),
            authorization: self.header("Authorization"),
            other_carriers: OtherCarriers {
                toll_authorization: self.header("X-Toll-Authorization"),
                macaroons: MACAROON_HEADERS.map(|name| self.header(name)),
            },
            cookie: self.header("Cookie"),
            is_preflight: self.method == "OPTIONS" && self.header("Access-Control-Request-Method").is_some(),
            is_upgrade: self.is_upgrade(),
            is_prefetch: self.headers.iter().any(|(name, value)| fetch_metadata::is_prefetch(name, value)),
            has_body: self.has_body,
            header,
            edge,
        }
    }

    /// Whether the request is a WebSocket upgrade.
    pub fn is_upgrade(&self) -> bool {
        self.header("Upgrade").is_some_and(|value| value.to_ascii_lowercase().contains("websocket"))
    }

    /// Returns a fact that Cloudflare knows about the request (`request.cf`); `None` if Cloudflare does not provide it.
    pub fn edge_fact(&self, fact: EdgeFact) -> Option<String> {
        let cf = Reflect::get(&self.request, &"cf".into()).ok()?;
        let get = |object: &JsValue, key: &str| Reflect::get(object, &key.into()).ok();
        let value = match fact {
            EdgeFact::Country => get(&cf, "country")?,
            EdgeFact::VerifiedBot => get(&cf, "verifiedBotCategory")?,
            EdgeFact::BotScore => get(&get(&cf, "botManagement")?, "score")?,
        };
        match value.as_string() {
            Some(text) => Some(text),
            None => {
                value.dyn_into::<js_sys::Number>().ok().map(|number| (number.value_of() as u64).to_string())
            }
        }
    }
}
