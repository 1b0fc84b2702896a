//! Shows an error to a person: as a page in words instead of JSON.

use crate::edge::platform::runtime::Env;
use wasm_bindgen::JsValue;
use web_sys::Response;

use super::{Answered, page_template, response};
use crate::config::Settings;
use crate::edge::context::IncomingRequest;
use crate::error::RequestError;
use crate::pages::{error_page, template};
use crate::policy::owner::Owner;

/// Whether a person sees the response, and the response is an error of edgetoll. A preimage is sent by programs only, which
/// read the text of its refusal.
pub fn is_needed(request: &IncomingRequest, answered: &Answered) -> bool {
    let is_for_program = |error: &RequestError| matches!(error, RequestError::Preimage(_));
    answered.error().is_some_and(|error| !is_for_program(error)) && request.shows_response()
}

/// Replaces the JSON of an error response with a page, if a person sees the response. Keeps the status and the headers
/// of the response, except those that describe the body.
pub async fn show(
    env: &Env,
    settings: &Settings,
    request: &IncomingRequest,
    mut answered: Answered,
) -> Result<Answered, JsValue> {
    if let Some(page) = render(env, settings, request, &answered).await? {
        answered.response = page;
    }
    Ok(answered)
}

async fn render(
    env: &Env,
    settings: &Settings,
    request: &IncomingRequest,
    answered: &Answered,
) -> Result<Option<Response>, JsValue> {
    let Some(error) = answered.error().filter(|_| is_needed(request, answered)) else { return Ok(None) };
    let Some((html, nonce)) = page_template::open(env, "error").await? else { return Ok(None) };
    let host = request.url().map_or("", |url| url.host);
    let unknown = Owner::default();
    let owner = settings.policy().map_or(&unknown, |policy| &policy.owner);
    let html = template::fill(&html, &error_page::values(error, &request.method, owner, host, &nonce));
    response::error_page(&answered.response, &nonce, &html).map(Some)
}
