//! Requests to the gate.

use edgetoll::gate::Request;
use edgetoll::http::url::RequestUrl;

/// Returns a request without a body, a client address, a cookie or other headers.
pub fn request<'a>(url: &'a str, method: &'a str, authorization: Option<&'a str>) -> Request<'a> {
    Request {
        url: RequestUrl::parse(url).unwrap(),
        method,
        client_ip: None,
        authorization,
        other_carriers: Default::default(),
        cookie: None,
        is_upgrade: false,
        is_preflight: false,
        is_prefetch: false,
        has_body: false,
        header: &|_| None,
        edge: &|_| None,
    }
}
