//! What the Workers runtime passes to each event, and what happens after a panic.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

use super::shell;

#[wasm_bindgen]
extern "C" {
    /// The environment of the Worker: its bindings, variables and secrets.
    #[derive(Clone)]
    pub type Env;

    /// The context of an event.
    pub type Context;

    #[wasm_bindgen(method, js_name = waitUntil)]
    pub fn wait_until_settled(this: &Context, promise: &Promise);
}

impl Context {
    /// Keeps the Worker alive until `work` is complete, also after the response.
    pub fn wait_until(&self, work: impl Future<Output = ()> + 'static) {
        self.wait_until_settled(&future_to_promise(async {
            work.await;
            Ok(JsValue::UNDEFINED)
        }));
    }
}

/// Prepares a new instance of the wasm. After a crash, the next call of an export creates a new instance, because the
/// memory of the old one may be inconsistent.
#[wasm_bindgen(start, private)]
fn start() {
    wasm_bindgen::handler::set_on_abort(wasm_bindgen::handler::schedule_reinit);
    shell::instance_started();
}

/// Does nothing, but is a call of an export, so it creates a new instance if the last one has crashed. `entry.js` calls it
/// before each call with texts: the generated code copies texts into the memory of the old instance, and only then
/// creates the new one.
#[wasm_bindgen]
pub fn renew() {}
