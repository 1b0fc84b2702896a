//! Workers KV: the namespace bound as `FREE_TIER`. (`worker`'s own wrapper is 15 KB of compressed wasm.)

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen_futures::JsFuture;
use worker::Env;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::{environment, time};

/// The namespace.
pub struct Kv(Namespace);

impl Kv {
    /// The namespace, where it is bound.
    pub fn bound(env: &Env) -> Option<Self> {
        environment::value(env, BINDING).map(|binding| Self(binding.unchecked_into()))
    }

    /// The value of a key, where it has one. An answer that takes too long is an error.
    pub async fn get(&self, key: &str, limit_ms: i32) -> Result<Option<String>, JsValue> {
        let options = Object::new();
        Reflect::set(&options, &"cacheTtl".into(), &MIN_CACHE_TTL_S.into())?;
        Ok(time::limit(&self.0.get(key, &options)?, limit_ms).await?.as_string())
    }

    /// Writes a value for so many seconds; KV takes none for less than a minute.
    pub async fn put(&self, key: &str, value: &str, ttl_s: u64) -> Result<(), JsValue> {
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

const BINDING: &str = "FREE_TIER";
/// The least that KV allows: the sooner we see what others wrote, the better.
const MIN_CACHE_TTL_S: u32 = 30;
/// How long a client waits for it at most.
pub const TIMEOUT_MS: i32 = 2_000;
