//! What the Worker writes into the books, and when: payments as soon as they are known, traffic now and then; none of it
//! on a client's time.

use std::fmt;
use std::sync::{LazyLock, Mutex};

use worker::{Context, Env};

use super::isolate::held;
use super::time::{now_ms, now_unix, pause};
use super::{Exchange, environment, log, object, wallet};
use crate::flood::Minutes;
use crate::gate::Sale;
use crate::l402::caveat::Wallet;
use crate::l402::preimage::PaymentHash;
use crate::ledger::step::Step;
use crate::ledger::traffic::{GATHER_MS, Outcome, Traffic};
use crate::settings::{Callbacks, Settings};
use crate::wallet::WalletError;
use crate::wallet::receipt::Receipt;
use crate::wallet::settlement::Settled;

/// Has a step done in the books; `None` where they cannot be reached.
pub async fn ask(env: &Env, step: &Step<'_>) -> Option<String> {
    let asked = object::tell(env, BINDING, NAME, &format!("/{}", step.name()), &step.input())?;
    let answer = asked.within(TIMEOUT_MS).await;
    if answer.is_none() {
        log::ledger(&format!("the step `{}` failed", step.name()));
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
        let (route, sats) = (sale.route.pattern.as_str().to_owned(), sale.amount_sats);
        let payer = self.arrival.pseudonym(self.settings);
        let (env, settings) = (self.env.clone(), self.settings);
        self.context.wait_until(async move {
            let (now_ms, wallet, payer) = (now_ms(), name.as_str(), payer.as_deref());
            let seen = Step::See { now_ms, hash: &hash.to_hex(), route: &route, sats, payer, wallet };
            match ask(&env, &seen).await.as_deref() {
                Some("settled") => remember(&hash),
                Some(_) => {
                    if let Err(error) = learn(&env, settings, name, &hash).await {
                        log::wallet(name, &format!("did not say for the books what was paid: {error}"));
                    }
                }
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
) -> Result<bool, Unlearned> {
    let wallets = settings.wallets().ok_or(WalletError::Gone)?;
    match wallet::receipt(wallets, name, hash).await {
        Ok(Some(receipt)) => settle(env, settings, name, &[receipt]).await.map(|()| true),
        Ok(None) | Err(WalletError::UnknownPayment | WalletError::Gone) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes down what a wallet calls paid.
pub async fn settle(
    env: &Env,
    settings: &Settings,
    name: Wallet,
    receipts: &[Receipt],
) -> Result<(), Unlearned> {
    if receipts.is_empty() {
        return Ok(());
    }
    let tells = !matches!(settings.callbacks(), Callbacks::None);
    ask(env, &Step::settle(name, receipts, tells, now_ms())).await.ok_or(Unlearned::Unwritten)?;
    receipts.iter().for_each(|receipt| remember(&receipt.payment_hash));
    Ok(())
}

/// Why a payment is not in the books.
pub enum Unlearned {
    /// Its wallet did not say.
    Wallet(WalletError),
    /// It could not be written.
    Unwritten,
}

impl Unlearned {
    /// Whether another payment may fare better.
    pub fn is_of_one_payment(&self) -> bool {
        matches!(self, Self::Wallet(error) if error.is_fault_of_wallet() == Some(false))
    }
}

impl From<WalletError> for Unlearned {
    fn from(error: WalletError) -> Self {
        Self::Wallet(error)
    }
}

impl fmt::Display for Unlearned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(error) => error.fmt(f),
            Self::Unwritten => f.write_str("the ledger did not take it"),
        }
    }
}

/// Whether a payment is known to be settled in the books.
pub fn is_settled(hash: &PaymentHash) -> bool {
    held(&SETTLED, |settled| settled.knows(hash))
}

/// Counts a request of a route. What is counted is written some seconds later, together.
pub fn count(env: &Env, context: &Context, route: &str, outcome: Outcome) {
    if !is_bound(env) || !held(&TRAFFIC, |traffic| traffic.count(route, outcome, now_ms())) {
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
    let routes = held(&TRAFFIC, Traffic::take);
    if !routes.is_empty() && ask(env, &Step::Count { routes: &routes }).await.is_none() {
        held(&TRAFFIC, |traffic| traffic.put_back(&routes));
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
const REMEMBER_S: u64 = 86_400;
