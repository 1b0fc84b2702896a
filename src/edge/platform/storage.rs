//! The storage of a Durable Object: one JSON value, or a SQLite database.

use js_sys::{Array, Object, Promise, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response};

use super::durable_object::REQUEST_HEADER;
use crate::strict_json::FromJson;

/// The storage of a Durable Object that keeps one value. Reading and writing are synchronous, so two calls to the
/// object cannot interleave.
pub struct ValueStore(Storage);

impl ValueStore {
    pub fn new(state: &JsValue) -> Result<Self, JsValue> {
        storage(state).map(Self)
    }

    /// Returns the stored value; `None` if nothing is stored.
    ///
    /// # Errors
    /// Fails if the stored text is not JSON of this type.
    pub fn read<T: FromJson>(&self) -> Result<Option<T>, JsValue> {
        let stored = self.0.kv()?.get(KEY)?.as_string();
        stored.map(|text| T::parse(&text).ok_or(JsValue::NULL)).transpose()
    }

    pub fn write(&self, value: &impl Serialize) -> Result<(), JsValue> {
        self.0.kv()?.put(KEY, &to_json(value)?)
    }

    /// Schedules the object's `alarm`, which must call [`delete_all`](Self::delete_all).
    pub fn delete_at(&self, at_ms: u64) -> Result<(), JsValue> {
        self.0.set_alarm_at(at_ms)
    }

    pub fn delete_all(&self) -> Result<Promise, JsValue> {
        self.0.delete_all()
    }
}

/// Reads the request that [`call`](super::durable_object::call) sent.
pub fn read_request<T: FromJson>(request: &Request) -> Result<T, JsValue> {
    T::parse(&request_text(request)?).ok_or(JsValue::NULL)
}

/// Returns the text that [`call`](super::durable_object::call) or [`post`](super::durable_object::post) sent in a
/// header.
pub fn request_text(request: &Request) -> Result<String, JsValue> {
    request.headers().get(REQUEST_HEADER)?.ok_or(JsValue::NULL)
}

/// Returns a response with a value as JSON.
pub fn respond(value: &impl Serialize) -> Result<Response, JsValue> {
    Response::new_with_opt_str(Some(&to_json(value)?))
}

fn to_json(value: &impl Serialize) -> Result<String, JsValue> {
    serde_json::to_string(value).map_err(|_| JsValue::NULL)
}

/// Returns the storage of an object.
pub fn storage(state: &JsValue) -> Result<Storage, JsValue> {
    Ok(Reflect::get(state, &"storage".into())?.unchecked_into())
}

impl Storage {
    /// Schedules the object's `alarm`. A new time replaces the previous time.
    pub fn set_alarm_at(&self, at_ms: u64) -> Result<(), JsValue> {
        // The promise need not be awaited: the runtime sends no response before everything is stored.
        self.set_alarm(at_ms as f64).map(drop)
    }
}

impl Sql {
    /// Runs a statement. Returns the first column of the first row; `None` if there is no row or the value is not a
    /// text.
    pub fn run(&self, statement: &str, input: Option<&str>) -> Result<Option<String>, JsValue> {
        let cursor = match input {
            Some(input) => self.exec_with(statement, input)?,
            None => self.exec(statement)?,
        };
        let row = cursor.to_array()?.get(0);
        Ok(row.dyn_ref::<Object>().and_then(|row| Object::values(row).get(0).as_string()))
    }
}

#[wasm_bindgen]
extern "C" {
    pub type Storage;
    /// The synchronous key-value API of the storage.
    type SyncKv;
    pub type Sql;
    type SqlCursor;

    #[wasm_bindgen(method, getter, catch)]
    fn kv(this: &Storage) -> Result<SyncKv, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub fn sql(this: &Storage) -> Result<Sql, JsValue>;

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

    #[wasm_bindgen(method, catch)]
    fn exec(this: &Sql, statement: &str) -> Result<SqlCursor, JsValue>;

    #[wasm_bindgen(method, catch, js_name = exec)]
    fn exec_with(this: &Sql, statement: &str, input: &str) -> Result<SqlCursor, JsValue>;

    #[wasm_bindgen(method, catch, js_name = toArray)]
    fn to_array(this: &SqlCursor) -> Result<Array, JsValue>;
}

const KEY: &str = "state";
