//! A request as it arrived, and what prices may want to know of it.

use js_sys::Reflect;
use web_sys::{Headers, Request};
use worker::wasm_bindgen::{JsCast, JsValue};

use super::origin;
use crate::gate;
use crate::pay_page;
use crate::policy::client::ClientSource;
use crate::policy::facts::EdgeFact;
use crate::policy::url::RequestUrl;
use crate::settings::Settings;

/// A request, read once.
pub struct Arrival {
    /// The request itself, for its body.
    pub request: Request,
    headers: Headers,
    /// The URL that is priced and forwarded, whole.
    pub href: String,
    /// As it was sent.
    pub method: String,
    /// The client's address, or the prefix of an IPv6 one.
    pub client: Option<String>,
    authorization: Option<String>,
    /// The `Cookie` header.
    pub cookie: Option<String>,
}

impl Arrival {
    /// Reads a request.
    pub fn read(request: Request, settings: &Settings) -> Self {
        let headers = request.headers();
        let header = |name: &str| headers.get(name).ok().flatten();
        let default = ClientSource::default();
        let source = settings.policy().map_or(&default, |policy| &policy.client);
        Self {
            // Not every runtime serializes the URL before it is read: what is priced is what a new request would be sent to.
            href: web_sys::Url::new(&request.url()).map(|url| url.href()).unwrap_or_default(),
            method: request.method(),
            client: source.client(header(&source.header).as_deref()),
            authorization: header("Authorization"),
            cookie: header("Cookie"),
            headers,
            request,
        }
    }

    /// The URL, taken apart; `None` where it is none.
    pub fn url(&self) -> Option<RequestUrl<'_>> {
        RequestUrl::parse(&self.href)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }

    /// Whether a person opens a page.
    pub fn is_for_people(&self) -> bool {
        let (accept, mode) = (self.header("Accept"), self.header("Sec-Fetch-Mode"));
        pay_page::is_for_people(&self.method, accept.as_deref(), mode.as_deref())
    }

    /// All headers, as they arrived.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The name by which the origin may know the client.
    pub fn pseudonym(&self, settings: &Settings) -> Option<String> {
        Some(settings.keys()?.current().client_pseudonym(self.client.as_deref()?))
    }

    /// Whether this deployment forwarded the request before.
    pub fn is_loop(&self, settings: &Settings) -> bool {
        origin::is_loop(settings, self.header(origin::HOP_HEADER).as_deref())
    }

    /// What the gate decides by.
    pub fn as_request<'a>(
        &'a self,
        url: RequestUrl<'a>,
        header: &'a dyn Fn(&str) -> Option<String>,
        edge: &'a dyn Fn(EdgeFact) -> Option<String>,
    ) -> gate::Request<'a> {
        let says = |name: &str, word: &str| {
            self.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
        };
        gate::Request {
            url,
            method: &self.method,
            client_ip: self.client.as_deref(),
            authorization: self.authorization.as_deref(),
            cookie: self.cookie.as_deref(),
            is_preflight: self.method == "OPTIONS" && self.header("Access-Control-Request-Method").is_some(),
            is_upgrade: says("Upgrade", "websocket"),
            is_prefetch: ["Sec-Purpose", "Purpose", "X-Moz"].iter().any(|name| says(name, "prefetch")),
            has_body: self.request.body().is_some(),
            header,
            edge,
        }
    }

    /// What Cloudflare says of the request.
    pub fn edge(&self, fact: EdgeFact) -> Option<String> {
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
