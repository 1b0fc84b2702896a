//! Whether a payment has arrived: what this isolate knows, what KV knows, and what the wallet says.

use std::sync::{LazyLock, Mutex};

use super::flood;
use super::isolate::held;
use super::kv::Kv;
use super::shop::Shop;
use super::time::{self, now_unix};
use super::wallet::{self, probe};
use crate::l402::caveat::Wallet;
use crate::l402::verify::Grant;
use crate::policy::Policy;
use crate::policy::settlement::Settlement;
use crate::problem::Problem;
use crate::wallet::probe::Probe;
use crate::wallet::settlement::{Settled, trusts_preimage};
use crate::wallet::{Payment, Standing, WalletError};

/// Whether a credential is known here to be paid for, without asking anybody.
pub fn is_known(policy: &Policy, grant: &Grant) -> bool {
    let is_remembered = !grant.is_foreign && held(&SETTLED, |settled| settled.knows(&grant.payment_hash));
    is_remembered || is_shown_by_preimage(policy, grant)
}

/// What was proof in time stays proof: asked later, an LNbits that missed the payment would call it failed.
fn is_shown_by_preimage(policy: &Policy, grant: &Grant) -> bool {
    let probe = probe::known(made_by(grant)).unwrap_or_default();
    let is_shown = trusts_preimage(policy.settlement, probe, grant, now_unix());
    if is_shown && policy.settlement == Settlement::Auto && !grant.is_foreign {
        remember(grant);
    }
    is_shown
}

/// Why it is not known whether a payment has arrived.
pub struct Unknown {
    /// What the client is told.
    pub problem: Problem,
    /// What the log is told.
    pub error: Option<WalletError>,
}

impl From<Problem> for Unknown {
    fn from(problem: Problem) -> Self {
        Self { problem, error: None }
    }
}

impl From<WalletError> for Unknown {
    fn from(error: WalletError) -> Self {
        let problem = Problem::SettlementUnavailable { retry_after_s: error.retry_after_s() };
        Self { problem, error: Some(error) }
    }
}

/// Who wants to know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A request with a credential.
    Client,
    /// The pay page, which asks again and again while somebody pays.
    PayPage,
}

impl Shop<'_> {
    /// Learns whether a credential is paid for. A yes is remembered until the credential ends.
    pub async fn settle(&self, grant: &Grant, asker: Asker) -> Result<Standing, Unknown> {
        // Whoever has no proof does not even ask the stores too often.
        match asker {
            Asker::PayPage => flood::admit_look_up(self, &grant.payment_hash)?,
            Asker::Client if !grant.is_proven => flood::admit_poll(self).await?,
            Asker::Client => {}
        }
        if self.is_known_elsewhere(grant).await {
            return Ok(Standing::Paid);
        }
        let name = made_by(grant);
        wallet::is_asked_about_payments(name)?;
        if asker == Asker::Client {
            flood::admit_look_up(self, &grant.payment_hash)?;
        }
        let payment =
            Payment { hash: grant.payment_hash, amount_sats: grant.amount_sats.unwrap_or_default() };
        let asked = wallet::look_up(self.wallets, name, &payment, self.budget);
        let standing = time::to_the_end(self.context, asked).await?;
        if standing == Standing::Paid {
            remember(grant);
            self.tell_others(grant);
        }
        Ok(standing)
    }

    async fn is_known_elsewhere(&self, grant: &Grant) -> bool {
        let name = made_by(grant);
        // Where the word of any isolate on its wallet would do.
        if trusts_preimage(self.policy.settlement, Probe::Sealed, grant, now_unix())
            && let Some(lnbits) = self.wallets.get(name)
            && probe::learn(self, name, lnbits).await
            && is_shown_by_preimage(self.policy, grant)
        {
            return true;
        }
        let Some(kv) = Kv::bound(self.env) else { return false };
        let stored = kv.get(&self.key(grant), self.budget.of_store_ms()).await;
        let is_known = stored.is_ok_and(|stored| stored.as_deref() == Some(PAID));
        if is_known {
            remember(grant);
        }
        is_known
    }

    fn tell_others(&self, grant: &Grant) {
        let Some(kv) = Kv::bound(self.env) else { return };
        let key = self.key(grant);
        let ttl_s = grant.sold_until_unix.saturating_sub(now_unix()).saturating_add(MIN_TTL_S);
        self.context.wait_until(async move { drop(kv.put(&key, PAID, ttl_s).await) });
    }

    fn key(&self, grant: &Grant) -> String {
        format!("paid/{}", self.keys.current().settled_key(&grant.payment_hash))
    }
}

/// The wallet that made the invoice.
fn made_by(grant: &Grant) -> Wallet {
    grant.wallet.unwrap_or(Wallet::First)
}

fn remember(grant: &Grant) {
    held(&SETTLED, |settled| settled.remember(&grant.payment_hash, grant.sold_until_unix, now_unix()));
}

static SETTLED: LazyLock<Mutex<Settled>> = LazyLock::new(Mutex::default);

const PAID: &str = "1";
/// KV keeps nothing for less.
const MIN_TTL_S: u64 = 60;
