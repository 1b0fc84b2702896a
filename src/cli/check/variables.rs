//! Checks the variables other than the price list: misspelled names, secrets in the file, and variables outside of
//! `vars`.

use super::environment::{Environment, Point};
use super::nearest::nearest;
use super::notation::Notation;
use super::places::member;
use super::report::Severity;
use super::urls;
use crate::payment::{LNBITS_KEYS, LNBITS_URLS, NWC_URLS};
use crate::strict_json::Json;

/// Checks the names and values in `vars`. Returns whether the name of the price list is misspelled.
pub(super) fn check(environment: &mut Environment<'_>) -> bool {
    let Some(Json::Object(variables)) = environment.get(&["vars"]) else { return false };
    let mut is_misspelled = false;
    for (name, value) in variables {
        is_misspelled |= check_name(environment, name);
        urls::check(environment, name, value);
    }
    urls::check_missing_origin(environment);
    is_misspelled
}

/// Reports variables, secrets and price lists that are not below `vars`. Wrangler ignores them, so the Worker does not
/// get them. Returns whether a price list is among them.
pub(super) fn check_misplaced(environment: &mut Environment<'_>) -> bool {
    let below = environment.name.map_or(String::new(), |name| format!("env.{name}."));
    for name in variables().chain(secrets()).filter(|name| *name != "TOLL") {
        if environment.get(&[name]).is_some() {
            let sentence = format!("is ignored here: write it below vars, as {below}vars.{name}");
            environment.error(name, Point::Key, &sentence);
        }
    }
    let Some(found) = misplaced_list(environment) else { return false };
    let Misplaced { place, belongs_at } = found;
    let header = match environment.notation() {
        Notation::Toml => format!("[[{below}{belongs_at}]]"),
        Notation::Json => format!("{below}{belongs_at}"),
    };
    let sentence = format!("is ignored here, so nothing is sold by it: write it as {header}");
    environment.error(&place, Point::Key, &sentence);
    true
}

/// A price list or a route in the wrong table.
struct Misplaced {
    place: String,
    /// The right place for the routes, such as `vars.TOLL.routes`.
    belongs_at: String,
}

fn misplaced_list(environment: &Environment<'_>) -> Option<Misplaced> {
    let of =
        |place: &str| Some(Misplaced { place: place.to_owned(), belongs_at: "vars.TOLL.routes".to_owned() });
    let is_priced = |route: &Json| route.get("path").is_some() && route.get("pattern").is_none();
    let has_prices = |keys: &[&str]| {
        environment.get(keys).and_then(Json::as_array).is_some_and(|routes| routes.iter().any(is_priced))
    };
    if environment.get(&["TOLL"]).is_some() {
        return of("TOLL");
    }
    if has_prices(&["routes"]) {
        return of("routes");
    }
    if has_prices(&["vars", "routes"]) {
        return of("vars.routes");
    }
    // Wrangler does read the variables below these three keys.
    let mut tables = members(environment.table())
        .iter()
        .filter(|(name, _)| !["vars", "env", "previews"].contains(&name.as_str()));
    tables.find_map(|(name, table)| {
        if table.get("TOLL").is_some() {
            return of(&member(name, "TOLL"));
        }
        let itself = (name.clone(), name, table);
        let inner = members(table).iter().map(|(inner, table)| (member(name, inner), inner, table));
        std::iter::once(itself).chain(inner).find_map(|(place, name, table)| {
            table.get("vars")?.get("TOLL")?;
            let belongs_at = format!("env.{name}.vars.TOLL.routes");
            Some(Misplaced { place: member(&place, "vars.TOLL"), belongs_at })
        })
    })
}

pub(super) fn members(table: &Json) -> &[(String, Json)] {
    match table {
        Json::Object(members) => members,
        _ => &[],
    }
}

/// Returns `true` if the name is a misspelling of `TOLL`, and `vars` has no `TOLL`.
fn check_name(environment: &mut Environment<'_>, name: &str) -> bool {
    let place = format!("vars.{name}");
    let (secrets, variables): (Vec<_>, Vec<_>) = (secrets().collect(), variables().collect());
    if secrets.contains(&name) {
        let option = environment.name.map_or(String::new(), |name| format!(" --env {name}"));
        let sentence = format!(
            "is a secret: remove it from this file and set it with `npx wrangler secret put {name}{option}`"
        );
        environment.error(&place, Point::Key, &sentence);
    } else if !variables.contains(&name)
        && let Some(known) = nearest(name, &variables).or_else(|| nearest(name, &secrets))
    {
        let is_list = known == "TOLL" && environment.get(&["vars", "TOLL"]).is_none();
        let severity = if is_list { Severity::Error } else { Severity::Warning };
        let sentence = format!("is not a variable that edgetoll knows; did you mean `{known}`?");
        environment.report(severity, &place, Point::Key, &sentence);
        return is_list;
    }
    false
}

/// Returns the names of the variables that hold a secret. They must not be in a file that is committed.
pub(in crate::cli) fn secrets() -> impl Iterator<Item = &'static str> {
    SECRETS.into_iter().chain(LNBITS_KEYS).chain(NWC_URLS)
}

/// Returns the names of the variables that hold no secret.
pub(in crate::cli) fn variables() -> impl Iterator<Item = &'static str> {
    VARIABLES.into_iter().chain(LNBITS_URLS)
}

const SECRETS: [&str; 6] = [
    "TOLL_SECRET",
    "TOLL_SECRET_PREVIOUS",
    "ADMIN_TOKEN",
    "ORIGIN_TOKEN",
    "ORIGIN_SECRET",
    "ON_PAYMENT_SECRET",
];
const VARIABLES: [&str; 4] = ["TOLL", "ORIGIN_URL", "PUBLIC_URL", "ON_PAYMENT_URL"];
