//! CORS: which pages of other origins may read responses.

use crate::http::cache_control::with_members;
use crate::http::header_edits::HeaderEdits;
use crate::http::url;

/// The setting `preflights`: who answers the CORS preflights of priced routes if the price list has no `cors`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preflights {
    /// The Worker. It allows no page of another origin to read responses.
    #[default]
    Edge,
    /// The origin. A client can then make the origin work without payment.
    Origin,
}

/// The setting `cors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Every page may read responses.
    Any,
    /// Pages of these origins may read responses.
    Origins(Vec<String>),
}

impl Cors {
    /// Parses the setting: either `*` alone, or a list of origins. Returns `None` for any other list.
    pub fn new(origins: Vec<String>) -> Option<Self> {
        if origins == ["*"] {
            return Some(Self::Any);
        }
        let is_valid = origins.iter().all(|origin| is_origin(origin));
        is_valid.then(|| Self::Origins(origins.iter().map(|origin| without_default_port(origin)).collect()))
    }

    /// Adds the CORS headers to a response. `page` is the `Origin` header of the request, `vary` is the `Vary` header of
    /// the response, and `get` returns its other headers. An `Access-Control-Allow-Origin` that the response already
    /// has, such as that of the origin server, is kept.
    pub fn share(
        &self,
        page: Option<&str>,
        vary: Option<&str>,
        get: impl Fn(&str) -> Option<String>,
        edits: &mut HeaderEdits,
    ) {
        // Then the response depends on the `Origin` header.
        if let Self::Origins(_) = self {
            edits.set("Vary", &with_members(vary, &["Origin"]));
        }
        if get(ALLOW_ORIGIN).is_none() {
            let Some(origin) = self.allow_origin(page) else { return };
            edits.set(ALLOW_ORIGIN, origin);
        }
        edits.set(EXPOSE_HEADERS, &with_members(get(EXPOSE_HEADERS).as_deref(), &EXPOSED));
    }

    /// Whether the setting has an origin by its name. `*` is for requests without cookies (Fetch standard).
    pub fn names(&self, origin: &str) -> bool {
        matches!(self, Self::Origins(origins) if origins.iter().any(|named| named == origin))
    }

    /// Returns the value of `Access-Control-Allow-Origin` for a request with this `Origin` header; `None` if the page
    /// may not read the response.
    pub fn allow_origin<'a>(&'a self, origin: Option<&str>) -> Option<&'a str> {
        match self {
            Self::Any => Some("*"),
            Self::Origins(origins) => {
                origins.iter().find(|allowed| Some(allowed.as_str()) == origin).map(String::as_str)
            }
        }
    }
}

/// Returns an origin as browsers write it in `Origin`: without the default port of its scheme.
fn without_default_port(origin: &str) -> String {
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(port).unwrap_or(origin).to_owned()
}

/// Whether a text is an origin as browsers write it: a scheme, and a host in lower case, with or without a port.
fn is_origin(text: &str) -> bool {
    let authority = text.split_once("://").filter(|(scheme, _)| SCHEMES.contains(scheme));
    authority.is_some_and(|(_, authority)| {
        let has_padded_port =
            authority.strip_prefix(url::host(authority)).is_some_and(|port| port.starts_with(":0"));
        url::is_authority(authority) && !has_padded_port && !authority.bytes().any(|b| b.is_ascii_uppercase())
    })
}

/// The schemes of pages: those of the web, of apps (Capacitor, Ionic, Tauri, Electron) and of browser extensions.
const SCHEMES: [&str; 9] = [
    "https",
    "http",
    "capacitor",
    "ionic",
    "tauri",
    "app",
    "chrome-extension",
    "moz-extension",
    "safari-web-extension",
];
/// The response headers that a page may read besides those that CORS always allows.
const EXPOSED: [&str; 8] = [
    "WWW-Authenticate",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-Toll-Price-Fiat",
    "X-Toll-Price-Sats",
    "X-Toll-Expires",
    "X-Toll-Uses-Remaining",
];

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const EXPOSE_HEADERS: &str = "Access-Control-Expose-Headers";
