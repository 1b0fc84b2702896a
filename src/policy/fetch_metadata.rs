//! Recognizes requests that a page causes without showing the response to a person: an image, a script, a frame, or a
//! `fetch` of another origin whose response the page may not read. Browsers describe such requests with Fetch Metadata headers
//! (<https://www.w3.org/TR/fetch-metadata/>).

use super::cors::Cors;

/// The page that causes a request, seen from the requested URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    SameOrigin,
    /// A page of a sibling host.
    SameSite,
    CrossSite,
}

/// Returns which page causes the request and cannot show an invoice in the response to a person. Returns `None` if the client is
/// no browser.
///
/// A WebSocket of a page whose origin the price list names in `cors` counts as one of a page of the same origin.
///
/// Also returns `None` for a page that is opened in a tab (`navigate` with `document` or `empty`), for a `fetch` of a page of the same
/// origin, and for a `fetch` of a page whose origin the price list names in `cors`.
///
/// `own_origin` is the origin of the requested URL.
pub fn embedding_page(header: &Header<'_>, cors: Option<&Cors>, own_origin: &str) -> Option<Page> {
    let may_read_as_page =
        || cors.is_some_and(|cors| cors.allow_origin(header("Origin").as_deref()).is_some());
    let has_metadata = METADATA.iter().any(|name| header(name).is_some());
    if !has_metadata {
        let page = embedding_page_of_old_browser(header, own_origin)?;
        return Some(page).filter(|_| header("Origin").is_none() || !may_read_as_page());
    }
    let page = match header("Sec-Fetch-Site").as_deref() {
        // No page has caused the request. Electron's `net.fetch` sends the mode `no-cors` with it.
        Some("none") => return None,
        Some("cross-site") => Page::CrossSite,
        Some("same-site") => Page::SameSite,
        _ => Page::SameOrigin,
    };
    let is = |name: &str, value: &str| header(name).as_deref() == Some(value);
    // The destination of a `fetch` is `empty`. The pay page may not be shown in a frame. A page does not read the response to a
    // beacon or the ping of a link, which have the mode `no-cors`.
    let is_shown = |destination: String| ["document", "empty"].contains(&destination.as_str());
    if is("Sec-Fetch-Mode", "websocket") && may_read_as_page() {
        return Some(Page::SameOrigin);
    }
    if !header("Sec-Fetch-Dest").is_none_or(is_shown) || is("Sec-Fetch-Mode", "no-cors") {
        return Some(page);
    }
    // If a service worker passes on the request of a tab (`fetch(event.request)`), its destination is `empty`, not `document`.
    let opens_page = is("Sec-Fetch-Mode", "navigate");
    let may_read = is("Sec-Fetch-Mode", "cors") && may_read_as_page();
    (page != Page::SameOrigin && !opens_page && !may_read).then_some(page)
}

/// As [`embedding_page`], for Safari before 16.4, which sends no Fetch Metadata headers: recognizes a `fetch` of another origin, and
/// images, videos and style sheets.
fn embedding_page_of_old_browser(header: &Header<'_>, own_origin: &str) -> Option<Page> {
    let accept = header("Accept").unwrap_or_default();
    // With `text/html`, a person opens a page, or sends a form.
    if !is_browser(header) || accept.contains("text/html") {
        return None;
    }
    if let Some(origin) = header("Origin") {
        return (origin != own_origin).then_some(Page::CrossSite);
    }
    if !["image/", "video/", "text/css"].iter().any(|start| accept.starts_with(start)) {
        return None;
    }
    let is_own = |referer: String| referer.strip_prefix(own_origin).is_some_and(|path| path.starts_with('/'));
    Some(if header("Referer").is_none_or(is_own) { Page::SameOrigin } else { Page::CrossSite })
}

/// Whether a browser sent the request.
pub fn is_browser(header: &Header<'_>) -> bool {
    header("User-Agent").is_some_and(|agent| agent.starts_with("Mozilla/"))
}

/// Returns the value of a request header.
type Header<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Whether a header says that a person has not opened the page yet: a browser or a script loads it in advance (prefetch), or shows
/// a preview. Scripts may not set `Sec-Purpose`, so they have headers of their own: Turbo (`X-Sec-Purpose`), Next.js and htmx.
pub fn is_prefetch(name: &str, value: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let says = |word: &str| value.to_ascii_lowercase().contains(word);
    (is(&PURPOSES) && (says("prefetch") || says("preview"))) || is(&PREFETCHES)
}

/// Whether a script of a page loads another page to show it. The libraries swup, Taxi, Barba and Unpoly do so already when the pointer is over
/// a link. If the response is no page, the browser opens it itself, or nothing is shown.
pub fn is_page_loader(header: &Header<'_>) -> bool {
    let is_sent = |name: &&str| header(name).is_some();
    let script = header("X-Requested-With").unwrap_or_default();
    ["swup", "Taxi", "Highway"].contains(&script.as_str()) || PAGE_LOADERS.iter().any(is_sent)
}

/// Whether a service fetches a page to show a preview of a link to it. After a post in the fediverse, hundreds of servers do so within a
/// minute, each from an address of its own.
pub fn is_link_preview(header: &Header<'_>) -> bool {
    let agent = header("User-Agent").filter(|agent| agent.len() <= MAX_AGENT_BYTES).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    LINK_PREVIEWS.iter().any(|name| agent.contains(name))
}

/// Headers that the scripts of Barba, htmx, pjax and Unpoly send.
const PAGE_LOADERS: [&str; 4] = ["X-Barba", "HX-Boosted", "X-PJAX", "X-Up-Version"];
const LINK_PREVIEWS: [&str; 16] = [
    "mastodon/",
    "pleroma",
    "akkoma",
    "misskey/",
    "summalybot",
    "synapse (bot",
    "friendica",
    "lemmy/",
    "bluesky cardyb",
    "facebookexternalhit",
    "twitterbot",
    "linkedinbot",
    "slackbot",
    "discordbot",
    "telegrambot",
    "whatsapp/",
];
const MAX_AGENT_BYTES: usize = 512;
const METADATA: [&str; 3] = ["Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"];
const PURPOSES: [&str; 5] = ["sec-purpose", "purpose", "x-sec-purpose", "x-purpose", "x-moz"];
const PREFETCHES: [&str; 4] =
    ["next-router-prefetch", "x-nextjs-prefetch", "x-middleware-prefetch", "hx-preloaded"];
