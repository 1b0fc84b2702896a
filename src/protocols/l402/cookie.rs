//! The cookie of a person who has paid: a macaroon, and a tag that confirms that its payment has settled.
//!
//! The cookie grants what the macaroon grants, under the same rules. The cookie contains no preimage.

use super::caveat::CredentialScope;
use super::macaroon::{Macaroon, Signature};
use super::verify::Grant;
use crate::http::cookie::{self, MAX_NAME_AND_VALUE_BYTES, OWN_PREFIX, SameSite, SetCookie};
use crate::http::url::without_slash;
use crate::keys::{KeySet, Keys};
use crate::payment::PaymentHash;
use crate::protocols::price::Fiat;
use crate::{crypto, hex};

/// A credential cookie that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie<'a> {
    pub name: &'a str,
    pub macaroon: Macaroon,
    tag: &'a str,
}

impl<'a> Cookie<'a> {
    /// Parses credential cookies of a `Cookie` header: the first four, the last twelve, and the cookie with the name that
    /// `own_name` returns. The error is the name of a malformed cookie.
    ///
    /// Browsers send the cookies with the longest paths first, and of equal paths the oldest first (RFC 6265, section 5.4). So the
    /// first cookies are those of the requested path, and the last ones those of the realms that were bought last.
    pub fn parse_all(
        header: &'a str,
        own_name: impl FnOnce() -> Option<String>,
    ) -> impl Iterator<Item = Result<Self, &'a str>> {
        let is_readable = |(name, value): &(&str, &str)| {
            is_credential_name(name) && name.len().saturating_add(value.len()) <= MAX_NAME_AND_VALUE_BYTES
        };
        let mut first: Vec<_> = cookie::own_pairs(header).filter(is_readable).collect();
        let mut others = first.split_off(first.len().min(FIRST_COOKIES));
        let last = others.split_off(others.len().saturating_sub(LAST_COOKIES));
        let own_name = if others.is_empty() { None } else { own_name() };
        let own = own_name.and_then(|own| others.into_iter().rfind(|(name, _)| *name == own));
        own.into_iter().chain(first).chain(last).map(|(name, value)| {
            let (macaroon, tag) = value.split_once('.').ok_or(name)?;
            let macaroon = Macaroon::parse(macaroon).map_err(|_| name)?;
            if macaroon.caveats().count() > MAX_CAVEATS {
                return Err(name);
            }
            Ok(Self { name, macaroon, tag })
        })
    }

    /// Whether the tag of the cookie confirms that the payment of the grant has settled.
    pub fn is_settled(&self, keys: &Keys, grant: &Grant) -> bool {
        let matches = |set: &KeySet| {
            crypto::constant_time_eq(tag(set, &self.macaroon, grant).as_bytes(), self.tag.as_bytes())
        };
        keys.all().any(matches)
    }
}

/// Returns `Set-Cookie` for a settled payment; `None` if the cookie is too long for browsers.
///
/// The cookie lasts as long as the credential. The name of the cookie is derived from the endpoint, or from the realm and the
/// `kind` of its credentials ([`Route::kind`](crate::policy::route::Route::kind)), and from the currency of the price, so that a new cookie
/// replaces the previous cookie, but not one of another kind. If the credential has a number of uses, the name is derived from the payment
/// hash instead of the kind, so that the cookie does not replace a credential that has uses left.
pub fn set(
    keys: &Keys,
    macaroon: &Macaroon,
    grant: &Grant,
    scope: &CredentialScope,
    kind: &str,
    now_unix: u64,
) -> Option<String> {
    let value = format!("{}.{}", macaroon.encode(), tag(keys.current(), macaroon, grant));
    let max_age_s = grant.expires_at_unix.saturating_sub(now_unix);
    let (name, path) = name_and_path(grant, scope, kind, &currency(macaroon));
    let is_kept = name.len().saturating_add(value.len()) <= MAX_NAME_AND_VALUE_BYTES;
    let set_cookie = SetCookie { name: &name, value: &value, path, max_age_s, same_site: SameSite::Lax };
    is_kept.then(|| set_cookie.to_string())
}

/// Returns `Set-Cookie` that deletes the cookie of a grant whose uses are all spent; `None` if the client did not send
/// this cookie in the `Cookie` header `sent`.
///
/// If spent cookies stayed in the browser, those of several payments would fill the bytes that are read, and hide the
/// cookie of the last payment.
pub fn delete_spent(sent: &str, grant: &Grant, scope: &CredentialScope, kind: &str) -> Option<String> {
    let (name, path) = name_and_path(grant, scope, kind, "");
    cookie::own_pairs(sent).any(|(one, _)| one == name).then(|| delete(&name, path))
}

fn name_and_path<'a>(
    grant: &Grant,
    scope: &'a CredentialScope,
    kind: &str,
    currency: &str,
) -> (String, &'a str) {
    let path = match scope {
        CredentialScope::Endpoint { endpoint, .. } => without_slash(endpoint),
        CredentialScope::Realm(_) => "/",
    };
    (name(scope, kind, currency, grant.uses.map(|_| &grant.payment_hash)), path)
}

/// Returns the currency of the price for which a macaroon was minted; empty for a price in satoshis.
fn currency(macaroon: &Macaroon) -> String {
    let fiat = macaroon.caveats().find_map(|caveat| {
        let (name, value) = std::str::from_utf8(caveat).ok()?.split_once('=')?;
        Fiat::parse(value.trim()).filter(|_| name.trim() == "fiat")
    });
    fiat.map(|fiat| fiat.currency().to_owned()).unwrap_or_default()
}

/// Returns the name of the cookie for a scope. `kind` is the kind of the credentials of the route; `counted` is the payment hash of a
/// credential with a number of uses.
pub fn name(scope: &CredentialScope, kind: &str, currency: &str, counted: Option<&PaymentHash>) -> String {
    let counted = counted.map(PaymentHash::to_hex);
    let text = match (scope, &counted) {
        (CredentialScope::Endpoint { endpoint, .. }, Some(counted)) => {
            [without_slash(endpoint), counted].concat()
        }
        (CredentialScope::Endpoint { endpoint, .. }, None) => [without_slash(endpoint), currency].concat(),
        (CredentialScope::Realm(realm), Some(counted)) => format!("realm {realm} {counted}"),
        (CredentialScope::Realm(realm), None) => format!("realm {realm} {kind} {currency}"),
    };
    let digest = hex::encode(&crypto::sha256(text.as_bytes()));
    format!("{OWN_PREFIX}{}", digest.get(..NAME_DIGITS).unwrap_or_default())
}

/// Whether browsers keep a cookie with this macaroon, given the limit on its length.
pub fn fits(macaroon: &str) -> bool {
    macaroon.len().saturating_add(NAME_AND_TAG_BYTES) <= MAX_NAME_AND_VALUE_BYTES
}

/// Returns the names of the credential cookies that are malformed or forged.
///
/// Only malformed and forged cookies are invalid: an expired cookie, a cookie for another scope, and a cookie that was
/// signed with an unknown key are valid here. If the client sent several cookies with the same name, this name is
/// returned only if every such cookie is invalid.
pub fn invalid_names<'a>(header: &'a str, keys: &'a Keys) -> impl Iterator<Item = &'a str> {
    let classify = |cookie: Result<Cookie<'a>, &'a str>| match cookie {
        Ok(cookie) => (cookie.name, cookie.macaroon.signature(keys) == Signature::Forged),
        Err(name) => (name, true),
    };
    let cookies: Vec<(&str, bool)> = Cookie::parse_all(header, || None).map(classify).collect();
    let valid: Vec<&str> =
        cookies.iter().filter(|(_, is_invalid)| !is_invalid).map(|(name, _)| *name).collect();
    let invalid = cookies.into_iter().filter(move |(name, is_invalid)| *is_invalid && !valid.contains(name));
    invalid.map(|(name, _)| name)
}

/// Returns `Set-Cookie` that deletes the cookie with this name and path.
pub fn delete(name: &str, path: &str) -> String {
    SetCookie { name, value: "", path, max_age_s: 0, same_site: SameSite::Lax }.to_string()
}

/// Whether a cookie name has the form of the names that [`set`] writes: `toll_` and 12 hexadecimal digits.
pub fn is_credential_name(name: &str) -> bool {
    let digits = name.strip_prefix(OWN_PREFIX).unwrap_or_default();
    digits.len() == NAME_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the tag of a cookie: `HMAC(K(settled), "cookie:" | payment hash | expiry | SHA-256(macaroon))`.
fn tag(set: &KeySet, macaroon: &Macaroon, grant: &Grant) -> String {
    let digest = crypto::sha256(macaroon.encode().as_bytes());
    set.cookie_tag(&grant.payment_hash, grant.expires_at_unix, &digest)
}

const NAME_DIGITS: usize = 12;
/// The bytes of a cookie besides its macaroon: its name, a dot and its tag.
const NAME_AND_TAG_BYTES: usize = 17 + 1 + 64;
/// Each caveat in a credential cookie costs an HMAC, so only 17 cookies of a request are read. A response deletes each invalid
/// cookie twice, with the path of the request, and has at most 128 KB of headers.
const FIRST_COOKIES: usize = 4;
const LAST_COOKIES: usize = 12;
/// A cookie has the macaroon of a pay page, which has at most 14 caveats.
const MAX_CAVEATS: usize = 20;
