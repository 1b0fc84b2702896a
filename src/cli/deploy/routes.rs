//! The addresses of a deployment: what the Wrangler file says, and what Cloudflare says about its routes.

use crate::cli::doctor::report::{Check, CheckResult, Level};
use crate::strict_json::Json;

/// The addresses that the Wrangler file gives to a deployment.
#[derive(Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The patterns of the routes, such as `api.example.com/*`.
    pub patterns: Vec<String>,
    /// The zones of the routes that name one.
    pub zones: Vec<String>,
    /// Whether the Worker also has an address at workers.dev.
    pub has_workers_dev: bool,
    /// Whether each version of the Worker has an address of its own.
    pub has_preview_urls: bool,
}

impl Addresses {
    /// Reads the addresses of an environment, which inherits these keys, or of the top level.
    pub fn read(root: &Json, environment: Option<&str>) -> Self {
        let table = environment.and_then(|name| root.get("env")?.get(name));
        let inherited = |key: &str| table.and_then(|table| table.get(key)).or_else(|| root.get(key));
        let routes = inherited("routes").and_then(Json::as_array).unwrap_or_default();
        let routes: Vec<&Json> = routes.iter().chain(inherited("route")).collect();
        let pattern =
            |route: &&Json| route.as_str().or_else(|| route.get("pattern")?.as_str()).map(str::to_owned);
        let zone = |route: &&Json| route.get("zone_name").and_then(Json::as_str).map(str::to_owned);
        // The defaults of Wrangler 4.
        let has_workers_dev = inherited("workers_dev").and_then(Json::as_bool).unwrap_or(routes.is_empty());
        Self {
            patterns: routes.iter().filter_map(pattern).collect(),
            zones: routes.iter().filter_map(zone).collect(),
            has_workers_dev,
            has_preview_urls: inherited("preview_urls").and_then(Json::as_bool).unwrap_or(has_workers_dev),
        }
    }

    /// Returns the URL of the first route without a wildcard in its host.
    pub fn public_url(&self) -> Option<String> {
        let host = |pattern: &String| {
            let host =
                pattern.split_once("://").map_or(pattern.as_str(), |(_, rest)| rest).split('/').next()?;
            (!host.contains('*')).then(|| format!("https://{host}"))
        };
        self.patterns.iter().find_map(host)
    }

    /// Judges the addresses that an owner may not have thought of.
    pub fn judge(&self) -> Vec<CheckResult> {
        let result = |level, sentence: &str| CheckResult::new(level, Check::Bypass, sentence);
        let mut results = Vec::new();
        if self.has_workers_dev && !self.patterns.is_empty() {
            results.push(result(
                Level::Warn,
                "the Worker also has an address at workers.dev, where the rules of your zone do not apply: set workers_dev = false",
            ));
        }
        if self.has_preview_urls {
            results.push(result(
                Level::Warn,
                "each version has a preview URL, where an older version keeps its older prices: set preview_urls = false",
            ));
        }
        if results.is_empty() {
            results.push(result(
                Level::Ok,
                "the Worker has no address at workers.dev, and versions have no preview URLs",
            ));
        }
        results
    }
}

/// Judges the routes of a zone, as the API of Cloudflare lists them. `patterns` are the routes of the Wrangler file.
pub fn judge_fail_closed(patterns: &[String], listed: Option<&Json>) -> CheckResult {
    let result = |level, sentence: String| CheckResult::new(level, Check::FailClosed, sentence);
    let routes = listed.and_then(|listed| listed.get("result")).and_then(Json::as_array);
    let Some(routes) = routes else {
        let sentence = "Cloudflare did not list the routes: does CLOUDFLARE_API_TOKEN have the permission Workers Routes: Read?";
        return result(Level::Warn, sentence.to_owned());
    };
    let pattern = |route: &Json| route.get("pattern").and_then(Json::as_str).map(str::to_owned);
    let is_open = |route: &&Json| route.get("request_limit_fail_open").and_then(Json::as_bool) == Some(true);
    let open: Vec<String> =
        routes.iter().filter(is_open).filter_map(pattern).filter(|open| patterns.contains(open)).collect();
    match open.as_slice() {
        [] => result(Level::Ok, "no route fails open".to_owned()),
        open => result(
            Level::Fail,
            format!(
                "{} fails open: above the daily limit of requests, everything is served without payment. Set the route to fail \
                 closed, in the dashboard of Cloudflare below Workers Routes",
                open.join(", ")
            ),
        ),
    }
}
