//! Headers that keep shared caches from storing a response for one client.

/// Returns the `Cache-Control` value of a response that only one client may have.
pub fn private(value: Option<&str>) -> String {
    let directives = value.unwrap_or_default().split(',').map(str::trim).filter(|one| !one.is_empty());
    let name = |directive: &str| {
        directive.split_once('=').map_or(directive, |(name, _)| name).trim_end().to_ascii_lowercase()
    };
    let is_shared = |directive: &&str| ["public", "s-maxage", "private"].contains(&name(directive).as_str());
    let mut kept: Vec<&str> = directives.filter(|directive| !is_shared(directive)).collect();
    if !kept.iter().any(|directive| name(directive) == "no-store") {
        kept.insert(0, "private");
    }
    kept.join(", ")
}

/// Returns a list header with these members added. Each member appears once.
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

/// The members of `Vary` of a paid response: both headers can carry a credential.
pub const VARY_BY_CREDENTIAL: [&str; 2] = ["Authorization", "Cookie"];

/// Response headers that can make a shared cache store what `Cache-Control` forbids.
pub const CACHE_OVERRIDES: [&str; 3] =
    ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"];
