//! What changes on the way to the origin and back. Bodies never do.

use crate::l402::credential::Authorization;

/// Whether a request header stays here: what only we may say, and what could change the path or method that was priced.
/// `keep` names exceptions to the latter.
pub fn is_removed(name: &str, keep: &[String]) -> bool {
    let name = folded(name);
    let kept = || keep.iter().any(|one| folded(one) == name);
    name.starts_with(OUR_PREFIX) || (REWRITING.contains(&name.as_str()) && !kept())
}

/// Whether a response header of the origin's is one that only we may send.
pub fn is_ours(name: &str) -> bool {
    folded(name).starts_with(OUR_PREFIX)
}

/// Whether an answer to a preflight keeps this header: nothing else of it is for a client that has not paid.
pub fn is_for_preflight(name: &str) -> bool {
    let name = folded(name);
    name.starts_with("access-control-") || ["allow", "vary"].contains(&name.as_str())
}

/// A name as an origin may read it: CGI and PHP make `_` of every dot and dash, lighttpd of every other sign too.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// The `Authorization` that the origin sees: all but the L402 and LSAT members. `None` where nothing is left.
pub fn authorization(header: &str) -> Option<String> {
    Authorization::split(header).others()
}

/// `Cache-Control` of an answer that somebody paid for: no shared cache may keep it.
pub fn private_cache_control(header: Option<&str>) -> String {
    let directives = header.unwrap_or_default().split(',').map(str::trim).filter(|one| !one.is_empty());
    let name = |directive: &str| {
        directive.split_once('=').map_or(directive, |(name, _)| name).trim_end().to_ascii_lowercase()
    };
    let shared = |directive: &&str| ["public", "s-maxage", "private"].contains(&name(directive).as_str());
    let mut kept: Vec<&str> = directives.filter(|directive| !shared(directive)).collect();
    if !kept.iter().any(|directive| name(directive) == "no-store") {
        kept.insert(0, "private");
    }
    kept.join(", ")
}

/// `Vary` of such an answer.
pub fn vary(header: Option<&str>) -> String {
    let mut names: Vec<&str> = header.unwrap_or_default().split(',').map(str::trim).collect();
    names.retain(|name| !name.is_empty());
    for ours in ["Authorization", "Cookie"] {
        if !names.iter().any(|name| *name == "*" || name.eq_ignore_ascii_case(ours)) {
            names.push(ours);
        }
    }
    names.join(", ")
}

/// Response headers that tell a shared cache to keep what `Cache-Control` forbids.
pub const CACHE_OVERRIDES: [&str; 3] =
    ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"];

const OUR_PREFIX: &str = "x-toll-";
/// Frameworks and servers that believe a client here serve another path, or run another method, than was asked for.
const REWRITING: [&str; 12] = [
    "path-info",
    "script-name",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-script-name",
];
