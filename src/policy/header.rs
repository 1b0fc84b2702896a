//! Header names, as origins may read them.

/// Whether a text is a header's name (RFC 9110, token).
pub fn is_name(text: &str) -> bool {
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_sign)
}

/// Whether all origins read a name alike.
pub fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A name as an origin may read it: CGI and PHP make `_` of every dot and dash, lighttpd of every other sign too.
pub fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Whether only we may say it.
pub fn is_ours(name: &str) -> bool {
    fold(name).starts_with("x-toll-")
}

/// Whether frameworks and servers that believe a client here serve another path or host, or run another method, than was
/// asked for.
pub fn is_rewriting(name: &str) -> bool {
    REWRITING.contains(&fold(name).as_str())
}

/// The values of the cookies of a name in a `Cookie` header.
pub fn cookies<'a>(header: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    header.split(';').filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

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
