//! Judges the settings and the bindings of a deployment by the rules of the Worker. Sends no request. A finding never
//! contains the value of a secret.

use super::dev_vars::{self, Entry};
use super::report::{Check, CheckResult, Level};
use super::settings::{Sources, VariableReader};
use crate::bindings::{ASSETS, CHALLENGE_LIMIT, FREE_TIER_EXACT, INVOICE_LIMIT, LEDGER, METER, TOLL_KV};
use crate::cli::check::nearest::nearest;
use crate::cli::check::variables::{secrets, variables};
use crate::cli::own_command;
use crate::config::Settings;
use crate::policy::Policy;
use crate::policy::free_tier::FreeTierStore;
use crate::policy::normalization::fold_case;
use crate::policy::route::Pricing;
use crate::strict_json::Json;

/// Judges everything but the wallets, the origin and the public URL.
pub fn examine(
    sources: &Sources<'_>,
    reader: &VariableReader<'_>,
    policy: Option<&Policy>,
) -> Vec<CheckResult> {
    let faults = faults(reader);
    let mut results = Vec::new();
    results.extend(price_list(sources, policy));
    results.extend(dev_vars(sources));
    results.extend(secret(sources, reader, &faults));
    results.push(admin_token(sources, reader, &faults));
    results.extend(origin_token(reader, &faults));
    results.extend(origin_secret(reader, &faults));
    results.extend(callbacks(sources, reader, &faults));
    results.extend(bindings(sources, policy));
    results
}

/// Returns the mistakes that the Worker finds in the settings, except in the price list and the wallets.
pub fn faults(reader: &VariableReader<'_>) -> Vec<String> {
    let value = |name: &str| reader.get(name).map(|setting| setting.value);
    Settings::read(value, Some("{}"), fold_case).faults
}

/// Returns what is wrong with a setting, without its name.
pub fn fault<'a>(faults: &'a [String], name: &str) -> Option<&'a str> {
    faults.iter().find_map(|fault| fault.strip_prefix(name)?.strip_prefix(' '))
}

fn price_list(sources: &Sources<'_>, policy: Option<&Policy>) -> Option<CheckResult> {
    let (name, _) = sources.file?;
    let command = format!("{} {name}", own_command("check"));
    let result = |level, sentence: String| Some(CheckResult::new(level, Check::PriceList, sentence));
    let Some(policy) = policy else {
        let sentence = format!(
            "TOLL is missing or cannot be read, so the defaults are used: run `{command}` for the reason"
        );
        return result(Level::Warn, sentence);
    };
    let invalid = policy.routes.iter().filter(|route| route.pricing == Pricing::Invalid).count();
    let priced = policy.routes.iter().filter(|route| !route.is_free()).count();
    let observed = policy.routes.iter().filter(|route| route.is_observed()).count();
    match (invalid, priced) {
        (0, 0) if observed > 0 => result(
            Level::Warn,
            format!("{observed} of {} routes are observed, and no route charges", policy.routes.len()),
        ),
        (0, 0) => result(Level::Fail, format!("no route has a price, so nothing is sold: run `{command}`")),
        (0, _) if observed > 0 => result(
            Level::Warn,
            format!("{priced} of {} routes charge, and {observed} are observed", policy.routes.len()),
        ),
        (0, _) => result(Level::Ok, format!("{priced} of {} routes have a price", policy.routes.len())),
        _ => result(
            Level::Fail,
            format!(
                "{invalid} of {} routes have a mistake and are not sold: run `{command}`",
                policy.routes.len()
            ),
        ),
    }
}

/// Reports the lines of `.dev.vars` that Wrangler does not read as the owner means them.
fn dev_vars(sources: &Sources<'_>) -> Vec<CheckResult> {
    let Some((file, text)) = sources.dev_vars else { return Vec::new() };
    let known: Vec<&str> = variables().chain(secrets()).collect();
    let sentences =
        dev_vars::entries(text).into_iter().filter_map(|Entry { line, setting, .. }| match setting {
            // The line may be a secret, so it is not repeated.
            None => Some(format!("line {line} of {file} is not a setting: write it as NAME=value")),
            Some((name, _)) if known.contains(&name.as_str()) => None,
            Some((name, _)) => nearest(&name, &known).map(|meant| {
                format!(
                    "line {line} of {file} sets {name}, which edgetoll does not know; did you mean {meant}?"
                )
            }),
        });
    sentences.map(|sentence| CheckResult::new(Level::Warn, Check::DevVars, sentence)).collect()
}

fn secret(sources: &Sources<'_>, reader: &VariableReader<'_>, faults: &[String]) -> Vec<CheckResult> {
    let result = |level, sentence: String| CheckResult::new(level, Check::Secret, sentence);
    let Some(secret) = reader.get("TOLL_SECRET") else {
        return vec![not_here(sources, Check::Secret, "TOLL_SECRET", "without it, nothing is sold")];
    };
    let mut results = vec![match fault(faults, "TOLL_SECRET") {
        Some(fault) => result(Level::Fail, with_remedy("TOLL_SECRET", &secret.source, fault)),
        None => result(Level::Ok, format!("TOLL_SECRET from {} is strong", secret.source)),
    }];
    let Some(previous) = reader.get("TOLL_SECRET_PREVIOUS") else { return results };
    if let Some(fault) = fault(faults, "TOLL_SECRET_PREVIOUS") {
        results.push(result(Level::Warn, with_remedy("TOLL_SECRET_PREVIOUS", &previous.source, fault)));
    } else if previous.value == secret.value {
        let sentence = "TOLL_SECRET and TOLL_SECRET_PREVIOUS are equal, so the secret is not rotated: set TOLL_SECRET to a new \
                        one, which `openssl rand -hex 32` prints, or remove TOLL_SECRET_PREVIOUS";
        results.push(result(Level::Warn, sentence.to_owned()));
    }
    results
}

fn admin_token(sources: &Sources<'_>, reader: &VariableReader<'_>, faults: &[String]) -> CheckResult {
    let result = |level, sentence: String| CheckResult::new(level, Check::AdminToken, sentence);
    let Some(token) = reader.get("ADMIN_TOKEN") else {
        return not_here(
            sources,
            Check::AdminToken,
            "ADMIN_TOKEN",
            "it is optional, and opens the dashboard",
        );
    };
    if let Some(fault) = fault(faults, "ADMIN_TOKEN") {
        return result(Level::Fail, with_remedy("ADMIN_TOKEN", &token.source, fault));
    }
    if reader.get("TOLL_SECRET").is_some_and(|secret| secret.value == token.value) {
        let sentence = "ADMIN_TOKEN and TOLL_SECRET are equal, so everyone who knows the token can forge credentials: set ADMIN_TOKEN to \
                        another one, which `openssl rand -hex 32` prints";
        return result(Level::Fail, sentence.to_owned());
    }
    result(Level::Ok, format!("ADMIN_TOKEN from {} is strong", token.source))
}

fn origin_token(reader: &VariableReader<'_>, faults: &[String]) -> Option<CheckResult> {
    let token = reader.get("ORIGIN_TOKEN")?;
    Some(match fault(faults, "ORIGIN_TOKEN") {
        Some(fault) => CheckResult::new(
            Level::Fail,
            Check::OriginToken,
            format!("ORIGIN_TOKEN from {} {fault}", token.source),
        ),
        None => CheckResult::new(
            Level::Ok,
            Check::OriginToken,
            format!("ORIGIN_TOKEN from {} can be sent", token.source),
        ),
    })
}

fn origin_secret(reader: &VariableReader<'_>, faults: &[String]) -> Option<CheckResult> {
    let secret = reader.get("ORIGIN_SECRET")?;
    Some(match fault(faults, "ORIGIN_SECRET") {
        Some(fault) => CheckResult::new(
            Level::Fail,
            Check::OriginSecret,
            with_remedy("ORIGIN_SECRET", &secret.source, fault),
        ),
        None => CheckResult::new(
            Level::Ok,
            Check::OriginSecret,
            format!("ORIGIN_SECRET from {} is strong", secret.source),
        ),
    })
}

fn callbacks(sources: &Sources<'_>, reader: &VariableReader<'_>, faults: &[String]) -> Option<CheckResult> {
    let result = |level, sentence: String| Some(CheckResult::new(level, Check::Callbacks, sentence));
    let (url, secret) = (reader.get("ON_PAYMENT_URL"), reader.get("ON_PAYMENT_SECRET"));
    if url.is_some() && secret.is_none() {
        let consequence = "without it, callbacks wait";
        return Some(not_here(sources, Check::Callbacks, "ON_PAYMENT_SECRET", consequence));
    }
    url.as_ref().or(secret.as_ref())?;
    for name in ["ON_PAYMENT_URL", "ON_PAYMENT_SECRET"] {
        if let Some(fault) = fault(faults, name) {
            return result(Level::Fail, format!("{name} {fault}"));
        }
    }
    result(Level::Ok, "ON_PAYMENT_URL and ON_PAYMENT_SECRET can be used".to_owned())
}

/// The sentence of the Worker, and how to make a new value if the sentence does not say it.
fn with_remedy(name: &str, source: &str, fault: &str) -> String {
    let remedy = if fault.contains(": ") { "" } else { ": make one with `openssl rand -hex 32`" };
    format!("{name} from {source} {fault}{remedy}")
}

fn not_here(sources: &Sources<'_>, check: Check, name: &str, note: &str) -> CheckResult {
    let environment = sources.environment.map_or_else(String::new, |name| format!(" --env {name}"));
    let sentence = format!(
        "{name} is not on this machine ({note}): `npx wrangler secret list{environment}` shows whether Cloudflare has it"
    );
    CheckResult::new(Level::Skip, check, sentence)
}

/// A binding, whether the price list needs it, and what happens without it.
struct Needed {
    name: &'static str,
    is_bound: bool,
    is_required: bool,
    consequence: &'static str,
}

fn bindings(sources: &Sources<'_>, policy: Option<&Policy>) -> Vec<CheckResult> {
    let Some((file, document)) = sources.file else { return Vec::new() };
    let root = document.root();
    let table = match sources.environment {
        Some(name) => root.get("env").and_then(|environments| environments.get(name)),
        None => Some(root),
    };
    let Some(table) = table else { return Vec::new() };
    let has = |list: Option<&Json>, key: &str, name: &str| {
        let list = list.and_then(Json::as_array).unwrap_or_default();
        list.iter().any(|binding| binding.get(key).and_then(Json::as_str) == Some(name))
    };
    let kv = |name| has(table.get("kv_namespaces"), "binding", name);
    let object =
        |name| has(table.get("durable_objects").and_then(|objects| objects.get("bindings")), "name", name);
    let assets = table.get("assets").or_else(|| root.get("assets")).and_then(|assets| assets.get("binding"));
    let routes = policy.map_or(&[][..], |policy| &policy.routes);
    let has_free_tier = routes.iter().any(|route| route.free_tier.is_some());
    let is_exact = policy.is_some_and(|policy| policy.free_tier_store == FreeTierStore::Durable);
    let all = [
        Needed {
            name: METER.name,
            is_bound: object(METER.name),
            is_required: routes.iter().any(|route| route.uses.is_some())
                || policy.is_some_and(Policy::offers_preimage),
            consequence: "routes with `uses` get 503 (uses_unavailable), and no route offers x-preimage",
        },
        Needed {
            name: TOLL_KV,
            is_bound: kv(TOLL_KV),
            is_required: has_free_tier && !is_exact,
            consequence: "no request is free with free_tier = \"kv\", and each isolate looks up payments itself",
        },
        Needed {
            name: FREE_TIER_EXACT.name,
            is_bound: object(FREE_TIER_EXACT.name) || !is_exact,
            is_required: has_free_tier,
            consequence: "no request is free",
        },
        Needed {
            name: LEDGER.name,
            is_bound: object(LEDGER.name),
            is_required: false,
            consequence: "payments are not recorded, and the dashboard is empty",
        },
        Needed {
            name: INVOICE_LIMIT.name,
            is_bound: object(INVOICE_LIMIT.name),
            is_required: false,
            consequence: "each isolate counts invoices_per_minute for itself",
        },
        Needed {
            name: CHALLENGE_LIMIT,
            is_bound: has(table.get("ratelimits"), "name", CHALLENGE_LIMIT),
            is_required: false,
            consequence: "each isolate counts challenges_per_minute for itself",
        },
        Needed {
            name: ASSETS,
            is_bound: assets.and_then(Json::as_str) == Some(ASSETS),
            is_required: false,
            consequence: "there is no pay page and no dashboard",
        },
    ];
    let missing: Vec<CheckResult> = all
        .iter()
        .filter(|binding| !binding.is_bound)
        .map(|binding| {
            let level = if binding.is_required { Level::Fail } else { Level::Warn };
            let sentence = format!(
                "{file} does not bind {}, so {}: add the binding as in docs/configuration.md#bindings",
                binding.name, binding.consequence
            );
            CheckResult::new(level, Check::Bindings, sentence)
        })
        .collect();
    if missing.is_empty() {
        return vec![CheckResult::new(Level::Ok, Check::Bindings, format!("{file} has all bindings"))];
    }
    missing
}
