//! Checks the variables other than the price list: misspelled names, secrets in the file, and URLs.

use super::environment::{Environment, Point};
use super::nearest::nearest;
use crate::config::Origin;
use crate::http::url::{is_safe_base, is_safe_target};
use crate::strict_json::Json;

/// Checks the names and values in `vars`.
pub(super) fn check(environment: &mut Environment<'_>) {
    let Some(Json::Object(variables)) = environment.get(&["vars"]) else { return };
    for (name, value) in variables {
        check_name(environment, name);
        check_url(environment, name, value);
    }
}

/// Reports variables and secrets that are not below `vars`. Wrangler ignores them there, so the Worker does not get them.
pub(super) fn check_top_level(environment: &mut Environment<'_>) {
    for name in VARIABLES.into_iter().chain(SECRETS) {
        if environment.get(&[name]).is_none() {
            continue;
        }
        let below = environment.name.map_or(String::new(), |name| format!("env.{name}."));
        let sentence = match name {
            "TOLL" => format!(
                "is ignored here, so nothing is sold by it: write it below vars, as [[{below}vars.TOLL.routes]]"
            ),
            _ => format!("is ignored here: write it below vars, as {below}vars.{name}"),
        };
        environment.error(name, Point::Key, &sentence);
    }
}

fn check_name(environment: &mut Environment<'_>, name: &str) {
    let place = format!("vars.{name}");
    if SECRETS.contains(&name) {
        let option = environment.name.map_or(String::new(), |name| format!(" --env {name}"));
        let sentence = format!(
            "is a secret: remove it from this file and set it with `npx wrangler secret put {name}{option}`"
        );
        return environment.error(&place, Point::Key, &sentence);
    }
    if VARIABLES.contains(&name) {
        return;
    }
    if let Some(known) = nearest(name, &VARIABLES).or_else(|| nearest(name, &SECRETS)) {
        let sentence = format!("is not a variable that edgetoll knows; did you mean `{known}`?");
        environment.warn(&place, Point::Key, &sentence);
    }
}

fn check_url(environment: &mut Environment<'_>, name: &str, value: &Json) {
    let url = value.as_str().unwrap_or_default();
    let sentence = match name {
        "LNBITS_URL" | "LNBITS_URL_2" | "PUBLIC_URL" if !is_safe_base(url) => {
            Some("must be an https URL (http only for localhost), without user, query or fragment")
        }
        "ON_PAYMENT_URL" if !is_safe_target(url) => {
            Some("must be an https URL (http only for localhost), without user or fragment")
        }
        "ORIGIN_URL" => Origin::parse(url).err(),
        _ => None,
    };
    if let Some(sentence) = sentence {
        environment.error(&format!("vars.{name}"), Point::Value, sentence);
    }
}

/// The variables that hold a secret. They must not be in a file that is committed.
pub(super) const SECRETS: [&str; 7] = [
    "TOLL_SECRET",
    "TOLL_SECRET_PREVIOUS",
    "LNBITS_KEY",
    "LNBITS_KEY_2",
    "ADMIN_TOKEN",
    "ORIGIN_TOKEN",
    "ON_PAYMENT_SECRET",
];
const VARIABLES: [&str; 6] =
    ["TOLL", "LNBITS_URL", "LNBITS_URL_2", "ORIGIN_URL", "PUBLIC_URL", "ON_PAYMENT_URL"];
