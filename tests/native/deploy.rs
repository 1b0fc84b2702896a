//! `edgetoll deploy`: the secrets that a deployment needs, and the judgement of its addresses and responses.

use edgetoll::cli::check::document::Document;
use edgetoll::cli::deploy::routes::{Addresses, judge_fail_closed};
use edgetoll::cli::deploy::secrets::{Known, Source, is_new_worker, missing};
use edgetoll::cli::doctor::report::Level;
use edgetoll::strict_json::Json;

/// Returns the names of the missing required secrets, and then those of the optional ones.
fn missing_names(
    vars: &[(&str, &str)],
    dev_vars: &[(&str, &str)],
    on_cloudflare: &[&str],
) -> (Vec<String>, Vec<String>) {
    let find = |list: &[(&str, &str)], name: &str| {
        list.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    let known = Known {
        var: &|name| find(vars, name),
        process_environment: &|_| None,
        dev_vars: &|name| find(dev_vars, name),
        dev_vars_name: ".dev.vars",
        sells: true,
    };
    let set: Vec<String> = on_cloudflare.iter().map(|name| (*name).to_owned()).collect();
    let (required, optional): (Vec<_>, Vec<_>) =
        missing(&known, &set).into_iter().partition(|secret| secret.is_required);
    let names = |secrets: Vec<_>| {
        secrets
            .into_iter()
            .map(|secret: edgetoll::cli::deploy::secrets::MissingSecret| secret.name.to_owned())
            .collect()
    };
    (names(required), names(optional))
}

#[test]
fn the_missing_secrets_follow_from_the_wallets_of_the_file() {
    let url = ("LNBITS_URL", "https://lnbits.example.com");
    let second = ("LNBITS_URL_2", "https://lnbits.example.net");
    for (vars, on_cloudflare, expected) in [
        (vec![url], vec![], vec!["TOLL_SECRET", "LNBITS_KEY"]),
        (vec![url, second], vec!["TOLL_SECRET"], vec!["LNBITS_KEY", "LNBITS_KEY_2"]),
        (vec![], vec!["TOLL_SECRET"], vec!["NWC_URL"]),
        (vec![second], vec!["TOLL_SECRET", "NWC_URL"], vec!["LNBITS_KEY_2"]),
        (
            vec![url, ("ON_PAYMENT_URL", "https://shop.example.com")],
            vec!["TOLL_SECRET", "LNBITS_KEY"],
            vec!["ON_PAYMENT_SECRET"],
        ),
        (vec![url], vec!["TOLL_SECRET", "LNBITS_KEY", "ADMIN_TOKEN"], vec![]),
    ] {
        assert_eq!(missing_names(&vars, &[], &on_cloudflare).0, expected, "{vars:?} {on_cloudflare:?}");
    }
}

#[test]
fn an_optional_secret_is_missing_only_if_this_machine_has_it() {
    let dev_vars =
        [("ADMIN_TOKEN", "a"), ("ORIGIN_SECRET", "b"), ("TOLL_SECRET_PREVIOUS", "c"), ("NWC_URL_3", "d")];
    let (_, optional) = missing_names(&[], &dev_vars, &["ORIGIN_SECRET"]);
    assert_eq!(optional, ["ADMIN_TOKEN"]);
}

#[test]
fn a_deployment_that_sells_nothing_needs_no_secret() {
    let known = Known {
        var: &|_| None,
        process_environment: &|_| None,
        dev_vars: &|_| None,
        dev_vars_name: ".dev.vars",
        sells: false,
    };
    assert_eq!(missing(&known, &[]), []);
}

#[test]
fn the_secret_that_signs_is_new_and_the_key_of_a_local_wallet_is_not_used() {
    let dev_vars = |name: &str| match name {
        "TOLL_SECRET" | "LNBITS_KEY" | "LNBITS_URL" => Some("local".to_owned()),
        _ => None,
    };
    let known = Known {
        var: &|name| (name == "LNBITS_URL").then(|| "https://lnbits.example.com".to_owned()),
        process_environment: &|_| None,
        dev_vars: &dev_vars,
        dev_vars_name: ".dev.vars",
        sells: true,
    };
    let sources: Vec<_> = missing(&known, &[]).into_iter().map(|secret| secret.source).collect();
    assert_eq!(sources, [Source::Random, Source::Unknown]);
}

#[test]
fn only_a_worker_that_does_not_exist_has_no_secrets() {
    for message in [
        "✘ [ERROR] Worker \"paid\" not found.\n\n  If this is a new Worker, run `wrangler deploy` first to create it.",
        "✘ [ERROR] Worker \"paid\" (env: staging) not found.\n",
        "  This Worker does not exist on your account. [code: 10007]",
    ] {
        assert!(is_new_worker(message), "{message}");
    }
    for message in [
        "",
        "✘ [ERROR] A request to the Cloudflare API (/accounts/x/workers/scripts/paid/secrets) failed.\n\n  Internal error [code: 10013]",
        "✘ [ERROR] In a non-interactive environment, it's necessary to set a CLOUDFLARE_API_TOKEN",
        "sh: 1: wrangler: not found",
        "Error: getaddrinfo ENOTFOUND api.cloudflare.com",
    ] {
        assert!(!is_new_worker(message), "{message}");
    }
}

#[test]
fn addresses_follow_the_defaults_of_wrangler() {
    let addresses = |toml: &str, environment| {
        Addresses::read(Document::read("wrangler.toml", toml).ok().unwrap().root(), environment)
    };
    let levels =
        |addresses: &Addresses| addresses.judge().iter().map(|finding| finding.level).collect::<Vec<_>>();
    let without = addresses("name = \"a\"", None);
    assert!(without.has_workers_dev && without.has_preview_urls && without.public_url().is_none());
    assert_eq!(levels(&without), [Level::Warn]);
    let with = addresses("routes = [{ pattern = \"api.example.com/*\", zone_name = \"example.com\" }]", None);
    assert_eq!(with.public_url().as_deref(), Some("https://api.example.com"));
    assert_eq!(with.zones, ["example.com"]);
    assert_eq!(levels(&with), [Level::Ok]);
    let both = addresses("route = \"*.example.com/api/*\"\nworkers_dev = true", None);
    assert_eq!((both.public_url(), levels(&both)), (None, vec![Level::Warn, Level::Warn]));
    let staging =
        addresses("preview_urls = false\n[env.staging]\nroute = \"staging.example.com/*\"", Some("staging"));
    assert_eq!(staging.public_url().as_deref(), Some("https://staging.example.com"));
    assert_eq!(levels(&staging), [Level::Ok]);
}

#[test]
fn only_a_route_of_this_worker_that_fails_open_is_a_failure() {
    let patterns = ["api.example.com/*".to_owned()];
    for (listed, level) in [
        (r#"{"result":[{"pattern":"api.example.com/*","request_limit_fail_open":true}]}"#, Level::Fail),
        (r#"{"result":[{"pattern":"api.example.com/*","request_limit_fail_open":false}]}"#, Level::Ok),
        (r#"{"result":[{"pattern":"blog.example.com/*","request_limit_fail_open":true}]}"#, Level::Ok),
        (r#"{"errors":[{"code":10000}]}"#, Level::Warn),
    ] {
        assert_eq!(
            judge_fail_closed(&patterns, Json::parse(listed.as_bytes()).as_ref()).level,
            level,
            "{listed}"
        );
    }
}
