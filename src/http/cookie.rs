//! Cookies (RFC 6265bis): the pairs of a `Cookie` header, and `Set-Cookie`.

use std::borrow::Cow;
use std::fmt;

use super::url::RequestUrl;

/// Returns the names and values of the cookies in a `Cookie` header whose names begin with [`OWN_PREFIX`], in their order.
///
/// The runtime joins two `Cookie` header lines with a comma and a space, so a comma and a space can separate cookies,
/// as a semicolon does. No cookie value contains them (RFC 6265bis, 4.1.1).
pub fn own_pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    // Only the text around the prefix is read, because a header can have thousands of semicolons.
    header.match_indices(OWN_PREFIX).filter_map(|(at, _)| {
        let (before, cookie) = header.split_at_checked(at)?;
        let others = before.trim_end();
        let is_separated = match others.chars().next_back() {
            None | Some(';') => true,
            Some(',') => before.get(others.len()..)?.starts_with(' '),
            Some(_) => false,
        };
        if !is_separated {
            return None;
        }
        cookie.get(..end_of_cookie(cookie))?.trim_end().split_once('=')
    })
}

/// Returns the position of the first semicolon, or comma before a space.
fn end_of_cookie(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_end = |at: &usize| match bytes.get(*at) {
        Some(b';') => true,
        Some(b',') => bytes.get(at.saturating_add(1)) == Some(&b' '),
        _ => false,
    };
    (0..bytes.len()).find(is_end).unwrap_or(bytes.len())
}

/// Returns a `Cookie` header without the cookies whose name begins with [`OWN_PREFIX`] and is accepted by `is_removed`;
/// `None` if no cookie is left. The other cookies and what separates them are not changed.
pub fn without(header: &str, is_removed: impl Fn(&str) -> bool) -> Option<String> {
    let is_removed = |member: &str| {
        let cookie = member.trim_start();
        cookie.starts_with(OWN_PREFIX) && is_removed(cookie.split('=').next().unwrap_or_default().trim_end())
    };
    // A comma without a space may also stand before a removed cookie.
    if !header.contains(OWN_PREFIX) || !header.split([';', ',']).any(is_removed) {
        return Some(header.to_owned());
    }
    let kept = header.split(';').map(|piece| match piece.contains(OWN_PREFIX) {
        true => Cow::Owned(without_members(piece, is_removed)),
        false => Cow::Borrowed(piece),
    });
    let kept: Vec<Cow<'_, str>> = kept.filter(|piece| !piece.trim_start().is_empty()).collect();
    (!kept.is_empty()).then(|| kept.join(";").trim_start().to_owned())
}

/// Removes cookies that stand between commas. A comma separates cookies if a space or a removed cookie follows it. Any
/// other comma is part of a value.
fn without_members(piece: &str, is_removed: impl Fn(&str) -> bool) -> String {
    let mut kept = String::with_capacity(piece.len());
    let (mut is_first, mut is_after_removed) = (true, false);
    for member in piece.split(',') {
        is_after_removed = is_removed(member) || (is_after_removed && !member.starts_with(' '));
        if !is_after_removed {
            if !is_first {
                kept.push(',');
            }
            kept.push_str(member);
            is_first = false;
        }
    }
    kept
}

/// The value of a `Set-Cookie` header, which `Display` writes.
///
/// Every cookie is `HttpOnly` and `Secure` (but see [`for_url`]). A path that is not allowed in the `Path` attribute is replaced with `/`.
#[derive(Clone, Copy, Debug)]
pub struct SetCookie<'a> {
    pub name: &'a str,
    pub value: &'a str,
    pub path: &'a str,
    /// How many seconds the browser keeps the cookie; 0 deletes the cookie.
    pub max_age_s: u64,
    pub same_site: SameSite,
}

#[derive(Clone, Copy, Debug)]
pub enum SameSite {
    /// If another site causes a request, the browser sends the cookie only if a person has followed a link to this
    /// site.
    Lax,
    /// The browser never sends the cookie with a request that another site causes.
    Strict,
}

impl fmt::Display for SetCookie<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, path, max_age_s, same_site } = self;
        let path = if is_attribute_path(path) { path } else { "/" };
        let same_site = match same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
        };
        write!(f, "{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; Secure; SameSite={same_site}")
    }
}

/// Removes `Secure` from `Set-Cookie` if the URL of the request is http and names this machine, as in development: Safari does not store
/// a cookie of `http://localhost` with this attribute.
pub fn for_url(set_cookie: &str, url: &RequestUrl<'_>) -> String {
    let is_local = !url.is_https && url.is_private();
    if is_local { set_cookie.replacen("; Secure", "", 1) } else { set_cookie.to_owned() }
}

/// Whether a path is allowed in a `Path` attribute: browsers ignore a path of more than 1,024 bytes (RFC 6265bis, 5.6),
/// and `;` ends the attribute.
fn is_attribute_path(path: &str) -> bool {
    path.len() <= MAX_PATH_BYTES
        && path.starts_with('/')
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b';')
}

/// The beginning of the names of all cookies of edgetoll.
pub const OWN_PREFIX: &str = "toll_";
/// The cookie of a session of the dashboard.
pub const SESSION_COOKIE: &str = "toll_admin";
/// Browsers ignore a cookie whose name and value together are longer than this (RFC 6265bis, 5.6).
pub const MAX_NAME_AND_VALUE_BYTES: usize = 4_096;
const MAX_PATH_BYTES: usize = 1_024;
