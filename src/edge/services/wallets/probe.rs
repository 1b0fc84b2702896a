//! Probes the wallets after an invoice was created, unless the result of an earlier probe is still valid. Results are
//! kept in this isolate and shared through Workers KV.

use std::sync::Mutex;

use super::send::send;
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{now_ms, sleep};
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::kv::Kv;
use crate::edge::platform::log;
use crate::edge::platform::runtime::Env;
use crate::gate::Seller;
use crate::keys::Keys;
use crate::payment::{PaymentHash, WalletSlot};
use crate::wallet::probe::{self, Probe, ProbeRecord, Probed};
use crate::wallet::slots::{BySlot, Wallets};
use crate::wallet::{Wallet, WalletRequest, WalletResponse};

/// Returns the result of the last probe of a wallet; `None` if this isolate has no valid result.
pub fn known(slot: WalletSlot) -> Option<Probe> {
    with_lock(&RECORDS, |records| records.get(slot).at(now_ms()))
}

fn is_key_check_due(slot: WalletSlot) -> bool {
    with_lock(&RECORDS, |records| records.get(slot).is_key_check_due(now_ms()))
}

/// Whether this isolate knows that the key or the connection of a wallet may spend.
pub fn may_spend() -> bool {
    WalletSlot::ALL.into_iter().filter_map(known).any(Probe::may_spend)
}

/// Remembers in this isolate that the connection of a wallet may spend.
pub fn remember_may_spend(slot: WalletSlot) {
    remember(slot, ProbeRecord::after(ProbeRecord::NONE, Probe::MaySpend, now_ms()));
}

/// Whether a wallet is known to keep what edgetoll records with an invoice. Without it, a preimage alone proves nothing.
pub fn keeps_record(seller: &Seller, slot: WalletSlot) -> bool {
    match seller.wallets.get(slot) {
        Some(Wallet::Lnbits(_)) => true,
        #[cfg(feature = "nwc")]
        Some(Wallet::Nwc(_)) => known(slot) == Some(Probe::RecordKept),
        None => false,
    }
}

/// Reads the probe record of a wallet from KV, unless this isolate has a valid record. Returns whether this isolate has
/// a valid record now.
pub async fn read_from_kv(ctx: &RequestContext<'_>, keys: &Keys, slot: WalletSlot, wallet: &Wallet) -> bool {
    if known(slot).is_some() {
        return true;
    }
    let stored = stored(ctx, keys, wallet).await.filter(|stored| stored.at(now_ms()).is_some());
    stored.map(|stored| remember(slot, stored)).is_some()
}

async fn stored(ctx: &RequestContext<'_>, keys: &Keys, wallet: &Wallet) -> Option<ProbeRecord> {
    let kv = Kv::bound(ctx.env)?;
    ProbeRecord::parse(&kv.get(&kv_key(keys, wallet), ctx.deadline.for_store_ms()).await.ok()??)
}

/// Probes the wallet `made_by`, and one more wallet, if they have no valid probe record in this isolate or in KV. The
/// wallet `made_by` has just created the invoice `unpaid`, so its probe also checks whether LNbits hides the preimage of
/// this invoice, or whether an NWC wallet keeps its record. The probe of the other wallet checks only the key or the
/// connection. The wallets that are left are probed with later invoices, so that a client does not wait for all of them.
///
/// While another request of this isolate probes a wallet, this request waits for the result, so that no client gets an
/// invoice of a wallet with an admin key. It waits with its own timers, because a promise of one request must not be
/// used by another.
pub async fn probe_unknown(
    ctx: &RequestContext<'_>,
    seller: &Seller,
    made_by: WalletSlot,
    unpaid: &PaymentHash,
) {
    let is_other = |slot: &WalletSlot| *slot != made_by && is_key_check_due(*slot);
    let other = seller.wallets.slots().find(is_other);
    for slot in std::iter::once(made_by).chain(other) {
        let Some(wallet) = seller.wallets.get(slot) else { continue };
        let is_due = || if slot == made_by { known(slot).is_none() } else { is_key_check_due(slot) };
        while is_due() && !begin_probe(slot) && ctx.deadline.for_wallet_ms().is_some() {
            sleep(POLL_MS).await;
        }
        if is_due() && !read_from_kv(ctx, &seller.keys, slot, wallet).await {
            probe_wallet(ctx, &seller.keys, slot, wallet, (slot == made_by).then_some(unpaid)).await;
            end_probe(slot);
        }
    }
}

/// Returns why no wallet can create invoices ([`probe::problems`]). Each isolate asks the wallets at most once a minute.
/// While another request of this isolate asks them, this request waits for the result.
pub async fn problems(ctx: &RequestContext<'_>, wallets: &Wallets) -> Vec<String> {
    while ctx.deadline.for_wallet_ms().is_some() {
        let known = with_lock(&KEY_CHECK, |check| check.begin(now_ms()));
        match known {
            KeyCheckStep::Known(problems) => return problems,
            KeyCheckStep::Wait => sleep(POLL_MS).await,
            KeyCheckStep::Ask => return ask(ctx.env, wallets).await,
        }
    }
    // The request has no time left to wait for the result of another request.
    Vec::new()
}

async fn ask(env: &Env, wallets: &Wallets) -> Vec<String> {
    let mut probed = Vec::new();
    for (slot, wallet) in wallets.slots().filter_map(|slot| Some((slot, wallets.get(slot)?))) {
        let response = send(env, slot, &probe::spending_request(wallet), TIMEOUT_MS).await;
        probed.push(Probed { slot, wallet, response });
    }
    let problems = probe::problems(&probed);
    with_lock(&KEY_CHECK, |check| check.problems = Some((now_ms(), problems.clone())));
    problems
}

/// What this isolate knows about the keys of the wallets.
struct KeyCheck {
    /// When the wallets were asked last, and the result.
    problems: Option<(u64, Vec<String>)>,
    asking_until_ms: u64,
}

enum KeyCheckStep {
    Known(Vec<String>),
    Wait,
    Ask,
}

impl KeyCheck {
    fn begin(&mut self, now_ms: u64) -> KeyCheckStep {
        match &self.problems {
            Some((at_ms, problems)) if now_ms < at_ms.saturating_add(KEY_CHECK_MS) => {
                KeyCheckStep::Known(problems.clone())
            }
            _ if now_ms < self.asking_until_ms => KeyCheckStep::Wait,
            _ => {
                self.asking_until_ms = now_ms.saturating_add(PROBE_MS);
                KeyCheckStep::Ask
            }
        }
    }
}

/// Marks that a request of this isolate probes the wallet. Returns `false` if another request has set the mark and the
/// mark still holds.
fn begin_probe(slot: WalletSlot) -> bool {
    let now_ms = now_ms();
    with_lock(&PROBING_UNTIL_MS, |until| {
        let is_free = now_ms >= *until.get(slot);
        if is_free {
            *until.get_mut(slot) = now_ms.saturating_add(PROBE_MS);
        }
        is_free
    })
}

/// Removes the mark: a probe that checked only the key may be followed by a complete one at once.
fn end_probe(slot: WalletSlot) {
    with_lock(&PROBING_UNTIL_MS, |until| *until.get_mut(slot) = 0);
}

async fn probe_wallet(
    ctx: &RequestContext<'_>,
    keys: &Keys,
    slot: WalletSlot,
    wallet: &Wallet,
    unpaid: Option<&PaymentHash>,
) {
    let key = request(ctx, slot, &probe::spending_request(wallet)).await;
    let looked_up = match unpaid {
        Some(unpaid) => request(ctx, slot, &probe::look_up_request(wallet, unpaid)).await,
        None => None,
    };
    let result = probe::judge(wallet, key.as_ref(), looked_up.as_ref());
    let previous = with_lock(&RECORDS, |records| *records.get(slot));
    let may_not_spend = key.as_ref().and_then(|key| probe::may_spend(wallet, key)) == Some(false);
    let record = match unpaid {
        None if may_not_spend => ProbeRecord::after_key(previous, now_ms()),
        _ => ProbeRecord::after(previous, result, now_ms()),
    };
    remember(slot, record);
    if result != Probe::Unknown
        && let Some(kv) = Kv::bound(ctx.env)
    {
        let (key, value) = (kv_key(keys, wallet), record.to_text());
        let ttl_s = result.valid_for_ms().div_ceil(1_000);
        ctx.context.wait_until(async move {
            // If the write fails, another isolate probes again.
            let _ = kv.put(&key, &value, ttl_s).await;
        });
    }
}

async fn request(
    ctx: &RequestContext<'_>,
    slot: WalletSlot,
    request: &WalletRequest,
) -> Option<WalletResponse> {
    send(ctx.env, slot, request, ctx.deadline.for_wallet_ms()?.min(TIMEOUT_MS)).await.ok()
}

fn remember(slot: WalletSlot, record: ProbeRecord) {
    with_lock(&RECORDS, |records| *records.get_mut(slot) = record);
    if let Some(warning) = record.probe.warning() {
        log::wallet(slot, warning);
    }
}

/// Returns the KV key of a wallet's record. It depends on the URL and the key of the wallet, so that another wallet
/// gets another record.
fn kv_key(keys: &Keys, wallet: &Wallet) -> String {
    format!("probe/{}", keys.current().wallet_key(wallet.identity()))
}

static KEY_CHECK: Mutex<KeyCheck> = Mutex::new(KeyCheck { problems: None, asking_until_ms: 0 });
static RECORDS: Mutex<BySlot<ProbeRecord>> = Mutex::new(BySlot::all(ProbeRecord::NONE));
/// Until when a request of this isolate probes the wallet. The mark ends by itself, because the runtime may cancel the
/// request that set it.
static PROBING_UNTIL_MS: Mutex<BySlot<u64>> = Mutex::new(BySlot::all(0));

/// How long a client waits for each request of a probe.
const TIMEOUT_MS: u32 = 2_000;
/// Longer than the time limits of one probe in total. A probe is one call of KV and two requests to the wallet.
const PROBE_MS: u64 = 10_000;
/// How long an isolate uses the result of [`problems`] before it asks the wallets again.
const KEY_CHECK_MS: u64 = 60_000;
/// The interval at which a waiting request checks whether the probe of another request has ended.
const POLL_MS: u64 = 50;
