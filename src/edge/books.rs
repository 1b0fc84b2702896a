//! What the Worker writes into the books, and when: payments as soon as they are known, traffic now and then; none of it
//! on a client's time.

use std::sync::{LazyLock, Mutex};

use worker::{Context, Env};

use super::isolate::held;
use super::time::{now_ms, now_unix, pause};
use super::{Exchange, environment, log, object, wallet};
use crate::flood::Minutes;
use crate::gate::Sale;
use crate::l402::caveat::Wallet;
use crate::l402::preimage::PaymentHash;
use crate::ledger::traffic::{Outcome, Traffic};
use crate::ledger::{self, Seen};
use crate::problem::Problem;
use crate::settings::{Callbacks, Settings};
use crate::wallet::WalletError;
use crate::wallet::receipt::Receipt;
use crate::wallet::settlement::Settled;

/// Asks for a step of the books; `None` where they cannot be reached.
pub async fn ask(env: &Env, step: &str, input: &str) -> Option<String> {
    let answer = object::tell(env, BINDING, NAME, &format!("/{step}"), input)?.within(TIMEOUT_MS).await;
    if answer.is_none() {
        log::ledger(&format!("did not take `{step}`"));
    }
    answer
}

impl Exchange<'_> {
    /// Sees to it that a payment is in the books. Asked once a minute at most, and never again once it is settled there.
    pub(super) fn note(&self, sale: &Sale<'_>) {
        static TRIES: LazyLock<Mutex<Minutes>> = LazyLock::new(Mutex::default);
        let grant = &sale.grant;
        let hash = grant.payment_hash;
        // The invoice of another server is in that server's books.
        if grant.is_foreign
            || !is_bound(self.env)
            || is_settled(&hash)
            || held(&TRIES, |tries| tries.take(&hash.to_hex(), 1, now_ms())).is_err()
        {
            return;
        }
        let name = grant.wallet.unwrap_or(Wallet::First);
        let seen = Seen {
            now_ms: now_ms(),
            hash: hash.to_hex(),
            route: sale.route.pattern.as_str(),
            sats: sale.amount_sats,
            payer: self.arrival.pseudonym(self.settings),
            wallet: name.as_str(),
        };
        let seen = serde_json::to_string(&seen).unwrap_or_default();
        let (env, settings) = (self.env.clone(), self.settings);
        self.context.wait_until(async move {
            match ask(&env, "see", &seen).await.as_deref() {
                Some("settled") => remember(&hash),
                Some(_) => drop(learn(&env, settings, name, &hash).await),
                None => {}
            }
        });
    }
}

/// Asks a wallet whether a payment of ours is paid, and writes it down if so; tells whether it is.
pub async fn learn(
    env: &Env,
    settings: &Settings,
    name: Wallet,
    hash: &PaymentHash,
) -> Result<bool, Problem> {
    let wallets = settings.wallets().ok_or(Problem::NotConfigured)?;
    match wallet::receipt(wallets, name, hash).await {
        Ok(Some(receipt)) => settle(env, settings, name, &[receipt]).await.map(|()| true),
        Ok(None) | Err(WalletError::UnknownPayment | WalletError::Gone) => Ok(false),
        Err(error) => {
            log::wallet(name, &format!("did not say for the books what was paid: {error}"));
            Err(Problem::SettlementUnavailable { retry_after_s: error.retry_after_s() })
        }
    }
}

/// Writes down what a wallet calls paid.
pub async fn settle(
    env: &Env,
    settings: &Settings,
    name: Wallet,
    receipts: &[Receipt],
) -> Result<(), Problem> {
    if receipts.is_empty() {
        return Ok(());
    }
    let tells = !matches!(settings.callbacks(), Callbacks::None);
    let input = ledger::settled(name, receipts, tells, now_ms());
    ask(env, "settle", &input).await.ok_or(Problem::LedgerUnavailable)?;
    receipts.iter().for_each(|receipt| remember(&receipt.payment_hash));
    Ok(())
}

/// Whether a payment is known to be settled in the books.
pub fn is_settled(hash: &PaymentHash) -> bool {
    held(&SETTLED, |settled| settled.knows(hash))
}

/// Counts a request of a route. What is counted is written some seconds later, together.
pub fn count(env: &Env, context: &Context, route: &str, outcome: Outcome) {
    if !is_bound(env) || !held(&TRAFFIC, |traffic| traffic.count(route, outcome)) {
        return;
    }
    let env = env.clone();
    context.wait_until(async move {
        pause(GATHER_MS).await;
        flush(&env).await;
    });
}

/// Writes what this isolate has counted.
pub async fn flush(env: &Env) {
    let traffic = held(&TRAFFIC, Traffic::take);
    let Some(input) = traffic.to_input(now_ms()) else { return };
    if ask(env, "count", &input).await.is_none() {
        held(&TRAFFIC, |counted| counted.put_back(traffic));
    }
}

fn is_bound(env: &Env) -> bool {
    environment::value(env, BINDING).is_some()
}

fn remember(hash: &PaymentHash) {
    held(&SETTLED, |settled| settled.remember(hash, now_unix().saturating_add(REMEMBER_S), now_unix()));
}

/// Payments that are settled in the books.
static SETTLED: LazyLock<Mutex<Settled>> = LazyLock::new(Mutex::default);
static TRAFFIC: Mutex<Traffic> = Mutex::new(Traffic::NONE);

const BINDING: &str = "LEDGER";
/// One object has the books of the whole deployment.
const NAME: &str = "all";
const TIMEOUT_MS: i32 = 10_000;
/// A request may go on for 30 s after its answer.
const GATHER_MS: u64 = 5_000;
const REMEMBER_S: u64 = 86_400;
