//! Header names. An origin may take two different names, such as `X_Toll_Payer` and `X-Toll-Payer`, for one header.

/// Whether a text is a header name (RFC 9110, 5.6.2, token).
pub fn is_name(text: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_token)
}

/// Whether a header name has only letters, digits and dashes. An origin may treat any other character as a dash, and so
/// take the name for that of another header.
pub fn is_unambiguous(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Returns the name in lower case, with a dash in place of each character that is not a letter or a digit. If two names
/// give the same result, an origin may take them for the same header.
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
    is_reserved(name) || (is_rewriting(name) && !is_kept())
}

/// Whether an origin may take a path, URL, query, host or method from a header.
///
/// Servers, frameworks and proxies have more such headers than a list can name, so the end or the beginning of the name
/// decides. `REWRITING` lists the few headers that these rules miss, and `HARMLESS` lists the exceptions.
fn is_rewriting(name: &str) -> bool {
    if HARMLESS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless)) {
        return false;
    }
    let folded = fold(name);
    let name = folded.trim_matches('-');
    REWRITING_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || REWRITING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || REWRITING.contains(&name)
}

/// Whether some origins write the value of a header unchanged into the URL of the request, before the path.
///
/// Astro does so with `X-Forwarded-Proto` and `X-Forwarded-Port`, and SvelteKit with the headers that its owner names.
pub fn is_url_part(name: &str) -> bool {
    let name = fold(name);
    let is_part =
        |part: &str| name.strip_suffix(part).is_some_and(|start| start.is_empty() || start.ends_with('-'));
    ["port", "proto", "protocol", "scheme"].into_iter().any(is_part) && name != "sec-websocket-protocol"
}

/// Whether the value of a header that is a part of a URL contains other parts: `x://y/sold?` as the scheme, or `80/sold?`
/// as the port, makes `/sold` the path of the URL. SvelteKit decodes the value.
pub fn has_url_syntax(value: &str) -> bool {
    value.contains(['/', '\\', '?', '#', ':', '%'])
}

/// Whether only edgetoll may set a header: `X-Toll-*` in any spelling.
pub fn is_reserved(name: &str) -> bool {
    fold(name).starts_with("x-toll-")
}

/// Whether a header states an encoding of the body, such as `Grpc-Encoding`, and is not one of HTTP's own headers.
pub fn is_other_encoding(name: &str) -> bool {
    let name = fold(name);
    name.ends_with("-encoding")
        && !["accept-encoding", "content-encoding", "transfer-encoding"].contains(&name.as_str())
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

/// The endings of headers with which a client can make an origin use another path, query, host or method. An ending
/// need not be a whole word, because some headers have names such as `X-RewriteUrl`.
const REWRITING_ENDINGS: [&str; 27] = [
    "-override",
    "authority",
    "document-root",
    "forwarded-domain",
    "host",
    "hostname",
    "href",
    "matched-route",
    "method",
    "original-target",
    "path",
    "path-base",
    "path-info",
    "path-translated",
    "pathbase",
    "pathinfo",
    "pathname",
    "prefix",
    "query",
    "query-string",
    "request-target",
    "rewrite-target",
    "script-filename",
    "server-name",
    "uri",
    "url",
    "verb",
];

/// The beginnings of the headers with which Next.js tells itself which page to render.
const REWRITING_PREFIXES: [&str; 2] = ["x-invoke-", "x-middleware-"];

/// Headers with which a client can make an origin use another path or host, although their names have none of the
/// endings and beginnings in the two lists above. The last two headers select a file on the origin's disk.
const REWRITING: [&str; 8] = [
    "forwarded",
    "script-name",
    "x-forwarded-script-name",
    "x-forwarded-server",
    "x-now-route-matches",
    "x-script-name",
    "x-accel-mapping",
    "x-sendfile-type",
];

/// Headers that clients need, and from which no origin takes the path, host or method of the request. Case is ignored,
/// but all other characters must be the same: `Next_Url` is not in this list.
const HARMLESS: [&str; 7] = [
    // The method of the request that follows a preflight.
    "Access-Control-Request-Method",
    // The page that sends the request (htmx).
    "HX-Current-URL",
    // The client's value does not reach the origin: the runtime sets `Host` to the host of the URL that the Worker
    // fetches.
    "Host",
    // The page that sends the request (Next.js).
    "Next-Url",
    // The host of the GitHub Enterprise Server that sends a webhook.
    "X-GitHub-Enterprise-Host",
    // The watched resource in a push notification of Google.
    "X-Goog-Resource-URI",
    // The method of the client library that sends the request (OpenAI, Anthropic and other Stainless libraries).
    "X-Stainless-Helper-Method",
];
