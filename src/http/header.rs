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

/// Whether an origin may take two names for the same header: they are equal if case is ignored, and if each byte that is
/// not a letter or a digit counts as a dash.
///
/// CGI and PHP replace dots and dashes with `_`; lighttpd replaces all punctuation characters with `_`.
pub fn is_same(name: &str, other: &str) -> bool {
    is_same_bytes(name.as_bytes(), other)
}

fn is_same_bytes(name: &[u8], other: &str) -> bool {
    name.len() == other.len() && name.iter().zip(other.bytes()).all(|(a, b)| fold(*a) == fold(b))
}

/// Returns the byte in lower case, or a dash if it is not a letter or a digit.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether an origin may read `prefix` at the beginning of a name.
fn starts_with(name: &str, prefix: &str) -> bool {
    name.as_bytes().get(..prefix.len()).is_some_and(|start| is_same_bytes(start, prefix))
}

/// Whether an origin may read `ending` at the end of a name.
fn ends_with(name: &str, ending: &str) -> bool {
    before(name, ending).is_some()
}

/// Returns the bytes of a name before `ending`; `None` if no origin reads `ending` at the end of the name.
fn before<'a>(name: &'a str, ending: &str) -> Option<&'a [u8]> {
    let (start, end) = name.as_bytes().split_at_checked(name.len().checked_sub(ending.len())?)?;
    is_same_bytes(end, ending).then_some(start)
}

/// Whether a request header is removed before the request is forwarded. `X-Toll-*` is always removed, because only
/// edgetoll may set it. Headers that can change the path, host or method that was priced are removed too, except those
/// in the setting `keep_headers`.
pub fn is_removed(name: &str, keep: &[String]) -> bool {
    let is_kept = || keep.iter().any(|one| is_same(one, name));
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
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    REWRITING_ENDINGS.iter().any(|ending| ends_with(name, ending))
        || REWRITING_PREFIXES.iter().any(|prefix| starts_with(name, prefix))
        || REWRITING.iter().any(|listed| is_same(name, listed))
}

/// Whether some origins write the value of a header unchanged into the URL of the request, before the path.
///
/// Astro does so with `X-Forwarded-Proto` and `X-Forwarded-Port`, and SvelteKit with the headers that its owner names.
pub fn is_url_part(name: &str) -> bool {
    let is_between_words = |start: &[u8]| !start.last().is_some_and(u8::is_ascii_alphanumeric);
    URL_PARTS.iter().any(|part| before(name, part).is_some_and(is_between_words))
        && !is_same(name, "sec-websocket-protocol")
}

/// Whether the value of a header that is a part of a URL contains other parts: `x://y/sold?` as the scheme, or `80/sold?`
/// as the port, makes `/sold` the path of the URL. SvelteKit decodes the value.
pub fn has_url_syntax(value: &str) -> bool {
    value.contains(['/', '\\', '?', '#', ':', '%'])
}

/// Whether only edgetoll may set a header: `X-Toll-*` in any spelling.
pub fn is_reserved(name: &str) -> bool {
    starts_with(name, "x-toll-")
}

/// Whether a header states an encoding of the body, such as `Grpc-Encoding`, and is not one of HTTP's own headers.
pub fn is_other_encoding(name: &str) -> bool {
    ends_with(name, "-encoding") && !HTTP_ENCODINGS.iter().any(|known| is_same(name, known))
}

/// Whether an origin may take the header `name` for the header `expected`, although the two names differ.
pub fn is_other_spelling(name: &str, expected: &str) -> bool {
    is_same(name, expected) && !name.eq_ignore_ascii_case(expected)
}

/// Whether the response to a preflight keeps this header. Any other header is removed, because it could carry content
/// that must be paid for.
pub fn is_for_preflight(name: &str) -> bool {
    starts_with(name, "access-control-") || is_same(name, "allow") || is_same(name, "vary")
}

/// The last words of the names of headers that are a part of a URL.
const URL_PARTS: [&str; 4] = ["port", "proto", "protocol", "scheme"];

/// HTTP's own headers whose names end with `-encoding`.
const HTTP_ENCODINGS: [&str; 3] = ["accept-encoding", "content-encoding", "transfer-encoding"];

/// The endings of headers with which a client can make an origin use another path, query, host or method. An ending
/// need not be a whole word, because some headers have names such as `X-RewriteUrl`.
pub const REWRITING_ENDINGS: [&str; 28] = [
    "-base",
    "-override",
    "-root",
    "authority",
    "docroot",
    "forwarded-domain",
    "host",
    "hostname",
    "href",
    "matched-route",
    "method",
    "original-target",
    "path",
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
pub const REWRITING_PREFIXES: [&str; 2] = ["x-invoke-", "x-middleware-"];

/// Headers with which a client can make an origin use another path or host, although their names have none of the
/// endings and beginnings in the two lists above. With `X-Single-Flight`, SolidStart adds the data of the page that `Referer` names
/// to the response. With `X-Orpc-Batch`, oRPC reads the requests from the query or the body. The last two headers select a file on the origin's disk.
pub const REWRITING: [&str; 11] = [
    "forwarded",
    "script-name",
    "x-forwarded-script-name",
    "x-forwarded-server",
    "x-now-route-matches",
    "x-orpc-batch",
    "x-script-name",
    "x-single-flight",
    "x-sveltekit-search",
    "x-accel-mapping",
    "x-sendfile-type",
];

/// The header in which Next.js sends the page that sends the request. With it, Next.js serves an intercepting route, which
/// shows a page inside that other page. So it is forwarded only if it names no page with another price.
pub const NEXT_URL: &str = "Next-Url";

/// Headers that clients need, and from which no origin takes the path, host or method of the request. Case is ignored,
/// but all other characters must be the same: `Next_Url` is not in this list.
pub const HARMLESS: [&str; 7] = [
    // The method of the request that follows a preflight.
    "Access-Control-Request-Method",
    // The page that sends the request (htmx).
    "HX-Current-URL",
    // The client's value does not reach the origin: the runtime sets `Host` to the host of the URL that the Worker
    // fetches.
    "Host",
    // The page that sends the request (Next.js). See `NEXT_URL`.
    NEXT_URL,
    // The host of the GitHub Enterprise Server that sends a webhook.
    "X-GitHub-Enterprise-Host",
    // The watched resource in a push notification of Google.
    "X-Goog-Resource-URI",
    // The method of the client library that sends the request (OpenAI, Anthropic and other Stainless libraries).
    "X-Stainless-Helper-Method",
];
