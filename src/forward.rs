//! What changes on the way to the origin and back. Bodies never do.

use crate::protocols::l402::credential::Authorization;
use crate::http::header;

/// Whether a request header stays here: what only we may say, and what could change the path or method that was priced.
/// `keep` names exceptions to the latter.
pub fn is_removed(name: &str, keep: &[String]) -> bool {
    let kept = || keep.iter().any(|one| header::fold(one) == header::fold(name));
    header::is_ours(name) || (header::is_rewriting(name) && !kept())
}

/// Whether an origin may take this header for one that the price looked at, while it is another one to us.
pub fn is_misspelt(name: &str, looked_at: &str) -> bool {
    header::fold(name) == header::fold(looked_at) && !name.eq_ignore_ascii_case(looked_at)
}

/// Whether an answer to a preflight keeps this header: nothing else of it is for a client that has not paid.
pub fn is_for_preflight(name: &str) -> bool {
    let name = header::fold(name);
    name.starts_with("access-control-") || ["allow", "vary"].contains(&name.as_str())
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
    with_members(header, &["Authorization", "Cookie"])
}

/// A list header with these members in it, each once.
pub fn with_members(header: Option<&str>, ours: &[&str]) -> String {
    let mut names: Vec<&str> = header.unwrap_or_default().split(',').map(str::trim).collect();
    names.retain(|name| !name.is_empty());
    for name in ours {
        if !names.iter().any(|known| *known == "*" || known.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// Response headers that tell a shared cache to keep what `Cache-Control` forbids.
pub const CACHE_OVERRIDES: [&str; 3] =
    ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"];
