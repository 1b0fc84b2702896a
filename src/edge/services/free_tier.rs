//! Free requests, counted in Workers KV or in a Durable Object.

use std::sync::{LazyLock, Mutex};

use crate::edge::platform::runtime::Env;

use crate::bindings::FREE_TIER_EXACT;
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{STORE_TIMEOUT_MS, now_ms, sleep};
use crate::edge::platform::durable_object;
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::kv::Kv;
use crate::gate::Observation;
use crate::limits::exhausted::Exhausted;
use crate::limits::rate_limit::ClientLimits;
use crate::policy::free_tier::exact_counter::{FreeTierRequest, FreeTierResponse};
use crate::policy::free_tier::kv_counters::{KvCounters, KvWriteError};
use crate::policy::free_tier::network_shares::NetworkShares;
use crate::policy::free_tier::new_clients::NewClients;
use crate::policy::free_tier::{FreeTier, FreeTierDenied, FreeTierStore};
use crate::policy::route::Route;

/// Takes one free request of the client on a route. `key` identifies the client and the route. Returns how many free
/// requests remain. Returns `None` if a count must be read first, so that [`take`] is needed.
pub fn take_now(
    ctx: &RequestContext<'_>,
    route: &Route,
    tier: FreeTier,
    key: &str,
    now_ms: u64,
) -> Option<Result<u64, FreeTierDenied>> {
    if ctx.policy().free_tier_store != FreeTierStore::Kv {
        return None;
    }
    let key = kv_key(key, tier.window_ends_ms(now_ms));
    if with_counters(|counters| counters.needs_read(&key, tier.requests, now_ms)) != Ok(false) {
        return None;
    }
    Some(admit(ctx, route, tier, now_ms).and_then(|admission| {
        let kv = Kv::bound(ctx.env).ok_or(FreeTierDenied::NoStore);
        admission.settle(kv.and_then(|kv| take_counted(ctx, kv, key, tier, now_ms)))
    }))
}

/// Takes one free request of the client on a route, as [`take_now`] does, and reads the count if this is necessary.
pub async fn take(
    ctx: &RequestContext<'_>,
    route: &Route,
    tier: FreeTier,
    key: String,
    now_ms: u64,
) -> Result<u64, FreeTierDenied> {
    let admission = admit(ctx, route, tier, now_ms)?;
    let window_ends_ms = tier.window_ends_ms(now_ms);
    admission.settle(match ctx.policy().free_tier_store {
        FreeTierStore::Durable => {
            // The name contains the length of the window, so that windows of different lengths are counted separately.
            let object = format!("{key}/{}", tier.window_ms);
            let request = FreeTierRequest { quota: tier.requests, window_ends_ms };
            take_exact(ctx.env, &object, &request).await
        }
        FreeTierStore::Kv => take_from_kv(ctx, kv_key(&key, window_ends_ms), tier, now_ms).await,
    })
}

/// Takes a free request of an observed route, if one is left. Only this isolate counts it, in memory, and apart from the free
/// requests of routes that charge.
pub fn observe(mut seen: Observation<'_>, now_ms: u64) -> Observation<'_> {
    static OBSERVED: LazyLock<Mutex<ClientLimits>> = LazyLock::new(Mutex::default);
    let Some((tier, key)) = seen.free_tier.take() else { return seen };
    // At the time at which its window ends, all requests of a window count, and no later ones, because they have another key.
    let window_ends_ms = tier.window_ends_ms(now_ms);
    let key = kv_key(&key, window_ends_ms);
    if with_lock(&OBSERVED, |limits| limits.admit(&key, tier.requests, window_ends_ms)).is_ok() {
        (seen.status, seen.sats) = (200, 0);
    }
    seen
}

/// A request that counts against the shares of its client and network.
struct Admission {
    /// The network and the window, if the network has a share.
    network: Option<String>,
}

/// Admits a request, unless there are too many new clients, or its network has used its share.
fn admit(
    ctx: &RequestContext<'_>,
    route: &Route,
    tier: FreeTier,
    now_ms: u64,
) -> Result<Admission, FreeTierDenied> {
    let client = ctx.request.client.as_deref().ok_or(FreeTierDenied::UnknownClient)?;
    let network = ctx.client_network();
    with_lock(&NEW_CLIENTS, |clients| clients.admit(client, network.as_deref(), now_ms))?;
    let window_ends_ms = tier.window_ends_ms(now_ms);
    let network = network.map(|network| format!("{}/{network}/{window_ends_ms}", route.id()));
    if let Some(network) = &network {
        with_lock(&NETWORKS, |networks| networks.take(network, tier))?;
    }
    Ok(Admission { network })
}

impl Admission {
    /// Gives the share of the network back if no free request was taken.
    fn settle(self, taken: Result<u64, FreeTierDenied>) -> Result<u64, FreeTierDenied> {
        if let (Some(network), Err(_)) = (&self.network, &taken) {
            with_lock(&NETWORKS, |networks| networks.give_back(network));
        }
        taken
    }
}

async fn take_from_kv(
    ctx: &RequestContext<'_>,
    key: String,
    tier: FreeTier,
    now_ms: u64,
) -> Result<u64, FreeTierDenied> {
    let kv = Kv::bound(ctx.env).ok_or(FreeTierDenied::NoStore)?;
    if with_counters(|counters| counters.needs_read(&key, tier.requests, now_ms))? {
        let value = kv.get(&key, STORE_TIMEOUT_MS).await.map_err(|_| FreeTierDenied::StoreUnreadable)?;
        let window_ends_ms = tier.window_ends_ms(now_ms);
        with_counters(|counters| counters.merge(&key, value.as_deref(), window_ends_ms, now_ms))?;
    }
    take_counted(ctx, kv, key, tier, now_ms)
}

/// Takes a free request from a counter of this isolate. The new count is written after the response.
fn take_counted(
    ctx: &RequestContext<'_>,
    kv: Kv,
    key: String,
    tier: FreeTier,
    now_ms: u64,
) -> Result<u64, FreeTierDenied> {
    let writes_per_day = ctx.policy().free_tier_writes_per_day;
    let taken = with_counters(|counters| counters.take(&key, tier.requests, writes_per_day, now_ms))?;
    if taken.must_write {
        ctx.context.wait_until(write_until_clean(kv, key, writes_per_day));
    }
    Ok(taken.remaining)
}

fn kv_key(key: &str, window_ends_ms: u64) -> String {
    format!("free/{key}/{window_ends_ms}")
}

/// Writes the count of a key, at most once a second, until KV has every free request that this isolate has counted for
/// the key. Stops if a write fails (after one retry if KV is busy), if the write lease ends, or if the isolate has made
/// all its writes of the day.
async fn write_until_clean(kv: Kv, key: String, writes_per_day: u64) {
    while let Some(wait_ms) = with_counters(|counters| counters.write_in_ms(&key, now_ms())) {
        sleep(wait_ms).await;
        let write = with_counters(|counters| counters.write(&key, writes_per_day, now_ms()));
        let Some(write) = write else { return };
        let mut result = kv.put(&key, &write.value, write.ttl_s).await;
        if result == Err(KvWriteError::Busy) {
            // Another isolate wrote this key in the same second. A random delay separates the next writes of both
            // isolates.
            let jitter_ms = getrandom::u32().map_or(0, |random| u64::from(random % 1_000));
            sleep(RETRY_AFTER_MS.saturating_add(jitter_ms)).await;
            result = kv.put(&key, &write.value, write.ttl_s).await;
        }
        if !with_counters(|counters| counters.wrote(&key, &write, result, now_ms())) {
            return;
        }
    }
}

async fn take_exact(env: &Env, object: &str, request: &FreeTierRequest) -> Result<u64, FreeTierDenied> {
    if with_lock(&USED_UP, |used_up| used_up.contains(object, request.window_ends_ms)) {
        return Err(FreeTierDenied::UsedUp);
    }
    let call = durable_object::call(env, &FREE_TIER_EXACT, object, request).ok_or(FreeTierDenied::NoStore)?;
    match call.response(STORE_TIMEOUT_MS).await {
        Some(FreeTierResponse::Granted { remaining, .. }) => Ok(remaining),
        Some(FreeTierResponse::UsedUp) => {
            with_lock(&USED_UP, |used_up| used_up.record(object, request.window_ends_ms));
            Err(FreeTierDenied::UsedUp)
        }
        None => Err(FreeTierDenied::StoreUnreadable),
    }
}

/// Runs a function on the counters of this isolate.
fn with_counters<T>(run: impl FnOnce(&mut KvCounters) -> T) -> T {
    static COUNTERS: LazyLock<Mutex<KvCounters>> =
        LazyLock::new(|| Mutex::new(KvCounters::new(getrandom::u32().unwrap_or_default().to_string())));
    with_lock(&COUNTERS, run)
}

static NEW_CLIENTS: LazyLock<Mutex<NewClients>> = LazyLock::new(Mutex::default);
/// The Durable Objects that have no free request left, and the ends of their windows.
static USED_UP: LazyLock<Mutex<Exhausted>> = LazyLock::new(Mutex::default);
static NETWORKS: LazyLock<Mutex<NetworkShares>> = LazyLock::new(Mutex::default);

const RETRY_AFTER_MS: u64 = 1_000;
