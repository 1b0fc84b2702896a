//! Requests.

use edgetoll::gate::Request;
use edgetoll::http::url::RequestUrl;

/// A request without anything that matters to the decision.
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
