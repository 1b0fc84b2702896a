//! What an unpaid request gets: its price, an invoice, or once more the invoice that is still to be paid.

use super::flood::{self, Wish};
use super::log::Line;
use super::settlement::Unknown;
use super::shop::Shop;
use super::wallet::probe;
use super::{Exchange, Failure, answer, wallet};
use crate::gate::Offer;
use crate::l402::bolt11::Bolt11;
use crate::l402::caveat::Wallet;
use crate::l402::challenge::Challenge;
use crate::l402::macaroon::Macaroon;
use crate::l402::verify::Grant;
use crate::policy::route::Route;
use crate::problem::Problem;
use crate::wallet::probe::Probe;
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
        let refused = offer.refused.clone();
        let challenge = self.challenge(route, offer, line).await?;
        line.payment_hash = Some(challenge.payment_hash().short());
        Ok(answer::challenge(&challenge, refused.as_ref())?)
    }

    /// The same invoice once more.
    pub(super) fn offer_again(
        &self,
        macaroon: &Macaroon,
        grant: &Grant,
        offer: Offer<'_>,
        bolt11: Bolt11,
    ) -> Result<web_sys::Response, Failure> {
        if offer.is_quote {
            return Ok(answer::quote(offer.cost)?);
        }
        let challenge = Challenge::again(macaroon, grant, offer.description, bolt11);
        Ok(answer::challenge(&challenge, offer.refused.as_ref())?)
    }

    /// Learns whether a credential is paid for.
    pub(super) async fn settle(&self, grant: &Grant, line: &mut Line) -> Result<Standing, Problem> {
        let shop = self.shop().ok_or(Problem::NotConfigured)?;
        shop.settle(grant).await.map_err(|Unknown { problem, error }| {
            line.detail = error.map(|error| error.to_string());
            problem
        })
    }

    /// Has an invoice made and mints its challenge.
    async fn challenge(
        &self,
        route: &Route,
        offer: Offer<'_>,
        line: &mut Line,
    ) -> Result<Challenge, Problem> {
        let shop = self.shop().ok_or(Problem::NotConfigured)?;
        let Shop { env, policy, wallets, client, .. } = &shop;
        if probe::known(Wallet::First) == Some(Probe::AdminKey) {
            return Err(Problem::NotConfigured);
        }
        let unavailable = |line: &mut Line, error: WalletError| {
            line.detail = Some(error.to_string());
            Problem::InvoiceUnavailable { retry_after_s: error.retry_after_s() }
        };
        wallet::is_awake(wallets).map_err(|error| unavailable(line, error))?;
        flood::admit(env, policy, client.as_deref(), Wish::Challenge).await?;
        flood::admit_invoice(env, policy).await?;
        let invoice = InvoiceRequest {
            cost: offer.cost,
            description: &offer.description,
            expiry_s: route.invoice_expiry_s,
            network: &policy.network,
            route: route.pattern.as_str(),
            client: client.as_deref(),
        };
        let made = wallet::create(wallets, &invoice, shop.budget).await;
        let (made_by, Invoice { bolt11, amount_sats }) = made.map_err(|error| unavailable(line, error))?;
        if probe::look(&shop, made_by, &bolt11.payment_hash()).await == Probe::AdminKey {
            return Err(Problem::NotConfigured);
        }
        let mut terms = offer.terms;
        terms.amount_sats = amount_sats;
        terms.wallet = (made_by != Wallet::First).then_some(made_by);
        let mut nonce = [0; 28];
        getrandom::fill(&mut nonce).map_err(|_| unavailable(line, WalletError::NoRandomness))?;
        let keys = shop.keys.current();
        let challenge = Challenge::new(keys, policy.encodings, terms, offer.description, bolt11, &nonce);
        challenge.map_err(|_| unavailable(line, WalletError::Unmintable))
    }
}
