//! `request.url` taken apart. The runtime has already serialized it (WHATWG), so slicing is enough.

/// The parts of a request's URL that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestUrl<'a> {
    /// Whether it came over TLS.
    pub is_https: bool,
    /// Without port or trailing dot; lower case already.
    pub host: &'a str,
    /// The path as it is, encoded; at least `/`.
    pub path: &'a str,
    /// Path and query, as they are forwarded.
    pub path_and_query: &'a str,
    /// Everything after the scheme and `://`.
    pub after_scheme: &'a str,
    /// Scheme, host and port, as browsers send them in `Origin`.
    pub origin: &'a str,
}

impl<'a> RequestUrl<'a> {
    /// Takes an absolute http or https URL apart.
    pub fn parse(url: &'a str) -> Option<Self> {
        let (scheme, after_scheme) = url.split_once("://")?;
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let after_scheme = after_scheme.split_once('#').map_or(after_scheme, |(before, _)| before);
        let path_at = after_scheme.find('/')?;
        let (authority, path_and_query) = after_scheme.split_at_checked(path_at)?;
        let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
        let host = host(authority).trim_end_matches('.');
        let origin = url.split_at_checked(scheme.len().saturating_add(3).saturating_add(path_at))?.0;
        Some(Self { is_https, host, path, path_and_query, after_scheme, origin })
    }

    /// What stands behind the first `?`.
    pub fn query(&self) -> &'a str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }
}

/// The host of an authority: without user, without port, an IPv6 address in its brackets.
pub fn host(authority: &str) -> &str {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Whether a host is this machine itself, where plain http is as good as https.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Whether a URL may be called from the Worker with secrets in the request: https, or http to this machine; with a host
/// and without user, query or fragment.
pub fn is_safe_base(url: &str) -> bool {
    is_safe_target(url) && !url.contains('?')
}

/// The same, where a query may stand in it.
pub fn is_safe_target(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split_once(['/', '?']).map_or(rest, |(authority, _)| authority);
    let host = host(authority);
    let plain = |c: char| c.is_ascii_graphic() && !"#@\\\"<>`{}|^".contains(c);
    !host.is_empty()
        && rest.chars().all(plain)
        && (scheme == "https" || (scheme == "http" && is_loopback(&host.to_ascii_lowercase())))
}
