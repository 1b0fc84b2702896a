//! Settings from the environment, and which requests are refused if a setting is missing or wrong.

use crate::support::secret::SECRET;
use crate::support::settings::{decide, error, settings};
use crate::support::slots::SECOND;
use edgetoll::config::{Callbacks, Origin, Paywall};
use edgetoll::endpoints::{self, Endpoint};
use edgetoll::error::RequestError;
use edgetoll::gate::Decision;
use edgetoll::http::url::is_safe_base;
use edgetoll::keys::{TollSecret, WeakSecret};
use edgetoll::payment::WalletSlot;

const LIST: &str = r#"{"routes":[
    {"path":"/sold","sats":5},
    {"path":"/free","sats":0},
    {"path":"/invalid","sats":-1}
]}"#;

#[test]
fn without_a_readable_price_list_only_the_health_endpoint_exists() {
    for list in [None, Some("{"), Some("[]"), Some(r#"{"routes":[{}]}"#), Some(r#"{"a":1}"#)] {
        let settings = settings(list, &[]);
        assert!(matches!(settings.paywall, Paywall::Unreadable), "{list:?}");
        assert!(settings.policy().is_none() && settings.keys().is_none());
        assert_eq!(endpoints::find(settings.policy(), "/_toll/health"), Some(Endpoint::Health));
        assert_eq!(endpoints::find(settings.policy(), "/_toll/pay.js"), None);
        assert_eq!(settings.faults.len(), 1, "{:?}", settings.faults);
    }
}

#[test]
fn without_a_valid_secret_and_wallet_priced_routes_are_refused_and_unpriced_paths_are_forwarded() {
    for name in ["TOLL_SECRET", "LNBITS_URL", "LNBITS_KEY"] {
        for value in [None, Some("weak")] {
            let settings = settings(Some(LIST), &[(name, value)]);
            assert!(matches!(settings.paywall, Paywall::Closed { .. }), "{name} {value:?}");
            assert_eq!(error(decide(&settings, "https://x/sold", "GET", None)), RequestError::NotConfigured);
            assert_eq!(decide(&settings, "https://x/unlisted", "GET", None), Decision::Open { waived: None });
            let faults = &settings.faults;
            assert!(faults.iter().any(|fault| fault.starts_with(name)), "{faults:?}");
        }
    }
}

#[test]
fn a_price_list_without_a_priced_route_needs_neither_a_secret_nor_a_wallet() {
    let free = r#"{"routes":[{"path":"/free","sats":0}]}"#;
    let all_missing = [("TOLL_SECRET", None), ("LNBITS_URL", None), ("LNBITS_KEY", None)];
    let without_settings = settings(Some(free), &all_missing);
    assert!(matches!(without_settings.paywall, Paywall::Free { .. }));
    // U1 (CHANGELOG)
    let sells_nothing = "TOLL has no route with a price: every request is forwarded without payment";
    assert_eq!(without_settings.faults, [sells_nothing]);
    assert_eq!(decide(&without_settings, "https://x/free", "GET", None), Decision::Open { waived: None });
    assert!(without_settings.keys_and_wallets().is_none());
    // A wrong setting is reported although nothing is sold. Keys and wallets that are set are kept, because the ledger
    // still looks up payments of earlier sales.
    assert_eq!(settings(Some(free), &[("LNBITS_KEY", Some("x"))]).faults.len(), 2);
    assert!(settings(Some(free), &[]).keys_and_wallets().is_some());
    let invalid = r#"{"routes":[{"path":"/invalid","sats":-1}]}"#;
    assert!(matches!(settings(Some(invalid), &all_missing).paywall, Paywall::Closed { .. }));
}

#[test]
fn with_complete_settings_a_priced_route_gets_a_challenge_and_an_invalid_route_is_refused() {
    let settings = settings(Some(LIST), &[]);
    assert!(matches!(settings.paywall, Paywall::Selling { .. }));
    assert!(matches!(decide(&settings, "https://x/sold", "GET", None), Decision::Challenge(_)));
    assert_eq!(error(decide(&settings, "https://x/invalid", "GET", None)), RequestError::NotConfigured);
}

#[test]
fn an_invalid_origin_url_is_not_treated_as_a_missing_one() {
    assert_eq!(settings(Some(LIST), &[("ORIGIN_URL", Some("x"))]).origin, Origin::Invalid);
    assert_eq!(settings(Some(LIST), &[("ORIGIN_URL", None)]).origin, Origin::Zone);
}

#[test]
fn a_toll_secret_that_is_short_repetitive_or_a_sample_is_refused() {
    for (text, weak) in [
        ("0123456789abcdef0123456789abcde", Some(WeakSecret::Short)),
        ("0000000000000000000000000000000000000000", Some(WeakSecret::Repetitive)),
        ("test-secret-key-for-hmac-signing", Some(WeakSecret::Sample)),
        ("CHANGE-ME-0123456789-0123456789-0123", Some(WeakSecret::Sample)),
        ("0123456789abcdef0123456789abcdef", Some(WeakSecret::Sample)),
        (SECRET.as_str(), None),
    ] {
        assert_eq!(TollSecret::new(text).err(), weak, "{text}");
    }
}

#[test]
fn with_a_misconfigured_wallet_in_slot_2_priced_routes_are_refused() {
    let second = |url, key| settings(Some(LIST), &[("LNBITS_URL_2", url), ("LNBITS_KEY_2", key)]);
    let (url, key) = ("https://other.test", "fedcba9876543210");
    let has_two = |url, key| {
        let settings = second(url, key);
        settings.keys_and_wallets().unwrap().1.get(SECOND).is_some()
    };
    assert!(has_two(Some(url), Some(key)));
    assert!(!has_two(None, None));
    let with_eighth = settings(Some(LIST), &[("LNBITS_URL_8", Some(url)), ("LNBITS_KEY_8", Some(key))]);
    let (_, wallets) = with_eighth.keys_and_wallets().unwrap();
    assert_eq!(wallets.slots().map(WalletSlot::number).collect::<Vec<_>>(), [1, 8]);
    for (url, key, fault) in [
        (Some(url), None, "LNBITS_KEY_2 is missing"),
        (None, Some(key), "LNBITS_URL_2 is missing"),
        (Some("http://other.test"), Some(key), "LNBITS_URL_2 must be an https URL"),
        (Some(url), Some("short"), "LNBITS_KEY_2 must be the invoice key"),
    ] {
        let settings = second(url, key);
        assert!(settings.keys_and_wallets().is_none());
        let faults = &settings.faults;
        assert!(faults.iter().any(|one| one.starts_with(fault)), "{faults:?}");
        let refused = error(decide(&settings, "https://x/sold", "GET", None));
        assert_eq!(refused, RequestError::NotConfigured);
    }
}

/// R8 (CHANGELOG): payments were recorded without a callback.
#[test]
fn callbacks_wait_while_their_url_or_secret_is_set_and_cannot_be_used() {
    let url = "https://shop.test/paid";
    let (secret, invisible) = ("0f1e2d3c4b5a69788796a5b4c3d2e1f0", &format!("\u{feff}{url}"));
    for (url, secret) in
        [(invisible.as_str(), secret), (" ", secret), (" ", "\t"), (url, " "), ("ftp://x", secret)]
    {
        let settings =
            settings(Some(LIST), &[("ON_PAYMENT_URL", Some(url)), ("ON_PAYMENT_SECRET", Some(secret))]);
        assert!(matches!(settings.callbacks, Callbacks::Waiting), "{url:?}");
        assert!(!settings.faults.iter().any(|fault| fault.contains("is missing")), "{:?}", settings.faults);
    }
}

#[test]
fn a_wrong_setting_that_sales_do_not_need_is_reported_and_sales_continue() {
    let url = ("ON_PAYMENT_URL", Some("https://shop.test/paid"));
    let valid = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    for (variables, fault) in [
        (vec![("ADMIN_TOKEN", Some("short"))], "ADMIN_TOKEN is shorter than 32 characters"),
        (vec![("PUBLIC_URL", Some("http://x.test"))], "PUBLIC_URL must be an https URL"),
        (vec![url], "ON_PAYMENT_SECRET is missing"),
        (vec![url, ("ON_PAYMENT_SECRET", Some("c2hvcnQ="))], "ON_PAYMENT_SECRET must have at least 24 bytes"),
        (
            vec![("ON_PAYMENT_URL", Some("x")), ("ON_PAYMENT_SECRET", Some(valid))],
            "ON_PAYMENT_URL must be an https URL",
        ),
        (vec![("ON_PAYMENT_SECRET", Some(valid))], "ON_PAYMENT_URL is missing"),
    ] {
        let settings = settings(Some(LIST), &variables);
        let faults = &settings.faults;
        assert!(faults.iter().any(|one| one.starts_with(fault)), "{faults:?}");
        assert!(!matches!(settings.callbacks, Callbacks::On(_)));
        assert!(settings.admin_access().is_err() && settings.public_url.is_none());
        assert!(matches!(decide(&settings, "https://x/sold", "GET", None), Decision::Challenge(_)));
    }
    let complete = settings(
        Some(LIST),
        &[
            url,
            ("ON_PAYMENT_SECRET", Some(valid)),
            ("ADMIN_TOKEN", Some(valid)),
            ("PUBLIC_URL", Some("https://x.test/")),
        ],
    );
    assert_eq!(complete.faults, settings(Some(LIST), &[]).faults);
    assert!(matches!(complete.callbacks, Callbacks::On(_)));
    assert!(complete.admin_access().is_ok());
    assert_eq!(complete.public_url.as_deref(), Some("https://x.test"));
}

// A7 (CHANGELOG): `ORIGIN_URL` is compared with the URL of a request, which the runtime has serialized.
#[test]
fn an_origin_url_is_serialized_as_the_runtime_serializes_urls() {
    for (url, serialized) in [
        ("http://LOCALHOST:08787/A/", "http://localhost:8787/A"),
        ("https://Shop.Me.Workers.dev:443", "https://shop.me.workers.dev"),
        ("http://[::1]:80/", "http://[::1]"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
    ] {
        assert_eq!(Origin::parse(url), Ok(Origin::Url(serialized.to_owned())), "{url}");
    }
}

// R8 (CHANGELOG): the WHATWG URL parser of the Workers runtime refuses each of these hosts and ports.
#[test]
fn a_url_that_the_runtime_cannot_fetch_is_a_mistake_in_the_settings() {
    for authority in [
        "127.0.0.1:99999",
        "127.0.0.1:80a",
        "127.0.0.1:",
        "<origin>",
        "[::1",
        "[::g]",
        "256.1.1.1",
        "1.2.3",
        "origin%zz.test",
        "http://origin.test",
        "a:b:80",
        "",
    ] {
        assert!(Origin::parse(&format!("http://{authority}")).is_err(), "{authority}");
        assert!(Origin::parse(&format!("https://{authority}/path")).is_err(), "{authority}");
        assert!(!is_safe_base(&format!("https://{authority}")), "{authority}");
    }
    for authority in
        ["origin.test", "my_origin-1.test.", "localhost:8080", "127.0.0.1", "[::1]:8080", "x1.2x", "origin"]
    {
        assert!(Origin::parse(&format!("http://{authority}/path")).is_ok(), "{authority}");
        assert!(is_safe_base(&format!("https://{authority}/path")), "{authority}");
    }
}

// R8 (CHANGELOG), https://github.com/rmyndharis/OpenWA/issues/1047
#[test]
fn white_space_around_a_setting_is_removed_or_reported_and_never_disables_a_setting_without_a_word() {
    let valid = [
        ("LNBITS_URL", "https://lnbits.test"),
        ("LNBITS_KEY", "0123456789abcdef"),
        ("ADMIN_TOKEN", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ("ORIGIN_TOKEN", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ("ORIGIN_SECRET", "6f1d0c9e8b7a4f3e2d5c6b7a8f9e0d1c"),
        ("ORIGIN_URL", "https://origin.test"),
        ("PUBLIC_URL", "https://public.test"),
        ("ON_PAYMENT_URL", "https://shop.test/paid"),
        ("ON_PAYMENT_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("TOLL_SECRET", SECRET.as_str()),
        ("TOLL_SECRET_PREVIOUS", SECRET.as_str()),
    ];
    let read = |name: &str, value: &str| {
        let changes: Vec<(&str, Option<&str>)> = valid
            .iter()
            .map(|(known, text)| (*known, Some(if *known == name { value } else { text })))
            .collect();
        settings(Some(r#"{"routes":[{"path":"/sold","sats":5}]}"#), &changes)
    };
    assert_eq!(read("", "").faults, Vec::<String>::new());
    for (name, text) in valid {
        let signs = name.starts_with("TOLL_SECRET") || name == "ORIGIN_SECRET";
        for outer in [format!("{text}\n"), format!("{text}\r\n"), format!(" {text}"), format!("\t{text} ")] {
            let settings = read(name, &outer);
            if signs {
                let fault = format!("{name} begins or ends with white space");
                assert!(
                    settings.faults.iter().any(|one| one.starts_with(&fault)),
                    "{outer:?}: {:?}",
                    settings.faults
                );
            } else {
                assert_eq!(settings.faults, Vec::<String>::new(), "{name} {outer:?}");
            }
        }
        let (start, end) = text.split_at(text.len() / 2);
        // https://github.com/microsoft/azuredevopslabs/issues/715: a shell puts a byte order mark before a secret.
        for wrong in [format!("\u{feff}{text}"), format!("{text}\u{200b}")] {
            let faults = read(name, &wrong).faults;
            assert!(faults.iter().any(|one| one.starts_with(name)), "{name} {wrong:?}: {faults:?}");
        }
        for wrong in [format!("{start}\n{end}"), format!("{start}\0{end}"), format!("{start}\u{7f}{end}")] {
            let settings = read(name, &wrong);
            assert!(settings.origin_token.is_none_or(|token| token == valid[3].1), "{wrong:?}");
            // The secret of the deployment may have any characters inside.
            assert!(signs || settings.faults.iter().any(|one| one.starts_with(name)), "{name} {wrong:?}");
        }
        if !signs {
            for blank in [" ", "\n", "\t \r\n"] {
                let faults = read(name, blank).faults;
                assert!(
                    faults.iter().any(|one| one.starts_with(&format!("{name} has only white space"))),
                    "{faults:?}"
                );
            }
        }
    }
    let complete = read("ADMIN_TOKEN", "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n");
    assert!(complete.admin_access().unwrap().is_token("0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
    for wrong in ["(not a string)", "short", "with a space inside it", "na\u{ef}ve-0123456789abcdef"] {
        let settings = read("ORIGIN_TOKEN", wrong);
        assert!(matches!(settings.paywall, Paywall::Closed { .. }), "{wrong}");
        assert_eq!((settings.origin_token, settings.faults.len()), (None, 1), "{wrong}");
        assert!(
            settings.faults[0].starts_with("ORIGIN_TOKEN is not sent: it must have"),
            "{:?}",
            settings.faults
        );
    }
}

#[test]
fn a_weak_origin_secret_and_one_that_also_signs_macaroons_are_reported_and_sign_nothing() {
    let previous = "b3a81f6de2947c50d8e19bf06a72c345";
    for (secret, fault) in [
        ("qwertz", "ORIGIN_SECRET is shorter than 32 characters"),
        (
            "abababababababababababababababababab",
            "ORIGIN_SECRET is made of fewer than 10 different characters",
        ),
        ("correct-horse-battery-example-2024-xyz", "ORIGIN_SECRET is a sample, not a secret"),
        (" 6f1d0c9e8b7a4f3e2d5c6b7a8f9e0d1c", "ORIGIN_SECRET begins or ends with white space"),
        (&SECRET, "ORIGIN_SECRET is not used: it must differ from TOLL_SECRET"),
        (previous, "ORIGIN_SECRET is not used: it must differ from TOLL_SECRET"),
    ] {
        let changes = [("ORIGIN_SECRET", Some(secret)), ("TOLL_SECRET_PREVIOUS", Some(previous))];
        let settings = settings(Some(LIST), &changes);
        assert!(settings.origin_key.is_none(), "{fault}");
        assert!(matches!(settings.paywall, Paywall::Closed { .. }), "{fault}");
        assert!(settings.faults.iter().any(|one| one.starts_with(fault)), "{:?}", settings.faults);
        assert!(!settings.faults.iter().any(|one| one.contains(secret)), "{fault}");
    }
    let strong = [("ORIGIN_SECRET", Some("6f1d0c9e8b7a4f3e2d5c6b7a8f9e0d1c"))];
    assert!(settings(Some(LIST), &strong).origin_key.is_some());
}
