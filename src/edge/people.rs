//! People: the pay page in place of JSON, and the cookie for whoever has paid.

use web_sys::{Headers, Response, Url};
use worker::wasm_bindgen::JsValue;

use super::facts::Arrival;
use super::log::Line;
use super::sale::{Goods, Settled};
use super::settlement::Asker;
use super::time::now_unix;
use super::{Exchange, Failure, answer, assets, body};
use crate::gate::{Decision, Sale};
use crate::l402::challenge::Challenge;
use crate::l402::macaroon::{Macaroon, Signature};
use crate::l402::refusal::Refusal;
use crate::l402::{cookie, hex};
use crate::pay_page::{self, Asked, Page, Public};
use crate::policy::price::Cost;
use crate::policy::route::Sold;
use crate::policy::url::{RequestUrl, is_loopback};
use crate::problem::Problem;
use crate::settings::Settings;

impl Exchange<'_> {
    /// A file for everybody.
    pub(super) async fn public(&self, file: Public) -> Result<Response, Failure> {
        if !["GET", "HEAD"].contains(&self.arrival.method.as_str()) {
            return Err(Problem::MethodNotAllowed { allow: "GET, HEAD".to_owned() }.into());
        }
        let (name, content_type) = file.file();
        let stored = assets::open(self.env, name).await?.ok_or(Problem::NotFound)?;
        Ok(answer::file(content_type, stored.body().as_ref())?)
    }

    /// The challenge for a person; `None` where JSON is better, or the page is not there.
    pub(super) async fn pay_page(
        &self,
        challenge: &Challenge,
        goods: &Goods<'_>,
    ) -> Result<Option<Response>, JsValue> {
        let (Some(policy), Some(url)) = (self.settings.policy(), self.arrival.url()) else { return Ok(None) };
        let wants_page = goods.is_checked || self.arrival.is_for_people();
        // Whoever pays there must be let in there.
        let may_be_let_in = cookie::fits(&challenge.macaroon) && pay_page::is_own_path(&goods.path);
        if !wants_page || !may_be_let_in {
            return Ok(None);
        }
        let Some(stored) = assets::open(self.env, "pay").await? else { return Ok(None) };
        let Some(template) = body::read(stored.body(), MAX_TEMPLATE_BYTES).await? else { return Ok(None) };
        let mut nonce = [0; 16];
        if getrandom::fill(&mut nonce).is_err() {
            return Ok(None);
        }
        let nonce = hex::encode(&nonce);
        let page = Page {
            nonce: &nonce,
            prefix: &policy.prefix,
            host: url.host,
            path: &goods.path,
            description: &goods.description,
            amount_sats: challenge.amount_sats,
            fiat: match goods.cost {
                Cost::Fiat(price) => Some(price.fiat.as_str()),
                Cost::Sats(_) => None,
            },
            uses: goods.route.uses.map(std::num::NonZero::get),
            lasts_s: goods.route.credential_expiry_s,
            is_realm: matches!(goods.route.sold, Sold::Realm(_)),
            invoice: challenge.bolt11.as_str(),
            macaroon: &challenge.macaroon,
            invoice_expires_unix: challenge.bolt11.expires_at_unix(),
            expires_unix: challenge.expires_at_unix,
            now_unix: now_unix(),
            reason: goods.refused.as_ref().map(ToString::to_string),
            is_checked: goods.is_checked,
        };
        let html = pay_page::fill(&template, &page.values());
        answer::pay_page(&challenge.header(), &nonce, &html).map(Some)
    }

    /// Whether what a page asks about is paid. What it asks about was decided as if its macaroon had been shown for the page
    /// that the person wants: every rule holds here that holds there.
    pub(super) async fn settle_up(
        &self,
        question: &Question,
        decision: Decision<'_>,
        line: &mut Line,
    ) -> Result<Response, Failure> {
        let paid = match decision {
            Decision::Sold(sale) => Some(sale),
            Decision::Unsettled { claims, offer, .. } => {
                match self.settle(claims, Asker::PayPage, line).await? {
                    Settled::Paid(sale) => Some(sale),
                    Settled::Pending(claim, bolt11) if question.is_form => {
                        let path = &question.visit.path_and_query;
                        return self.offer_again(&claim, offer, bolt11, Some(path)).await;
                    }
                    Settled::Pending(..) => return Ok(answer::standing(402, "pending", None)?),
                    Settled::Unpaid => None,
                }
            }
            Decision::Refuse(problem, _) => return Err(problem.into()),
            _ => None,
        };
        let Some(sale) = paid else { return Ok(question.say_ended()?) };
        line.sold(&sale);
        self.note(&sale);
        let cookie = self.cookie(question, &sale).ok_or(Problem::PathTooLong)?;
        Ok(match question.is_form {
            true => answer::to(303, &question.visit.href, Some(&cookie))?,
            false => answer::standing(200, "paid", Some(&cookie))?,
        })
    }

    fn cookie(&self, question: &Question, sale: &Sale<'_>) -> Option<String> {
        let scope = match &sale.route.sold {
            Sold::Realm(realm) => cookie::Scope::Realm(realm),
            Sold::Endpoint { .. } => cookie::Scope::Path(question.visit.path()),
        };
        cookie::set(self.settings.keys()?, &question.macaroon, &sale.grant, &scope, now_unix())
    }

    /// Ends cookies that cannot be ours.
    pub(super) fn clear_cookies(&self, headers: &Headers) -> Result<(), JsValue> {
        let (Some(keys), Some(shown), Some(url)) =
            (self.settings.keys(), self.arrival.cookie.as_deref(), self.arrival.url())
        else {
            return Ok(());
        };
        for name in cookie::stale(shown, keys) {
            headers.append("Set-Cookie", &cookie::clear(name, "/"))?;
            headers.append("Set-Cookie", &cookie::clear(name, url.path))?;
        }
        Ok(())
    }
}

/// What is asked: whether this is paid.
pub struct Question {
    /// Whether a form asks, without any script.
    pub is_form: bool,
    /// Signed by us.
    pub macaroon: Macaroon,
    /// The page that the person wants.
    pub visit: Visit,
    /// A page that the macaroon is for, whatever the person wants.
    pub own: Option<Visit>,
}

impl Question {
    /// It is not, and cannot be any more, or opens something else. A form leads to a page that it is for, and its price.
    fn say_ended(&self) -> Result<Response, JsValue> {
        match &self.own {
            Some(own) if self.is_form => answer::to(303, &own.href, None),
            _ => answer::standing(410, "ended", None),
        }
    }
}

/// A page of this host.
#[derive(Clone)]
pub struct Visit {
    /// The whole URL.
    pub href: String,
    path_and_query: String,
}

impl Visit {
    /// On the host that the request came to; `None` where the path leads anywhere else.
    pub fn new(arrival: &Arrival, to: &str) -> Option<Self> {
        let origin = arrival.url()?.origin;
        let href = Url::new(&format!("{origin}{to}")).ok().filter(|_| pay_page::is_own_path(to))?.href();
        let url = RequestUrl::parse(&href).filter(|url| url.origin == origin)?;
        let path_and_query = url.path_and_query.to_owned();
        Some(Self { href, path_and_query })
    }

    fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }
}

/// Reads what a page asks, from the page itself and nobody else.
pub async fn read_asked(arrival: &Arrival, settings: &Settings) -> Result<(Asked, Macaroon), Failure> {
    if arrival.method != "POST" {
        return Err(Problem::MethodNotAllowed { allow: "POST".to_owned() }.into());
    }
    let url = arrival.url().ok_or(Problem::NotFound)?;
    if !url.is_https && !is_loopback(url.host) {
        return Err(Problem::PlainHttp.into());
    }
    if arrival.header("Origin").is_some_and(|origin| origin != url.origin) {
        return Err(Problem::OtherPage.into());
    }
    let body = body::read(arrival.request.body(), MAX_BODY_BYTES).await?;
    let content_type = arrival.header("Content-Type").unwrap_or_default();
    let asked = body.and_then(|body| Asked::read(&content_type, &body));
    let asked = asked.ok_or(Problem::Credential(Refusal::MalformedCredential))?;
    let macaroon = Macaroon::parse(&asked.macaroon).map_err(Refusal::MalformedMacaroon);
    let macaroon = macaroon.map_err(Problem::Credential)?;
    let keys = settings.keys().ok_or(Problem::NotConfigured)?;
    match macaroon.signature(keys) {
        Signature::Good => Ok((asked, macaroon)),
        Signature::UnknownKey | Signature::Forged => Err(Problem::Credential(Refusal::BadSignature).into()),
    }
}

const MAX_BODY_BYTES: usize = 8_192;
const MAX_TEMPLATE_BYTES: usize = 65_536;
