//! The request headers that may have credentials of edgetoll beside values for the origin.

use super::l402::cookie::is_credential_name;
use super::l402::credential::Authorization;
use crate::http::cookie::{self, SESSION_COOKIE};

/// Returns the value of a request header without the credentials and cookies of edgetoll, in the way in which the origin gets it; `None` if
/// nothing else is left. L402 credentials of other servers are removed too.
pub fn without_own(name: &str, value: &str) -> Option<String> {
    if name.eq_ignore_ascii_case("authorization") {
        Authorization::split(value).others()
    } else if name.eq_ignore_ascii_case("cookie") {
        cookie::without(value, |name| is_credential_name(name) || name == SESSION_COOKIE)
    } else {
        Some(value.to_owned())
    }
}
