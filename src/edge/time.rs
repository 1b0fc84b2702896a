//! The clock and the timers of the runtime.

use js_sys::{Array, Function, Promise};
use wasm_bindgen_futures::JsFuture;
use worker::Context;
use worker::wasm_bindgen::JsValue;

use super::origin;

/// The time in milliseconds. It stands still while the Worker computes, and moves with each answer from outside.
pub fn now_ms() -> u64 {
    // A float's cast saturates; the clock is never negative.
    js_sys::Date::now() as u64
}

/// The time in seconds.
pub fn now_unix() -> u64 {
    now_ms().checked_div(1_000).unwrap_or_default()
}

/// What a store answers, or an error when it takes too long.
pub async fn limit(answer: &Promise, limit_ms: i32) -> Result<JsValue, JsValue> {
    let deadline = Promise::new(&mut |_, reject| after(limit_ms, &reject));
    JsFuture::from(Promise::race(&Array::of2(answer, &deadline))).await
}

/// Waits. The wait belongs to the request that began it.
pub async fn pause(ms: u64) {
    let ms = i32::try_from(ms).unwrap_or(i32::MAX);
    let _ = JsFuture::from(Promise::new(&mut |resolve, _| after(ms, &resolve))).await;
}

/// Goes on with what was begun, also when the client has gone: others wait for what it shows.
pub async fn to_the_end<T>(context: &Context, work: impl Future<Output = T>) -> T {
    let mut end = None;
    let ended = Promise::new(&mut |resolve, _| end = Some(resolve));
    context.wait_until(async move { drop(JsFuture::from(ended).await) });
    let result = work.await;
    if let Some(end) = end {
        let _ = end.call0(&JsValue::NULL);
    }
    result
}

fn after(ms: i32, call: &Function) {
    let _ = origin::global().set_timeout_with_callback_and_timeout_and_arguments_0(call, ms);
}
