//! Checks settings of Cloudflare and Wrangler. With a mistake in one of these settings, a request may bypass the
//! Worker, static files may be missing, an old build may be deployed, or a secret may not be loaded.

use super::environment::{Environment, Point};
use super::variables::secrets;
use crate::payment::{NWC_URLS, WalletSlot};
use crate::strict_json::Json;

/// Checks `name`, `compatibility_date`, `compatibility_flags`, `assets`, `cache`, `build` and `secrets`.
pub(super) fn check(environment: &mut Environment<'_>) {
    if environment.get(&["name"]).and_then(Json::as_str).is_some_and(|name| !is_worker_name(name)) {
        let sentence = "must have only lower-case letters, digits, - and _: Wrangler refuses other names";
        environment.error("name", Point::Value, sentence);
    }
    check_compatibility(environment);
    if let Some(assets) = environment.get(&["assets"]) {
        check_assets(environment, assets);
    }
    if environment.get(&["cache", "enabled"]).and_then(Json::as_bool) == Some(true) {
        let sentence = "must be false: otherwise Cloudflare serves paid responses from its cache to everyone";
        environment.error("cache.enabled", Point::Value, sentence);
    }
    check_build(environment);
    if let Some(required) = environment.get(&["secrets", "required"]).and_then(Json::as_array) {
        check_secrets(environment, required);
    }
}

/// Whether Wrangler accepts a text as the name of a Worker.
pub fn is_worker_name(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    !text.starts_with('-') && text.bytes().all(is_letter)
}

/// Checks that the runtime has what the Worker calls. Source: <https://developers.cloudflare.com/workers/configuration/compatibility-flags/>
fn check_compatibility(environment: &mut Environment<'_>) {
    let date = environment.get(&["compatibility_date"]).and_then(Json::as_str);
    if date.is_some_and(|date| date < EARLIEST_DATE) {
        let sentence = format!(
            "must be \"{EARLIEST_DATE}\" or later: with an older runtime, the Worker cannot send requests to the wallet, and nothing is sold"
        );
        environment.error("compatibility_date", Point::Value, &sentence);
    }
    let flags = environment.get(&["compatibility_flags"]).and_then(Json::as_array).unwrap_or_default();
    for (at, flag) in flags.iter().enumerate() {
        if let Some(flag) = flag.as_str().filter(|flag| UNUSABLE_FLAGS.contains(flag)) {
            let sentence = format!("must not be \"{flag}\": the Worker needs what this flag turns off");
            environment.error(&format!("compatibility_flags[{at}]"), Point::Value, &sentence);
        }
    }
}

/// From this date on, `fetch` knows `cache: "no-store"`.
const EARLIEST_DATE: &str = "2024-11-11";
const UNUSABLE_FLAGS: [&str; 2] = ["cache_option_disabled", "disallow_importable_env"];

fn check_assets(environment: &mut Environment<'_>, assets: &Json) {
    let worker_is_first = match assets.get("run_worker_first") {
        Some(Json::Bool(first)) => *first,
        Some(Json::Array(paths)) => {
            let is_exception = |path: &Json| path.as_str().is_some_and(|path| path.starts_with('!'));
            paths.contains(&Json::String("/*".to_owned())) && !paths.iter().any(is_exception)
        }
        _ => false,
    };
    if !worker_is_first {
        let sentence = "must be true: otherwise a static file at a priced path is served without payment";
        environment.error("assets.run_worker_first", Point::Value, sentence);
    }
    let binding = assets.get("binding").and_then(Json::as_str);
    if assets.get("directory").is_some() && binding != Some("ASSETS") {
        let sentence = "should be \"ASSETS\": edgetoll finds its static files by this name";
        environment.warn("assets.binding", Point::Value, sentence);
    }
}

fn check_build(environment: &mut Environment<'_>) {
    let is_inherited = environment.name.is_some() && environment.get(&["build"]).is_none();
    let command = environment.get(&["build", "command"]).and_then(Json::as_str);
    // `make build` writes into build/. A Worker of the npm package is not built: its command only runs this check.
    let main = environment.get_inherited("main").and_then(Json::as_str);
    let is_built_elsewhere = main.is_some_and(|main| !main.trim_start_matches("./").starts_with("build/"));
    let is_known = is_built_elsewhere || command.is_some_and(|command| command.trim() == "make build");
    if !is_inherited && !is_known {
        let sentence = "should be \"make build\": otherwise an older build may be deployed";
        environment.warn("build.command", Point::Value, sentence);
    }
}

fn check_secrets(environment: &mut Environment<'_>, required: &[Json]) {
    let is_missing = |name: &&str| !required.iter().any(|listed| listed.as_str() == Some(name));
    let has_nwc = !is_missing(&WalletSlot::FIRST.nwc_setting());
    // The key of an LNbits is needed only with its URL, except in slot 1, where an NWC wallet may replace it.
    let is_needed = |name: &&str| {
        let slot = WalletSlot::ALL.into_iter().find(|slot| slot.key_setting() == *name);
        let needs_key = slot.is_none_or(|slot| {
            environment.get(&["vars", slot.url_setting()]).is_some()
                || (slot == WalletSlot::FIRST && !has_nwc)
        });
        needs_key && !NWC_URLS.contains(name)
    };
    let missing: Vec<&str> = secrets().filter(is_missing).filter(is_needed).collect();
    if !missing.is_empty() {
        let sentence = format!(
            "lacks {}: Wrangler loads only listed secrets from .dev.vars, so add them or remove the list",
            missing.join(", ")
        );
        environment.warn("secrets.required", Point::Value, &sentence);
    }
}
