//! Header names, compared as an origin may read them.

/// Whether a text is a header name (RFC 9110, 5.6.2, token).
pub fn is_name(text: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_token)
}

/// Whether a header name has only letters, digits and dashes. An origin may treat any other character like a dash, and
/// so take the header for another header.
pub fn is_unambiguous(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Returns the name in lower case, with a dash in place of each character that is not a letter or a digit. An origin
/// may take two names with the same result for the same header.
///
/// CGI and PHP replace dots and dashes with `_`; lighttpd replaces all punctuation characters with `_`.
pub fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Whether a request header is removed before the request is forwarded. `X-Toll-*` is always removed, because only
/// edgetoll may set it. Headers that can change the path, host or method that was priced are removed too, except those
/// in the setting `keep_headers`.
pub fn is_removed(name: &str, keep: &[String]) -> bool {
    let is_kept = || keep.iter().any(|one| fold(one) == fold(name));
    is_reserved(name) || (REWRITING.contains(&fold(name).as_str()) && !is_kept())
}

/// Whether only edgetoll may set a header: `X-Toll-*` in any spelling.
pub fn is_reserved(name: &str) -> bool {
    fold(name).starts_with("x-toll-")
}

/// Whether an origin may take the header `name` for the header `expected`, although the two names differ.
pub fn is_other_spelling(name: &str, expected: &str) -> bool {
    fold(name) == fold(expected) && !name.eq_ignore_ascii_case(expected)
}

/// Whether the response to a preflight keeps this header. Any other header is removed, because it could carry content
/// that must be paid for.
pub fn is_for_preflight(name: &str) -> bool {
    let name = fold(name);
    name.starts_with("access-control-") || ["allow", "vary"].contains(&name.as_str())
}

/// Headers with which a client can make some frameworks and servers use another path, host or method.
const REWRITING: [&str; 24] = [
    "forwarded",
    "path-info",
    "request-uri",
    "script-name",
    "x-envoy-original-path",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-uri",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-proxy-url",
    "x-replaced-path",
    "x-request-uri",
    "x-rewrite-url",
    "x-script-name",
];
