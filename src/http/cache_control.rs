//! Response headers that keep shared caches from storing a response that is meant for one client.

/// Returns the `Cache-Control` value of a response that is meant for one client. `public` and `s-maxage` are removed
/// from `value`, and `private` is added. `no-store` alone is not enough: a cache that understands `must-understand` ignores
/// it (RFC 9111, 5.2.2.3).
pub fn private(value: Option<&str>) -> String {
    let directives = value.unwrap_or_default().split(',').map(str::trim).filter(|one| !one.is_empty());
    let name = |directive: &str| {
        directive.split_once('=').map_or(directive, |(name, _)| name).trim_end().to_ascii_lowercase()
    };
    let is_shared = |directive: &&str| ["public", "s-maxage", "private"].contains(&name(directive).as_str());
    let mut kept: Vec<&str> = directives.filter(|directive| !is_shared(directive)).collect();
    kept.insert(0, "private");
    kept.join(", ")
}

/// Adds names to a comma-separated header value. A name that the value already contains is not added; `*` contains
/// every name.
pub fn with_members(value: Option<&str>, added: &[&str]) -> String {
    let mut members: Vec<&str> = value.unwrap_or_default().split(',').map(str::trim).collect();
    members.retain(|member| !member.is_empty());
    for member in added {
        if !members.iter().any(|known| *known == "*" || known.eq_ignore_ascii_case(member)) {
            members.push(member);
        }
    }
    members.join(", ")
}

/// The request headers that edgetoll adds to the `Vary` header of the origin's response on a priced route: a credential
/// can be in each of them.
pub const VARY_BY_CREDENTIAL: [&str; 5] =
    ["Authorization", "Cookie", "X-Toll-Authorization", "Macaroon", "Grpc-Metadata-Macaroon"];

/// Whether an origin can make a shared cache store a response with this header, although `Cache-Control` forbids it.
pub fn is_cache_override(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("cdn-cache-control") || CACHE_OVERRIDES.contains(&name.as_str())
}

const CACHE_OVERRIDES: [&str; 4] =
    ["edge-control", "surrogate-control", "x-accel-expires", "x-litespeed-cache-control"];
