//! Rate limits on requests that make work for LNbits: for each client, each IPv6 /48 network, each payment, and all
//! clients together.

use std::sync::{LazyLock, Mutex};

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::bindings::{CHALLENGE_LIMIT, INVOICE_LIMIT};
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{now_ms, with_timeout};
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::{durable_object, environment};
use crate::error::RequestError;
use crate::limits::invoice_limit::{InvoiceLease, InvoiceLimitRequest, InvoiceLimitResponse};
use crate::limits::rate_limit::{ClientLimits, MAX_WAIT_MS, SlidingWindow};
use crate::payment::PaymentHash;

/// Admits a request for an invoice.
///
/// Clients whose address is not known share one limit. The clients of one IPv6 /48 network also share a larger limit:
/// otherwise, the owner of the network could use up the invoices of all clients.
pub async fn admit_challenge(ctx: &RequestContext<'_>) -> Result<(), RequestError> {
    admit_client_and_network(ctx, "challenge").await
}

/// Requests that the network's limit refuses add no client to the map of clients. Requests that the client's limit refuses do not
/// count for the network.
async fn admit_client_and_network(ctx: &RequestContext<'_>, purpose: &str) -> Result<(), RequestError> {
    let network = ctx.client_network().map(|network| format!("{purpose}/{network}"));
    let share = network_share(ctx);
    if let Some(network) = &network {
        check(&CLIENTS, network, share)?;
    }
    admit_client(ctx, purpose).await?;
    network.map_or(Ok(()), |network| admit(&CLIENTS, &network, share))
}

/// Returns how many of the invoices, or of the look-ups, of the deployment one IPv6 /48 network may cause per minute.
fn network_share(ctx: &RequestContext<'_>) -> u64 {
    let policy = ctx.policy();
    policy.invoices_per_minute.div_ceil(NETWORKS_FOR_ALL_INVOICES).max(policy.challenges_per_minute)
}

/// Admits a request whose credential has no preimage. The payment of such a credential must be looked up at a wallet.
pub async fn admit_unproven(ctx: &RequestContext<'_>) -> Result<(), RequestError> {
    admit_client(ctx, POLL).await
}

/// Admits the look-up of a payment of which the request has only the preimage. Anyone can make up a preimage, so these
/// look-ups count as requests without a preimage count for the client, and also for its network and the deployment:
/// `invoices_per_minute`, counted apart from the invoices.
pub async fn admit_preimage(ctx: &RequestContext<'_>) -> Result<(), RequestError> {
    static OF_ISOLATE: LazyLock<Mutex<(SlidingWindow, ClientLimits)>> = LazyLock::new(Mutex::default);
    admit_look_up_of_client(ctx)?;
    admit_client_and_network(ctx, POLL).await?;
    let client = invoice_client(ctx);
    let per_minute = ctx.policy().invoices_per_minute;
    let request = InvoiceLimitRequest { per_minute, client, is_known: false, recent: 0 };
    match admit_in_deployment(ctx, "look-ups", &request, &OF_ISOLATE).await {
        InvoiceLimitResponse::Admitted { .. } | InvoiceLimitResponse::Used(_) => Ok(()),
        InvoiceLimitResponse::Reserved(wait_ms) | InvoiceLimitResponse::Full(wait_ms) => {
            Err(too_many_challenges(wait_ms))
        }
    }
}

/// Admits the look-up of a payment. Each isolate has a limit for each payment, and a limit for each client.
pub fn admit_look_up(ctx: &RequestContext<'_>, payment_hash: &PaymentHash) -> Result<(), RequestError> {
    // Only payments whose macaroons have a valid signature are counted, so forged macaroons cannot fill the map.
    admit(&LOOK_UPS, &payment_hash.to_hex(), look_ups_per_payment(ctx))?;
    admit_look_up_of_client(ctx)
}

/// Fails if the payment has no look-up left. Counts nothing. The limit of the client is not checked: other clients may have the same
/// address, and a payment that is stored as settled needs no look-up.
pub fn check_look_up(ctx: &RequestContext<'_>, payment_hash: &PaymentHash) -> Result<(), RequestError> {
    check(&LOOK_UPS, &payment_hash.to_hex(), look_ups_per_payment(ctx))
}

/// A client with many credentials could stay below the limit of each payment. So there is also a limit on all look-ups
/// of a client together, and of an IPv6 /48 network, whose owner has many clients.
fn admit_look_up_of_client(ctx: &RequestContext<'_>) -> Result<(), RequestError> {
    let per_client = look_ups_per_client(ctx);
    let per_network = per_client.saturating_mul(CLIENTS_PER_NETWORK);
    let network = ctx.client_network();
    if let Some(network) = &network {
        check(&LOOK_UPS, network, per_network)?;
    }
    admit(&LOOK_UPS, &ctx.client_pseudonym().unwrap_or_default(), per_client)?;
    network.map_or(Ok(()), |network| admit(&LOOK_UPS, &network, per_network))
}

fn look_ups_per_payment(ctx: &RequestContext<'_>) -> u64 {
    ctx.policy().challenges_per_minute.saturating_mul(PAYMENT_LOOK_UPS_PER_CHALLENGE)
}

fn look_ups_per_client(ctx: &RequestContext<'_>) -> u64 {
    ctx.policy().challenges_per_minute.saturating_mul(CLIENT_LOOK_UPS_PER_CHALLENGE)
}

/// Fails if this isolate knows that the deployment has no invoice left. The request is then refused without a call of
/// the Durable Object.
pub fn check_invoices_left() -> Result<(), RequestError> {
    match with_lock(&FULL_UNTIL_MS, |until_ms| until_ms.saturating_sub(now_ms())) {
        // A longer time means that the clock went back.
        wait_ms @ 1..=MAX_WAIT_MS => Err(too_many_invoices(wait_ms)),
        _ => Ok(()),
    }
}

/// Admits one more invoice of the deployment: from the lease of this isolate, or by a call of the Durable Object. If the
/// Durable Object is not bound or does not respond, each isolate counts invoices on its own.
pub async fn admit_invoice(ctx: &RequestContext<'_>) -> Result<(), RequestError> {
    static INVOICES: LazyLock<Mutex<(SlidingWindow, ClientLimits)>> = LazyLock::new(Mutex::default);
    static LEASE: LazyLock<Mutex<InvoiceLease>> = LazyLock::new(Mutex::default);
    let client = invoice_client(ctx);
    let sent_ms = now_ms();
    if with_lock(&LEASE, |lease| lease.take(&client, sent_ms)) {
        return Ok(());
    }
    let per_minute = ctx.policy().invoices_per_minute;
    let request = with_lock(&LEASE, |lease| lease.ask(per_minute, &client, sent_ms));
    let response = admit_in_deployment(ctx, ALL_INVOICES, &request, &INVOICES).await;
    with_lock(&LEASE, |lease| lease.record(&request, &response, sent_ms));
    match response {
        InvoiceLimitResponse::Admitted { .. } | InvoiceLimitResponse::Used(_) => Ok(()),
        InvoiceLimitResponse::Reserved(wait_ms) => Err(too_many_invoices(wait_ms)),
        InvoiceLimitResponse::Full(wait_ms) => {
            with_lock(&FULL_UNTIL_MS, |until_ms| *until_ms = now_ms().saturating_add(wait_ms));
            Err(too_many_invoices(wait_ms))
        }
    }
}

/// Counts an event of the deployment in the Durable Object `object`. If it is not bound or does not respond, counts the
/// event in `of_isolate`, without a lease.
async fn admit_in_deployment(
    ctx: &RequestContext<'_>,
    object: &str,
    request: &InvoiceLimitRequest,
    of_isolate: &Mutex<(SlidingWindow, ClientLimits)>,
) -> InvoiceLimitResponse {
    let response = match durable_object::call(ctx.env, &INVOICE_LIMIT, object, request) {
        Some(call) => call.response(ctx.deadline.for_store_ms()).await,
        None => None,
    };
    response.unwrap_or_else(|| {
        let without_lease = InvoiceLimitRequest { recent: 0, ..request.clone() };
        with_lock(of_isolate, |(events, clients)| without_lease.admit(events, clients, now_ms()))
    })
}

/// Returns the client for which events of the deployment are counted. An IPv6 network counts as one client. Otherwise
/// the owner of a network could take all invoices that are reserved for clients without a recent invoice.
fn invoice_client(ctx: &RequestContext<'_>) -> String {
    ctx.client_network().or_else(|| ctx.client_pseudonym()).unwrap_or_default()
}

/// Returns how many invoices the deployment had in the last minute; `None` if the Durable Object is not bound or does not
/// respond.
pub async fn invoices_used(ctx: &RequestContext<'_>) -> Option<u64> {
    let call = durable_object::call(ctx.env, &INVOICE_LIMIT, ALL_INVOICES, &InvoiceLimitRequest::used())?;
    match call.response(ctx.deadline.for_store_ms()).await? {
        InvoiceLimitResponse::Used(count) => Some(count),
        _ => None,
    }
}

fn too_many_invoices(wait_ms: u64) -> RequestError {
    RequestError::TooManyInvoices { retry_after_s: wait_ms.div_ceil(1_000) }
}

async fn admit_client(ctx: &RequestContext<'_>, purpose: &str) -> Result<(), RequestError> {
    let key = format!("{purpose}/{}", ctx.client_pseudonym().unwrap_or_default());
    match ask_platform(ctx, &key).await {
        Some(true) => Ok(()),
        Some(false) => Err(RequestError::TooManyChallenges { retry_after_s: PLATFORM_PERIOD_S }),
        None => admit(&CLIENTS, &key, ctx.policy().challenges_per_minute),
    }
}

fn check(limits: &Mutex<ClientLimits>, key: &str, per_minute: u64) -> Result<(), RequestError> {
    with_lock(limits, |limits| limits.check(key, per_minute, now_ms())).map_err(too_many_challenges)
}

fn admit(limits: &Mutex<ClientLimits>, key: &str, per_minute: u64) -> Result<(), RequestError> {
    with_lock(limits, |limits| limits.admit(key, per_minute, now_ms())).map_err(too_many_challenges)
}

fn too_many_challenges(wait_ms: u64) -> RequestError {
    RequestError::TooManyChallenges { retry_after_s: wait_ms.div_ceil(1_000) }
}

/// Calls the rate limiter of the platform. Returns whether the request is within the limit; `None` if the rate limiter
/// is not bound, fails or does not respond in time.
async fn ask_platform(ctx: &RequestContext<'_>, key: &str) -> Option<bool> {
    let limiter: RateLimiter = environment::binding(ctx.env, CHALLENGE_LIMIT)?.unchecked_into();
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into()).ok()?;
    let limit_ms = ctx.deadline.for_store_ms().min(PLATFORM_TIMEOUT_MS);
    let outcome = with_timeout(&limiter.limit(&options).ok()?, limit_ms).await.ok()?;
    Reflect::get(&outcome, &"success".into()).ok()?.as_bool()
}

#[wasm_bindgen]
extern "C" {
    /// The platform's rate limiter, bound as `CHALLENGE_LIMIT`.
    type RateLimiter;

    #[wasm_bindgen(method, catch)]
    fn limit(this: &RateLimiter, options: &Object) -> Result<Promise, JsValue>;
}

static CLIENTS: LazyLock<Mutex<ClientLimits>> = LazyLock::new(Mutex::default);
static LOOK_UPS: LazyLock<Mutex<ClientLimits>> = LazyLock::new(Mutex::default);
/// Until when the deployment has no invoice left, as far as this isolate knows.
static FULL_UNTIL_MS: Mutex<u64> = Mutex::new(0);

/// The Durable Object that counts the invoices of the deployment.
const POLL: &str = "poll";
const ALL_INVOICES: &str = "all";
const PLATFORM_TIMEOUT_MS: i32 = 1_000;
/// If the platform's rate limiter refuses a client, the client may retry after this time. The rate limiter does not
/// report a time. Its longest period is a minute.
const PLATFORM_PERIOD_S: u64 = 60;
/// The look-ups per minute that one client may cause, as a multiple of `challenges_per_minute`.
const CLIENT_LOOK_UPS_PER_CHALLENGE: u64 = 6;
/// The clients of one IPv6 /48 network may together cause as many look-ups as four clients.
const CLIENTS_PER_NETWORK: u64 = 4;
/// The look-ups of one payment per minute, as a multiple of `challenges_per_minute`.
const PAYMENT_LOOK_UPS_PER_CHALLENGE: u64 = 2;
/// The clients of one IPv6 /48 network may together request a quarter of `invoices_per_minute`. If
/// `challenges_per_minute` is larger than this quarter, they may request `challenges_per_minute` invoices.
const NETWORKS_FOR_ALL_INVOICES: u64 = 4;
