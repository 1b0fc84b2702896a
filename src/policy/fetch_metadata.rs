//! Recognizes requests that a page of another site causes without showing the response to a person: an image, a script,
//! a frame, or a `fetch` whose response the page may not read. Browsers describe such requests with Fetch Metadata
//! headers (<https://www.w3.org/TR/fetch-metadata/>).

use super::cors::Cors;

/// Whether a page of another site causes the request and cannot show an invoice in the response to a person. Returns
/// `false` without Fetch Metadata headers, because the client is then not a browser.
///
/// Also returns `false` for a page that is opened in a tab (`navigate` with `document`), and for a `fetch` of a page
/// whose origin the price list names in `cors`.
pub fn is_embedded(header: &dyn Fn(&str) -> Option<String>, cors: Option<&Cors>) -> bool {
    let is = |name: &str, value: &str| header(name).as_deref() == Some(value);
    if !is("Sec-Fetch-Site", "cross-site") {
        return false;
    }
    let opens_page = is("Sec-Fetch-Mode", "navigate") && is("Sec-Fetch-Dest", "document");
    let may_read = is("Sec-Fetch-Mode", "cors")
        && cors.is_some_and(|cors| cors.allow_origin(header("Origin").as_deref()).is_some());
    !opens_page && !may_read
}
