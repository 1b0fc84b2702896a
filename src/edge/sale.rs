//! What an unpaid request gets: its price, an invoice, or once more the invoice that is still to be paid.

use super::flood::{self, Wish};
use super::log::Line;
use super::settlement::{Question, Unknown};
use super::wallet::probe;
use super::{Exchange, Failure, answer, wallet};
use crate::gate::Offer;
use crate::l402::bolt11::Bolt11;
use crate::l402::caveat::Wallet;
use crate::l402::challenge::Challenge;
use crate::l402::keys::Keys;
use crate::l402::macaroon::Macaroon;
use crate::l402::verify::Grant;
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::problem::Problem;
use crate::settings::Wallets;
use crate::wallet::probe::Probe;
use crate::wallet::{InvoiceRequest, Standing, WalletError};

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
        let Some((policy, keys, wallets)) = self.shop() else { return Err(Problem::NotConfigured) };
        let client = self.arrival.pseudonym(self.settings);
        let (env, context, client, budget) = (self.env, self.context, client.as_deref(), self.budget);
        let question = Question { env, context, policy, keys, wallets, client, budget };
        question.ask(grant).await.map_err(|Unknown { problem, error }| {
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
        let Some((policy, keys, wallets)) = self.shop() else { return Err(Problem::NotConfigured) };
        if probe::known(Wallet::First) == Some(Probe::AdminKey) {
            return Err(Problem::NotConfigured);
        }
        let unavailable = |line: &mut Line, error: WalletError| {
            line.detail = Some(error.to_string());
            Problem::InvoiceUnavailable { retry_after_s: error.retry_after_s() }
        };
        wallet::is_awake(wallets).map_err(|error| unavailable(line, error))?;
        let client = self.arrival.pseudonym(self.settings);
        flood::admit(self.env, policy, client.as_deref(), Wish::Challenge).await?;
        flood::admit_invoice(self.env, policy).await?;
        let invoice = InvoiceRequest {
            cost: offer.cost,
            description: &offer.description,
            expiry_s: route.invoice_expiry_s,
            network: &policy.network,
            route: route.pattern.as_str(),
            client: client.as_deref(),
        };
        let made = wallet::create(wallets, &invoice, self.budget).await;
        let (made_by, invoice) = made.map_err(|error| unavailable(line, error))?;
        if self.look_at(wallets, keys, made_by, &invoice.bolt11).await == Probe::AdminKey {
            return Err(Problem::NotConfigured);
        }
        let mut terms = offer.terms;
        terms.amount_sats = invoice.amount_sats;
        terms.wallet = (made_by != Wallet::First).then_some(made_by);
        let mut nonce = [0; 28];
        getrandom::fill(&mut nonce).map_err(|_| unavailable(line, WalletError::NoRandomness))?;
        let (keys, description) = (keys.current(), offer.description);
        let challenge = Challenge::new(keys, policy.encodings, terms, description, invoice.bolt11, &nonce);
        challenge.map_err(|_| unavailable(line, WalletError::Unmintable))
    }

    async fn look_at(&self, wallets: &Wallets, keys: &Keys, made_by: Wallet, unpaid: &Bolt11) -> Probe {
        let Some(lnbits) = wallets.get(made_by) else { return Probe::Unknown };
        match probe::known(made_by) {
            Some(probe) => probe,
            None => {
                let unpaid = unpaid.payment_hash();
                probe::look(self.env, self.context, keys, made_by, lnbits, &unpaid, self.budget).await
            }
        }
    }

    /// All that is needed to sell.
    fn shop(&self) -> Option<(&Policy, &Keys, &Wallets)> {
        Some((self.settings.policy()?, self.settings.keys()?, self.settings.wallets()?))
    }
}
