//! Cookies (RFC 6265bis): the pairs of a `Cookie` header, and `Set-Cookie`.

use std::fmt;

/// Returns the names and values of the cookies in a `Cookie` header, in their order.
///
/// The runtime joins two `Cookie` header lines with a comma and a space, so a comma and a space can separate cookies,
/// as a semicolon does. No cookie value contains them (RFC 6265bis, 4.1.1).
pub fn pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    pieces(header).filter_map(|piece| piece.trim().split_once('='))
}

/// Returns a `Cookie` header without the cookies whose name `is_removed` accepts; `None` if no cookie is left. The other
/// cookies and what separates them are not changed.
pub fn without(header: &str, is_removed: impl Fn(&str) -> bool) -> Option<String> {
    let is_removed = |piece: &str| is_removed(piece.trim().split('=').next().unwrap_or_default().trim_end());
    // A comma without a space may also stand before a removed cookie.
    if !header.split([';', ',']).any(is_removed) {
        return Some(header.to_owned());
    }
    let kept = header.split(';').filter_map(|piece| {
        let kept = without_members(piece, is_removed);
        (!kept.trim().is_empty()).then_some(kept)
    });
    let kept: Vec<String> = kept.collect();
    (!kept.is_empty()).then(|| kept.join(";").trim_start().to_owned())
}

/// Removes cookies that stand between commas. A comma separates cookies if a space or a removed cookie follows it. Any
/// other comma is part of a value.
fn without_members(piece: &str, is_removed: impl Fn(&str) -> bool) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_after_removed = false;
    for (at, member) in piece.split(',').enumerate() {
        let is_continued = at > 0 && !member.starts_with(' ') && !is_removed(member);
        is_after_removed = if is_continued { is_after_removed } else { is_removed(member) };
        if !is_after_removed {
            kept.push(member);
        }
    }
    kept.join(",")
}

fn pieces(header: &str) -> impl Iterator<Item = &str> {
    // In this order, a header of many semicolons is searched for `, ` only once.
    header.split(", ").flat_map(|piece| piece.split(';'))
}

/// The value of a `Set-Cookie` header, which `Display` writes.
///
/// Every cookie is `HttpOnly` and `Secure`. A path that is not allowed in the `Path` attribute is replaced with `/`.
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

/// Whether a path is allowed in a `Path` attribute: browsers ignore a path of more than 1,024 bytes (RFC 6265bis, 5.6),
/// and `;` ends the attribute.
fn is_attribute_path(path: &str) -> bool {
    path.len() <= MAX_PATH_BYTES
        && path.starts_with('/')
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b';')
}

/// Browsers ignore a cookie whose name and value together are longer than this (RFC 6265bis, 5.6).
pub const MAX_NAME_AND_VALUE_BYTES: usize = 4_096;
const MAX_PATH_BYTES: usize = 1_024;
