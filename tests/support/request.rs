//! A request with nothing about it.

use edgetoll::gate::{IsSettled, Request};
use edgetoll::policy::url::RequestUrl;

pub fn request<'a>(url: &'a str, method: &'a str, authorization: Option<&'a str>) -> Request<'a> {
    Request {
        url: RequestUrl::parse(url).unwrap(),
        method,
        client_ip: None,
        authorization,
        cookie: None,
        is_upgrade: false,
        is_preflight: false,
        is_prefetch: false,
        has_body: false,
        header: &|_| None,
        edge: &|_| None,
    }
}

/// Whoever has the preimage has paid: what settlement adds has tests of its own.
pub const BY_PREIMAGE: &IsSettled<'static> = &|grant| grant.is_proven;
