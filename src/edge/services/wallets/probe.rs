//! Probes the wallets after an invoice was created, unless the result of an earlier probe is still valid. Results are
//! kept in this isolate and shared through Workers KV.

use std::sync::Mutex;

use super::send::send;
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{now_ms, sleep};
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::kv::Kv;
use crate::edge::platform::log;
use crate::gate::Seller;
use crate::keys::Keys;
use crate::payment::{PaymentHash, WalletSlot};
use crate::wallet::lnbits::Lnbits;
use crate::wallet::probe::{self, Probe, ProbeRecord};
use crate::wallet::slots::{BySlot, Wallets};
use crate::wallet::{WalletRequest, WalletResponse};

/// Returns the result of the last probe of a wallet; `None` if this isolate has no valid result.
pub fn known(slot: WalletSlot) -> Option<Probe> {
    with_lock(&RECORDS, |records| records.get(slot).at(now_ms()))
}

/// Whether this isolate knows that the key of a wallet is an admin key.
pub fn has_admin_key() -> bool {
    WalletSlot::ALL.into_iter().any(|slot| known(slot) == Some(Probe::AdminKey))
}

/// Reads the probe record of a wallet from KV, unless this isolate has a valid record. Returns whether this isolate has
/// a valid record now.
pub async fn read_from_kv(ctx: &RequestContext<'_>, keys: &Keys, slot: WalletSlot, lnbits: &Lnbits) -> bool {
    if known(slot).is_some() {
        return true;
    }
    let stored = stored(ctx, keys, lnbits).await.filter(|stored| stored.at(now_ms()).is_some());
    stored.map(|stored| remember(slot, stored)).is_some()
}

async fn stored(ctx: &RequestContext<'_>, keys: &Keys, lnbits: &Lnbits) -> Option<ProbeRecord> {
    let kv = Kv::bound(ctx.env)?;
    ProbeRecord::parse(&kv.get(&kv_key(keys, lnbits), ctx.deadline.for_store_ms()).await.ok()??)
}

/// Probes the wallet `made_by`, and one more wallet, if they have no valid probe record in this isolate or in KV. The
/// wallet `made_by` has just created the invoice `unpaid`, so its probe also checks whether LNbits hides the preimage of
/// this invoice. The probe of the other wallet checks only the key. The wallets that are left are probed with later
/// invoices, so that a client does not wait for all of them.
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
    let is_other = |slot: &WalletSlot| *slot != made_by && known(*slot).is_none();
    let other = seller.wallets.slots().find(is_other);
    for slot in std::iter::once(made_by).chain(other) {
        let Some(lnbits) = seller.wallets.get(slot) else { continue };
        while known(slot).is_none() && !begin_probe(slot) && ctx.deadline.for_wallet_ms().is_some() {
            sleep(POLL_MS).await;
        }
        if known(slot).is_none() && !read_from_kv(ctx, &seller.keys, slot, lnbits).await {
            probe_wallet(ctx, &seller.keys, slot, lnbits, (slot == made_by).then_some(unpaid)).await;
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
            KeyCheckStep::Ask => return ask(wallets).await,
        }
    }
    // The request has no time left to wait for the result of another request.
    Vec::new()
}

async fn ask(wallets: &Wallets) -> Vec<String> {
    let mut responses = Vec::new();
    for (slot, lnbits) in wallets.slots().filter_map(|slot| Some((slot, wallets.get(slot)?))) {
        responses.push((slot, send(&probe::key_request(lnbits), TIMEOUT_MS).await));
    }
    let problems = probe::problems(&responses);
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

async fn probe_wallet(
    ctx: &RequestContext<'_>,
    keys: &Keys,
    slot: WalletSlot,
    lnbits: &Lnbits,
    unpaid: Option<&PaymentHash>,
) {
    let key = request(ctx, &probe::key_request(lnbits)).await;
    let preimage = match unpaid {
        Some(unpaid) => request(ctx, &probe::preimage_request(lnbits, unpaid)).await,
        None => None,
    };
    let result = probe::judge(key.as_ref(), preimage.as_ref());
    let previous = with_lock(&RECORDS, |records| *records.get(slot));
    let is_invoice_key = key.as_ref().and_then(probe::is_admin_key) == Some(false);
    let record = match unpaid {
        None if is_invoice_key => ProbeRecord::after_key(previous, now_ms()),
        _ => ProbeRecord::after(previous, result, now_ms()),
    };
    remember(slot, record);
    if result != Probe::Unknown
        && let Some(kv) = Kv::bound(ctx.env)
    {
        let (key, value) = (kv_key(keys, lnbits), record.to_text());
        let ttl_s = result.valid_for_ms().div_ceil(1_000);
        ctx.context.wait_until(async move {
            // If the write fails, another isolate probes again.
            let _ = kv.put(&key, &value, ttl_s).await;
        });
    }
}

async fn request(ctx: &RequestContext<'_>, request: &WalletRequest) -> Option<WalletResponse> {
    send(request, ctx.deadline.for_wallet_ms()?.min(TIMEOUT_MS)).await.ok()
}

fn remember(slot: WalletSlot, record: ProbeRecord) {
    with_lock(&RECORDS, |records| *records.get_mut(slot) = record);
    if let Some(warning) = record.probe.warning() {
        log::wallet(slot, warning);
    }
}

/// Returns the KV key of a wallet's record. It depends on the URL and the key of the wallet, so that another wallet
/// gets another record.
fn kv_key(keys: &Keys, lnbits: &Lnbits) -> String {
    format!("probe/{}", keys.current().wallet_key(lnbits.identity()))
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
