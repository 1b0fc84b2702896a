//! Requests, and gates that need no wallet.

use edgetoll::config::Settings;
use edgetoll::gate::{Decision, Gate, IsSettled, PriceCode, Request};
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

/// A preimage counts as proof of the payment. Settlement has tests of its own.
pub const BY_PREIMAGE: &IsSettled<'static> = &|grant| grant.is_proven;

/// No price is made by code.
pub const NO_CODE: &PriceCode<'static> = &|_, _| None;

/// The gate of settings whose price list can be read.
pub fn gate(settings: &Settings) -> Gate<'_, 'static> {
    settings.gate(settings.policy().unwrap(), NO_CODE, BY_PREIMAGE)
}

pub fn decide<'a>(settings: &'a Settings, request: &Request<'_>, now_unix: u64) -> Decision<'a> {
    gate(settings).decide(request, now_unix)
}
