//! Calls the Durable Object of the payment ledger. Requests to priced routes do not wait for the ledger.

use std::fmt;
use std::sync::{LazyLock, Mutex};

use web_sys::ReadableStream;

use crate::edge::platform::runtime::{Context, Env};

use super::wallets;
use crate::bindings::LEDGER;
use crate::config::{Callbacks, Settings};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{now_ms, now_unix, sleep};
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::{durable_object, environment, log};
use crate::gate::{Observation, Purchase};
use crate::ledger::command::LedgerCommand;
use crate::ledger::traffic::{Counts, GATHER_MS, Outcome, Traffic};
use crate::limits::rate_limit::ClientLimits;
use crate::payment::{PaymentHash, WalletSlot};
use crate::wallet::WalletError;
use crate::wallet::receipt::{Receipt, Sale};
use crate::wallet::settlement::SettledPayments;
use crate::wallet::slots::Wallets;

/// Runs a command and returns its result; `None` if the ledger is not bound, fails or does not respond in time.
pub async fn run(env: &Env, command: &LedgerCommand<'_>) -> Option<String> {
    let name = command.name().as_str();
    let call = durable_object::post(env, &LEDGER, OBJECT_NAME, name, &command.fields())?;
    let result = call.text(TIMEOUT_MS).await;
    if result.is_none() {
        log::ledger(&format!("the command `{name}` failed"));
    }
    result
}

/// Runs a command whose result is streamed. Returns `None` if the ledger is not bound, fails or does not respond in time. The
/// stream is `None` if the ledger refuses the command.
pub async fn open(env: &Env, command: &LedgerCommand<'_>) -> Option<Option<ReadableStream>> {
    let call = durable_object::open(env, &LEDGER, OBJECT_NAME, command.name().as_str(), &command.fields())?;
    call.stream(TIMEOUT_MS).await
}

/// Records in the ledger that a credential was used. If the ledger does not have the payment as settled yet, also looks
/// the payment up at its wallet.
///
/// The work is done after the response. Each isolate does the work at most once a minute for a payment. Nothing is done
/// in three cases:
/// 1. This isolate knows that the payment is settled in the ledger.
/// 2. The macaroon is from another issuer.
/// 3. The binding `LEDGER` is missing.
pub fn record_purchase(ctx: &RequestContext<'_>, purchase: &Purchase<'static>) {
    static ATTEMPTS: LazyLock<Mutex<ClientLimits>> = LazyLock::new(Mutex::default);
    let grant = &purchase.grant;
    let hash = grant.payment_hash;
    // A payment for a macaroon of another issuer belongs in the ledger of that issuer.
    if grant.other_issuer || is_settled(&hash) || !environment::bound(ctx.env).ledger {
        return;
    }
    if with_lock(&ATTEMPTS, |attempts| attempts.admit(&hash.to_hex(), 1, now_ms())).is_err() {
        return;
    }
    let (slot, sats, protocol) = (grant.wallet, grant.amount_sats, purchase.protocol.as_str());
    let route = purchase.route.pattern.as_str().to_owned();
    let payer = ctx.client_pseudonym();
    let (env, settings, seller) = (ctx.env.clone(), ctx.settings, purchase.seller);
    ctx.context.wait_until(async move {
        let (now_ms, wallet, payer) = (now_ms(), slot.as_str(), payer.as_deref());
        let hash_hex = &hash.to_hex();
        let command = LedgerCommand::RecordSeen {
            now_ms,
            hash: hash_hex,
            route: &route,
            sats,
            payer,
            wallet,
            protocol,
        };
        match run(&env, &command).await.as_deref() {
            Some("settled") => remember(&hash),
            Some(_) => {
                let sale = Sale { route: route.clone(), client: payer.map(str::to_owned) };
                let recorded =
                    look_up_and_record(&env, settings, &seller.wallets, slot, &hash, Some(&sale)).await;
                if let Err(error) = recorded {
                    log::wallet(
                        slot,
                        &format!("has a payment that could not be looked up or recorded: {error}"),
                    );
                }
            }
            None => {}
        }
    });
}

/// Looks a payment up at a wallet, and records the payment in the ledger if it is paid. Returns `false` in four cases:
/// 1. The payment is not paid.
/// 2. Its invoice is not from edgetoll.
/// 3. The wallet does not know the payment.
/// 4. No wallet is configured in this slot.
pub async fn look_up_and_record(
    env: &Env,
    settings: &Settings,
    wallets: &Wallets,
    slot: WalletSlot,
    hash: &PaymentHash,
    sale: Option<&Sale>,
) -> Result<bool, RecordError> {
    let Some(wallet) = wallets.get(slot) else { return Ok(false) };
    match wallets::receipt(env, wallet, slot, hash, sale).await {
        Ok(Some(receipt)) => record_settled(env, settings, slot, &[receipt]).await.map(|()| true),
        Ok(None) | Err(WalletError::UnknownPayment) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Records payments that a wallet reports as paid.
pub async fn record_settled(
    env: &Env,
    settings: &Settings,
    slot: WalletSlot,
    receipts: &[Receipt],
) -> Result<(), RecordError> {
    if receipts.is_empty() {
        return Ok(());
    }
    let has_callback = !matches!(settings.callbacks, Callbacks::Off);
    let command = LedgerCommand::record_settled(slot, receipts, has_callback, now_ms());
    // The script has no result. If there is one, something else has responded, and the payments may not be recorded.
    run(env, &command).await.filter(String::is_empty).ok_or(RecordError::NotRecorded)?;
    receipts.iter().for_each(|receipt| remember(&receipt.payment_hash));
    Ok(())
}

/// Why a payment is not recorded.
pub enum RecordError {
    /// The wallet did not report whether the payment is paid.
    Wallet(WalletError),
    /// The ledger did not run a command.
    NotRecorded,
    /// This run of the cron trigger has sent all its requests. The next run continues.
    NoRequestLeft,
}

impl RecordError {
    /// Whether the error is about one payment only, so that other payments may still be recorded.
    pub fn is_of_one_payment(&self) -> bool {
        matches!(self, Self::Wallet(error) if error.is_fault_of_wallet() == Some(false))
    }
}

impl From<WalletError> for RecordError {
    fn from(error: WalletError) -> Self {
        Self::Wallet(error)
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(error) => error.fmt(f),
            Self::NotRecorded => f.write_str("the ledger did not run a command"),
            Self::NoRequestLeft => f.write_str("this run has sent all its requests"),
        }
    }
}

/// Whether this isolate knows that a payment is settled in the ledger.
pub fn is_settled(hash: &PaymentHash) -> bool {
    with_lock(&SETTLED, |settled| settled.contains(hash))
}

/// Counts a request to a route. The counts of five seconds are written to the ledger together.
pub fn count(env: &Env, context: &Context, route: &str, outcome: Outcome, code: Option<&'static str>) {
    if !environment::bound(env).ledger
        || !with_lock(&TRAFFIC, |traffic| traffic.count(route, outcome, code, now_ms()))
    {
        return;
    }
    flush_later(env, context);
}

/// Counts an observed request, as [`count`] does.
pub fn count_observed(ctx: &RequestContext<'_>, seen: &Observation<'_>) {
    if !environment::bound(ctx.env).ledger {
        return;
    }
    let client = if seen.sats > 0 { ctx.client_pseudonym() } else { None };
    let route = seen.route.map_or("", |route| route.pattern.as_str());
    let add = |traffic: &mut Traffic| {
        traffic.count_observed(route, seen.status, seen.sats, client.as_deref(), now_ms())
    };
    if with_lock(&TRAFFIC, add) {
        flush_later(ctx.env, ctx.context);
    }
}

fn flush_later(env: &Env, context: &Context) {
    let env = env.clone();
    context.wait_until(async move {
        sleep(GATHER_MS).await;
        flush(&env).await;
    });
}

/// Writes the request counts of this isolate to the ledger. Keeps the counts if the write fails.
pub async fn flush(env: &Env) {
    let mut counts = with_lock(&TRAFFIC, Traffic::take);
    let [Counts { routes, refusals }, observed] = &counts;
    let now_ms = now_ms();
    // Each counted request has a route, so without routes there is nothing to write.
    let requests = LedgerCommand::CountRequests { now_ms, routes, refusals };
    let is_written = routes.is_empty() || run(env, &requests).await.is_some();
    let seen = LedgerCommand::CountObserved { now_ms, routes: &observed.routes };
    let is_observed_written = observed.routes.is_empty() || run(env, &seen).await.is_some();
    for (counts, is_written) in counts.iter_mut().zip([is_written, is_observed_written]) {
        if is_written {
            *counts = Counts::default();
        }
    }
    with_lock(&TRAFFIC, |traffic| traffic.put_back(&counts));
}

fn remember(hash: &PaymentHash) {
    let until_unix = now_unix().saturating_add(REMEMBER_S);
    with_lock(&SETTLED, |settled| settled.insert(hash, until_unix, now_unix()));
}

/// The payments that this isolate knows to be settled in the ledger.
static SETTLED: LazyLock<Mutex<SettledPayments>> = LazyLock::new(Mutex::default);
static TRAFFIC: Mutex<Traffic> = Mutex::new(Traffic::NONE);

/// One object holds the ledger of the whole deployment.
const OBJECT_NAME: &str = "all";
const TIMEOUT_MS: i32 = 10_000;
const REMEMBER_S: u64 = 86_400;
