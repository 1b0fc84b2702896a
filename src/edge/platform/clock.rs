//! The clock and the timers of the runtime, and the deadline of a request.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

use super::runtime::Context;
use super::shell;
use crate::wallet::{REQUEST_BUDGET_MS, TRY_MS};

/// Returns the time in Unix milliseconds. The clock of the runtime stands still while the Worker computes, and advances
/// with I/O.
pub fn now_ms() -> u64 {
    // The cast of a float saturates, and the clock is never negative.
    js_sys::Date::now() as u64
}

/// Returns the time in Unix seconds.
pub fn now_unix() -> u64 {
    now_ms().checked_div(1_000).unwrap_or_default()
}

/// Returns the value of a promise. Fails if the promise fails or takes longer than `limit_ms`.
pub async fn with_timeout(promise: &Promise, limit_ms: i32) -> Result<JsValue, JsValue> {
    JsFuture::from(shell::within(promise, limit_ms)?).await
}

/// Waits for `ms` milliseconds. The runtime cancels the timer when the request that started it ends, unless
/// `wait_until` keeps the request alive.
pub async fn sleep(ms: u64) {
    let _ = JsFuture::from(wait(ms as f64)).await;
}

/// Completes `work` even if the client disconnects. The work records what later requests need, such as a failure of a
/// wallet.
pub async fn complete<T>(context: &Context, work: impl Future<Output = T>) -> T {
    let mut resolver = None;
    context.wait_until_settled(&Promise::new(&mut |resolve, _| resolver = Some(resolve)));
    let result = work.await;
    if let Some(resolve) = resolver {
        let _ = resolve.call0(&JsValue::NULL);
    }
    result
}

/// Until when a request may wait for wallets, rate limits, stored probe results and stored settlements. The free tier,
/// the meter and the ledger have time limits of their own.
#[derive(Clone, Copy)]
pub struct Deadline {
    at_ms: u64,
}

impl Deadline {
    pub fn of_request(arrived_ms: u64) -> Self {
        Self { at_ms: arrived_ms.saturating_add(REQUEST_BUDGET_MS) }
    }

    /// Returns the time limit of a request to a wallet in milliseconds; `None` if less than two seconds are left.
    pub fn for_wallet_ms(self) -> Option<u32> {
        let left_ms = self.left_ms().min(TRY_MS);
        u32::try_from(left_ms).ok().filter(|left_ms| *left_ms >= MIN_TRY_MS)
    }

    /// Returns the time limit of a call to Workers KV, a Durable Object or the platform's rate limiter, in
    /// milliseconds.
    pub fn for_store_ms(self) -> i32 {
        i32::try_from(self.left_ms()).unwrap_or(STORE_TIMEOUT_MS).min(STORE_TIMEOUT_MS)
    }

    fn left_ms(self) -> u64 {
        self.at_ms.saturating_sub(now_ms())
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = scheduler)]
    fn wait(ms: f64) -> Promise;
}

/// The usual time limit of a call to Workers KV or a Durable Object.
pub const STORE_TIMEOUT_MS: i32 = 2_000;
/// The shortest time limit of a request to a wallet. With a shorter limit, the Worker would often give up before the
/// wallet responds. The wallet would then create invoices that no client gets.
const MIN_TRY_MS: u32 = 2_000;
