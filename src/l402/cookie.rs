//! The cookie of a person who has paid: a macaroon, and our word that its payment has arrived. There is no preimage in it.
//! It opens what the macaroon opens, in the same way.

use super::hex;
use super::keys::{KeySet, Keys};
use super::mac;
use super::macaroon::{Macaroon, Signature};
use super::verify::Grant;

/// A cookie as it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it says.
    pub macaroon: Macaroon,
    tag: &'a str,
}

impl<'a> Cookie<'a> {
    /// The cookies of ours in a `Cookie` header. One that cannot be read is only a name.
    pub fn read_all(header: &'a str) -> impl Iterator<Item = Result<Self, &'a str>> {
        let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| is_ours(name) && *name != ADMIN).take(MAX_COOKIES).map(|(name, value)| {
            let (macaroon, tag) = value.split_once('.').ok_or(name)?;
            let macaroon = Macaroon::parse(macaroon).map_err(|_| name)?;
            Ok(Self { name, macaroon, tag })
        })
    }

    /// Whether we said so of this grant.
    pub fn is_settled(&self, keys: &Keys, grant: &Grant) -> bool {
        let is_ours =
            |set: &KeySet| mac::equal(tag(set, &self.macaroon, grant).as_bytes(), self.tag.as_bytes());
        keys.all().any(is_ours)
    }
}

/// What a payment opens. Each has one cookie: a fresh payment takes the place of the one before.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// One path.
    Path(&'a str),
    /// A realm, of this name.
    Realm(&'a str),
}

/// `Set-Cookie` for a payment that has arrived: it lasts as long as the credential, and is sent where it opens something.
/// `None` where a browser would not keep it.
pub fn set(
    keys: &Keys,
    macaroon: &Macaroon,
    grant: &Grant,
    scope: &Scope<'_>,
    now_unix: u64,
) -> Option<String> {
    let value = format!("{}.{}", macaroon.encode(), tag(keys.current(), macaroon, grant));
    let max_age_s = grant.expires_at_unix.saturating_sub(now_unix);
    let (scope, path) = match scope {
        Scope::Path(path) => ((*path).to_owned(), *path),
        Scope::Realm(realm) => (format!("realm {realm}"), "/"),
    };
    let name = format!("{PREFIX}{}", hex::encode(&mac::sha256(scope.as_bytes())).get(..12)?);
    let path = if is_plain(path) { path } else { "/" };
    let cookie = format!("{name}={value}; Path={path}; Max-Age={max_age_s}; {ATTRIBUTES}");
    (name.len().saturating_add(value.len()) <= MAX_BYTES).then_some(cookie)
}

/// Whether a browser would keep the cookie of a macaroon, as the challenge has it.
pub fn fits(macaroon: &str) -> bool {
    macaroon.len().saturating_add(NAME_AND_TAG_BYTES) <= MAX_BYTES
}

/// The names of those that we never made, or cannot know any more. What only opens something else, or has ended, is not
/// among them.
pub fn stale<'a>(header: &'a str, keys: &'a Keys) -> impl Iterator<Item = &'a str> {
    Cookie::read_all(header).filter_map(|cookie| match cookie {
        Ok(cookie) => (cookie.macaroon.signature(keys) != Signature::Good).then_some(cookie.name),
        Err(name) => Some(name),
    })
}

/// `Set-Cookie` that ends one of this name.
pub fn clear(name: &str, path: &str) -> String {
    let path = if is_plain(path) { path } else { "/" };
    format!("{name}=; Path={path}; Max-Age=0; {ATTRIBUTES}")
}

/// A `Cookie` header without ours: what the origin may see. `None` where nothing is left.
pub fn others(header: &str) -> Option<String> {
    let pairs = header.split(';').map(str::trim);
    let others: Vec<&str> = pairs.filter(|pair| !pair.is_empty() && !is_ours(pair)).collect();
    (!others.is_empty()).then(|| others.join("; "))
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// `HMAC(K(settled), payment hash | expiry | SHA-256(macaroon))`.
fn tag(set: &KeySet, macaroon: &Macaroon, grant: &Grant) -> String {
    set.cookie_tag(&grant.payment_hash, grant.expires_at_unix, &mac::sha256(macaroon.encode().as_bytes()))
}

/// Whether a path can stand in a cookie's attribute.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b',')
}

const PREFIX: &str = "toll_";
/// That of the operator's session.
pub const ADMIN: &str = "toll_admin";
const ATTRIBUTES: &str = "HttpOnly; Secure; SameSite=Lax";
/// What browsers keep of a name and a value.
const MAX_BYTES: usize = 4_096;
const NAME_AND_TAG_BYTES: usize = 17 + 1 + 64;
/// Each is a macaroon to verify.
const MAX_COOKIES: usize = 16;
