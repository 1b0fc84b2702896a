//! Free requests, counted in Workers KV or in a Durable Object.

use std::sync::{LazyLock, Mutex};

use worker::wasm_bindgen::JsCast;
use worker::{Context, Env};

use super::isolate::held;
use super::kv::{self, Kv};
use super::object;
use super::time::{now_ms, pause};
use crate::gate::Offer;
use crate::policy::free::counters::{Counters, Failure, Write};
use crate::policy::free::newcomers::Newcomers;
use crate::policy::free::{Counting, Denied, FreeTier};
use crate::policy::route::Route;

/// Takes one free request of a client, if one is left; gives how many remain.
pub async fn take(
    env: &Env,
    context: &Context,
    counting: Counting,
    tier: FreeTier,
    key: String,
    client: &str,
    now_ms: u64,
) -> Result<u64, Denied> {
    held(&NEWCOMERS, |newcomers| newcomers.admit(client, now_ms))?;
    let ends_at_ms = tier.window_ends_ms(now_ms);
    match counting {
        // Another window is another count.
        Counting::Durable => {
            let name = format!("{key}/{}", tier.window_ms);
            take_exactly(env, &name, tier.requests, ends_at_ms).await
        }
        Counting::Kv => {
            let store = Kv::bound(env).ok_or(Denied::NoStore)?;
            let key = format!("free/{key}/{ends_at_ms}");
            take_from(store, context, key, tier.requests, ends_at_ms, now_ms).await
        }
    }
}

/// Why a route with a free tier offers none here, where it was not even asked.
pub fn never_asked(route: &Route, offer: &Offer<'_>) -> Option<Denied> {
    (route.free.is_some() && offer.refused.is_none()).then_some(Denied::UnknownClient)
}

async fn take_from(
    store: Kv,
    context: &Context,
    key: String,
    quota: u64,
    ends_at_ms: u64,
    now_ms: u64,
) -> Result<u64, Denied> {
    if counters(|counters| counters.needs_read(&key, now_ms))? {
        let value = store.get(&key, kv::TIMEOUT_MS).await.map_err(|_| Denied::StoreUnreadable)?;
        counters(|counters| counters.merge(&key, value.as_deref(), ends_at_ms, now_ms))?;
    }
    let taken = counters(|counters| counters.take(&key, quota, now_ms))?;
    if taken.must_write {
        context.wait_until(write_all(store, key));
    }
    Ok(taken.remaining)
}

/// Writes a key until the store has all of our count, at most once a second.
async fn write_all(store: Kv, key: String) {
    while let Some(wait_ms) = counters(|counters| counters.write_in_ms(&key, now_ms())) {
        pause(wait_ms).await;
        let Some(write) = counters(|counters| counters.write(&key, now_ms())) else { return };
        let mut result = put(&store, &key, &write).await;
        if result == Err(Failure::Busy) {
            // Another isolate wrote this key in the same second: not in the same one again.
            pause(
                RETRY_AFTER_MS.saturating_add(getrandom::u32().map_or(0, |random| u64::from(random % 1_000))),
            )
            .await;
            result = put(&store, &key, &write).await;
        }
        if !counters(|counters| counters.wrote(&key, &write, result, now_ms())) {
            return;
        }
    }
}

async fn put(store: &Kv, key: &str, write: &Write) -> Result<(), Failure> {
    store.put(key, &write.value, write.ttl_s).await.map_err(|error| {
        let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
        let is_busy = message.is_some_and(|message| message.contains("429"));
        if is_busy { Failure::Busy } else { Failure::Broken }
    })
}

async fn take_exactly(env: &Env, key: &str, quota: u64, ends_at_ms: u64) -> Result<u64, Denied> {
    let asked = object::ask(env, OBJECTS, key, &format!("/{quota}/{ends_at_ms}")).ok_or(Denied::NoStore)?;
    match asked.within(TIMEOUT_MS).await.as_deref() {
        Some("used_up") => Err(Denied::UsedUp),
        answer => answer.and_then(|left| left.parse().ok()).ok_or(Denied::StoreUnreadable),
    }
}

/// What this isolate has counted.
fn counters<T>(look: impl FnOnce(&mut Counters) -> T) -> T {
    static COUNTERS: LazyLock<Mutex<Counters>> =
        LazyLock::new(|| Mutex::new(Counters::new(getrandom::u32().unwrap_or_default().to_string())));
    held(&COUNTERS, look)
}

/// The clients that this isolate has met.
static NEWCOMERS: LazyLock<Mutex<Newcomers>> = LazyLock::new(Mutex::default);

const RETRY_AFTER_MS: u64 = 1_000;
/// How long a client waits for an object; after that it is asked to pay.
const TIMEOUT_MS: i32 = 2_000;
/// The binding of the objects that count exactly.
const OBJECTS: &str = "FREE_TIER_EXACT";
