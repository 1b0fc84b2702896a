//! All that is at hand for one client to buy, or to have bought.

use worker::{Context, Env};

use super::Exchange;
use super::wallet::Budget;
use crate::l402::keys::Keys;
use crate::policy::{Policy, client};
use crate::settings::Wallets;

/// What a sale needs, and what it may take.
pub struct Shop<'a> {
    pub env: &'a Env,
    pub context: &'a Context,
    pub policy: &'a Policy,
    pub keys: &'a Keys,
    pub wallets: &'a Wallets,
    /// The client's pseudonym.
    pub client: Option<String>,
    /// The wider network of an IPv6 client.
    pub network: Option<String>,
    pub budget: Budget,
}

impl Exchange<'_> {
    /// The shop, where everything is configured.
    pub(super) fn shop(&self) -> Option<Shop<'_>> {
        let settings = self.settings;
        Some(Shop {
            env: self.env,
            context: self.context,
            policy: settings.policy()?,
            keys: settings.keys()?,
            wallets: settings.wallets()?,
            client: self.arrival.pseudonym(settings),
            network: self.arrival.client.as_deref().and_then(client::network),
            budget: self.budget,
        })
    }
}
