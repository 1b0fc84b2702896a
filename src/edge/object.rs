//! Durable Objects: how the Worker asks one, and what one stores. (`worker`'s own wrappers are 15 KB of compressed wasm.)

use js_sys::{Promise, Reflect};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{RequestInit, Response};
use worker::Env;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::ledger::Sql;
use super::{environment, time};
use crate::policy::url::RequestUrl;

/// A question to an object, on its way.
pub struct Asked(Promise);

/// Asks the object of this name; `None` where the binding is missing.
pub fn ask(env: &Env, binding: &str, name: &str, path: &str) -> Option<Asked> {
    send(env, binding, name, path, RequestInit::new())
}

/// Tells the object of this name something.
pub fn tell(env: &Env, binding: &str, name: &str, path: &str, body: &str) -> Option<Asked> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&body.into());
    send(env, binding, name, path, init)
}

fn send(env: &Env, binding: &str, name: &str, path: &str, init: RequestInit) -> Option<Asked> {
    let objects: ObjectNamespace = environment::value(env, binding)?.unchecked_into();
    let (name, url) = (name.to_owned(), format!("https://object.invalid{path}"));
    Some(Asked(future_to_promise(async move {
        let object = objects.get(&objects.id_from_name(&name)?)?;
        let response: Response = JsFuture::from(object.fetch(&url, &init)?).await?.unchecked_into();
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
        storage(state).map(Self)
    }

    /// The text, where one was written.
    pub fn read(&self) -> Result<Option<String>, JsValue> {
        Ok(self.0.kv()?.get(KEY)?.as_string())
    }

    /// Writes the text. Its first writer says when the object forgets it.
    pub fn write(&self, text: &str, forget_at_ms: Option<u64>) -> Result<(), JsValue> {
        self.0.kv()?.put(KEY, text)?;
        if let Some(at_ms) = forget_at_ms {
            self.0.wake_at(at_ms)?;
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn forget(&self) -> Result<Promise, JsValue> {
        self.0.delete_all()
    }
}

/// The storage of an object.
pub fn storage(state: &JsValue) -> Result<Storage, JsValue> {
    Ok(Reflect::get(state, &"storage".into())?.unchecked_into())
}

impl Storage {
    /// Calls the object's `alarm` then, and not when it was said before.
    pub fn wake_at(&self, at_ms: u64) -> Result<(), JsValue> {
        // The runtime waits for the promise, and holds the answer back until all is stored.
        self.set_alarm(at_ms as f64).map(drop)
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
    fn fetch(this: &ObjectStub, url: &str, init: &RequestInit) -> Result<Promise, JsValue>;

    /// What an object keeps.
    pub type Storage;
    /// Its synchronous side.
    type SyncKv;

    #[wasm_bindgen(method, getter, catch)]
    fn kv(this: &Storage) -> Result<SyncKv, JsValue>;

    /// The database, as SQL.
    #[wasm_bindgen(method, getter, catch)]
    pub fn sql(this: &Storage) -> Result<Sql, JsValue>;

    /// Does this whole or not at all.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub fn transaction_sync(
        this: &Storage,
        work: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;

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
