//! Renders a challenge as the pay page, for a person.

use wasm_bindgen::JsValue;
use web_sys::Response;

use super::{page_template, response};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::now_unix;
use crate::gate::ChallengeDraft;
use crate::http::url::is_local_path;
use crate::pages::pay_page::PayPage;
use crate::pages::template;
use crate::protocols::l402::challenge::Challenge;
use crate::protocols::l402::cookie;
use crate::protocols::price::Price;

/// What the pay page is rendered from, besides the challenge.
pub struct PageRequest<'a> {
    pub draft: &'a ChallengeDraft<'static>,
    /// Path and query of the page that the person requested.
    pub path: &'a str,
    /// Whether the form of an earlier pay page sent the request, and the payment has not settled yet.
    pub is_retry: bool,
}

/// Renders the pay page. Returns `None` if the response must be JSON, in these cases:
/// - the request is not from a browser that opens a page;
/// - a browser could read the path as a URL of another host;
/// - a cookie cannot hold the macaroon;
/// - the template is missing or too large;
/// - the runtime returned no random bytes.
pub async fn render(
    ctx: &RequestContext<'_>,
    challenge: &Challenge,
    page: &PageRequest<'_>,
) -> Result<Option<Response>, JsValue> {
    let wants_page = page.is_retry || ctx.request.is_navigation();
    // After the payment, the browser must be able to open the requested page. So a cookie must be able to hold the
    // macaroon, and the path must be on this host.
    let can_return = cookie::fits(&challenge.macaroon) && is_local_path(page.path);
    if !wants_page || !can_return {
        return Ok(None);
    }
    let Some((html, nonce)) = page_template::open(ctx.env, "pay").await? else { return Ok(None) };
    let ChallengeDraft { route, price, description, refused, .. } = page.draft;
    let values = PayPage {
        nonce: &nonce,
        prefix: &ctx.policy().prefix,
        host: ctx.url.host,
        owner: &ctx.policy().owner,
        path: page.path,
        description: route.description.as_ref().map(|_| description.as_str()),
        amount_sats: challenge.amount_sats,
        fiat: match price {
            Price::Fiat(price) => Some(price.fiat.as_str()),
            Price::Sats(_) => None,
        },
        uses: route.uses.map(std::num::NonZero::get),
        lasts_s: route.credential_expiry_s.max(challenge.bolt11.expiry_s()),
        is_realm: route.scope.realm().is_some(),
        invoice: challenge.bolt11.as_str(),
        macaroon: &challenge.macaroon,
        invoice_expires_unix: challenge.bolt11.expires_at_unix(),
        expires_unix: challenge.expires_at_unix,
        now_unix: now_unix(),
        reason: refused.as_ref().filter(|_| !page.is_retry).map(ToString::to_string),
        is_retry: page.is_retry,
    };
    let html = template::fill(&html, &values.values());
    response::pay_page(&challenge.header(), &nonce, &html).map(Some)
}
