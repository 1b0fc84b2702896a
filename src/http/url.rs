//! URLs: the parts of a request's URL, and rules for URLs in settings.
//!
//! The runtime has already serialized the URL of a request (WHATWG URL), so it is split without a full parser.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The parts of a request's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestUrl<'a> {
    pub is_https: bool,
    /// The host in lower case, without a port and without a trailing dot.
    pub host: &'a str,
    /// The path as it was sent, percent-encoded. It begins with `/`.
    pub path: &'a str,
    /// The path and the query as they are forwarded.
    pub path_and_query: &'a str,
    /// Everything after the scheme and `://`, without a fragment.
    pub after_scheme: &'a str,
    /// Scheme, host and port, as browsers write them in `Origin`.
    pub origin: &'a str,
}

impl<'a> RequestUrl<'a> {
    /// Parses an absolute http or https URL; `None` for any other text.
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

    /// Returns the query: the text after the first `?`, or an empty text.
    pub fn query(&self) -> &'a str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// Returns the value that browsers send in `Host`: the host, followed by the port if the URL has a port.
    pub fn authority(&self) -> &'a str {
        self.origin.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether the network cannot read the request: the request uses https, or http on the loopback interface.
    pub fn is_private(&self) -> bool {
        self.is_https || is_loopback(self.host)
    }
}

/// Whether serializing this http or https URL would return the same text (WHATWG URL). Recognizes only URLs of the usual
/// shape, such as `https://api.example.com/v1/users?sort=name`. For every other URL, the result is `false`.
pub fn is_serialized(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some((authority, path)) = rest.and_then(|rest| rest.split_at_checked(rest.find('/')?)) else {
        return false;
    };
    let (host, port) = authority.split_once(':').unwrap_or((authority, "1024"));
    let is_name = |label: &str| {
        label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && label.starts_with(|c: char| c.is_ascii_lowercase())
            && !label.starts_with("xn--")
    };
    // Both default ports are smaller.
    let is_port = port.starts_with(|c: char| c.is_ascii_digit() && c != '0')
        && port.parse().is_ok_and(|port: u16| port >= 1_024);
    let is_path = |b: u8| b.is_ascii_alphanumeric() || b"/-_~.?=&+,:@".contains(&b);
    (host.split('.').all(is_name) || host.parse::<Ipv4Addr>().is_ok())
        && is_port
        && path.bytes().all(is_path)
        && !path.contains("/.")
}

/// Returns the host of a URL's authority, without user and port. An IPv6 address keeps its brackets.
pub fn host(authority: &str) -> &str {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Whether a host is `localhost`, a name below it (RFC 6761, 6.3) or a loopback address.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Returns a path without the slash at its end. The path `/` is returned as it is.
pub fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|shorter| !shorter.is_empty()).unwrap_or(path)
}

/// Whether a text is a path that no browser reads as a URL of another host.
pub fn is_local_path(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether a text is the authority of an http or https URL that can be fetched: a host name, an IPv4 address or an IPv6
/// address in brackets, and optionally a port. An authority with a user is refused.
pub fn is_authority(text: &str) -> bool {
    let host = host(text);
    let port = text.strip_prefix(host).unwrap_or_default();
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let labels = || host.strip_suffix('.').unwrap_or(host).split('.');
    let last = labels().next_back().unwrap_or_default();
    let is_host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        // A URL parser reads a host whose last part is a number as an IPv4 address.
        None if last.starts_with(|c: char| c.is_ascii_digit())
            && last.bytes().all(|b| b.is_ascii_digit()) =>
        {
            host.parse::<Ipv4Addr>().is_ok()
        }
        // The same parser reads `a.0x1` as an invalid IPv4 address.
        None => {
            !last.to_ascii_lowercase().starts_with("0x")
                && labels().all(|label| (1..=63).contains(&label.len()))
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    !host.is_empty() && is_host && is_port
}

/// Whether the Worker may send secrets to this base URL: it uses https, or http on the loopback interface, and it has a
/// host, but no user, query or fragment.
pub fn is_safe_base(url: &str) -> bool {
    is_safe_target(url) && !url.contains('?')
}

/// Whether the Worker may send secrets to this URL. The rules are those of [`is_safe_base`], but a query is allowed.
pub fn is_safe_target(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split_once(['/', '?']).map_or(rest, |(authority, _)| authority);
    let host = host(authority);
    let is_allowed = |c: char| c.is_ascii_graphic() && !"#\\\"<>`{}|^".contains(c);
    is_authority(authority)
        && !authority.contains('@')
        && rest.chars().all(is_allowed)
        && (scheme == "https" || (scheme == "http" && is_loopback(&host.to_ascii_lowercase())))
}
