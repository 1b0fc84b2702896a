//! Names of headers, compared as an origin may read them.

/// Whether a text is a header name (RFC 9110, 5.6.2, token).
pub fn is_name(text: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_token)
}

/// Whether all origins read a name in the same way: it has only letters, digits and dashes.
pub fn is_unambiguous(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Returns the name in lower case, with a dash for every other character.
///
/// CGI and PHP read dots and dashes as `_`; lighttpd does the same with every other punctuation character.
pub fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Whether a request header is removed before the request is forwarded: `X-Toll-*`, which only edgetoll may set, and
/// headers that can change the path, host or method that was priced. The setting `keep_headers` lists headers of the
/// second kind that are kept.
pub fn is_removed(name: &str, keep: &[String]) -> bool {
    let is_kept = || keep.iter().any(|one| fold(one) == fold(name));
    is_reserved(name) || (REWRITING.contains(&fold(name).as_str()) && !is_kept())
}

/// Whether only edgetoll may set a header: `X-Toll-*` in any spelling.
pub fn is_reserved(name: &str) -> bool {
    fold(name).starts_with("x-toll-")
}

/// Whether an origin may read `name` as the header `expected`, although edgetoll reads two different headers.
pub fn is_other_spelling(name: &str, expected: &str) -> bool {
    fold(name) == fold(expected) && !name.eq_ignore_ascii_case(expected)
}

/// Whether the response to a preflight keeps this header. All other headers could be content that was not paid for.
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
