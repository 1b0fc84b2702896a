//! Requests to the gate, and forwarded requests.

use edgetoll::config::Settings;
use edgetoll::forward::{ForwardReason, ForwardedRequest};
use edgetoll::gate::Request;
use edgetoll::http::header_list::HeaderList;
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

/// Returns a request with these headers to a path without a price, as it is forwarded.
pub fn forwarded_free<'a>(settings: &'a Settings, headers: &'a HeaderList) -> ForwardedRequest<'a> {
    ForwardedRequest {
        url: RequestUrl::parse("https://api.example.com/free").unwrap(),
        headers,
        reason: ForwardReason::Open,
        grant: None,
        observed: None,
        route: None,
        policy: settings.policy().unwrap(),
        settings,
        deployment_tag: "tag",
        client: None,
        signing: None,
    }
}
