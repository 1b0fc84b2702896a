//! Checks the URLs in `vars`. A URL may contain a secret, such as a password or LNbits' `usr`, so a message repeats only
//! the part that is wrong, and never a user or a query.

use std::net::IpAddr;

use super::environment::{Environment, Point};
use crate::bindings::ORIGIN;
use crate::config::Origin;
use crate::http::url::{host, is_loopback, is_safe_base, is_safe_target};
use crate::payment::LNBITS_URLS;
use crate::strict_json::Json;

/// Checks the URL in a variable. Other variables are ignored.
pub(super) fn check(environment: &mut Environment<'_>, name: &str, value: &Json) {
    let is_valid: fn(&str) -> bool = match name {
        _ if LNBITS_URLS.contains(&name) => is_safe_base,
        "PUBLIC_URL" => is_safe_base,
        "ON_PAYMENT_URL" => is_safe_target,
        "ORIGIN_URL" => |url| Origin::parse(url).is_ok(),
        _ => return,
    };
    let place = format!("vars.{name}");
    let Some(url) = value.as_str() else {
        return environment.error(
            &place,
            Point::Value,
            "must be a URL in quotes, such as \"https://example.com\"",
        );
    };
    // The Worker removes white space around the value.
    let url = url.trim();
    let parts = Parts::of(url);
    if !is_valid(url) {
        environment.error(&place, Point::Value, &fault(name, &parts));
    } else if name.starts_with("LNBITS_URL") && is_api_path(parts.path) {
        let sentence = format!(
            "has the path {}, which edgetoll adds itself: write the URL without it, such as \
             \"https://lnbits.example.com\"",
            parts.path
        );
        environment.error(&place, Point::Value, &sentence);
    } else if let Some(kind) = unreachable(parts.authority).filter(|_| name != "PUBLIC_URL") {
        let sentence = format!(
            "has {kind}, {}, to which a Worker on Cloudflare cannot send requests: give the server a host name, such as \
             \"origin.example.com\"",
            parts.authority
        );
        environment.warn(&place, Point::Value, &sentence);
    } else if name == "ORIGIN_URL" {
        check_origin(environment, &parts);
    } else if name == "PUBLIC_URL" && !parts.path.trim_matches('/').is_empty() {
        let sentence = format!(
            "has the path {}: LNbits would report payments below it, where this Worker does not receive them; write the \
             URL without path, such as \"https://api.example.com\"",
            parts.path
        );
        environment.warn(&place, Point::Value, &sentence);
    }
}

/// Returns what is wrong with a URL and what to write instead.
fn fault(name: &str, parts: &Parts<'_>) -> String {
    let example = match name {
        _ if LNBITS_URLS.contains(&name) => "https://lnbits.example.com",
        "ORIGIN_URL" => "https://origin.example.com",
        "PUBLIC_URL" => "https://api.example.com",
        _ => "https://shop.example.com/paid",
    };
    let (scheme, is_local) =
        (parts.scheme.unwrap_or_default(), is_loopback(&host(parts.authority).to_ascii_lowercase()));
    if parts.scheme.is_none() {
        return format!("has no https:// at its beginning: write it, as in \"{example}\"");
    }
    if !["https", "http"].contains(&scheme) {
        return format!("must begin with https://, as in \"{example}\"");
    }
    if parts.authority.contains('@') {
        return format!(
            "has a user before the host, which a Worker cannot send: remove everything before the host, as in \"{example}\""
        );
    }
    if name != "ORIGIN_URL" && scheme == "http" && !is_local {
        return format!(
            "begins with http://, and secrets would be sent in plain text: write https://, as in \"{example}\""
        );
    }
    if parts.has_fragment {
        return format!(
            "has a #, which no server receives: remove it and everything after it, as in \"{example}\""
        );
    }
    match parts.query {
        Some(query) if query.split('&').any(|part| part.starts_with("usr=")) => format!(
            "has the query ?usr=…, with which everyone can log in to this LNbits: write the URL without path and query, \
             such as \"{example}\", and use a new account, because this one was in a file"
        ),
        Some(_) if name != "ON_PAYMENT_URL" => {
            format!("has a query: remove the ? and everything after it, as in \"{example}\"")
        }
        _ => format!(
            "must be a URL with a host and without spaces and other special characters, such as \"{example}\""
        ),
    }
}

/// Returns why a Worker on Cloudflare cannot send requests to the host of an authority, if so: it is the IP address of another machine, or a
/// name that only a private network has. Sources: RFC 6762, RFC 7686, RFC 8375, and
/// <https://developers.cloudflare.com/workers/platform/known-issues/#fetch-to-ip-addresses>
fn unreachable(authority: &str) -> Option<&'static str> {
    let host = host(authority).to_ascii_lowercase();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    let is_private = || {
        let end = host.trim_end_matches('.').rsplit_once('.').map_or("local", |(_, end)| end);
        PRIVATE_DOMAINS.contains(&end) || host.ends_with(".home.arpa")
    };
    match address.parse::<IpAddr>() {
        _ if is_loopback(&host) => None,
        Ok(_) => Some("an IP address"),
        Err(_) => is_private().then_some("a host name of a private network"),
    }
}

fn is_api_path(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/api/v1") || path.contains("/api/v1/")
}

fn check_origin(environment: &mut Environment<'_>, parts: &Parts<'_>) {
    let path = parts.path.trim_end_matches('/');
    let routes = environment.get(&["vars", "TOLL", "routes"]).and_then(Json::as_array).unwrap_or_default();
    let mut paths = routes.iter().filter_map(|route| route.get("path")?.as_str());
    let repeated = paths.find(|route| route.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
    if let Some(route) = repeated.filter(|_| !path.is_empty()) {
        let sentence = format!(
            "has the path {path}, which is put before the path of each request, so {route} becomes {path}{route} at the \
             origin: remove the path, unless the origin expects this"
        );
        environment.warn("vars.ORIGIN_URL", Point::Value, &sentence);
    }
    if routes.iter().any(|route| route.get("cache").and_then(Json::as_bool) == Some(true)) {
        let sentence = "is not safe with cache = true on a route, if Cloudflare stands in front of this host (also with a tunnel): requests to \
                        the host may get the stored responses, which the origin's check of the token does not see. Remove \
                        cache, or bind the origin as the service ORIGIN";
        environment.warn("vars.ORIGIN_URL", Point::Value, sentence);
    }
    let public = environment.get(&["vars", "PUBLIC_URL"]).and_then(Json::as_str);
    let custom_domains = custom_domains(environment);
    let of_worker = public.map(|url| Parts::of(url.trim()).authority).into_iter().chain(custom_domains);
    if of_worker.into_iter().any(|authority| authority.eq_ignore_ascii_case(parts.authority)) {
        let sentence = format!(
            "has the host of this Worker, {}, so requests may come back to the Worker (508 origin_loop): write the URL of \
             the origin itself",
            parts.authority
        );
        environment.warn("vars.ORIGIN_URL", Point::Value, &sentence);
    }
}

/// Warns if the Worker runs only on custom domains, which have no origin behind them, and no origin is configured.
pub(super) fn check_missing_origin(environment: &mut Environment<'_>) {
    let has_url = environment.get(&["vars", "ORIGIN_URL"]).is_some();
    let services = environment.get(&["services"]).and_then(Json::as_array).unwrap_or_default();
    let has_service =
        services.iter().any(|service| service.get("binding").and_then(Json::as_str) == Some(ORIGIN));
    let routes = environment.get_inherited("routes").and_then(Json::as_array).map_or(0, <[Json]>::len);
    if !has_url && !has_service && routes > 0 && custom_domains(environment).len() == routes {
        let sentence = "is missing, and a custom domain has no origin behind it, so nothing can be served: set it to the \
                        URL of the origin, such as \"https://origin.example.com\", or bind a service as ORIGIN";
        environment.warn("vars.ORIGIN_URL", Point::Value, sentence);
    }
}

/// Returns the custom domains of the Worker.
pub(super) fn custom_domains<'a>(environment: &Environment<'a>) -> Vec<&'a str> {
    let routes = environment.get_inherited("routes").and_then(Json::as_array).unwrap_or_default();
    let is_custom = |route: &&Json| route.get("custom_domain").and_then(Json::as_bool) == Some(true);
    routes.iter().filter(is_custom).filter_map(|route| route.get("pattern")?.as_str()).collect()
}

/// The last names of hosts that are in no public DNS.
const PRIVATE_DOMAINS: [&str; 11] = [
    "local",
    "onion",
    "internal",
    "lan",
    "home",
    "intranet",
    "private",
    "corp",
    "localdomain",
    "test",
    "invalid",
];

/// The parts of a text that should be a URL.
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: &'a str,
    /// Empty, or a text that begins with `/`.
    path: &'a str,
    query: Option<&'a str>,
    has_fragment: bool,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let (url, has_fragment) = url.split_once('#').map_or((url, false), |(before, _)| (before, true));
        let (url, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
        let (scheme, rest) = url.split_once("://").map_or((None, url), |(scheme, rest)| (Some(scheme), rest));
        let path_at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(path_at).unwrap_or((rest, ""));
        Self { scheme, authority, path, query, has_fragment }
    }
}
