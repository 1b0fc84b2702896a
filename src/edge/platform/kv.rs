//! Workers KV.

use crate::edge::platform::runtime::Env;
use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::{clock, environment};
use crate::bindings::TOLL_KV;
use crate::policy::free_tier::kv_counters::KvWriteError;

/// The namespace `TOLL_KV`.
pub struct Kv(Namespace);

impl Kv {
    /// Returns the namespace; `None` if it is not bound.
    pub fn bound(env: &Env) -> Option<Self> {
        environment::binding(env, TOLL_KV).map(|binding| Self(binding.unchecked_into()))
    }

    /// Returns the value of a key; `None` if the key has no value. Fails after `limit_ms`.
    pub async fn get(&self, key: &str, limit_ms: i32) -> Result<Option<String>, JsValue> {
        let options = Object::new();
        Reflect::set(&options, &"cacheTtl".into(), &MIN_CACHE_TTL_S.into())?;
        Ok(clock::with_timeout(&self.0.get(key, &options)?, limit_ms).await?.as_string())
    }

    /// Writes a value that expires after `ttl_s` seconds. KV refuses a `ttl_s` below 60.
    pub async fn put(&self, key: &str, value: &str, ttl_s: u64) -> Result<(), KvWriteError> {
        self.try_put(key, value, ttl_s).await.map_err(|error| {
            let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
            KvWriteError::from_message(&message.unwrap_or_default())
        })
    }

    async fn try_put(&self, key: &str, value: &str, ttl_s: u64) -> Result<(), JsValue> {
        let options = Object::new();
        Reflect::set(&options, &"expirationTtl".into(), &(ttl_s as f64).into())?;
        JsFuture::from(self.0.put(key, value, &options)?).await.map(|_| ())
    }
}

#[wasm_bindgen]
extern "C" {
    type Namespace;

    #[wasm_bindgen(method, catch)]
    fn get(this: &Namespace, key: &str, options: &Object) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn put(this: &Namespace, key: &str, value: &str, options: &Object) -> Result<Promise, JsValue>;
}

/// How long a read value is cached: the shortest time that KV allows. With a longer time, an isolate would see the
/// writes of other isolates later.
const MIN_CACHE_TTL_S: u32 = 30;
