//! The Durable Object that counts one client's free requests on one route, exactly. Each call is one synchronous step, so
//! no two can meet in it. It forgets itself when the window ends.

use js_sys::{Promise, Reflect};
use web_sys::{Request, Response};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use crate::policy::url::RequestUrl;

/// A counter; `wrangler.toml` names this class.
#[wasm_bindgen]
pub struct FreeTierCounter {
    storage: Storage,
}

#[wasm_bindgen]
impl FreeTierCounter {
    /// As the runtime makes it.
    ///
    /// # Errors
    /// Where it gives no storage.
    #[wasm_bindgen(constructor)]
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        Ok(Self { storage: Reflect::get(state, &"storage".into())?.unchecked_into() })
    }

    /// Takes one request of `/<quota>/<end of the window in ms>`; answers how many remain, or `used_up`.
    ///
    /// # Errors
    /// Where the storage fails, or the path is none of ours.
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let (quota, ends_at_ms) = read_path(&request.url()).ok_or(JsValue::NULL)?;
        let stored = self.storage.kv().get(KEY)?.as_string();
        let used = stored.as_deref().and_then(|stored| read_count(stored, ends_at_ms));
        let left = quota.checked_sub(used.unwrap_or_default()).and_then(|left| left.checked_sub(1));
        let Some(left) = left else { return Response::new_with_opt_str(Some("used_up")) };
        let count = used.unwrap_or_default().saturating_add(1);
        self.storage.kv().put(KEY, &format!("{ends_at_ms}/{count}"))?;
        if used.is_none() {
            // The promise is waited for by the runtime, which holds the answer back until all is stored.
            let _ = self.storage.set_alarm(ends_at_ms as f64)?;
        }
        Response::new_with_opt_str(Some(&left.to_string()))
    }

    /// The window is over.
    ///
    /// # Errors
    /// Where the storage fails; the runtime then tries again.
    pub fn alarm(&self) -> Result<Promise, JsValue> {
        self.storage.delete_all()
    }
}

fn read_path(url: &str) -> Option<(u64, u64)> {
    let (quota, ends_at_ms) = RequestUrl::parse(url)?.path.strip_prefix('/')?.split_once('/')?;
    Some((quota.parse().ok()?, ends_at_ms.parse().ok()?))
}

/// What was counted, if it was in the same window.
fn read_count(stored: &str, ends_at_ms: u64) -> Option<u64> {
    let (window, count) = stored.split_once('/')?;
    (window.parse() == Ok(ends_at_ms)).then(|| count.parse().ok())?
}

#[wasm_bindgen]
extern "C" {
    type Storage;
    /// Its synchronous side.
    type SyncKv;

    #[wasm_bindgen(method, getter)]
    fn kv(this: &Storage) -> SyncKv;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &Storage, at_ms: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    fn delete_all(this: &Storage) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn get(this: &SyncKv, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn put(this: &SyncKv, key: &str, value: &str) -> Result<(), JsValue>;
}

const KEY: &str = "count";
