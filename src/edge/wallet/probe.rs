//! What this deployment knows of its wallets: looked at with the first invoice, then remembered for an hour, in the isolate and
//! in KV for all others.

use std::sync::Mutex;

use super::Budget;
use super::send::send;
use crate::edge::isolate::held;
use crate::edge::kv::Kv;
use crate::edge::log;
use crate::edge::shop::Shop;
use crate::edge::time::now_ms;
use crate::l402::caveat::Wallet as Name;
use crate::l402::keys::Keys;
use crate::l402::preimage::PaymentHash;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::probe::{self, Probe};
use crate::wallet::{Answer, Call};

/// What this isolate knows of a wallet.
pub fn known(name: Name) -> Option<Probe> {
    let (probe, until_ms) = held(&KNOWN, |known| *slot(known, name));
    (now_ms() < until_ms).then_some(probe)
}

/// What any isolate knows of it.
pub async fn known_to_all(shop: &Shop<'_>, name: Name, lnbits: &Lnbits) -> Option<Probe> {
    if let Some(probe) = known(name) {
        return Some(probe);
    }
    let kv = Kv::bound(shop.env)?;
    let stored = kv.get(&key(shop.keys, lnbits), shop.budget.of_store_ms()).await.ok()??;
    let probe = Probe::parse(&stored);
    (probe != Probe::Unknown).then(|| remember(name, probe))
}

/// What is known of a wallet; if nothing is, it is looked at, by an invoice that it has just made.
pub async fn look(shop: &Shop<'_>, name: Name, unpaid: &PaymentHash) -> Probe {
    let Some(lnbits) = shop.wallets.get(name) else { return Probe::Unknown };
    if let Some(probe) = known_to_all(shop, name, lnbits).await {
        return probe;
    }
    // Whoever comes meanwhile does not look as well.
    held(&KNOWN, |known| *slot(known, name) = (Probe::Unknown, now_ms().saturating_add(LOOKING_MS)));
    let wallet = ask(&probe::ask_for_wallet(lnbits), shop.budget).await;
    let payment = ask(&probe::ask_for_preimage(lnbits, unpaid), shop.budget).await;
    let probe = remember(name, probe::read(wallet.as_ref(), payment.as_ref()));
    if probe != Probe::Unknown
        && let Some(kv) = Kv::bound(shop.env)
    {
        let key = key(shop.keys, lnbits);
        let ttl_s = probe.good_for_ms().div_ceil(1_000);
        shop.context.wait_until(async move { drop(kv.put(&key, probe.as_str(), ttl_s).await) });
    }
    probe
}

async fn ask(call: &Call, budget: Budget) -> Option<Answer> {
    send(call, budget.of_try_ms()?.min(LIMIT_MS)).await.ok()
}

fn remember(name: Name, probe: Probe) -> Probe {
    held(&KNOWN, |known| *slot(known, name) = (probe, now_ms().saturating_add(probe.good_for_ms())));
    if let Some(warning) = probe.warning() {
        log::wallet(name, warning);
    }
    probe
}

fn slot(known: &mut Known, name: Name) -> &mut (Probe, u64) {
    let [first, second] = known;
    match name {
        Name::First => first,
        Name::Second => second,
    }
}

/// Another URL or another key is another wallet.
fn key(keys: &Keys, lnbits: &Lnbits) -> String {
    format!("probe/{}", keys.current().wallet_key(lnbits.identity()))
}

/// For each wallet what is known, and until when.
type Known = [(Probe, u64); 2];
static KNOWN: Mutex<Known> = Mutex::new([(Probe::Unknown, 0); 2]);

/// How long a client waits for each of the two answers.
const LIMIT_MS: u32 = 2_000;
const LOOKING_MS: u64 = 5_000;
