//! What of Cloudflare could answer in the Worker's place, and how it is built.

use super::environment::{Environment, Point};
use super::variables::SECRETS;
use crate::strict_json::Json;

/// Judges `assets`, `cache`, `build` and `secrets`.
pub(super) fn check(environment: &mut Environment<'_>) {
    if let Some(assets) = environment.get(&["assets"]) {
        check_assets(environment, assets);
    }
    if environment.get(&["cache", "enabled"]).and_then(Json::as_bool) == Some(true) {
        let sentence =
            "is true: what one client paid for would be served from the cache without asking edgetoll";
        environment.error("cache.enabled", Point::Value, sentence);
    }
    check_build(environment);
    if let Some(required) = environment.get(&["secrets", "required"]).and_then(Json::as_array) {
        check_secrets(environment, required);
    }
}

fn check_assets(environment: &mut Environment<'_>, assets: &Json) {
    let runs_always = match assets.get("run_worker_first") {
        Some(Json::Bool(first)) => *first,
        Some(Json::Array(paths)) => {
            let is_excluding = |path: &Json| path.as_str().is_some_and(|path| path.starts_with('!'));
            paths.contains(&Json::String("/*".to_owned())) && !paths.iter().any(is_excluding)
        }
        _ => false,
    };
    if !runs_always {
        let sentence = "is not true: a file of the same name would answer a priced path for nothing";
        environment.error("assets.run_worker_first", Point::Value, sentence);
    }
    let binding = assets.get("binding").and_then(Json::as_str);
    if assets.get("directory").is_some() && binding != Some("ASSETS") {
        let sentence = "is not \"ASSETS\": edgetoll finds no asset to serve";
        environment.warn("assets.binding", Point::Value, sentence);
    }
}

fn check_build(environment: &mut Environment<'_>) {
    let is_inherited = environment.name.is_some() && environment.get(&["build"]).is_none();
    let command = environment.get(&["build", "command"]).and_then(Json::as_str);
    if !is_inherited && command.map(str::trim) != Some("make build") {
        let sentence = "is not \"make build\": what is deployed may be an older build";
        environment.warn("build.command", Point::Value, sentence);
    }
}

fn check_secrets(environment: &mut Environment<'_>, required: &[Json]) {
    let is_left_out = |name: &&str| !required.iter().any(|one| one.as_str() == Some(name));
    let left_out: Vec<&str> = SECRETS.into_iter().filter(is_left_out).collect();
    if !left_out.is_empty() {
        let sentence =
            format!("leaves out {}: wrangler then does not load them from .dev.vars", left_out.join(", "));
        environment.warn("secrets.required", Point::Value, &sentence);
    }
}
