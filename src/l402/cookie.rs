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
        pairs.filter(|(name, _)| is_credential(name)).take(MAX_COOKIES).map(|(name, value)| {
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
    let (mut scope, path) = match scope {
        Scope::Path(path) => ((*path).to_owned(), *path),
        Scope::Realm(realm) => (format!("realm {realm}"), "/"),
    };
    if grant.uses.is_some() {
        // What is left of another one stays.
        scope.push_str(&grant.payment_hash.to_hex());
    }
    let name = format!("{PREFIX}{}", hex::encode(&mac::sha256(scope.as_bytes())).get(..NAME_DIGITS)?);
    let path = if is_plain(path) { path } else { "/" };
    let cookie = format!("{name}={value}; Path={path}; Max-Age={max_age_s}; {ATTRIBUTES}");
    (name.len().saturating_add(value.len()) <= MAX_BYTES).then_some(cookie)
}

/// Whether a browser would keep the cookie of a macaroon, as the challenge has it.
pub fn fits(macaroon: &str) -> bool {
    macaroon.len().saturating_add(NAME_AND_TAG_BYTES) <= MAX_BYTES
}

/// The names of those that nobody can have got from a paywall. What is another deployment's, has ended or opens something
/// else is not among them, nor is a name under which there is a good one, too.
pub fn stale<'a>(header: &'a str, keys: &'a Keys) -> impl Iterator<Item = &'a str> {
    let is_worthless = |cookie: &Result<Cookie<'_>, &str>| match cookie {
        Ok(cookie) => cookie.macaroon.signature(keys) == Signature::Forged,
        Err(_) => true,
    };
    let name = |cookie: &Result<Cookie<'a>, &'a str>| match cookie {
        Ok(cookie) => cookie.name,
        Err(name) => name,
    };
    let cookies: Vec<_> =
        Cookie::read_all(header).map(|cookie| (name(&cookie), is_worthless(&cookie))).collect();
    let kept: Vec<&str> =
        cookies.iter().filter(|(_, is_worthless)| !is_worthless).map(|(name, _)| *name).collect();
    let stale = cookies.into_iter().filter(move |(name, is_worthless)| *is_worthless && !kept.contains(name));
    stale.map(|(name, _)| name)
}

/// `Set-Cookie` that ends one of this name.
pub fn clear(name: &str, path: &str) -> String {
    let path = if is_plain(path) { path } else { "/" };
    format!("{name}=; Path={path}; Max-Age=0; {ATTRIBUTES}")
}

/// A `Cookie` header without ours: what the origin may see. `None` where nothing is left. (Two header lines arrive joined
/// by a comma.)
pub fn others(header: &str) -> Option<String> {
    let is_ours = |piece: &&str| {
        let name = piece.split('=').next().unwrap_or_default();
        is_credential(name) || name == ADMIN
    };
    let others = header.split(';').map(str::trim).filter(|pair| !pair.is_empty()).filter_map(|pair| {
        let kept: Vec<&str> = pair.split(", ").filter(|piece| !is_ours(piece)).collect();
        (!kept.is_empty()).then(|| kept.join(", "))
    });
    let others: Vec<String> = others.collect();
    (!others.is_empty()).then(|| others.join("; "))
}

/// Whether a name is one of those that we give.
fn is_credential(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX).unwrap_or_default();
    digits.len() == NAME_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// `HMAC(K(settled), payment hash | expiry | SHA-256(macaroon))`.
fn tag(set: &KeySet, macaroon: &Macaroon, grant: &Grant) -> String {
    set.cookie_tag(&grant.payment_hash, grant.expires_at_unix, &mac::sha256(macaroon.encode().as_bytes()))
}

/// Whether a path can stand in a cookie's attribute; browsers leave out a longer one (RFC 6265bis, 5.6).
fn is_plain(path: &str) -> bool {
    const MAX_PATH_BYTES: usize = 1_024;
    path.len() <= MAX_PATH_BYTES
        && path.starts_with('/')
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b';')
}

const PREFIX: &str = "toll_";
/// That of the operator's session.
pub const ADMIN: &str = "toll_admin";
const ATTRIBUTES: &str = "HttpOnly; Secure; SameSite=Lax";
/// What browsers keep of a name and a value.
const MAX_BYTES: usize = 4_096;
const NAME_AND_TAG_BYTES: usize = 17 + 1 + 64;
/// Each is a macaroon to verify; no browser sends so many.
const MAX_COOKIES: usize = 100;
const NAME_DIGITS: usize = 12;
