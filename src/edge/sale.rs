//! What an unpaid request gets: its price, an invoice, or once more the invoice that is still to be paid.

use worker::wasm_bindgen::JsValue;

use super::flood;
use super::log::Line;
use super::settlement::{Asker, Unknown};
use super::shop::Shop;
use super::wallet::probe;
use super::{Exchange, Failure, answer, time, wallet};
use crate::gate::{Claim, Offer, Sale};
use crate::l402::bolt11::Bolt11;
use crate::l402::caveat::Wallet;
use crate::l402::challenge::Challenge;
use crate::l402::hex;
use crate::l402::refusal::Refusal;
use crate::ledger::hook;
use crate::policy::price::Cost;
use crate::policy::route::Route;
use crate::problem::Problem;
use crate::wallet::{Invoice, InvoiceRequest, Standing, WalletError};

impl Exchange<'_> {
    /// Tells what a request costs, with an invoice or without.
    pub(super) async fn offer(
        &self,
        route: &Route,
        offer: Offer<'_>,
        line: &mut Line,
    ) -> Result<web_sys::Response, Failure> {
        if offer.is_quote {
            return Ok(answer::quote(offer.cost)?);
        }
        let goods = self.goods(route, &offer);
        let challenge = self.challenge(route, offer, line).await?;
        line.payment_hash = Some(challenge.payment_hash().short());
        Ok(self.tell(&challenge, &goods).await?)
    }

    /// A challenge, as a page or as JSON.
    async fn tell(&self, challenge: &Challenge, goods: &Goods<'_>) -> Result<web_sys::Response, JsValue> {
        match self.pay_page(challenge, goods).await {
            Ok(Some(page)) => Ok(page),
            // An invoice was made: whoever can pay it must see it.
            Ok(None) | Err(_) => answer::challenge(challenge, goods.refused.as_ref()),
        }
    }

    fn goods<'a>(&self, route: &'a Route, offer: &Offer<'a>) -> Goods<'a> {
        Goods {
            route,
            cost: offer.cost,
            description: offer.description.clone(),
            refused: offer.refused.clone(),
            path: self.arrival.url().map_or(String::new(), |url| url.path_and_query.to_owned()),
            is_checked: false,
        }
    }

    /// The same invoice once more; to whoever said to have paid on the page of this path, as that page again.
    pub(super) async fn offer_again(
        &self,
        claim: &Claim<'_>,
        offer: Offer<'_>,
        bolt11: Bolt11,
        page: Option<&str>,
    ) -> Result<web_sys::Response, Failure> {
        if offer.is_quote {
            return Ok(answer::quote(offer.cost)?);
        }
        let mut goods = self.goods(claim.sale.route, &offer);
        if let Some(path) = page {
            goods = Goods { path: path.to_owned(), refused: None, is_checked: true, ..goods };
        }
        let challenge = Challenge::again(&claim.macaroon, &claim.sale.grant, offer.description, bolt11);
        Ok(self.tell(&challenge, &goods).await?)
    }

    /// Learns whether one of these is paid for.
    pub(super) async fn settle<'a>(
        &self,
        claims: Vec<Claim<'a>>,
        asker: Asker,
        line: &mut Line,
    ) -> Result<Settled<'a>, Problem> {
        let shop = self.shop().ok_or(Problem::NotConfigured)?;
        let mut pending = None;
        let mut unknown: Option<Unknown> = None;
        for claim in claims {
            match shop.settle(&claim.sale.grant, asker).await {
                Ok(Standing::Paid) => return Ok(Settled::Paid(claim.sale)),
                Ok(Standing::Pending(bolt11)) => pending = pending.or(Some((claim, bolt11))),
                Ok(Standing::Unpaid) => {}
                Err(error) => unknown = unknown.or(Some(error)),
            }
        }
        match (unknown, pending) {
            // It may be the one that was paid.
            (Some(Unknown { problem, error }), _) => {
                line.detail = error.map(|error| error.to_string());
                Err(problem)
            }
            (None, Some((claim, bolt11))) => Ok(Settled::Pending(claim, bolt11)),
            (None, None) => Ok(Settled::Unpaid),
        }
    }

    /// Has an invoice made and mints its challenge.
    async fn challenge(
        &self,
        route: &Route,
        offer: Offer<'_>,
        line: &mut Line,
    ) -> Result<Challenge, Problem> {
        let shop = self.shop().ok_or(Problem::NotConfigured)?;
        let Shop { policy, wallets, client, .. } = &shop;
        if probe::has_admin_key() {
            return Err(Problem::NotConfigured);
        }
        let unavailable = |line: &mut Line, error: WalletError| {
            line.detail = Some(error.to_string());
            Problem::InvoiceUnavailable { retry_after_s: error.retry_after_s() }
        };
        wallet::is_asked_for_invoices(wallets).map_err(|error| unavailable(line, error))?;
        flood::admit_challenge(&shop).await?;
        flood::admit_invoice(&shop).await?;
        let webhook = self.webhook(&shop);
        let invoice = InvoiceRequest {
            cost: offer.cost,
            description: &offer.description,
            expiry_s: route.invoice_expiry_s,
            network: &policy.network,
            route: route.pattern.as_str(),
            client: client.as_deref(),
            webhook: webhook.as_deref(),
        };
        let made = time::to_the_end(shop.context, wallet::create(wallets, &invoice, shop.budget)).await;
        let (made_by, Invoice { bolt11, amount_sats }) = made.map_err(|error| unavailable(line, error))?;
        probe::look(&shop, made_by, &bolt11.payment_hash()).await;
        if probe::has_admin_key() {
            return Err(Problem::NotConfigured);
        }
        let mut terms = offer.terms;
        terms.amount_sats = amount_sats;
        terms.wallet = (made_by != Wallet::First).then_some(made_by);
        // Not every backend lets an invoice last as long as it was asked to.
        let shorter_s = route.invoice_expiry_s.saturating_sub(bolt11.expiry_s());
        terms.payable_until_unix = terms.payable_until_unix.saturating_sub(shorter_s);
        let mut nonce = [0; 28];
        getrandom::fill(&mut nonce).map_err(|_| unavailable(line, WalletError::NoRandomness))?;
        let keys = shop.keys.current();
        let challenge = Challenge::new(keys, policy.encodings, terms, offer.description, bolt11, &nonce);
        challenge.map_err(|_| unavailable(line, WalletError::Unmintable))
    }

    /// Where a wallet says that an invoice was paid: an address that only we can make.
    fn webhook(&self, shop: &Shop<'_>) -> Option<String> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).ok()?;
        let token = hook::token(shop.keys, &hex::encode(&nonce));
        Some(format!("{}{}/hook/{token}", self.settings.public_url()?, shop.policy.prefix))
    }
}

/// What a challenge is for, to be told to a person.
pub(super) struct Goods<'a> {
    pub route: &'a Route,
    pub cost: Cost<'a>,
    pub description: String,
    /// Why what came along is not enough.
    pub refused: Option<Refusal>,
    /// The path and query that were asked for.
    pub path: String,
    /// Whether the person said to have paid.
    pub is_checked: bool,
}

/// What wallets say of credentials that are good if they were paid for.
pub(super) enum Settled<'a> {
    /// This was paid for.
    Paid(Sale<'a>),
    /// None was, and this one still can be.
    Pending(Claim<'a>, Bolt11),
    /// None was, and none can be.
    Unpaid,
}
