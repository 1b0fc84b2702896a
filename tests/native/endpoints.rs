//! The endpoints of edgetoll, and the decision of the gate for paths that have no endpoint.

use crate::support::gate::{gate, seller};
use crate::support::price_list::valid;
use crate::support::request::request;
use crate::support::secret::SECRET;
use edgetoll::endpoints::{AdminEndpoint, Endpoint, StaticFile, find, webhook_url};
use edgetoll::gate::Decision;
use edgetoll::keys::{Keys, TollSecret};
use edgetoll::ledger::webhook;
use edgetoll::policy::Policy;

const ALL_PRICED: &str = r#"{"routes":[{"path":"/*"}]}"#;

#[test]
fn without_a_readable_price_list_the_only_endpoint_is_health() {
    assert_eq!(find(None, "/_toll/health"), Some(Endpoint::Health));
    for path in [
        "/",
        "/_toll",
        "/_toll/",
        "/_toll/stats",
        "/_toll/login",
        "/_toll/settle",
        "/_toll/pay.js",
        "/_toll/hook/token",
        "/_toll/health/",
        "/.well-known/l402",
    ] {
        assert_eq!(find(None, path), None, "{path}");
    }
}

#[test]
fn the_prefix_of_the_price_list_replaces_the_default_prefix() {
    let policy = valid(r#"{"prefix":"/_pay","routes":[{"path":"/*"}]}"#);
    for (path, endpoint) in [
        ("/_pay/health", Some(Endpoint::Health)),
        ("/_pay", Some(Endpoint::Admin(AdminEndpoint::Root))),
        ("/_pay/stats", Some(Endpoint::Admin(AdminEndpoint::Stats))),
        ("/_pay/x", None),
        ("/_payments", None),
        ("/_toll/health", None),
    ] {
        assert_eq!(find(Some(&policy), path), endpoint, "{path}");
    }
    assert_eq!(decision_of(&policy, "/_toll/health"), "challenge");
    assert_eq!(decision_of(&policy, "/_pay/x"), "not_found");
}

#[test]
fn well_known_l402_is_an_endpoint_only_if_the_price_list_is_public() {
    let public = valid(ALL_PRICED);
    assert_eq!(find(Some(&public), "/.well-known/l402"), Some(Endpoint::Prices));
    for path in ["/.well-known/l402/", "/.well-known/L402", "/_toll/.well-known/l402"] {
        assert_eq!(find(Some(&public), path), None, "{path}");
    }
    let private = valid(r#"{"public_prices":false,"routes":[{"path":"/*"}]}"#);
    assert_eq!(find(Some(&private), "/.well-known/l402"), None);
    assert_eq!(decision_of(&private, "/.well-known/l402"), "challenge");
}

#[test]
fn the_token_of_a_webhook_is_valid_only_for_the_deployment_that_created_it() {
    let secret = |text: &str| TollSecret::new(text).unwrap();
    let other: String = SECRET.chars().rev().collect();
    let (own, foreign) = (Keys::new(secret(&SECRET), None), Keys::new(secret(&other), None));
    let rotated = Keys::new(secret(&other), Some(secret(&SECRET)));
    let token = webhook::token(&own, "nonce");
    assert!(webhook::is_valid_token(&own, &token) && webhook::is_valid_token(&rotated, &token));
    assert!(!webhook::is_valid_token(&foreign, &token));
    let tag = token.strip_prefix("nonce.").unwrap();
    for wrong in ["", "nonce", "nonce.", tag, &format!("other.{tag}"), &token[..token.len() - 1]] {
        assert!(!webhook::is_valid_token(&own, wrong), "{wrong}");
    }
}

#[test]
fn the_path_of_a_webhook_ends_with_its_token() {
    let policy = valid(ALL_PRICED);
    for (path, token) in [
        ("/_toll/hook/nonce.tag", Some("nonce.tag")),
        ("/_toll/hook/a/b", Some("a/b")),
        ("/_toll/hook/", Some("")),
        ("/_toll/hook", None),
        ("/_toll/HOOK/x", None),
    ] {
        assert_eq!(find(Some(&policy), path), token.map(Endpoint::Webhook), "{path}");
    }
    assert_eq!(webhook_url("https://x", &policy.prefix, "nonce.tag"), "https://x/_toll/hook/nonce.tag");
}

#[test]
fn every_admin_endpoint_except_root_style_and_login_needs_a_token_or_a_session() {
    let policy = valid(ALL_PRICED);
    for (path, endpoint, allow, is_open) in [
        ("/_toll", AdminEndpoint::Root, "GET, HEAD", true),
        ("/_toll/", AdminEndpoint::Dashboard, "GET, HEAD", false),
        ("/_toll/dashboard.js", AdminEndpoint::Script, "GET, HEAD", false),
        ("/_toll/operator.css", AdminEndpoint::Style, "GET, HEAD", true),
        ("/_toll/stats", AdminEndpoint::Stats, "GET, HEAD", false),
        ("/_toll/payments", AdminEndpoint::Payments, "GET, HEAD", false),
        ("/_toll/ledger.csv", AdminEndpoint::Export, "GET, HEAD", false),
        ("/_toll/status", AdminEndpoint::Status, "GET, HEAD", false),
        ("/_toll/metrics", AdminEndpoint::Metrics, "GET, HEAD", false),
        ("/_toll/login", AdminEndpoint::Login, "POST", true),
        ("/_toll/logout", AdminEndpoint::Logout, "POST", false),
        ("/_toll/redeliver", AdminEndpoint::RetryCallbacks, "POST", false),
    ] {
        assert_eq!(find(Some(&policy), path), Some(Endpoint::Admin(endpoint)), "{path}");
        assert_eq!((endpoint.allow(), endpoint.is_open()), (allow, is_open), "{path}");
        assert_eq!(Endpoint::Admin(endpoint).allow(), Some(allow), "{path}");
    }
}

#[test]
fn each_static_file_has_a_path_a_name_and_a_media_type() {
    let policy = valid(ALL_PRICED);
    for (path, file, name, media_type) in [
        ("/_toll/pay.js", StaticFile::PayScript, "pay.js", "text/javascript; charset=utf-8"),
        ("/_toll/pay.css", StaticFile::PayStyle, "pay.css", "text/css; charset=utf-8"),
        ("/_toll/toll.js", StaticFile::Client, "toll.js", "text/javascript; charset=utf-8"),
        ("/_toll/toll.d.ts", StaticFile::ClientTypes, "toll.d.ts", "text/plain; charset=utf-8"),
    ] {
        assert_eq!(find(Some(&policy), path), Some(Endpoint::Static(file)), "{path}");
        assert_eq!(file.file(), (name, media_type), "{path}");
    }
}

#[test]
fn each_kind_of_endpoint_has_its_methods_and_its_log_word_and_its_cors_rule() {
    for (endpoint, allow, word, is_shared_by_cors) in [
        (Endpoint::Health, None, "health", true),
        (Endpoint::Prices, Some("GET, HEAD"), "prices", true),
        (Endpoint::Settle, Some("POST"), "settle", false),
        (Endpoint::Webhook("x"), Some("POST"), "webhook", false),
        (Endpoint::Static(StaticFile::Client), Some("GET, HEAD"), "static", true),
        (Endpoint::Admin(AdminEndpoint::Stats), Some("GET, HEAD"), "admin", false),
        (Endpoint::Admin(AdminEndpoint::Login), Some("POST"), "admin", false),
    ] {
        let found = (endpoint.allow(), endpoint.as_str(), endpoint.is_shared_by_cors());
        assert_eq!(found, (allow, word, is_shared_by_cors));
    }
}

#[test]
fn a_path_below_the_reserved_prefix_gets_404_unless_it_is_exactly_the_path_of_an_endpoint() {
    let policy = valid(ALL_PRICED);
    for path in [
        "/_TOLL/health",
        "/_toll/Health",
        "/_toll/health/",
        "/_toll//health",
        "//_toll/health",
        "/%5Ftoll/health",
        "/%255Ftoll/health",
        "/_toll%2Fhealth",
        "/_toll%2fstats",
        "/_toll;x/stats",
        "/_toll\\stats",
        "/_toll/stats;x",
        "/_toll/stats.json",
        "/_toll/%73tats",
        "/_toll./stats",
        "/_toll%00/stats",
        "/index.php/_toll/stats",
        "/_toll/x",
    ] {
        assert_eq!(find(Some(&policy), path), None, "{path}");
        assert_eq!(decision_of(&policy, path), "not_found", "{path}");
    }
    for path in ["/_tollbooth", "/_tol", "/a/_toll/health"] {
        assert_eq!(find(Some(&policy), path), None, "{path}");
        assert_eq!(decision_of(&policy, path), "challenge", "{path}");
    }
}

/// Returns the decision of the gate for a `GET` request as text: `challenge`, `open`, or the code of the error.
fn decision_of(policy: &Policy, path: &str) -> &'static str {
    let seller = seller(Keys::new(TollSecret::new(&SECRET).unwrap(), None));
    let url = format!("https://x{path}");
    match gate(policy, &seller).decide(&request(&url, "GET", None), 1_800_000_000) {
        Decision::Challenge(_) => "challenge",
        Decision::Open { .. } => "open",
        Decision::Refuse(refused) => refused.error.code(),
        other => panic!("{other:?}"),
    }
}
