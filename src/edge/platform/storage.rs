//! The storage of a Durable Object: one JSON value, or a SQLite database.

use std::cell::{Cell, RefCell};

use js_sys::{Array, Object, Promise, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::strict_json::FromJson;

/// The value that a Durable Object keeps. Requests change it in memory. `shell.js` calls [`write`](Self::write) before
/// it sends the responses, once for all requests that arrive at nearly the same time.
pub struct StoredValue<T> {
    storage: Storage,
    value: RefCell<T>,
    is_changed: Cell<bool>,
    /// When the object's `alarm` is to be called, if this is to be set with the next write.
    alarm_at_ms: Cell<Option<u64>>,
}

impl<T: FromJson + Serialize + Default + Clone + PartialEq> StoredValue<T> {
    /// Reads the value; `T::default()` if nothing is stored.
    ///
    /// # Errors
    /// Fails if the stored text is not JSON of this type.
    pub fn read(state: &JsValue) -> Result<Self, JsValue> {
        let storage = storage(state)?;
        let stored = storage.kv()?.get(KEY)?.as_string();
        let stored = stored.map(|text| T::parse(&text).ok_or(JsValue::NULL)).transpose()?;
        Ok(Self {
            storage,
            value: RefCell::new(stored.unwrap_or_default()),
            is_changed: Cell::new(false),
            alarm_at_ms: Cell::new(None),
        })
    }

    /// Parses a request, runs it on the value, and returns the response as JSON.
    pub fn answer<Q: FromJson, A: Serialize>(
        &self,
        request: &str,
        run: impl FnOnce(&Q, &mut T) -> A,
    ) -> Result<String, JsValue> {
        let request = Q::parse(request).ok_or(JsValue::NULL)?;
        let mut value = self.value.borrow_mut();
        let before = value.clone();
        let response = run(&request, &mut value);
        self.is_changed.set(self.is_changed.get() || *value != before);
        serde_json::to_string(&response).map_err(|_| JsValue::NULL)
    }

    /// Schedules the object's `alarm`, which must call [`delete_all`](Self::delete_all).
    pub fn delete_at(&self, at_ms: u64) {
        self.alarm_at_ms.set(Some(at_ms));
    }

    /// Whether [`write`](Self::write) must be called before a response is sent.
    pub fn is_changed(&self) -> bool {
        self.is_changed.get()
    }

    pub fn write(&self) -> Result<(), JsValue> {
        let text = serde_json::to_string(&*self.value.borrow()).map_err(|_| JsValue::NULL)?;
        // If one of the two steps fails, the responses are not sent, so the value must not be stored. An alarm alone does
        // no harm.
        if let Some(at_ms) = self.alarm_at_ms.take() {
            self.storage.set_alarm_at(at_ms)?;
        }
        self.storage.kv()?.put(KEY, &text)?;
        self.is_changed.set(false);
        Ok(())
    }

    pub fn delete_all(&self) -> Result<Promise, JsValue> {
        self.delete_all_if(|_| true)
    }

    /// Deletes everything if the value meets a condition.
    pub fn delete_all_if(&self, condition: impl FnOnce(&T) -> bool) -> Result<Promise, JsValue> {
        match condition(&self.value.borrow()) {
            true => self.storage.delete_all(),
            false => Ok(Promise::resolve(&JsValue::UNDEFINED)),
        }
    }
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
