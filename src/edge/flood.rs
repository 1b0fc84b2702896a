//! How often may be asked for what costs LNbits work: by each client, and by all together.

use std::sync::{LazyLock, Mutex};

use js_sys::{Object, Promise, Reflect};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::isolate::held;
use super::shop::Shop;
use super::time::{limit, now_ms};
use super::{environment, object};
use crate::flood::{Minute, Minutes};
use crate::l402::preimage::PaymentHash;
use crate::problem::Problem;

/// Lets a client have an invoice, unless it asks too often. Those that nobody knows count together, and so, more generously,
/// do those of one IPv6 network: it could use up by itself what all clients have together.
pub async fn admit_challenge(shop: &Shop<'_>) -> Result<(), Problem> {
    admit_client(shop, "challenge").await?;
    match &shop.network {
        Some(network) => {
            let share = shop.policy.invoices_per_minute.div_ceil(NETWORKS_FOR_ALL);
            admit_here(network, share.max(shop.policy.challenges_per_minute))
        }
        None => Ok(()),
    }
}

/// Lets a client ask whether an invoice is paid without a proof that it is, unless it asks too often.
pub async fn admit_poll(shop: &Shop<'_>) -> Result<(), Problem> {
    admit_client(shop, "poll").await
}

/// Lets a wallet be asked about a payment, unless this client has asked too often, or anybody about this one.
pub fn admit_look_up(shop: &Shop<'_>, payment_hash: &PaymentHash) -> Result<(), Problem> {
    let per_minute = shop.policy.challenges_per_minute;
    let client = shop.client.as_deref().unwrap_or_default();
    // No flood of strangers gets in here: only macaroons of ours do.
    static LOOK_UPS: LazyLock<Mutex<Minutes>> = LazyLock::new(Mutex::default);
    admit_to(&LOOK_UPS, &payment_hash.to_hex(), per_minute.saturating_mul(LOOK_UPS_OF_A_PAYMENT))?;
    // Who holds many credentials may show them all at once, in a new isolate.
    admit_to(&LOOK_UPS, client, per_minute.saturating_mul(LOOK_UPS_FOR_A_CHALLENGE))
}

async fn admit_client(shop: &Shop<'_>, wish: &str) -> Result<(), Problem> {
    let name = format!("{wish}/{}", shop.client.as_deref().unwrap_or_default());
    match ask_platform(shop, &name).await {
        Some(true) => Ok(()),
        Some(false) => Err(Problem::TooManyChallenges { retry_after_s: PLATFORM_RETRY_AFTER_S }),
        None => admit_here(&name, shop.policy.challenges_per_minute),
    }
}

fn admit_here(name: &str, per_minute: u64) -> Result<(), Problem> {
    static CLIENTS: LazyLock<Mutex<Minutes>> = LazyLock::new(Mutex::default);
    admit_to(&CLIENTS, name, per_minute)
}

fn admit_to(minutes: &Mutex<Minutes>, name: &str, per_minute: u64) -> Result<(), Problem> {
    held(minutes, |minutes| minutes.take(name, per_minute, now_ms()))
        .map_err(|wait_ms| Problem::TooManyChallenges { retry_after_s: wait_ms.div_ceil(1_000) })
}

/// What the platform's limiter says; `None` where it is not bound, or fails.
async fn ask_platform(shop: &Shop<'_>, name: &str) -> Option<bool> {
    let limiter: RateLimiter = environment::value(shop.env, LIMITER)?.unchecked_into();
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &name.into()).ok()?;
    let limit_ms = shop.budget.of_store_ms().min(LIMITER_TIMEOUT_MS);
    let outcome = limit(&limiter.limit(&options).ok()?, limit_ms).await.ok()?;
    Reflect::get(&outcome, &"success".into()).ok()?.as_bool()
}

/// Lets one more invoice be asked for, unless all clients together had too many. Where the object does not answer, each
/// isolate counts by itself.
pub async fn admit_invoice(shop: &Shop<'_>) -> Result<(), Problem> {
    static INVOICES: LazyLock<Mutex<Minute>> = LazyLock::new(Mutex::default);
    let per_minute = shop.policy.invoices_per_minute;
    let too_many = |wait_ms: u64| Problem::TooManyInvoices { retry_after_s: wait_ms.div_ceil(1_000) };
    let answer = match object::ask(shop.env, INVOICE_LIMIT, "all", &format!("/{per_minute}")) {
        Some(asked) => asked.within(shop.budget.of_store_ms()).await,
        None => None,
    };
    match answer.as_deref() {
        Some("ok") => Ok(()),
        Some(wait_ms) => Err(too_many(wait_ms.parse().unwrap_or(1_000))),
        None => held(&INVOICES, |invoices| invoices.take(per_minute, now_ms())).map_err(too_many),
    }
}

#[wasm_bindgen]
extern "C" {
    /// The platform's rate limiter.
    type RateLimiter;

    #[wasm_bindgen(method, catch)]
    fn limit(this: &RateLimiter, options: &Object) -> Result<Promise, JsValue>;
}

const LIMITER: &str = "CHALLENGE_LIMIT";
const LIMITER_TIMEOUT_MS: i32 = 1_000;
/// It does not say when; its longest period is a minute.
const PLATFORM_RETRY_AFTER_S: u64 = 60;
const INVOICE_LIMIT: &str = "INVOICE_LIMIT";
const LOOK_UPS_FOR_A_CHALLENGE: u64 = 6;
const LOOK_UPS_OF_A_PAYMENT: u64 = 2;
/// So many networks together may have all invoices.
const NETWORKS_FOR_ALL: u64 = 4;
