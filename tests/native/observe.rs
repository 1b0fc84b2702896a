//! Observed routes: no one is charged, and the gate says what each request would have got.

use edgetoll::config::{Paywall, Settings};
use edgetoll::forward::{ForwardReason, ResponsePlan};
use edgetoll::gate::{Decision, Gate, Observation, Refused, Request};
use edgetoll::http::header_list::HeaderList;
use edgetoll::policy::mode::Mode;
use edgetoll::policy::normalization::normalize;
use edgetoll::policy::route::{PathForm, Pricing, Selection, Target};

use crate::support::gate::{BY_PREIMAGE, NO_CODE};
use crate::support::random::{Random, cases};
use crate::support::random_lists::{list_with_modes, path, target};
use crate::support::request::request;
use crate::support::settings::{NOW, decide, gate, settings};

const OTHER_SECRET: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OPEN: Decision<'_> = Decision::Open { waived: None };
const NO_WALLET: [(&str, Option<&str>); 2] = [("LNBITS_URL", None), ("LNBITS_KEY", None)];
const NOTHING: [(&str, Option<&str>); 3] = [("TOLL_SECRET", None), NO_WALLET[0], NO_WALLET[1]];

/// Returns what an observed request would have got: its route, status, code and sats.
fn seen<'a>(decision: &'a Decision<'_>) -> (Option<&'a str>, u16, Option<&'static str>, u64) {
    match decision {
        Decision::Observed(Observation { route, status, code, sats, .. }) => {
            (route.map(|route| route.pattern.as_str()), *status, *code, *sats)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_to_an_observed_route_is_forwarded_with_the_status_that_it_would_have_got() {
    let list = r#"{"mode":"observe","routes":[
        {"path":"/sold","sats":5},
        {"path":"/posted","methods":["POST"],"sats":5},
        {"path":"/by-length","sats_per_kib":2,"methods":["POST"]},
        {"path":"/by-query","price":[{"when":{"query":{"size":"large"}},"sats":9},{"when":{"query":{"size":"none"}},"sats":0},{"sats":3}]},
        {"path":"/in-dollars","fiat":"0.01 USD","min_sats":7},
        {"path":"/one-host","host":"api.test","sats":5},
        {"path":"/free","sats":0}
    ]}"#;
    for changes in [&[][..], &NO_WALLET, &NOTHING] {
        let settings = settings(Some(list), changes);
        for (url, method, expected) in [
            ("https://x/sold", "GET", (Some("/sold"), 402, None, 5)),
            ("https://x/sold?a=b", "POST", (Some("/sold"), 402, None, 5)),
            // A request that gets no invoice costs nothing.
            ("https://x/sold", "HEAD", (Some("/sold"), 402, None, 0)),
            ("https://x/sold", "OPTIONS", (Some("/sold"), 402, None, 0)),
            ("https://x//sold", "GET", (None, 400, Some("ambiguous_path"), 0)),
            ("https://x/SOLD", "GET", (None, 400, Some("ambiguous_path"), 0)),
            ("https://x/posted", "GET", (None, 405, Some("method_not_allowed"), 0)),
            ("https://x/one-host", "GET", (None, 421, Some("other_host"), 0)),
            ("https://x/by-query?size=large", "GET", (Some("/by-query"), 402, None, 9)),
            ("https://x/by-query?size=none", "GET", (Some("/by-query"), 200, None, 0)),
            ("https://x/by-query?size=LARGE", "GET", (Some("/by-query"), 400, Some("ambiguous_query"), 0)),
            ("https://x/in-dollars", "GET", (Some("/in-dollars"), 402, None, 7)),
            ("http://x/sold", "GET", (Some("/sold"), 308, None, 0)),
            ("http://x/sold", "POST", (Some("/sold"), 403, Some("plain_http"), 0)),
        ] {
            assert_eq!(seen(&decide(&settings, url, method, None)), expected, "{method} {url}");
        }
        let with_body = Request { has_body: true, ..request("https://x/by-length", "POST", None) };
        let without_length = gate(&settings).decide(&with_body, NOW);
        assert_eq!(seen(&without_length), (Some("/by-length"), 411, Some("length_required"), 0));
        let charging = crate::support::settings::settings(Some(&list.replace("observe", "charge")), &[]);
        let secret = [("TOLL_SECRET", Some(OTHER_SECRET))];
        let other = crate::support::settings::settings(Some(&list.replace("observe", "charge")), &secret);
        let [forged, _] = crate::gate::buy(&other, "https://x/sold", "GET");
        for (credential, status) in [("L402 garbage:x", 401), ("L402 a,,b:", 401), (&forged, 402)] {
            let expected = match decide(&charging, "https://x/sold", "GET", Some(credential)) {
                Decision::Refuse(Refused { error, .. }) => (error.status(), error.code()),
                Decision::Challenge(draft) => (402, draft.refused.unwrap().code()),
                other => panic!("{other:?}"),
            };
            let decision = decide(&settings, "https://x/sold", "GET", Some(credential));
            let (_, seen_status, code, _) = seen(&decision);
            assert_eq!(
                (seen_status, code.unwrap(), status),
                (expected.0, expected.1, expected.0),
                "{credential}"
            );
        }
        for url in ["https://x/free", "https://x/unlisted", "https://x/unlisted//;x"] {
            assert_eq!(decide(&settings, url, "GET", None), OPEN, "{url}");
        }
    }
}

#[test]
fn own_endpoints_trace_and_invalid_upgrades_are_refused_on_an_observed_list_too() {
    let settings = settings(Some(r#"{"mode":"observe","routes":[{"path":"/*","sats":5}]}"#), &NOTHING);
    for (url, method) in [
        ("https://x/_toll/x", "GET"),
        ("https://x/_TOLL/stats", "GET"),
        ("https://x/%5ftoll/stats", "GET"),
        ("https://x//_toll/stats", "GET"),
        ("https://x/sold", "TRACE"),
    ] {
        assert!(matches!(decide(&settings, url, method, None), Decision::Refuse(_)), "{method} {url}");
    }
    let upgrade = Request { is_upgrade: true, ..request("https://x/sold", "POST", None) };
    assert!(matches!(gate(&settings).decide(&upgrade, NOW), Decision::Refuse(_)));
}

#[test]
fn a_list_in_which_no_route_charges_needs_neither_a_secret_nor_a_wallet() {
    for list in [
        r#"{"mode":"observe","routes":[{"path":"/sold","sats":5}]}"#,
        r#"{"routes":[{"path":"/sold","sats":5,"mode":"observe"},{"path":"/off","mode":"off"},{"path":"/free","sats":0}]}"#,
        r#"{"mode":"observe","routes":[{"path":"/sold","sats":5,"uses":3,"free_requests":5}]}"#,
    ] {
        let settings = settings(Some(list), &NOTHING);
        assert!(matches!(settings.paywall, Paywall::Free { has_secret: false, .. }), "{list}");
        let [fault] = settings.faults.as_slice() else { panic!("{:?}", settings.faults) };
        assert!(fault.starts_with("TOLL observes all routes that have a price"), "{fault}");
        assert!(settings.keys().is_none() && settings.keys_and_wallets().is_none(), "{list}");
        let request = Request { client_ip: Some("192.0.2.1"), ..request("https://x/sold", "GET", None) };
        assert_eq!(seen(&gate(&settings).decide(&request, NOW)), (Some("/sold"), 402, None, 5), "{list}");
        let malformed = decide(&settings, "https://x/sold", "GET", Some("L402 garbage:x"));
        assert_eq!(seen(&malformed).1, 401, "{list}");
    }
    // One route that charges needs both.
    let list = r#"{"mode":"observe","routes":[{"path":"/sold","sats":5,"mode":"charge"},{"path":"/seen","sats":5}]}"#;
    let settings = settings(Some(list), &NOTHING);
    assert!(matches!(settings.paywall, Paywall::Closed { .. }));
    assert!(matches!(decide(&settings, "https://x/sold", "GET", None), Decision::Refuse(_)));
    let closed = (Some("/seen"), 503, Some("not_configured"), 0);
    assert_eq!(seen(&decide(&settings, "https://x/seen", "GET", None)), closed);
}

#[test]
fn the_mode_of_a_route_overrides_that_of_the_list_and_any_other_value_closes() {
    let mode_of = |list: &str| {
        let settings = settings(Some(list), &[]);
        settings.policy().map(|policy| (policy.routes[0].mode, policy.routes[0].pricing == Pricing::Invalid))
    };
    for (list, expected) in [
        (r#"{"routes":[{"path":"/a"}]}"#, Some((Mode::Charge, false))),
        (r#"{"mode":"charge","routes":[{"path":"/a"}]}"#, Some((Mode::Charge, false))),
        (r#"{"mode":"observe","routes":[{"path":"/a"}]}"#, Some((Mode::Observe, false))),
        (r#"{"mode":"observe","routes":[{"path":"/a","mode":"charge"}]}"#, Some((Mode::Charge, false))),
        (r#"{"mode":"off","routes":[{"path":"/a","mode":"observe"}]}"#, Some((Mode::Observe, false))),
        (r#"{"routes":[{"path":"/a","mode":"off"}]}"#, Some((Mode::Off, false))),
        (r#"{"mode":"Observe","routes":[{"path":"/a"}]}"#, None),
        (r#"{"mode":"","routes":[{"path":"/a","mode":"charge"}]}"#, None),
        (r#"{"mode":true,"routes":[{"path":"/a"}]}"#, None),
        (r#"{"modes":"observe","routes":[{"path":"/a"}]}"#, None),
    ] {
        assert_eq!(mode_of(list), expected, "{list}");
    }
    for mode in [r#""Off""#, r#""""#, "false", "null", r#""observe ""#, r#"["off"]"#] {
        let list =
            format!(r#"{{"mode":"observe","routes":[{{"path":"/a","mode":{mode}}},{{"path":"/b"}}]}}"#);
        let settings = settings(Some(&list), &[]);
        let Decision::Refuse(Refused { error, .. }) = decide(&settings, "https://x/a", "GET", None) else {
            panic!("{mode}")
        };
        assert_eq!(error.status(), 503, "{mode}");
    }
    // A route with another mistake is closed in every mode.
    for mode in ["charge", "observe", "off"] {
        let list = format!(r#"{{"routes":[{{"path":"/a","sats":-5,"mode":"{mode}"}}]}}"#);
        let settings = settings(Some(&list), &NOTHING);
        assert!(matches!(decide(&settings, "https://x/a", "GET", None), Decision::Refuse(_)), "{mode}");
    }
}

#[test]
fn a_route_that_is_off_is_forwarded_as_a_free_route() {
    let settings = settings(Some(r#"{"mode":"off","routes":[{"path":"/a","sats":5,"uses":3}]}"#), &NOTHING);
    for url in ["https://x/a", "https://x//a", "http://x/A/"] {
        assert_eq!(decide(&settings, url, "GET", None), OPEN, "{url}");
    }
    assert_eq!(
        settings.faults,
        ["TOLL has no route with a price: every request is forwarded without payment"]
    );
}

#[test]
fn a_free_tier_is_left_to_the_counter_of_the_isolate() {
    let list = r#"{"mode":"observe","routes":[{"path":"/a","sats":5,"free_requests":3}]}"#;
    let decide = |changes: &[_], client_ip, authorization| {
        let settings = settings(Some(list), changes);
        let request = Request { client_ip, ..request("https://x/a", "GET", authorization) };
        match gate(&settings).decide(&request, NOW) {
            Decision::Observed(Observation { status, sats, free_tier, .. }) => {
                (status, sats, free_tier.map(|(tier, _)| tier.requests))
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(decide(&NO_WALLET, Some("192.0.2.1"), None), (402, 5, Some(3)));
    assert_eq!(decide(&NO_WALLET, None, None), (402, 5, None));
    assert_eq!(decide(&NO_WALLET, Some("192.0.2.1"), Some("L402 garbage:x")), (401, 0, None));
    assert_eq!(decide(&NOTHING, Some("192.0.2.1"), None), (402, 5, Some(3)));
}

#[test]
fn preflights_of_an_observed_route_go_to_the_origin_unless_edgetoll_knows_the_pages() {
    let any = r#""cors":"*","#;
    for (cors, path, method, expected) in [
        ("", "/a", "GET", OPEN),
        (any, "/a", "GET", Decision::Preflight),
        (any, "/a", "delete", Decision::Preflight),
        (any, "/posted", "POST", Decision::Preflight),
        // The request that follows is one of a free path, whose pages only the origin knows.
        (any, "/posted", "DELETE", OPEN),
        (any, "/one-host", "GET", OPEN),
    ] {
        let list = format!(
            r#"{{{cors}"mode":"observe","routes":[{{"path":"/a","sats":5}},{{"path":"/posted","methods":["POST"]}},{{"path":"/one-host","host":"y"}}]}}"#
        );
        let settings = settings(Some(&list), &[]);
        let header = |name: &str| (name == "Access-Control-Request-Method").then(|| method.to_owned());
        let url = format!("https://x{path}");
        let preflight = Request { is_preflight: true, header: &header, ..request(&url, "OPTIONS", None) };
        assert_eq!(gate(&settings).decide(&preflight, NOW), expected, "{list} {path} {method}");
    }
}

#[test]
fn an_observed_route_is_not_in_the_public_list_and_does_not_change_what_a_realm_sells() {
    let list = |mode: &str| {
        format!(
            r#"{{"routes":[{{"path":"/a","realm":"r","sats":5,"mode":"{mode}"}},{{"path":"/b","realm":"r","sats":5}}]}}"#
        )
    };
    let of = |mode: &str| settings(Some(&list(mode)), &[]);
    let (charging, observed, off) = (of("charge"), of("observe"), of("off"));
    let [charging, observed, off] = [&charging, &observed, &off].map(|settings| settings.policy().unwrap());
    assert!(!observed.catalog("x").contains("\"/a\"") && observed.catalog("x").contains("\"/b\""));
    assert!(!off.catalog("x").contains("\"/a\""));
    assert_eq!(observed.routes[1].sold_as(), charging.routes[1].sold_as());
    assert_ne!(off.routes[1].sold_as(), charging.routes[1].sold_as());
}

#[test]
fn shared_caches_do_not_store_responses_to_observed_requests() {
    let settings = settings(Some(r#"{"mode":"observe","routes":[{"path":"/a","sats":5}]}"#), &[]);
    for route in [Some(0), None] {
        let plan = ResponsePlan {
            reason: ForwardReason::Observed,
            route,
            expires_at_unix: None,
            payment_hash: None,
            is_shared: true,
            public_origin: "https://x",
            origin_url: "https://origin.test/a",
            page: None,
        };
        assert_eq!(ResponsePlan::parse(&plan.to_line()), Some(plan.clone()));
        let headers = HeaderList::parse("1\ncache-control\npublic, max-age=60\n".to_owned(), 0).unwrap();
        let edits = plan.edits(&headers, settings.policy().unwrap(), &settings.origin, |_, _| None);
        assert!(edits.as_str().contains("=Cache-Control\nprivate"), "{edits:?}");
        assert!(edits.as_str().contains("=Vary\nAuthorization, Cookie"), "{edits:?}");
    }
}

/// Price lists, paths and requests are random. The decision of a list is compared with the decisions of the same list with
/// other modes.
#[test]
fn an_observed_route_is_no_way_around_a_route_that_charges() {
    let lists = cases(300, 20_000);
    let mut random = Random::new(19);
    let mut counts = [0_usize; 7];
    for _ in 0..lists {
        let text = list_with_modes(&mut random);
        let with = |mode: &str| {
            settings(Some(&text.replace(r#""mode":"observe""#, &format!(r#""mode":"{mode}""#))), &[])
        };
        let (mixed, off, charging) = (with("observe"), with("off"), with("charge"));
        for _ in 0..40 {
            let (host, method) = target(&mut random);
            let path = path(&mut random);
            let query = random.choose(&["", "", "", "?/a", "?_method=POST", "?rest_route=/a", "?a:method=1"]);
            let url =
                format!("{}://{host}{path}{query}", random.choose(&["https", "https", "https", "http"]));
            let context = format!("{method} {url} {text}");
            let decided = [&mixed, &off, &charging].map(|settings| decide(settings, &url, method, None));
            let [mixed_decision, off_decision, charging_decision] = &decided;
            counts[check_decisions(mixed_decision, off_decision, charging_decision, &context)] += 1;
            if is_forwarded(mixed_decision) {
                assert_eq!(charging_route(&mixed, &path, Target { host, method }), None, "{context}");
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

/// Returns the number of the case, so that the test can make sure that each case occurs.
fn check_decisions(
    mixed: &Decision<'_>,
    off: &Decision<'_>,
    charging: &Decision<'_>,
    context: &str,
) -> usize {
    let (summary, of_off, of_charging) = (summary(mixed), summary(off), summary(charging));
    match mixed {
        Decision::Observed(Observation { status, sats, .. }) => {
            assert_eq!(*off, OPEN, "{context}");
            let expected = match charging {
                Decision::Challenge(draft) => (402, if draft.is_quote { 0 } else { 5 }),
                Decision::Redirect => (308, 0),
                Decision::Refuse(Refused { error, .. }) => (error.status(), 0),
                other => panic!("{other:?} {context}"),
            };
            assert_eq!(*status, expected.0, "{context}");
            assert_eq!(*sats > 0, expected.1 > 0, "{context}");
            match status {
                400 => 0,
                402 => 1,
                _ => 2,
            }
        }
        // A decision that charges or refuses is that of the same list without the observed routes.
        Decision::Challenge(draft) => {
            assert_eq!(draft.route.mode, Mode::Charge, "{context}");
            assert_eq!(summary, of_off, "{context}");
            assert!(summary == of_charging || matches!(charging, Decision::Refuse(_)), "{context}");
            3
        }
        Decision::Open { .. } => {
            assert_eq!(summary, of_off, "{context}");
            assert!(matches!(charging, Decision::Open { .. }), "{context}");
            4
        }
        Decision::Refuse(_) => {
            assert_eq!(summary, of_off, "{context}");
            5
        }
        _ => {
            assert_eq!(summary, of_off, "{context}");
            6
        }
    }
}

/// Returns a decision as a text without addresses, so that the decisions of two lists can be compared.
fn summary(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Challenge(draft) => {
            format!("challenge {} {:?} {}", draft.route.id(), draft.price, draft.is_quote)
        }
        Decision::Refuse(Refused { error, route }) => {
            format!("{error:?} {:?}", route.map(|route| route.id()))
        }
        other => format!("{other:?}"),
    }
}

fn is_forwarded(decision: &Decision<'_>) -> bool {
    matches!(decision, Decision::Open { .. } | Decision::Observed(_))
}

/// Returns the route with a price that charges for a path, if an origin reads it as it was sent or fully normalized.
fn charging_route<'a>(settings: &'a Settings, path: &str, target: Target<'_>) -> Option<&'a str> {
    let policy = settings.policy().unwrap();
    let normalized = normalize(path, policy.fold_case);
    [(PathForm::AsSent, path), (PathForm::Normalized, &normalized)].into_iter().find_map(|(form, path)| {
        match policy.routes.select(form, path, target) {
            Selection::Route(route) if route.mode == Mode::Charge && route.has_price() => {
                Some(route.pattern.as_str())
            }
            _ => None,
        }
    })
}

/// A credential that was bought before the list was observed counts as good, and no use is taken.
#[test]
fn a_good_credential_would_have_been_served() {
    let list = |mode: &str| format!(r#"{{"mode":"{mode}","routes":[{{"path":"/a","sats":5,"uses":2}}]}}"#);
    let (charging, observed) =
        (settings(Some(&list("charge")), &[]), settings(Some(&list("observe")), &NO_WALLET));
    let [credential, _] = crate::gate::buy(&charging, "https://x/a", "GET");
    assert!(matches!(decide(&charging, "https://x/a", "GET", Some(&credential)), Decision::Paid(_)));
    assert_eq!(seen(&decide(&observed, "https://x/a", "GET", Some(&credential))), (Some("/a"), 200, None, 0));
    // Neither does a payment that only a wallet could confirm.
    let gate =
        Gate { is_settled: &|_, _| false, ..observed.gate(observed.policy().unwrap(), NO_CODE, BY_PREIMAGE) };
    let request = request("https://x/a", "GET", Some(&credential));
    assert_eq!(seen(&gate.decide(&request, NOW)).1, 200);
    let (macaroon, _) = credential.rsplit_once(':').unwrap();
    let unproven = decide(&observed, "https://x/a", "GET", Some(&format!("{macaroon}:")));
    assert_eq!(seen(&unproven), (Some("/a"), 402, Some("unpaid"), 5));
    let elsewhere = decide(&observed, "https://y/a", "GET", Some(&credential));
    assert_eq!(seen(&elsewhere), (Some("/a"), 402, Some("host_mismatch"), 5));
}
