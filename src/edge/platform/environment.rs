//! Bindings, variables and secrets.

use std::sync::OnceLock;

use js_sys::{JSON, JsString, Reflect};
use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::log;
use crate::config::Settings;

/// Returns the settings. They are read with the first request: the environment of an isolate never changes.
pub fn settings(env: &Env) -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let price_list = binding(env, "TOLL").and_then(|toll| match toll.as_string() {
            Some(text) => Some(text),
            None => JSON::stringify(&toll).ok().map(String::from),
        });
        let settings = Settings::read(|name| variable(env, name), price_list.as_deref(), fold_case);
        settings.faults.iter().for_each(|fault| log::config_fault(fault));
        settings
    })
}

/// Returns a binding, if it exists.
pub fn binding(env: &Env, name: &str) -> Option<JsValue> {
    let value = Reflect::get(env, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// Returns a variable or secret. An empty one counts as missing; one that is not a string is invalid, not missing.
fn variable(env: &Env, name: &str) -> Option<String> {
    let text = binding(env, name)?.as_string().unwrap_or_else(|| "(not a string)".to_owned());
    (!text.is_empty()).then_some(text)
}

/// JavaScript has Unicode's case tables already; in the wasm they would add 7 KB.
fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        JsString::from(text).to_upper_case().to_lower_case().into()
    }
}
