//! Checks whether the payment of a credential has settled: in the memory of this isolate, then in Workers KV, then at
//! the wallet.

use std::sync::{LazyLock, Mutex};

use super::rate_limits;
use super::wallets::{self, probe};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{self, now_ms, now_unix, sleep};
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::kv::Kv;
use crate::error::RequestError;
use crate::gate::Seller;
use crate::payment::{PaymentHash, WalletSlot};
use crate::policy::Policy;
use crate::policy::settlement::SettlementMode;
use crate::protocols::l402::verify::Grant;
use crate::protocols::record::OwnInvoice;
use crate::wallet::probe::Probe;
use crate::wallet::settlement::{RunningLookUps, SettledPayments, trusts_preimage};
use crate::wallet::{Payment, PaymentStatus, WalletError};

/// Whether this isolate knows that the payment of a credential has settled. Sends no request to KV or to a wallet.
pub fn is_known(policy: &Policy, grant: &Grant) -> bool {
    let is_remembered =
        !grant.other_issuer && with_lock(&SETTLED, |settled| settled.contains(&grant.payment_hash));
    is_remembered || is_proven_by_preimage(policy, grant)
}

/// Whether the preimage proves the payment. With `settlement = "auto"`, a payment that the preimage proves is
/// remembered. After the invoice has expired, there may be no other proof: the preimage is not trusted any more, and an
/// LNbits server that missed the payment reports it as failed.
fn is_proven_by_preimage(policy: &Policy, grant: &Grant) -> bool {
    let probe = probe::known(grant.wallet).unwrap_or_default();
    let is_proven = trusts_preimage(policy.settlement, probe, grant, now_unix());
    if is_proven && policy.settlement == SettlementMode::Auto && !grant.other_issuer {
        remember(grant);
    }
    is_proven
}

/// Why the settlement check has no result.
pub struct SettlementError {
    /// The error that the client gets.
    pub error: RequestError,
    /// The error of the wallet, for the log.
    pub detail: Option<WalletError>,
}

impl From<RequestError> for SettlementError {
    fn from(error: RequestError) -> Self {
        Self { error, detail: None }
    }
}

impl From<WalletError> for SettlementError {
    fn from(error: WalletError) -> Self {
        let retry_after_s = error.retry_after_s();
        Self { error: RequestError::SettlementUnavailable { retry_after_s }, detail: Some(error) }
    }
}

/// Who requests the settlement check. The rate limits that apply before Workers KV is read depend on the requester.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    /// A request with a credential.
    Client,
    /// The pay page, which requests the check again and again while a person pays.
    PayPage,
}

/// Checks whether the payment of a credential has settled. A payment that the wallet reports as paid is remembered, in
/// this isolate and in Workers KV, until the credential expires.
///
/// While another request of this isolate checks the same payment, this request waits for the result: a client may send many
/// requests at once after it has paid. It waits with its own timers, because a promise of one request must not be used by another.
pub async fn check(
    ctx: &RequestContext<'_>,
    seller: &Seller,
    grant: &Grant,
    requester: Requester,
) -> Result<PaymentStatus, SettlementError> {
    let hash = grant.payment_hash;
    let mut is_marked = true;
    while let Some(until_ms) = with_lock(&LOOK_UPS, |look_ups| look_ups.begin(hash, now_ms())) {
        let mut pause_ms = MIN_PAUSE_MS;
        while with_lock(&LOOK_UPS, |look_ups| look_ups.is_running(hash, until_ms, now_ms()))
            && ctx.deadline.for_wallet_ms().is_some()
        {
            sleep(pause_ms).await;
            pause_ms = pause_ms.saturating_mul(2).min(MAX_PAUSE_MS);
        }
        if is_known(ctx.policy(), grant) {
            return Ok(PaymentStatus::Paid);
        }
        // After a failure, one of the requests that waited is the next. A payment that is not paid is looked up by each request at once.
        if !with_lock(&LOOK_UPS, |look_ups| look_ups.has_failed(hash, until_ms)) {
            is_marked = false;
            break;
        }
    }
    let status = clock::complete(ctx.context, look_up(ctx, seller, grant, requester)).await;
    if is_marked {
        // A request that a rate limit refuses says nothing about the wallet.
        let has_failed = status.as_ref().is_err_and(|error| error.detail.is_some());
        with_lock(&LOOK_UPS, |look_ups| look_ups.end(hash, has_failed));
    }
    status
}

async fn look_up(
    ctx: &RequestContext<'_>,
    seller: &Seller,
    grant: &Grant,
    requester: Requester,
) -> Result<PaymentStatus, SettlementError> {
    // The limits apply before KV is read, because the client may not have paid.
    match requester {
        Requester::PayPage => rate_limits::admit_look_up(ctx, &grant.payment_hash)?,
        Requester::Client if grant.is_proven => rate_limits::check_look_up(ctx, &grant.payment_hash)?,
        Requester::Client => rate_limits::admit_unproven(ctx).await?,
    }
    if is_known_in_kv(ctx, seller, grant).await {
        return Ok(PaymentStatus::Paid);
    }
    wallets::check_look_up_circuit(grant.wallet)?;
    if requester == Requester::Client {
        rate_limits::admit_look_up(ctx, &grant.payment_hash)?;
    }
    let payment = Payment { hash: grant.payment_hash, amount_sats: grant.amount_sats };
    let status = wallets::look_up(ctx.env, &seller.wallets, grant.wallet, &payment, ctx.deadline).await?;
    if status == PaymentStatus::Paid {
        remember(grant);
        write_to_kv(ctx, seller, grant);
    }
    Ok(status)
}

/// Returns the invoice with this payment hash, if it is one of edgetoll with a record, and the slot of the wallet that
/// created it. The request has nothing else that proves a payment, so the rate limits apply before a wallet is asked.
pub async fn find_invoice(
    ctx: &RequestContext<'_>,
    seller: &Seller,
    payment_hash: &PaymentHash,
) -> Result<Option<(WalletSlot, Box<OwnInvoice>)>, SettlementError> {
    rate_limits::admit_preimage(ctx).await?;
    let found = wallets::find_invoice(ctx.env, &seller.wallets, payment_hash, ctx.deadline);
    Ok(clock::complete(ctx.context, found).await?)
}

/// Whether KV shows that the payment has settled. KV may have one of two entries that show it:
/// 1. The probe result of the wallet, if it means that the preimage proves the payment.
/// 2. The payment itself, as settled.
async fn is_known_in_kv(ctx: &RequestContext<'_>, seller: &Seller, grant: &Grant) -> bool {
    let policy = ctx.policy();
    if trusts_preimage(policy.settlement, Probe::PreimageHidden, grant, now_unix())
        && let Some(wallet) = seller.wallets.get(grant.wallet)
        && probe::read_from_kv(ctx, &seller.keys, grant.wallet, wallet).await
        && is_proven_by_preimage(policy, grant)
    {
        return true;
    }
    let Some(kv) = Kv::bound(ctx.env) else { return false };
    let stored = kv.get(&kv_key(seller, grant), ctx.deadline.for_store_ms()).await;
    let is_settled = stored.is_ok_and(|stored| stored.as_deref() == Some(SETTLED_VALUE));
    if is_settled {
        remember(grant);
    }
    is_settled
}

/// Writes the settled payment to KV, for other isolates.
fn write_to_kv(ctx: &RequestContext<'_>, seller: &Seller, grant: &Grant) {
    let Some(kv) = Kv::bound(ctx.env) else { return };
    let key = kv_key(seller, grant);
    let ttl_s = grant.issued_until_unix.saturating_sub(now_unix()).saturating_add(MIN_TTL_S);
    ctx.context.wait_until(async move {
        // If the write fails, another isolate looks the payment up at the wallet again.
        let _ = kv.put(&key, SETTLED_VALUE, ttl_s).await;
    });
}

fn kv_key(seller: &Seller, grant: &Grant) -> String {
    format!("paid/{}", seller.keys.current().settlement_key(&grant.payment_hash))
}

fn remember(grant: &Grant) {
    with_lock(&SETTLED, |settled| settled.insert(&grant.payment_hash, grant.issued_until_unix, now_unix()));
}

static SETTLED: LazyLock<Mutex<SettledPayments>> = LazyLock::new(Mutex::default);
static LOOK_UPS: LazyLock<Mutex<RunningLookUps>> = LazyLock::new(Mutex::default);

/// The pauses between two looks at the result of another request: the first, and the longest.
const MIN_PAUSE_MS: u64 = 25;
const MAX_PAUSE_MS: u64 = 400;
const SETTLED_VALUE: &str = "1";
/// The shortest expiry that KV accepts. It is added to the remaining time of the credential, which may be shorter.
const MIN_TTL_S: u64 = 60;
