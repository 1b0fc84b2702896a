//! Durable Objects: how the Worker asks one, and what one stores. (`worker`'s own wrappers are 15 KB of compressed wasm.)

use js_sys::{Promise, Reflect};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::Response;
use worker::Env;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::{environment, time};
use crate::policy::url::RequestUrl;

/// A question to an object, on its way.
pub struct Asked(Promise);

/// Asks the object of this name; `None` where the binding is missing.
pub fn ask(env: &Env, binding: &str, name: &str, path: &str) -> Option<Asked> {
    let objects: ObjectNamespace = environment::value(env, binding)?.unchecked_into();
    let (name, url) = (name.to_owned(), format!("https://object.invalid{path}"));
    Some(Asked(future_to_promise(async move {
        let object = objects.get(&objects.id_from_name(&name)?)?;
        let response: Response = JsFuture::from(object.fetch(&url)?).await?.unchecked_into();
        if response.ok() { JsFuture::from(response.text()?).await } else { Err(JsValue::NULL) }
    })))
}

impl Asked {
    /// The answer; `None` where the object fails, or takes too long.
    pub async fn within(&self, limit_ms: i32) -> Option<String> {
        time::limit(&self.0, limit_ms).await.ok()?.as_string()
    }
}

/// The names in the path that an object was asked with.
pub fn names(url: &str) -> Vec<String> {
    let path = RequestUrl::parse(url).map_or("", |url| url.path);
    path.split('/').skip(1).map(str::to_owned).collect()
}

/// What an object stores: one text. Reading and writing are one step, so no two calls can meet in it.
pub struct Store(Storage);

impl Store {
    /// The storage of an object.
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        Ok(Self(Reflect::get(state, &"storage".into())?.unchecked_into()))
    }

    /// The text, where one was written.
    pub fn read(&self) -> Result<Option<String>, JsValue> {
        Ok(self.0.kv()?.get(KEY)?.as_string())
    }

    /// Writes the text. Its first writer says when the object forgets it.
    pub fn write(&self, text: &str, forget_at_ms: Option<u64>) -> Result<(), JsValue> {
        self.0.kv()?.put(KEY, text)?;
        if let Some(at_ms) = forget_at_ms {
            // The runtime waits for the promise, and holds the answer back until all is stored.
            let _ = self.0.set_alarm(at_ms as f64)?;
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn forget(&self) -> Result<Promise, JsValue> {
        self.0.delete_all()
    }
}

#[wasm_bindgen]
extern "C" {
    type ObjectNamespace;
    type ObjectId;
    type ObjectStub;

    #[wasm_bindgen(method, catch, js_name = idFromName)]
    fn id_from_name(this: &ObjectNamespace, name: &str) -> Result<ObjectId, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn get(this: &ObjectNamespace, id: &ObjectId) -> Result<ObjectStub, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &ObjectStub, url: &str) -> Result<Promise, JsValue>;

    type Storage;
    /// Its synchronous side.
    type SyncKv;

    #[wasm_bindgen(method, getter, catch)]
    fn kv(this: &Storage) -> Result<SyncKv, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &Storage, at_ms: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    fn delete_all(this: &Storage) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn get(this: &SyncKv, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn put(this: &SyncKv, key: &str, value: &str) -> Result<(), JsValue>;
}

const KEY: &str = "state";
