//! Recognizes requests that a page causes without showing the response to a person: an image, a script, a frame, or a
//! `fetch` of another origin whose response the page may not read. Browsers describe such requests with Fetch Metadata headers
//! (<https://www.w3.org/TR/fetch-metadata/>).

use super::cors::Cors;

/// Whether a page causes the request and cannot show an invoice in the response to a person. Returns `false` without Fetch
/// Metadata headers, because the client is then not a browser.
///
/// Also returns `false` for a page that is opened in a tab (`navigate` with `document`), for a `fetch` of a page of the same
/// origin, and for a `fetch` of a page whose origin the price list names in `cors`.
pub fn is_embedded(header: &dyn Fn(&str) -> Option<String>, cors: Option<&Cors>) -> bool {
    let is = |name: &str, value: &str| header(name).as_deref() == Some(value);
    // The destination of a `fetch` is `empty`. The pay page may not be shown in a frame. A page does not read the response to a
    // beacon or the ping of a link, which have the mode `no-cors`.
    let is_shown = |destination: String| ["document", "empty"].contains(&destination.as_str());
    if !header("Sec-Fetch-Dest").is_none_or(is_shown) || is("Sec-Fetch-Mode", "no-cors") {
        return true;
    }
    if !is("Sec-Fetch-Site", "cross-site") && !is("Sec-Fetch-Site", "same-site") {
        return false;
    }
    let opens_page = is("Sec-Fetch-Mode", "navigate") && is("Sec-Fetch-Dest", "document");
    let may_read = is("Sec-Fetch-Mode", "cors")
        && cors.is_some_and(|cors| cors.allow_origin(header("Origin").as_deref()).is_some());
    !opens_page && !may_read
}

/// Whether a header says that a person has not opened the page yet: a browser or a script loads it in advance (prefetch), or shows
/// a preview. Scripts may not set `Sec-Purpose`, so they have headers of their own: Turbo (`X-Sec-Purpose`), Next.js and htmx.
pub fn is_prefetch(name: &str, value: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let says = |word: &str| value.to_ascii_lowercase().contains(word);
    (is(&PURPOSES) && (says("prefetch") || says("preview"))) || is(&PREFETCHES)
}

const PURPOSES: [&str; 5] = ["sec-purpose", "purpose", "x-sec-purpose", "x-purpose", "x-moz"];
const PREFETCHES: [&str; 4] =
    ["next-router-prefetch", "x-nextjs-prefetch", "x-middleware-prefetch", "hx-preloaded"];
