//! Response headers in which an origin names its own URL. The client knows only the URL of the paywall, so the URL of the
//! origin is replaced, as `ProxyPassReverse` of Apache and `proxy_redirect` of nginx do.

use super::url::{self, is_local_path};

/// The URL of the origin, and the URL that clients use in its place.
pub struct PublicUrls<'a> {
    /// The scheme of `ORIGIN_URL`.
    is_https: bool,
    /// The host and the port of `ORIGIN_URL`.
    authority: &'a str,
    /// The path of `ORIGIN_URL` without a slash at its end; empty if it has no path.
    prefix: &'a str,
    /// Scheme, host and port of the request, such as `https://api.example.com`.
    public_origin: &'a str,
}

impl<'a> PublicUrls<'a> {
    /// `base` is `ORIGIN_URL` without a slash at its end, and `public_origin` is the origin of the request's URL.
    pub fn new(base: &'a str, public_origin: &'a str) -> Self {
        let (scheme, rest) = base.split_once("://").unwrap_or_default();
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self { is_https: scheme.eq_ignore_ascii_case("https"), authority, prefix, public_origin }
    }

    /// Returns the value of a header with the public URL; `None` if the value does not name the origin.
    pub fn rewrite(&self, name: &str, value: &str) -> Option<String> {
        match name {
            LINK => self.rewrite_link(value),
            REFRESH => self.rewrite_refresh(value),
            SET_COOKIE => self.rewrite_cookie(value),
            _ => self.public_url(value),
        }
    }

    /// Returns the public URL for a URL of the origin; `None` for any other URL.
    fn public_url(&self, url: &str) -> Option<String> {
        if url.starts_with('/') && !url.starts_with("//") {
            // The rest of a path such as `/app//x` would lead to another host.
            let path =
                self.without_prefix(url).filter(|path| !path.starts_with('/') || is_local_path(path))?;
            return (!self.prefix.is_empty())
                .then(|| if path.starts_with('/') { path.to_owned() } else { format!("/{path}") });
        }
        let (scheme, rest) = url.split_once("//")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https:" => true,
            "http:" => false,
            "" => self.is_https,
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        let is_origin = host_and_port(authority, is_https) == host_and_port(self.authority, self.is_https);
        let path = self.without_prefix(path).filter(|_| is_origin)?;
        Some([self.public_origin, path].concat())
    }

    /// Removes the path of `ORIGIN_URL` from the beginning of a path; `None` if the path is outside of it.
    fn without_prefix<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.prefix)?;
        (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
    }

    /// `Link: <url>; rel=next, <url>; rel=prev` (RFC 8288).
    fn rewrite_link(&self, value: &str) -> Option<String> {
        let mut pieces = value.split('<');
        let mut changed = pieces.next()?.to_owned();
        for piece in pieces {
            changed.push('<');
            match piece.split_once('>') {
                Some((url, rest)) => {
                    changed.push_str(self.public_url(url).as_deref().unwrap_or(url));
                    changed.push('>');
                    changed.push_str(rest);
                }
                None => changed.push_str(piece),
            }
        }
        (changed != value).then_some(changed)
    }

    /// `Refresh: 5; url=https://…`, where the URL may be in quotes.
    fn rewrite_refresh(&self, value: &str) -> Option<String> {
        let at = value.to_ascii_lowercase().find("url=")?.checked_add("url=".len())?;
        let (before, rest) = value.split_at_checked(at)?;
        let url = rest.trim_matches([' ', '"', '\'']);
        let (open, close) = rest.split_once(url).filter(|_| !url.is_empty())?;
        Some([before, open, &self.public_url(url)?, close].concat())
    }

    /// Removes the attribute `Domain` that names the origin, so that the cookie belongs to the public host. Removes the
    /// path of `ORIGIN_URL` from the attribute `Path`.
    fn rewrite_cookie(&self, value: &str) -> Option<String> {
        let mut attributes = value.split(';');
        let mut changed = attributes.next()?.to_owned();
        for attribute in attributes {
            let (name, content) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (name, content) = (name.trim().to_ascii_lowercase(), content.trim());
            let domain = content.strip_prefix('.').unwrap_or(content);
            let path = self.without_prefix(content).filter(|_| !self.prefix.is_empty());
            match (name.as_str(), path) {
                ("domain", _) if domain.eq_ignore_ascii_case(url::host(self.authority)) => {}
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

/// Returns the host in lower case and the port, which is the default port of the scheme if the authority has none.
fn host_and_port(authority: &str, is_https: bool) -> (String, &str) {
    let default_port = if is_https { "443" } else { "80" };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    };
    // An origin behind a TLS proxy often writes http URLs of its own host, so the two default ports are equal.
    let port = if port.is_empty() || port == default_port { "default" } else { port };
    (host.to_ascii_lowercase(), port)
}

/// The headers that are rewritten and have one line.
pub const REWRITTEN_HEADERS: [&str; 4] = ["Location", "Content-Location", LINK, REFRESH];
pub const SET_COOKIE: &str = "Set-Cookie";
const LINK: &str = "Link";
const REFRESH: &str = "Refresh";
