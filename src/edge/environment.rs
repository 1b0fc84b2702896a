//! The environment as settings, read once per isolate.

use std::sync::OnceLock;

use js_sys::{JSON, JsString, Reflect};
use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::log;
use crate::settings::Settings;

/// The settings. The environment of an isolate never changes, so they are read with its first request.
pub fn settings(env: &Env) -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let toll = value(env, "TOLL").and_then(|toll| match toll.as_string() {
            Some(text) => Some(text),
            None => JSON::stringify(&toll).ok().map(String::from),
        });
        let settings = Settings::read(|name| text(env, name), toll.as_deref(), fold_case);
        settings.faults().iter().for_each(|fault| log::fault(fault));
        settings
    })
}

/// A binding, where there is one.
pub fn value(env: &Env, name: &str) -> Option<JsValue> {
    let value = Reflect::get(env, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A variable or secret; an empty one counts as absent, and one that is no text is broken, not absent.
fn text(env: &Env, name: &str) -> Option<String> {
    let text = value(env, name)?.as_string().unwrap_or_else(|| "(not a text)".to_owned());
    (!text.is_empty()).then_some(text)
}

fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        JsString::from(text).to_upper_case().to_lower_case().into()
    }
}
