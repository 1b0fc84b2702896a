//! What this deployment knows of its wallets: looked at with the first invoice, and again after an hour; remembered in the
//! isolate, and in KV for all others.

use std::sync::Mutex;

use super::send::send;
use super::slot;
use crate::edge::isolate::held;
use crate::edge::kv::Kv;
use crate::edge::log;
use crate::edge::shop::Shop;
use crate::edge::time::now_ms;
use crate::l402::caveat::Wallet as Name;
use crate::l402::preimage::PaymentHash;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::probe::{self, Known, Probe};
use crate::wallet::{Answer, Call};

/// What this isolate knows of a wallet.
pub fn known(name: Name) -> Option<Probe> {
    held(&KNOWN, |known| slot(known, name).at(now_ms()))
}

/// Whether a wallet's key is known to be an admin key.
pub fn has_admin_key() -> bool {
    Name::ALL.into_iter().any(|name| known(name) == Some(Probe::AdminKey))
}

/// Learns what any isolate knows of it; tells whether there is anything.
pub async fn learn(shop: &Shop<'_>, name: Name, lnbits: &Lnbits) -> bool {
    if known(name).is_some() {
        return true;
    }
    let stored = stored(shop, lnbits).await.filter(|stored| stored.at(now_ms()).is_some());
    stored.map(|stored| remember(name, stored)).is_some()
}

async fn stored(shop: &Shop<'_>, lnbits: &Lnbits) -> Option<Known> {
    let kv = Kv::bound(shop.env)?;
    Known::parse(&kv.get(&key(shop, lnbits), shop.budget.of_store_ms()).await.ok()??)
}

/// Looks at every wallet that nobody knows: at the one that has just made an invoice by that invoice, at the other by its
/// key alone.
pub async fn look(shop: &Shop<'_>, made_by: Name, unpaid: &PaymentHash) {
    let other = match made_by {
        Name::First => Name::Second,
        Name::Second => Name::First,
    };
    for name in [made_by, other] {
        let Some(lnbits) = shop.wallets.get(name) else { continue };
        if !learn(shop, name, lnbits).await {
            look_at(shop, name, lnbits, (name == made_by).then_some(unpaid)).await;
        }
    }
}

async fn look_at(shop: &Shop<'_>, name: Name, lnbits: &Lnbits, unpaid: Option<&PaymentHash>) {
    let wallet = ask(shop, &probe::ask_for_wallet(lnbits)).await;
    let payment = match unpaid {
        Some(unpaid) => ask(shop, &probe::ask_for_preimage(lnbits, unpaid)).await,
        None => None,
    };
    let seen = probe::read(wallet.as_ref(), payment.as_ref());
    let before = held(&KNOWN, |known| *slot(known, name));
    let is_good_key = wallet.as_ref().and_then(probe::is_admin_key) == Some(false);
    let known = match unpaid {
        None if is_good_key => Known::after_key(before, now_ms()),
        _ => Known::after(before, seen, now_ms()),
    };
    remember(name, known);
    if seen != Probe::Unknown
        && let Some(kv) = Kv::bound(shop.env)
    {
        let (key, value, ttl_s) = (key(shop, lnbits), known.to_text(), seen.good_for_ms().div_ceil(1_000));
        shop.context.wait_until(async move { drop(kv.put(&key, &value, ttl_s).await) });
    }
}

async fn ask(shop: &Shop<'_>, call: &Call) -> Option<Answer> {
    send(call, shop.budget.of_try_ms()?.min(LIMIT_MS)).await.ok()
}

fn remember(name: Name, known: Known) {
    held(&KNOWN, |all| *slot(all, name) = known);
    if let Some(warning) = known.probe.warning() {
        log::wallet(name, warning);
    }
}

/// Another URL or another key is another wallet.
fn key(shop: &Shop<'_>, lnbits: &Lnbits) -> String {
    format!("probe/{}", shop.keys.current().wallet_key(lnbits.identity()))
}

static KNOWN: Mutex<[Known; 2]> = Mutex::new([Known::NOTHING; 2]);

/// How long a client waits for each answer.
const LIMIT_MS: u32 = 2_000;
