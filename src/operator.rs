//! The operator's own doors below `/_toll/`, and who may pass them: whoever shows `ADMIN_TOKEN`, or the cookie that its
//! login form gave. Without that secret there are none.

use crate::l402::cookie::ADMIN as COOKIE;
use crate::l402::keys::{KeySet, Keys, WeakSecret, check_secret};
use crate::l402::{hex, mac};
use crate::pay_page;
use crate::policy::header;
use crate::problem::Problem;

/// What stands below the prefix for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `/_toll`: to the dashboard.
    Bare,
    /// `/_toll/`: the dashboard, or the login form.
    Dashboard,
    /// The dashboard's script.
    Script,
    /// The look of both pages.
    Style,
    /// The books as JSON.
    Stats,
    /// The books for Prometheus.
    Metrics,
    /// The login form is sent here.
    Login,
    /// Ends a session.
    Logout,
    /// Callbacks that were given up are sent again.
    Redeliver,
}

impl Door {
    /// The door at what stands behind the prefix.
    pub fn find(rest: &str) -> Option<Self> {
        Some(match rest {
            "" => Self::Bare,
            "/" => Self::Dashboard,
            "/dashboard.js" => Self::Script,
            "/operator.css" => Self::Style,
            "/stats" => Self::Stats,
            "/metrics" => Self::Metrics,
            "/login" => Self::Login,
            "/logout" => Self::Logout,
            "/redeliver" => Self::Redeliver,
            _ => return None,
        })
    }

    /// Whether it is for everybody, once there is a token: nothing is seen through it.
    fn is_open(self) -> bool {
        matches!(self, Self::Bare | Self::Style | Self::Login)
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Login | Self::Logout | Self::Redeliver => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// Who knocks.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// As it was sent.
    pub method: &'a str,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `Cookie` header.
    pub cookie: Option<&'a str>,
    /// The `Origin` header, which browsers send with every form.
    pub origin: Option<&'a str>,
    /// The origin that the request was sent to, such as `https://api.example.com`.
    pub own_origin: &'a str,
    /// Whether nobody on the way can read it: https, or this machine.
    pub is_private: bool,
}

/// The operator's secret, and the keys that sessions are signed with.
#[derive(Clone, Copy)]
pub struct Guard<'a> {
    /// `ADMIN_TOKEN`.
    pub token: &'a AdminToken,
    /// Those of `TOLL_SECRET`.
    pub keys: &'a Keys,
}

impl Guard<'_> {
    /// Lets a visitor through a door, or says why not.
    ///
    /// # Errors
    /// The same for every wrong token, and in the same time.
    pub fn admit(&self, door: Door, visitor: &Visitor<'_>, now_unix: u64) -> Result<(), Problem> {
        if !visitor.is_private {
            return Err(Problem::PlainHttp);
        }
        let allow = door.allow();
        if !allow.split(", ").any(|method| method == visitor.method) {
            return Err(Problem::MethodNotAllowed { allow: allow.to_owned() });
        }
        // A page of another origin may send a form, and the cookie with it where it is of the same site.
        let is_foreign = visitor.origin.is_some_and(|origin| origin != visitor.own_origin);
        if (is_foreign && allow == "POST") || !(door.is_open() || self.knows(visitor, now_unix)) {
            return Err(Problem::Unauthorized);
        }
        Ok(())
    }

    /// Whether this is the token.
    pub fn is_token(&self, given: &str) -> bool {
        let tag = |token: &str| self.keys.current().admin_tag(&[b"token:", token.as_bytes()]);
        mac::equal(&tag(given), &tag(&self.token.0))
    }

    /// The cookie of a session that begins now, as `Set-Cookie` has it.
    pub fn open_session(&self, prefix: &str, now_unix: u64) -> String {
        let ends_unix = now_unix.saturating_add(SESSION_S);
        let tag = self.session_tag(self.keys.current(), &ends_unix.to_string());
        set_cookie(prefix, &format!("{ends_unix}.{tag}"), SESSION_S)
    }

    fn knows(&self, visitor: &Visitor<'_>, now_unix: u64) -> bool {
        let bearer = visitor.authorization.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
        });
        bearer.is_some_and(|token| self.is_token(token))
            || visitor.cookie.is_some_and(|cookie| {
                header::cookies(cookie, COOKIE).any(|session| self.is_session(session, now_unix))
            })
    }

    fn is_session(&self, session: &str, now_unix: u64) -> bool {
        let Some((ends, tag)) = session.split_once('.') else { return false };
        let is_ours = |set: &KeySet| mac::equal(self.session_tag(set, ends).as_bytes(), tag.as_bytes());
        ends.parse::<u64>().is_ok_and(|ends_unix| now_unix < ends_unix) && self.keys.all().any(is_ours)
    }

    /// Another token ends every session.
    fn session_tag(&self, set: &KeySet, ends: &str) -> String {
        hex::encode(&set.admin_tag(&[b"session:", ends.as_bytes(), b":", self.token.0.as_bytes()]))
    }
}

/// `Set-Cookie` for the end of a session.
pub fn close_session(prefix: &str) -> String {
    set_cookie(prefix, "", 0)
}

/// The field `token` of a form.
pub fn token_of_form(body: &str) -> Option<String> {
    pay_page::field(body, "token").map(|token| token.trim().to_owned())
}

/// `ADMIN_TOKEN`, which opens the operator's doors.
pub struct AdminToken(String);

impl AdminToken {
    /// Checks a text.
    ///
    /// # Errors
    /// Where it is as weak as a `TOLL_SECRET` must not be.
    pub fn new(text: &str) -> Result<Self, WeakSecret> {
        check_secret(text).map(|()| Self(text.to_owned()))
    }
}

fn set_cookie(prefix: &str, value: &str, max_age_s: u64) -> String {
    format!("{COOKIE}={value}; Path={prefix}/; Max-Age={max_age_s}; HttpOnly; Secure; SameSite=Strict")
}

const SESSION_S: u64 = 43_200;
