//! Access to the admin endpoints: with `ADMIN_TOKEN`, or with the session cookie that the login form sets.

use crate::endpoints::{AdminEndpoint, Endpoint};
use crate::error::RequestError;
use crate::http::cookie::{self, SESSION_COOKIE, SameSite, SetCookie};
use crate::http::form;
use crate::keys::{KeySet, Keys, WeakSecret, check_secret};
use crate::{crypto, hex};

/// An `ADMIN_TOKEN` that passed [`check_secret`].
pub struct AdminToken(String);

impl AdminToken {
    /// # Errors
    /// Returns why [`check_secret`] refuses the token.
    pub fn new(text: &str) -> Result<Self, WeakSecret> {
        check_secret(text).map(|()| Self(text.to_owned()))
    }
}

/// The parts of a request that decide whether it may use an admin endpoint.
#[derive(Clone, Copy, Debug)]
pub struct AdminRequest<'a> {
    pub method: &'a str,
    pub authorization: Option<&'a str>,
    pub cookie: Option<&'a str>,
    /// The `Origin` header, which browsers send with every `POST` form.
    pub origin: Option<&'a str>,
    /// The origin that the request was sent to, such as `https://api.example.com`.
    pub own_origin: &'a str,
    /// Whether the connection is https, or on the loopback interface.
    pub is_private: bool,
}

/// The admin token, and the keys that sign sessions.
#[derive(Clone, Copy)]
pub struct AdminAccess<'a> {
    pub token: &'a AdminToken,
    pub keys: &'a Keys,
}

impl AdminAccess<'_> {
    /// Checks whether a request may use an endpoint.
    ///
    /// # Errors
    /// Refuses, in this order:
    /// 1. plain http, except on the loopback interface;
    /// 2. a method that the endpoint does not allow;
    /// 3. a `POST` request from a page of another origin;
    /// 4. a request without a valid token or session, unless the endpoint is open to everyone.
    ///
    /// All wrong tokens get the same error, after the same time.
    pub fn check(
        &self,
        endpoint: AdminEndpoint,
        request: &AdminRequest<'_>,
        now_unix: u64,
    ) -> Result<(), RequestError> {
        if !request.is_private {
            return Err(RequestError::PlainHttp);
        }
        Endpoint::Admin(endpoint).check_method(request.method)?;
        // `SameSite=Strict` is not enough: a page on another subdomain is of another origin but of the same site, so
        // the browser sends the session cookie with a form of this page.
        let is_cross_origin = request.origin.is_some_and(|origin| origin != request.own_origin);
        if is_cross_origin && request.method == "POST" {
            return Err(RequestError::Unauthorized);
        }
        if endpoint.is_open() || self.is_authorized(request, now_unix) {
            Ok(())
        } else {
            Err(RequestError::Unauthorized)
        }
    }

    /// Whether a text is the admin token. The comparison takes constant time.
    pub fn is_token(&self, given: &str) -> bool {
        let tag = |token: &str| self.keys.current().admin_tag(&[b"token:", token.as_bytes()]);
        crypto::constant_time_eq(&tag(given), &tag(&self.token.0))
    }

    /// Returns the value of `Set-Cookie` for a session that begins now and lasts twelve hours.
    pub fn open_session(&self, prefix: &str, now_unix: u64) -> String {
        let ends_unix = now_unix.saturating_add(SESSION_S);
        let tag = self.session_tag(self.keys.current(), &ends_unix.to_string());
        session_cookie(prefix, &format!("{ends_unix}.{tag}"), SESSION_S)
    }

    fn is_authorized(&self, request: &AdminRequest<'_>, now_unix: u64) -> bool {
        let bearer = request.authorization.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
        });
        // Each session costs an HMAC.
        let cookies = request.cookie.into_iter().flat_map(cookie::own_pairs);
        let mut sessions = cookies.filter(|(name, _)| *name == SESSION_COOKIE).take(MAX_SESSIONS);
        bearer.is_some_and(|token| self.is_token(token))
            || sessions.any(|(_, value)| self.is_session(value, now_unix))
    }

    fn is_session(&self, session: &str, now_unix: u64) -> bool {
        let Some((ends, tag)) = session.split_once('.') else { return false };
        let matches =
            |set: &KeySet| crypto::constant_time_eq(self.session_tag(set, ends).as_bytes(), tag.as_bytes());
        ends.parse::<u64>().is_ok_and(|ends_unix| now_unix < ends_unix) && self.keys.all().any(matches)
    }

    /// Returns the tag that authenticates the time at which a session ends. The admin token is part of the input, so
    /// that a new token ends every session.
    fn session_tag(&self, set: &KeySet, ends: &str) -> String {
        hex::encode(&set.admin_tag(&[b"session:", ends.as_bytes(), b":", self.token.0.as_bytes()]))
    }
}

/// Returns the value of `Set-Cookie` that deletes the session cookie.
pub fn close_session(prefix: &str) -> String {
    session_cookie(prefix, "", 0)
}

/// Returns the token of a submitted login form; `None` if the form has no token.
pub fn token_of_form(body: &str) -> Option<String> {
    form::field(body, "token").map(|token| token.trim().to_owned())
}

fn session_cookie(prefix: &str, value: &str, max_age_s: u64) -> String {
    let path = format!("{prefix}/");
    SetCookie { name: SESSION_COOKIE, value, path: &path, max_age_s, same_site: SameSite::Strict }.to_string()
}

/// A page of a sibling host can set cookies with this name, which come before that of the owner. Browsers keep at most 180 cookies of a
/// host.
const MAX_SESSIONS: usize = 180;
const SESSION_S: u64 = 43_200;
