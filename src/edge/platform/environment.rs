//! Bindings, variables and secrets.

use std::sync::{Once, OnceLock};

use crate::edge::platform::runtime::Env;
use js_sys::{JSON, JsString, Reflect, RegExp};
use wasm_bindgen::JsValue;

use super::log;
use crate::bindings::{LEDGER, METER, ORIGIN};
use crate::config::Settings;
use crate::policy::Policy;

/// Reads the settings and looks up the bindings while the isolate starts, so that its first request need not wait for that.
pub fn prepare(env: &Env) -> &'static Settings {
    bound(env);
    read_settings(env)
}

/// Returns the settings. The first call logs what is wrong with them: at the start of the isolate, there is no request whose
/// log could have it.
pub fn settings(env: &Env) -> &'static Settings {
    static LOGGED: Once = Once::new();
    let settings = read_settings(env);
    LOGGED.call_once(|| settings.faults.iter().for_each(|fault| log::config_fault(fault)));
    settings
}

/// Returns the settings, which are read once: the environment of an isolate never changes.
fn read_settings(env: &Env) -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let price_list = binding(env, "TOLL").and_then(|toll| match toll.as_string() {
            Some(text) => Some(text),
            None => JSON::stringify(&toll).ok().map(String::from),
        });
        let mut settings = Settings::read(|name| variable(env, name), price_list.as_deref(), fold_case);
        if !bound(env).meter && settings.policy().is_some_and(Policy::offers_preimage) {
            settings.faults.push(NO_METER.to_owned());
        }
        settings
    })
}

/// The bindings about which every request asks.
pub struct Bound {
    pub origin: bool,
    pub ledger: bool,
    pub meter: bool,
}

/// Returns which bindings exist. They are looked up once: the environment of an isolate never changes.
pub fn bound(env: &Env) -> &'static Bound {
    static BOUND: OnceLock<Bound> = OnceLock::new();
    BOUND.get_or_init(|| Bound {
        // A variable of this name is not a service: nothing can be sent to it.
        origin: binding(env, ORIGIN).is_some_and(|origin| {
            Reflect::get(&origin, &"fetch".into()).is_ok_and(|fetch| fetch.is_function())
        }),
        ledger: binding(env, LEDGER.name).is_some(),
        meter: binding(env, METER.name).is_some(),
    })
}

/// Returns a binding, a variable or a secret; `None` if it does not exist.
pub fn binding(env: &Env, name: &str) -> Option<JsValue> {
    let value = Reflect::get(env, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// Returns a variable or secret; `None` if it is missing or empty. A value that is not a string becomes the text
/// `(not a string)`, which no setting accepts.
fn variable(env: &Env, name: &str) -> Option<String> {
    let text = binding(env, name)?.as_string().unwrap_or_else(|| "(not a string)".to_owned());
    (!text.is_empty()).then_some(text)
}

/// Converts a text so that two texts become equal if they differ only in case or in variants of letters, such as wide
/// letters. A text that is not ASCII is converted by JavaScript, because Rust's Unicode tables would add 7 KB to the wasm.
fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = JsString::from(text);
    // V8 sorts combining marks in quadratic time, so long runs of them are cut.
    if text.split(|c: char| c.is_ascii()).any(|run| run.chars().nth(MAX_MARKS).is_some()) {
        folded = RUNS_OF_MARKS.with(|runs| folded.replace_by_pattern(runs, "$1"));
    }
    folded.normalize("NFKC").to_upper_case().to_lower_case().into()
}

thread_local! {
    /// U+FF9E and U+FF9F become marks.
    static RUNS_OF_MARKS: RegExp = RegExp::new(r"([\p{M}\uff9e\uff9f]{16})[\p{M}\uff9e\uff9f]+", "gu");
}

const MAX_MARKS: usize = 16;

const NO_METER: &str = "the binding METER is missing: no route offers x-preimage";
