//! Response headers in which an origin names its own URL. The client knows only the URL of the paywall, so the URL of the
//! origin is replaced, as `ProxyPassReverse` of Apache and `proxy_redirect` of nginx do.

use super::url::{self, is_local_path};

/// Resolves a URL against a base URL and serializes the result, as browsers do (WHATWG URL). Returns `None` if the text is
/// not a URL. The Worker passes a function that calls JavaScript, because a URL parser would add 100 KB to the wasm.
pub type ResolveUrl = fn(url: &str, base: &str) -> Option<String>;

/// The URL of the origin, and the URL that clients use in its place.
pub struct PublicUrls<'a> {
    /// `ORIGIN_URL`, serialized. It ends with a slash.
    origin_url: String,
    /// The URL of the forwarded request.
    request_url: &'a str,
    /// Scheme, host and port of the client's request, such as `https://api.example.com`.
    public_origin: &'a str,
    resolve: ResolveUrl,
}

impl<'a> PublicUrls<'a> {
    /// `base` is `ORIGIN_URL` without a slash at its end. `request_url` is the URL of the forwarded request.
    /// `public_origin` is the scheme, host and port of the client's request.
    pub fn new(base: &str, request_url: &'a str, public_origin: &'a str, resolve: ResolveUrl) -> Self {
        let base = format!("{base}/");
        let origin_url = resolve(&base, &base).unwrap_or(base);
        Self { origin_url, request_url, public_origin, resolve }
    }

    /// Returns the value of a header with the public URL in place of the origin's URL. Returns `None` if the value does
    /// not contain the origin's URL.
    pub fn rewrite(&self, name: &str, value: &str) -> Option<String> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match value {
            _ if is(LINK) => self.rewrite_link(value),
            _ if is(REFRESH) => self.rewrite_refresh(value),
            _ if is(SET_COOKIE) => self.rewrite_cookie(value),
            _ if is(CHALLENGE) => self.rewrite_challenge(value),
            _ if QUOTING.iter().any(|known| is(known)) || (names_url(name) && value.contains('"')) => {
                self.rewrite_quoted(value, is_url)
            }
            _ if REFERENCES.iter().any(|known| is(known)) => self.public_url(value),
            _ => Some(value)
                .filter(|value| names_url(name) && is_url(value))
                .and_then(|url| self.public_url(url)),
        }
    }

    /// Returns the public URL for a URL of the origin. Returns `None` for a URL of another host, and for a URL that is
    /// already correct for the client.
    fn public_url(&self, text: &str) -> Option<String> {
        let (origin_authority, origin_path) = split(&self.origin_url)?;
        let is_path = is_local_path(text);
        let has_host = text.contains([':', '\\', '\t']) || text.contains("//");
        // A path may contain spaces and letters beyond ASCII, which browsers encode. U+FFFD stands for a byte that is lost.
        let is_absolute = text.starts_with('/') && !text.contains(char::REPLACEMENT_CHARACTER);
        // A path that is relative to the path of the request is correct for the client too.
        if !has_host && (!is_absolute || origin_path == "/") {
            return None;
        }
        let url = (self.resolve)(text, self.request_url)?;
        let (authority, path) = split(&url)?;
        let is_origin = host_and_port(authority) == host_and_port(origin_authority);
        // An origin that takes its host from X-Forwarded-Host writes the public host, but its own path. It may redirect to https.
        let (scheme, public_authority) = self.public_origin.split_once("://")?;
        let is_public = origin_path != "/" && host_and_port(authority) == host_and_port(public_authority);
        let scheme = if is_public && url.starts_with("https:") { "https" } else { scheme };
        let path = without_prefix(path, origin_path).filter(|_| is_origin || is_public)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        // Without a host in front, a path such as `//x` would lead to another host.
        let public = if is_path && is_local_path(&path) {
            path
        } else {
            format!("{scheme}://{public_authority}{path}")
        };
        (public != text).then_some(public)
    }

    /// `Link: <url>; rel=next, <url>; rel=preload; imagesrcset="url 1x, url 2x"` (RFC 8288).
    fn rewrite_link(&self, value: &str) -> Option<String> {
        let mut pieces = value.split('<');
        let mut changed = pieces.next()?.to_owned();
        for piece in pieces {
            changed.push('<');
            match piece.split_once('>') {
                Some((url, rest)) => {
                    changed.push_str(self.public_url(url).as_deref().unwrap_or(url));
                    changed.push('>');
                    changed.push_str(self.rewrite_quoted(rest, is_url).as_deref().unwrap_or(rest));
                }
                None => changed.push_str(piece),
            }
        }
        (changed != value).then_some(changed)
    }

    /// `Refresh: 5; url=https://…` (HTML, shared declarative refresh steps): `,` or a space may stand for `;`, `url=` may be
    /// missing, and the URL may be in quotes.
    fn rewrite_refresh(&self, value: &str) -> Option<String> {
        let seconds = |c: char| c.is_ascii_digit() || c == '.' || c.is_ascii_whitespace();
        let target = value.trim_start_matches(seconds);
        let target = target.strip_prefix([';', ',']).unwrap_or(target).trim_ascii_start();
        let named = target.split_at_checked(3).filter(|(name, _)| name.eq_ignore_ascii_case("url"));
        let named = named.and_then(|(_, rest)| rest.trim_ascii_start().strip_prefix('='));
        let target = named.map_or(target, str::trim_ascii_start);
        let (url, rest) = match target.split_at_checked(1) {
            Some((quote @ ("\"" | "'"), quoted)) => {
                quoted.split_at(quoted.find(quote).unwrap_or(quoted.len()))
            }
            _ => (target, ""),
        };
        let before = value.strip_suffix(rest)?.strip_suffix(url)?;
        Some([before, &self.public_url(url)?, rest].concat())
    }

    /// `Bearer resource_metadata="https://…"` (RFC 9728). A path may be the name of a realm, so it stays as it is. The hash of a
    /// Digest credential covers the realm, so challenges for Digest stay as they are.
    fn rewrite_challenge(&self, value: &str) -> Option<String> {
        let is_digest = value.to_ascii_lowercase().contains("digest ");
        (!is_digest).then(|| self.rewrite_quoted(value, |text| is_url(text) && !text.starts_with('/')))?
    }

    /// Replaces the URLs in quotation marks, also several ones between spaces and commas. Examples are `{"path":"https://…"}` in
    /// `HX-Location`, and `"https://…"` in `Speculation-Rules`.
    fn rewrite_quoted(&self, value: &str, is_url: fn(&str) -> bool) -> Option<String> {
        let word = |word: &str| {
            // PHP writes `\/` in JSON.
            let plain = word.replace("\\/", "/");
            let url = plain.trim_end_matches([' ', ',']);
            let public = Some(url).filter(|url| is_url(url)).and_then(|url| self.public_url(url));
            public.map_or_else(
                || word.to_owned(),
                |public| [&public, plain.get(url.len()..).unwrap_or_default()].concat(),
            )
        };
        let pieces = value.split('"').enumerate().map(|(at, piece)| match at % 2 {
            1 => piece.split_inclusive([' ', ',']).map(word).collect(),
            _ => piece.to_owned(),
        });
        let changed = pieces.collect::<Vec<_>>().join("\"");
        (changed != value).then_some(changed)
    }

    /// Removes the attribute `Domain` that names the origin, so that the cookie belongs to the public host. Removes the
    /// path of `ORIGIN_URL` from the attribute `Path`.
    fn rewrite_cookie(&self, value: &str) -> Option<String> {
        let (authority, origin_path) = split(&self.origin_url)?;
        let mut attributes = value.split(';');
        let mut changed = attributes.next()?.to_owned();
        for attribute in attributes {
            let (name, content) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (name, content) = (name.trim().to_ascii_lowercase(), content.trim());
            let domain = content.trim_matches(['"', '.']);
            let path = without_prefix(content, origin_path).filter(|_| origin_path != "/");
            match (name.as_str(), path) {
                ("domain", _) if domain.eq_ignore_ascii_case(url::host(authority)) => {}
                ("path", Some(path)) => {
                    changed.push_str("; Path=");
                    changed.push_str(if path.is_empty() { "/" } else { path });
                }
                _ => {
                    changed.push(';');
                    changed.push_str(attribute);
                }
            }
        }
        (changed != value).then_some(changed)
    }
}

/// Whether the value of a response header may be or contain a URL of the origin. `Set-Cookie` does not count, because a
/// response may have several lines of it.
pub fn may_name_url(name: &str) -> bool {
    let known = [LINK, REFRESH, CHALLENGE];
    known.iter().chain(&REFERENCES).chain(&QUOTING).any(|known| name.eq_ignore_ascii_case(known))
        || names_url(name)
}

/// Whether a response header is named after a URL, such as `HX-Redirect`, `X-Inertia-Location`, `X-Middleware-Rewrite` or
/// `SourceMap`. Scripts and developer tools follow such headers.
fn names_url(name: &str) -> bool {
    let is_end = |end: &&str| {
        let start = name.len().checked_sub(end.len());
        start.and_then(|start| name.get(start..)).is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    URL_ENDINGS.iter().any(is_end)
}

/// Whether the value of such a header is an http or https URL or a path. Other values, such as JSON in `HX-Location`, are
/// not resolved: the result could be a URL of the origin.
fn is_url(value: &str) -> bool {
    let is_scheme =
        |scheme: &&str| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    ["http:", "https:", "/"].iter().any(is_scheme)
}

/// Splits a serialized http or https URL into its authority, and its path with query and fragment.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = Some(rest).filter(|_| matches!(scheme, "http" | "https"))?;
    rest.split_at_checked(rest.find('/')?)
}

/// Returns host and port without a user. The port is empty if it is the default port of the scheme: an origin behind a
/// TLS proxy often writes http URLs of its own host, so the two default ports are equal.
fn host_and_port(authority: &str) -> (&str, &str) {
    let host = url::host(authority);
    let port = authority.rsplit_once(host).map_or("", |(_, port)| port);
    (host.trim_end_matches('.'), port)
}

/// Removes the path of `ORIGIN_URL` from the beginning of a path. Returns `None` if the path does not begin with it.
fn without_prefix<'p>(path: &'p str, origin_path: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(origin_path.strip_suffix('/')?)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
}

/// The headers whose value is a URL or a path in any spelling.
const REFERENCES: [&str; 3] = ["Location", "Content-Location", "Service-Worker-Allowed"];
/// The headers that have URLs in quotation marks.
const QUOTING: [&str; 5] = [
    "Speculation-Rules",
    "Report-To",
    "Reporting-Endpoints",
    "Sec-Session-Registration",
    "Use-As-Dictionary",
];
const URL_ENDINGS: [&str; 9] = [
    "-asyncoperation",
    "-entityid",
    "-location",
    "-pingback",
    "-redirect",
    "-rewrite",
    "-uri",
    "-url",
    "sourcemap",
];
pub const SET_COOKIE: &str = "Set-Cookie";
const CHALLENGE: &str = "WWW-Authenticate";
const LINK: &str = "Link";
const REFRESH: &str = "Refresh";
