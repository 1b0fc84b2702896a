//! `/_toll/settle`: tells a pay page whether its invoice was paid. If the invoice was paid, the browser gets a cookie.
//!
//! A pay page is shown instead of the page that a person wanted to open. The gate decides as if the browser opened that
//! wanted page with the macaroon of the pay page, so every rule of the route applies.

use wasm_bindgen::JsValue;
use web_sys::{Response, Url};

use super::purchase::{ClaimStatus, check_claims};
use super::{Answered, HandlerError, challenge, page_template, response};
use crate::edge::context::RequestContext;
use crate::edge::platform::body;
use crate::edge::platform::clock::now_unix;
use crate::edge::services::ledger;
use crate::edge::services::settlement::Requester;
use crate::endpoints::{self, Endpoint};
use crate::error::RequestError;
use crate::gate::{Decision, Purchase, Refused, Request};
use crate::http::cookie::for_url;
use crate::http::url::{RequestUrl, is_local_path};
use crate::pages::error_page::EndedPage;
use crate::pages::settle::{SettleRequest, navigation_header};
use crate::pages::template;
use crate::policy::Policy;
use crate::protocols::l402::caveat::{Caveat, CredentialScope};
use crate::protocols::l402::cookie;
use crate::protocols::l402::credential::OtherCarriers;
use crate::protocols::l402::macaroon::{Macaroon, Signature};
use crate::protocols::l402::refusal::Refusal;

/// Tells a pay page whether its invoice was paid.
pub async fn answer(ctx: &RequestContext<'_>) -> Result<Answered, HandlerError> {
    let (request, macaroon) = read(ctx).await?;
    let macaroon_page = page_of_macaroon(&macaroon, ctx.policy()).and_then(|path| Page::parse(ctx, &path));
    let wanted_page = match &request.to {
        Some(to) => Page::parse(ctx, to),
        None => macaroon_page.clone(),
    };
    let resolved = ResolvedRequest {
        is_form: request.is_form,
        page: wanted_page.ok_or(RequestError::NotFound)?,
        macaroon,
        macaroon_page,
    };
    if endpoints::find(Some(ctx.policy()), resolved.page.path()).is_some() {
        return Ok(Answered::by_endpoint(Endpoint::Settle, resolved.answer_ended()?));
    }
    let decision = decide_as_navigation(ctx, &resolved.page, &format!("L402 {}:", request.macaroon))?;
    let paid = match decision {
        Decision::Paid(purchase) => Some(purchase),
        Decision::Unsettled { claims, otherwise } => {
            match check_claims(ctx, &mut claims.into_iter(), Requester::PayPage).await? {
                ClaimStatus::Settled(purchase) => Some(purchase),
                ClaimStatus::Pending(claim, bolt11) if resolved.is_form => {
                    let path = Some(resolved.page.path_and_query.as_str());
                    let repeated = challenge::repeat(ctx, &claim, otherwise, bolt11, path).await?;
                    return Ok(Answered::by_endpoint(Endpoint::Settle, repeated.response));
                }
                ClaimStatus::Pending(..) => {
                    return Ok(Answered::by_endpoint(
                        Endpoint::Settle,
                        response::settle_status(402, "pending", None)?,
                    ));
                }
                ClaimStatus::Unpaid if resolved.is_form => return resolved.answer_expired(ctx).await,
                ClaimStatus::Unpaid => None,
            }
        }
        Decision::Challenge(draft) if resolved.is_form && draft.refused == Some(Refusal::Expired) => {
            return resolved.answer_expired(ctx).await;
        }
        Decision::Refuse(Refused { error, .. }) => return Err(error.into()),
        _ => None,
    };
    match paid {
        Some(purchase) => answer_settled(ctx, &resolved, &purchase),
        None => Ok(Answered::by_endpoint(Endpoint::Settle, resolved.answer_ended()?)),
    }
}

/// Answers that the payment has settled, and sets the cookie.
fn answer_settled(
    ctx: &RequestContext<'_>,
    resolved: &ResolvedRequest,
    purchase: &Purchase<'static>,
) -> Result<Answered, HandlerError> {
    ledger::record_purchase(ctx, purchase);
    let scope = CredentialScope::new(&purchase.route.scope, resolved.page.path(), "GET");
    let (keys, grant) = (&purchase.seller.keys, &purchase.grant);
    let kind = purchase.route.kind();
    let cookie = cookie::set(keys, &resolved.macaroon, grant, &scope, &kind, now_unix());
    let cookie = for_url(&cookie.ok_or(RequestError::PathTooLong)?, &ctx.url);
    let response = match resolved.is_form {
        true => response::redirect(303, &resolved.page.href, Some(&cookie))?,
        false => response::settle_status(200, "paid", Some(&cookie))?,
    };
    Ok(Answered::by_endpoint(Endpoint::Settle, response).about(grant.payment_hash))
}

/// A request that a pay page sent, with the page that the person wanted and the page that the macaroon opens.
struct ResolvedRequest {
    /// Whether the request is a submitted form. In a browser without JavaScript, a pay page uses a form.
    is_form: bool,
    /// The macaroon of the pay page. Its signature is valid.
    macaroon: Macaroon,
    /// The page that the person wanted to open.
    page: Page,
    /// A page that the macaroon opens. It may differ from `page`.
    macaroon_page: Option<Page>,
}

impl ResolvedRequest {
    /// Answers a form whose invoice has expired: with a page that can check the payment again.
    async fn answer_expired(&self, ctx: &RequestContext<'_>) -> Result<Answered, HandlerError> {
        let response = match page_template::open(ctx.env, "error").await? {
            Some((html, nonce)) => {
                let page = EndedPage {
                    nonce: &nonce,
                    host: ctx.url.host,
                    owner: &ctx.policy().owner,
                    prefix: &ctx.policy().prefix,
                    path: &self.page.path_and_query,
                    macaroon: &self.macaroon.encode(),
                };
                let ended = response::settle_status(410, "ended", None)?;
                response::error_page(&ended, &nonce, &template::fill(&html, &page.values()))?
            }
            None => self.answer_ended()?,
        };
        Ok(Answered::by_endpoint(Endpoint::Settle, response))
    }

    /// Answers that this invoice and macaroon cannot open the wanted page, for example because the invoice has expired.
    /// If the request is a form, redirects to a page that the macaroon opens. The response to that page is a new
    /// challenge.
    fn answer_ended(&self) -> Result<Response, JsValue> {
        match &self.macaroon_page {
            Some(page) if self.is_form => response::redirect(303, &page.href, None),
            _ => response::settle_status(410, "ended", None),
        }
    }
}

/// A page of this host.
#[derive(Clone)]
struct Page {
    href: String,
    path_and_query: String,
}

impl Page {
    /// Parses path and query of a page. Returns `None` if `to` leads to another host, or is longer than a URL may be.
    fn parse(ctx: &RequestContext<'_>, to: &str) -> Option<Self> {
        let origin = ctx.url.origin;
        let href = Url::new(&format!("{origin}{to}")).ok().filter(|_| is_local_path(to))?.href();
        let url =
            RequestUrl::parse(&href).filter(|url| url.origin == origin && href.len() <= MAX_URL_BYTES)?;
        let path_and_query = url.path_and_query.to_owned();
        Some(Self { href, path_and_query })
    }

    fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }
}

/// Lets the gate decide as if a browser opened the page with this credential.
fn decide_as_navigation(
    ctx: &RequestContext<'_>,
    page: &Page,
    authorization: &str,
) -> Result<Decision<'static>, RequestError> {
    let url = RequestUrl::parse(&page.href).ok_or(RequestError::AmbiguousPath)?;
    let header = |name: &str| match navigation_header(name) {
        Some(value) => value.map(str::to_owned),
        None => ctx.request.headers.joined(name),
    };
    let edge = |fact| ctx.request.edge_fact(fact);
    let request = Request {
        method: "GET",
        authorization: Some(authorization),
        other_carriers: OtherCarriers::default(),
        cookie: None,
        has_body: false,
        ..ctx.request.for_gate(url, &header, &edge)
    };
    Ok(ctx.gate.decide(&request, now_unix()))
}

/// Reads the request. Only a page of this host may send it, over https or on the loopback interface, with a macaroon
/// that this deployment signed.
async fn read(ctx: &RequestContext<'_>) -> Result<(SettleRequest, Macaroon), HandlerError> {
    Endpoint::Settle.check_method(&ctx.request.method)?;
    if !ctx.url.is_private() {
        return Err(RequestError::PlainHttp.into());
    }
    if ctx.request.header("Origin").is_some_and(|origin| origin != ctx.url.origin) {
        return Err(RequestError::OtherPage.into());
    }
    let body = body::read_request(ctx.request.request.body(), MAX_BODY_BYTES).await?;
    let content_type = ctx.request.header("Content-Type").unwrap_or_default();
    let request = body.and_then(|body| SettleRequest::parse(content_type, &body));
    let request = request.ok_or(RequestError::Credential(Refusal::MalformedCredential))?;
    let macaroon = Macaroon::parse(&request.macaroon).map_err(Refusal::MalformedMacaroon);
    let macaroon = macaroon.map_err(RequestError::Credential)?;
    let keys = ctx.settings.keys().ok_or(RequestError::NotConfigured)?;
    match macaroon.signature(keys) {
        Signature::Valid => Ok((request, macaroon)),
        Signature::UnknownKey | Signature::Forged => {
            Err(RequestError::Credential(Refusal::BadSignature).into())
        }
    }
}

/// Returns the path of a page that a macaroon opens: its endpoint, or a path of the first route of its realm. Returns
/// `None` if the macaroon names neither an endpoint nor a realm, or if no route has its realm.
fn page_of_macaroon(macaroon: &Macaroon, policy: &Policy) -> Option<String> {
    let service = Default::default();
    let caveats =
        || macaroon.caveats().filter_map(|bytes| Caveat::parse(macaroon.encoding(), &service, bytes).ok());
    let endpoint = caveats().find_map(|caveat| match caveat {
        Caveat::Endpoint(endpoint) => Some(endpoint),
        _ => None,
    });
    endpoint.or_else(|| {
        let realm = caveats().find_map(|caveat| match caveat {
            Caveat::Realm(realm) => Some(realm),
            _ => None,
        })?;
        let mut routes = policy.routes.iter();
        Some(routes.find(|route| route.scope.realm() == Some(&realm))?.pattern.sample())
    })
}

/// The longest URL that Cloudflare accepts.
const MAX_URL_BYTES: usize = 16_384;
/// A form writes `%25D0` for `%D0`.
const MAX_BODY_BYTES: usize = 2 * MAX_URL_BYTES;
