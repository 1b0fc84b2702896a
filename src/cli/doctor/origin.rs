//! Examines the origin and the public URL of a deployment: sends a few `GET` requests, and judges the responses. Nothing
//! of a response is printed, except its status.

use super::deployment::{fault, faults};
use super::report::{Check, CheckResult, Level};
use super::settings::{Sources, VariableReader};
use crate::bindings::ORIGIN;
use crate::cli::http::{Answer, Http, HttpError, TimedAnswer};
use crate::http::url::{host, is_loopback};
use crate::strict_json::Json;
use crate::wallet::TRY_MS;

/// Examines the origin. `prefix` is the path prefix of edgetoll's own endpoints.
pub fn examine_origin(sources: &Sources<'_>, reader: &VariableReader<'_>, prefix: &str) -> CheckResult {
    let result = |level, sentence: String| CheckResult::new(level, Check::Origin, sentence);
    let hosts = Hosts::of(sources);
    if let Some(service) = hosts.service {
        return result(Level::Ok, format!("requests go to the Worker {service}, which is bound as ORIGIN"));
    }
    let Some(url) = reader.get("ORIGIN_URL") else {
        return match hosts.zone_routes.first() {
            Some(route) => result(Level::Ok, format!("requests go to the origin of the zone behind {route}")),
            None => result(
                Level::Fail,
                "ORIGIN_URL is missing, and the Worker is on no route of a zone, so nothing can be served: set ORIGIN_URL in \
                 the vars of the Wrangler file, or uncomment `routes`"
                    .to_owned(),
            ),
        };
    };
    if let Some(fault) = fault(&faults(reader), "ORIGIN_URL") {
        return result(
            Level::Fail,
            format!("ORIGIN_URL from {} {fault}, such as \"https://origin.example.com\"", url.source),
        );
    }
    let base = url.value.trim().trim_end_matches('/');
    let is_local = is_loopback(host_of(base));
    if is_local && sources.file.is_some_and(|(file, _)| file == url.source) {
        let sentence = format!(
            "ORIGIN_URL from {} is an address of this machine, which Cloudflare cannot reach: write the public URL of the \
             origin, and keep this one in .dev.vars",
            url.source
        );
        return result(Level::Fail, sentence);
    }
    let http = Http::new(base);
    let root = http.get(&format!("{base}/"));
    let is_paywall = root.answer.is_ok() && is_edgetoll(&http.get(&format!("{base}{prefix}/health")).answer);
    let is_of_zone = hosts.zone_routes.iter().any(|route| route.split('/').next() == Some(host_of(base)));
    judge_origin(&root, &url.source, is_paywall, is_local, is_of_zone)
}

/// Judges the response of the origin to a request for its root.
pub fn judge_origin(
    root: &TimedAnswer,
    source: &str,
    is_paywall: bool,
    is_local: bool,
    is_of_zone: bool,
) -> CheckResult {
    let leads_back =
        is_paywall || root.answer.as_ref().is_ok_and(|answer| answer.is_challenge() || is_loop(answer));
    let (level, sentence) = match &root.answer {
        // The fetch of a Worker to the host of its own route goes to the origin of the zone.
        _ if leads_back && is_of_zone => (
            Level::Warn,
            "leads to this paywall, and works only because the Worker is on a route of the same zone: remove it".to_owned(),
        ),
        _ if leads_back => (
            Level::Fail,
            "leads back to a paywall of edgetoll, so what is sold cannot be served (508 origin_loop): set it to the URL of \
             the origin itself"
                .to_owned(),
        ),
        Ok(answer) if answer.is_elsewhere => (
            Level::Warn,
            "redirects to another host or scheme, so clients leave the paywall: set it to where it redirects".to_owned(),
        ),
        Ok(Answer { status: status @ 500.., .. }) => {
            (Level::Warn, format!("answers with status {status}: see the log of the origin"))
        }
        Ok(Answer { status, .. }) => (Level::Ok, format!("answers with status {status} in {} ms", root.ms)),
        Err(error) => {
            let (is_certain, reason) = unreachable(*error);
            let level = if is_certain || is_local { Level::Fail } else { Level::Warn };
            let exception = if level == Level::Warn { "; ignore this if the origin admits only Cloudflare" } else { "" };
            (level, format!("cannot be used from this machine: {reason}{exception}"))
        }
    };
    CheckResult::new(level, Check::Origin, format!("ORIGIN_URL from {source} {sentence}"))
}

/// Returns whether the origin also cannot answer the Worker, and the reason why it did not answer this machine.
fn unreachable(error: HttpError) -> (bool, String) {
    match error {
        HttpError::ConnectionRefused => {
            (false, "it refuses the connection: start it, or correct the host and port".to_owned())
        }
        HttpError::Tls => {
            (false, "there is no trusted TLS connection: correct its certificate or the host".to_owned())
        }
        HttpError::Timeout => (
            false,
            format!(
                "it did not answer within {} s: start it, or open its port in the firewall",
                TRY_MS.div_ceil(1_000)
            ),
        ),
        HttpError::TooLarge | HttpError::NotHttp => {
            (true, "it does not speak HTTP: correct the scheme (http or https), host and port".to_owned())
        }
        HttpError::HostUnreachable => (true, "its host is not known: correct the host".to_owned()),
    }
}

/// Examines the Worker at its public URL.
pub fn examine_public_url(reader: &VariableReader<'_>, prefix: &str) -> CheckResult {
    let result = |level, sentence: String| CheckResult::new(level, Check::PublicUrl, sentence);
    let Some(url) = reader.get("PUBLIC_URL") else {
        let sentence = "PUBLIC_URL is not set, so the Worker is not examined, and LNbits reports no payments to it: set it to the \
                        URL of the Worker, such as \"https://api.example.com\"";
        return result(Level::Skip, sentence.to_owned());
    };
    if let Some(fault) = fault(&faults(reader), "PUBLIC_URL") {
        return result(
            Level::Fail,
            format!("PUBLIC_URL from {} {fault}, such as \"https://api.example.com\"", url.source),
        );
    }
    let base = url.value.trim().trim_end_matches('/');
    judge_public_url(&Http::new(base).get(&format!("{base}{prefix}/health")), &url.source)
}

/// Judges the response of the Worker to a request for its health.
pub fn judge_public_url(health: &TimedAnswer, source: &str) -> CheckResult {
    let (level, sentence) = match &health.answer {
        Ok(answer) if is_edgetoll(&health.answer) && says(answer, "configured") => {
            let observes = if says(answer, "observed") { "; some routes are observed" } else { "" };
            (Level::Ok, format!("the Worker answers in {} ms and can sell{observes}", health.ms))
        }
        Ok(answer) if is_edgetoll(&health.answer) && says(answer, "observed") => {
            (Level::Warn, format!("the Worker answers in {} ms and observes: no one is charged", health.ms))
        }
        Ok(_) if is_edgetoll(&health.answer) => (
            Level::Fail,
            "the Worker answers and can sell nothing: the dashboard and `npx wrangler tail` show the reason".to_owned(),
        ),
        Ok(Answer { status, .. }) => (
            Level::Warn,
            format!(
                "another server answers with status {status}: deploy the Worker with `npx wrangler deploy`, or correct the URL"
            ),
        ),
        Err(_) => (
            Level::Warn,
            "nothing answers: deploy the Worker with `npx wrangler deploy`, start it with `make dev`, or correct the URL".to_owned(),
        ),
    };
    CheckResult::new(level, Check::PublicUrl, format!("at PUBLIC_URL from {source}, {sentence}"))
}

/// Whether the Worker answers a request for its health, and can sell or observes.
pub(in crate::cli) fn is_healthy(health: &TimedAnswer) -> bool {
    let is_ready = |answer: &Answer| says(answer, "configured") || says(answer, "observed");
    is_edgetoll(&health.answer) && health.answer.as_ref().is_ok_and(is_ready)
}

/// Whether a response to a request for `/_toll/health` comes from edgetoll.
fn is_edgetoll(health: &Result<Answer, HttpError>) -> bool {
    let json = health.as_ref().ok().and_then(|answer| Json::parse(&answer.body));
    json.is_some_and(|json| {
        json.get("configured").and_then(Json::as_bool).is_some() && json.get("status").is_some()
    })
}

/// Whether the health has this key with the value `true`.
fn says(answer: &Answer, key: &str) -> bool {
    Json::parse(&answer.body).and_then(|json| json.get(key)?.as_bool()) == Some(true)
}

fn is_loop(answer: &Answer) -> bool {
    let json = Json::parse(&answer.body);
    answer.status == 508
        && json.is_some_and(|json| json.get("code").and_then(Json::as_str) == Some("origin_loop"))
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    host(rest.split('/').next().unwrap_or_default())
}

/// Where the Wrangler file sends requests.
struct Hosts<'a> {
    /// The name of the Worker that is bound as `ORIGIN`.
    service: Option<&'a str>,
    /// The patterns of routes of zones, which have an origin behind them.
    zone_routes: Vec<&'a str>,
}

impl<'a> Hosts<'a> {
    fn of(sources: &Sources<'a>) -> Self {
        let root = sources.file.map(|(_, document)| document.root());
        let table = match sources.environment {
            Some(name) => root.and_then(|root| root.get("env")?.get(name)),
            None => root,
        };
        let inherited = |key: &str| table.and_then(|table| table.get(key)).or_else(|| root?.get(key));
        let services =
            table.and_then(|table| table.get("services")).and_then(Json::as_array).unwrap_or_default();
        let is_origin = |service: &&Json| service.get("binding").and_then(Json::as_str) == Some(ORIGIN);
        let service = services.iter().find(is_origin);
        let is_custom = |route: &Json| route.get("custom_domain").and_then(Json::as_bool) == Some(true);
        let routes = inherited("routes").and_then(Json::as_array).unwrap_or_default();
        let routes = routes.iter().chain(inherited("route")).filter(|route| !is_custom(route));
        let pattern = |route: &'a Json| route.as_str().or_else(|| route.get("pattern")?.as_str());
        Self {
            service: service.and_then(|service| service.get("service")?.as_str()),
            zone_routes: routes.filter_map(pattern).collect(),
        }
    }
}
