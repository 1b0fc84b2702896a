//! The decisions of the gate on single requests.

use crate::support::invoice::invoice_terms;
use crate::support::request::request;
use crate::support::secret::SECRET;
use crate::support::settings::{NOW, decide, error, gate};
use edgetoll::bolt11::Bolt11;
use edgetoll::config::Settings;
use edgetoll::error::RequestError;
use edgetoll::gate::{ChallengeDraft, Claim, Decision, Gate, Purchase, Request};
use edgetoll::keys::SigningKey;
use edgetoll::payment::Preimage;
use edgetoll::protocols::l402::caveat::CredentialScope;
use edgetoll::protocols::l402::challenge::Challenge;
use edgetoll::protocols::l402::macaroon::{Encodings, Macaroon};
use edgetoll::protocols::l402::refusal::Refusal;
use edgetoll::protocols::price::Price;
use edgetoll::strict_json::Json;

const LIST: &str = r#"{"routes":[
    {"path":"/sold","sats":5},
    {"path":"/posted","methods":["POST","PUT"],"sats":5},
    {"path":"/free","sats":0}
]}"#;
const OPEN: Decision<'_> = Decision::Open { waived: None };

fn settings() -> Settings {
    crate::support::settings::settings(Some(LIST), &[])
}

/// Returns two paid credentials for a request: one with a standard macaroon, one with a lightning-toll macaroon.
pub fn buy(settings: &Settings, url: &str, method: &str) -> [String; 2] {
    let Decision::Challenge(draft) = decide(settings, url, method, None) else { panic!("not for sale") };
    let ChallengeDraft { terms, description, .. } = *draft;
    let invoice = Json::parse(include_bytes!("../vectors/lnbits_invoice.json")).unwrap();
    let part = |key: &str| invoice.get(key).unwrap().as_str().unwrap();
    let mint = |encodings| {
        let bolt11 = Bolt11::parse(part("bolt11")).unwrap();
        let (keys, description) = (settings.keys().unwrap().current(), description.clone());
        let invoice = invoice_terms(&terms);
        let challenge =
            Challenge::mint(keys, encodings, &terms, &invoice, description, bolt11, &[7; 28]).unwrap();
        let header = challenge.header();
        let macaroon = header.split('"').nth(1).unwrap().to_owned();
        format!("L402 {macaroon}:{}", part("preimage"))
    };
    [mint(Encodings::Standard), mint(Encodings::LightningToll)]
}

/// Returns why the credential of the request was refused. Panics if the decision is not a challenge.
fn refusal(decision: Decision<'_>) -> Refusal {
    match decision {
        Decision::Challenge(draft) => draft.refused.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn is_quote(decision: Decision<'_>) -> bool {
    match decision {
        Decision::Challenge(draft) => draft.is_quote,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_without_a_price_is_forwarded_and_a_priced_path_gets_a_challenge() {
    let settings = settings();
    for url in ["https://x/", "https://x/else", "https://x/free", "https://x/%zz//;x", "https://x/sold/else"]
    {
        assert_eq!(decide(&settings, url, "GET", None), OPEN, "{url}");
    }
    let sold = "https://x/sold";
    assert_eq!(decide(&settings, sold, "GET", None), decide(&settings, sold, "GET", None));
    let other_seller = self::settings();
    assert_ne!(decide(&settings, sold, "GET", None), decide(&other_seller, sold, "GET", None));
    for url in [sold, "https://x/sold?a=b", "https://x:8443/sold"] {
        let Decision::Challenge(draft) = decide(&settings, url, "GET", None) else { panic!("{url}") };
        let ChallengeDraft { price, terms, description, .. } = *draft;
        let scope =
            CredentialScope::Endpoint { endpoint: "/sold".to_owned(), method: Some("GET".to_owned()) };
        assert_eq!((&price, &terms.price), (&Price::Sats(5), &Price::Sats(5)));
        assert_eq!((&terms.scope, terms.host.as_str()), (&scope, "x"));
        assert_eq!((terms.expires_at_unix, terms.payable_until_unix), (NOW + 3_600, NOW + 300));
        assert_eq!(description, "API access: GET /sold");
    }
}

/// U17 (CHANGELOG): the description is part of the QR code of the invoice.
#[test]
fn no_request_makes_a_description_of_more_than_256_bytes() {
    let list = r#"{"routes":[{"path":"/q","description":"{query.q}{query.q}{query.q}{query.q}{query.q}"},{"path":"/*"}]}"#;
    let settings = crate::support::settings::settings(Some(list), &[]);
    for (url, cut) in [
        (format!("https://x/q?q={}", "%E2%82%AC".repeat(64)), "€".repeat(85)),
        (format!("https://x/{}", "x".repeat(500)), format!("API access: GET /{}", "x".repeat(239))),
    ] {
        let Decision::Challenge(draft) = decide(&settings, &url, "GET", None) else { panic!("{url}") };
        assert_eq!(draft.description, cut);
    }
}

#[test]
fn a_credential_is_valid_for_its_host_and_path_until_it_expires() {
    let settings = settings();
    for credential in buy(&settings, "https://x/sold", "GET") {
        let at =
            |now| gate(&settings).decide(&request("https://x/sold?any=query", "GET", Some(&credential)), now);
        assert!(matches!(at(NOW), Decision::Paid(Purchase { grant, .. }) if grant.amount_sats == 5));
        assert!(matches!(at(NOW + 3_600), Decision::Paid(_)));
        assert_eq!(refusal(at(NOW + 3_601)), Refusal::Expired);
        assert!(matches!(decide(&settings, "https://x/sold", "HEAD", Some(&credential)), Decision::Paid(_)));
        let on_another_host = decide(&settings, "https://y/sold", "GET", Some(&credential));
        assert_eq!(refusal(on_another_host).code(), "host_mismatch");
        let at_another_path = decide(&settings, "https://x/posted", "POST", Some(&credential));
        assert_eq!(refusal(at_another_path).code(), "endpoint_mismatch");
    }
}

#[test]
fn a_valid_credential_among_several_is_accepted_and_without_one_a_genuine_one_decides_the_refusal() {
    let settings = settings();
    let [standard, _] = buy(&settings, "https://x/sold", "GET");
    let [other, _] = buy(&settings, "https://x/posted", "POST");
    for header in [
        format!("L402 garbage:x, {standard}"),
        format!("{other}, {standard}"),
        format!("{standard}, L402 garbage:x"),
        format!("Bearer x, {standard}"),
    ] {
        let decision = decide(&settings, "https://x/sold", "GET", Some(&header));
        assert!(matches!(decision, Decision::Paid(_)), "{header}");
    }
    let header = format!("L402 garbage:x, {other}");
    let refused = refusal(decide(&settings, "https://x/sold", "GET", Some(&header)));
    assert_eq!(refused.code(), "endpoint_mismatch");
    // Of several genuine credentials, and of several that are not genuine, the first decides.
    let on_another_host = decide(&settings, "https://y/sold", "GET", Some(&format!("{standard}, {other}")));
    assert_eq!(refusal(on_another_host).code(), "host_mismatch");
    let on_another_host = decide(&settings, "https://y/sold", "GET", Some(&format!("{other}, {standard}")));
    assert_eq!(refusal(on_another_host).code(), "host_mismatch");
    let malformed = |header: &str| error(decide(&settings, "https://x/sold", "GET", Some(header))).code();
    assert_eq!(malformed("L402 garbage:x, L402 a,,b:"), "malformed_preimage");
    assert_eq!(malformed("L402 a,,b:, L402 garbage:x"), "malformed_credential");
}

#[test]
fn only_macaroons_in_the_encodings_that_the_price_list_allows_are_accepted() {
    let [standard, lightning_toll] = buy(&settings(), "https://x/sold", "GET");
    for (macaroon, accepted, other) in
        [("l402", &standard, &lightning_toll), ("lightning-toll", &lightning_toll, &standard)]
    {
        let list = LIST.replacen('{', &format!("{{\"macaroon\":\"{macaroon}\","), 1);
        let settings = crate::support::settings::settings(Some(&list), &[]);
        assert!(matches!(decide(&settings, "https://x/sold", "GET", Some(accepted)), Decision::Paid(_)));
        let refused = refusal(decide(&settings, "https://x/sold", "GET", Some(other)));
        assert_eq!(refused, Refusal::EncodingNotAccepted);
    }
}

#[test]
fn a_priced_path_over_plain_http_is_redirected_or_refused_except_on_the_loopback_interface() {
    let settings = settings();
    assert_eq!(decide(&settings, "http://x/sold", "GET", None), Decision::Redirect);
    assert_eq!(decide(&settings, "http://x/sold", "HEAD", None), Decision::Redirect);
    assert_eq!(error(decide(&settings, "http://x/posted", "POST", None)), RequestError::PlainHttp);
    assert_eq!(decide(&settings, "http://x/unlisted", "POST", None), OPEN);
    for host in ["127.0.0.1:8787", "localhost:8787", "shop.localhost:8787", "[::1]:8787"] {
        let url = format!("http://{host}/sold");
        assert!(matches!(decide(&settings, &url, "GET", None), Decision::Challenge(_)), "{host}");
    }
}

#[test]
fn a_preflight_of_a_route_with_a_mistake_is_refused() {
    let settings =
        crate::support::settings::settings(Some(r#"{"routes":[{"path":"/wrong","sats":-5}]}"#), &[]);
    let preflight = Request { is_preflight: true, ..request("https://x/wrong", "OPTIONS", None) };
    assert_eq!(error(gate(&settings).decide(&preflight, NOW)), RequestError::NotConfigured);
}

#[test]
fn a_method_that_no_route_of_a_priced_path_lists_is_refused_except_in_a_preflight() {
    let settings = settings();
    let refused = error(decide(&settings, "https://x/posted", "GET", None));
    assert_eq!((refused.status(), refused.header()), (405, Some(("Allow", "POST, PUT".to_owned()))));
    let preflight = Request { is_preflight: true, ..request("https://x/posted", "OPTIONS", None) };
    assert_eq!(gate(&settings).decide(&preflight, NOW), Decision::Preflight);
    let two_hosts = r#"{"routes":[{"path":"/a","host":"a.test","methods":["POST"],"sats":5},
        {"path":"/a","host":"b.test","methods":["DELETE"],"sats":5},{"path":"/b","methods":["PUT"],"sats":5}]}"#;
    let two_hosts = crate::support::settings::settings(Some(two_hosts), &[]);
    let refused = error(decide(&two_hosts, "https://a.test/a", "GET", None));
    assert_eq!(refused.header(), Some(("Allow", "POST".to_owned())));
}

// A3, mm-8: for `OPTIONS`, these paths may be those of a page with another price. An origin may run `OPTIONS` as it runs `POST`.
#[test]
fn a_preflight_of_an_alias_is_answered_if_the_announced_request_is_not_refused_and_is_never_forwarded_as_free()
 {
    let list = r#"{"cors":"*","routes":[
        {"path":"/data/a","methods":["GET"],"sats":5,"realm":"d"},{"path":"/data/*","methods":["GET"],"sats":5,"realm":"d"},
        {"path":"/notes","methods":["POST"],"sats":5},{"path":"/notes","methods":["GET"],"sats":0}]}"#;
    let settings = crate::support::settings::settings(Some(list), &[]);
    let preflight = |url: &str, method: &str| {
        let header = |name: &str| (name == "Access-Control-Request-Method").then(|| method.to_owned());
        let preflight = Request { is_preflight: true, header: &header, ..request(url, "OPTIONS", None) };
        gate(&settings).decide(&preflight, NOW)
    };
    assert_eq!(preflight("https://x/data/a.json", "GET"), Decision::Preflight);
    for path in ["notes.json", "NOTES", "no%74es"] {
        let of = |method: &str| preflight(&format!("https://x/{path}"), method);
        assert_eq!(of("GET"), Decision::Preflight, "{path}");
        for method in ["POST", "DELETE"] {
            assert_eq!(error(of(method)), RequestError::AmbiguousPath, "{path} {method}");
        }
    }
    assert_eq!(
        error(decide(&settings, "https://x/notes.json", "OPTIONS", None)),
        RequestError::AmbiguousPath
    );
}

#[test]
fn head_and_prefetch_requests_get_no_invoice_and_options_requests_only_if_the_route_lists_options() {
    let settings = settings();
    assert!(is_quote(decide(&settings, "https://x/sold", "OPTIONS", None)));
    // An `OPTIONS` request gets an invoice if the route lists `OPTIONS` in `methods`.
    for methods in [r#""GET","OPTIONS""#, r#""OPTIONS""#] {
        let list = format!(r#"{{"routes":[{{"path":"/sold","methods":[{methods}],"sats":5}}]}}"#);
        let with_options = crate::support::settings::settings(Some(&list), &[]);
        assert!(!is_quote(decide(&with_options, "https://x/sold", "OPTIONS", None)), "{methods}");
    }
    let Decision::Challenge(head) = decide(&settings, "https://x/sold", "HEAD", None) else { panic!() };
    assert_eq!((head.is_quote, head.price), (true, Price::Sats(5)));
    let prefetch = Request { is_prefetch: true, ..request("https://x/sold", "GET", None) };
    assert!(is_quote(gate(&settings).decide(&prefetch, NOW)));
}

// A8 (CHANGELOG), https://www.w3.org/TR/fetch-metadata/
#[test]
fn a_request_that_a_page_embeds_gets_the_price_without_an_invoice() {
    let with = |list: &str| crate::support::settings::settings(Some(list), &[]);
    let closed = with(r#"{"routes":[{"path":"/sold","sats":5}]}"#);
    let listed = with(r#"{"cors":["https://app.test"],"routes":[{"path":"/sold","sats":5}]}"#);
    let public = with(r#"{"cors":["*"],"routes":[{"path":"/sold","sats":5}]}"#);
    let (image, script, frame) = (["no-cors", "image"], ["no-cors", "script"], ["navigate", "iframe"]);
    let (fetch, tab, socket) = (["cors", "empty"], ["navigate", "document"], ["websocket", "websocket"]);
    let beacon = ["no-cors", "empty"];
    let (app, other) = (Some("https://app.test"), Some("https://other.test"));
    for (settings, site, [mode, dest], origin, expected) in [
        (&closed, "cross-site", image, None, true),
        (&closed, "cross-site", script, other, true),
        (&closed, "cross-site", frame, None, true),
        (&closed, "cross-site", socket, other, true),
        (&closed, "cross-site", fetch, app, true),
        (&closed, "cross-site", tab, None, false),
        (&listed, "cross-site", fetch, app, false),
        (&listed, "cross-site", fetch, other, true),
        (&listed, "cross-site", fetch, None, true),
        (&listed, "cross-site", image, app, true),
        (&public, "cross-site", fetch, other, false),
        (&public, "cross-site", image, None, true),
        (&closed, "same-origin", image, None, true),
        (&closed, "same-site", script, None, true),
        (&closed, "same-origin", frame, None, true),
        (&closed, "same-origin", fetch, None, false),
        (&closed, "same-origin", socket, None, true),
        (&closed, "same-origin", tab, None, false),
        (&closed, "same-site", fetch, app, true),
        (&closed, "same-site", beacon, app, true),
        (&closed, "same-origin", beacon, None, true),
        (&listed, "same-site", beacon, app, true),
        (&listed, "same-site", fetch, app, false),
        (&closed, "same-site", tab, None, false),
        // Chromium, with a service worker that responds with `fetch(event.request)`
        (&closed, "cross-site", ["navigate", "empty"], None, false),
        (&closed, "none", tab, None, false),
        // Electron's `net.fetch`.
        (&closed, "none", beacon, None, false),
    ] {
        let header = |name: &str| match name {
            "Sec-Fetch-Site" => Some(site.to_owned()),
            "Sec-Fetch-Mode" => Some(mode.to_owned()),
            "Sec-Fetch-Dest" => Some(dest.to_owned()),
            "Origin" => origin.map(str::to_owned),
            _ => None,
        };
        let embedded = Request { header: &header, ..request("https://x/sold", "GET", None) };
        let is_quote = is_quote(gate(settings).decide(&embedded, NOW));
        assert_eq!(is_quote, expected, "{site} {mode} {dest} {origin:?}");
    }
    let without_metadata = |name: &str| (name == "Origin").then(|| "https://other.test".to_owned());
    let program = Request { header: &without_metadata, ..request("https://x/sold", "GET", None) };
    assert!(!is_quote(gate(&closed).decide(&program, NOW)));
    // Browsers send no Fetch Metadata headers with a WebSocket, and no page can read the response.
    assert!(is_quote(gate(&public).decide(&Request { is_upgrade: true, ..program }, NOW)));
    // websocket-client 1.9.2 for Python sends the origin of the server, and a program can read the response.
    for (origin, agent, expected) in [
        (Some("https://x"), Some("Mozilla/5.0 (X11; Linux x86_64)"), true),
        (Some("https://x"), Some("program"), false),
        (Some("https://x"), None, false),
        (None, Some("Mozilla/5.0 (X11; Linux x86_64)"), false),
    ] {
        let header = |name: &str| match name {
            "Origin" => origin.map(str::to_owned),
            "User-Agent" => agent.map(str::to_owned),
            _ => None,
        };
        let socket = Request { is_upgrade: true, header: &header, ..program };
        assert_eq!(is_quote(gate(&closed).decide(&socket, NOW)), expected, "{origin:?} {agent:?}");
    }
}

// A8 (CHANGELOG): Safari before 16.4 sends no Fetch Metadata headers.
#[test]
fn a_request_that_a_page_embeds_in_safari_15_gets_the_price_without_an_invoice() {
    let settings = crate::support::settings::settings(
        Some(r#"{"cors":["https://app.test"],"routes":[{"path":"/sold","sats":5}]}"#),
        &[],
    );
    const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 15_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.0";
    let image = "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5";
    let (page, any) = ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "*/*");
    for (agent, accept, origin, expected) in [
        (SAFARI, image, None, true),
        (SAFARI, "text/css,*/*;q=0.1", None, true),
        (SAFARI, page, None, false),
        (SAFARI, page, Some("https://other.test"), false),
        (SAFARI, any, None, false),
        (SAFARI, any, Some("https://other.test"), true),
        (SAFARI, any, Some("https://app.test"), false),
        (SAFARI, any, Some("https://x"), false),
        ("curl/8.5.0", image, None, false),
        ("program", any, Some("https://other.test"), false),
    ] {
        let header = |name: &str| match name {
            "User-Agent" => Some(agent.to_owned()),
            "Accept" => Some(accept.to_owned()),
            "Origin" => origin.map(str::to_owned),
            _ => None,
        };
        let request = Request { header: &header, ..request("https://x/sold", "GET", None) };
        assert_eq!(is_quote(gate(&settings).decide(&request, NOW)), expected, "{agent} {accept} {origin:?}");
    }
}

// A9 (CHANGELOG)
#[test]
fn a_page_of_another_site_and_a_prefetch_take_no_free_request() {
    let settings = crate::support::settings::settings(
        Some(r#"{"routes":[{"path":"/sold","sats":5,"free_requests":3}]}"#),
        &[],
    );
    let metadata = |site: &'static str, mode: &'static str, dest: &'static str| {
        move |name: &str| match name {
            "Sec-Fetch-Site" => Some(site.to_owned()),
            "Sec-Fetch-Mode" => Some(mode.to_owned()),
            "Sec-Fetch-Dest" => Some(dest.to_owned()),
            _ => None,
        }
    };
    let is_free =
        |request: &Request<'_>| matches!(gate(&settings).decide(request, NOW), Decision::FreeTier { .. });
    for (site, mode, dest, expected) in [
        ("cross-site", "no-cors", "image", false),
        ("cross-site", "navigate", "iframe", false),
        ("cross-site", "no-cors", "empty", false),
        ("cross-site", "navigate", "document", true),
        ("same-site", "no-cors", "image", true),
        ("same-origin", "no-cors", "image", true),
        ("same-origin", "cors", "empty", true),
    ] {
        let header = metadata(site, mode, dest);
        let visit = Request {
            header: &header,
            client_ip: Some("192.0.2.1"),
            ..request("https://x/sold", "GET", None)
        };
        assert_eq!(is_free(&visit), expected, "{site} {mode} {dest}");
        assert!(!is_free(&Request { is_prefetch: true, ..visit }));
    }
    let of_other = |name: &str| (name == "Origin").then(|| "https://other.test".to_owned());
    let socket =
        Request { header: &of_other, client_ip: Some("192.0.2.1"), ..request("https://x/sold", "GET", None) };
    assert!(is_free(&socket) && !is_free(&Request { is_upgrade: true, ..socket }));
}

#[test]
fn a_websocket_of_a_page_that_cors_names_takes_a_free_request_and_causes_no_invoice() {
    let settings = crate::support::settings::settings(
        Some(r#"{"cors":["https://app.test"],"routes":[{"path":"/sold","sats":5,"free_requests":3}]}"#),
        &[],
    );
    // Firefox sends Fetch Metadata headers with a WebSocket. Chrome and Safari do not.
    for sends_metadata in [false, true] {
        for (origin, expected) in [("https://app.test", true), ("https://other.test", false)] {
            let header = |name: &str| match name {
                "Origin" => Some(origin.to_owned()),
                "Sec-Fetch-Site" if sends_metadata => Some("cross-site".to_owned()),
                "Sec-Fetch-Mode" | "Sec-Fetch-Dest" if sends_metadata => Some("websocket".to_owned()),
                _ => None,
            };
            let socket =
                Request { is_upgrade: true, header: &header, ..request("https://x/sold", "GET", None) };
            let of_client = Request { client_ip: Some("192.0.2.1"), ..socket };
            let is_free = matches!(gate(&settings).decide(&of_client, NOW), Decision::FreeTier { .. });
            assert_eq!(is_free, expected, "{origin} {sends_metadata}");
            assert!(is_quote(gate(&settings).decide(&socket, NOW)));
        }
    }
}

// A8 (CHANGELOG): swup 4 with its preload plugin, @barba/core 2, and Unpoly 3, when the pointer is over a link.
#[test]
fn a_script_that_loads_pages_gets_the_price_without_an_invoice_and_may_take_a_free_request() {
    let settings = crate::support::settings::settings(
        Some(r#"{"routes":[{"path":"/sold","sats":5,"free_requests":3}]}"#),
        &[],
    );
    for (name, value, expected) in [
        ("X-Requested-With", "swup", true),
        ("X-Requested-With", "Taxi", true),
        ("X-Requested-With", "Highway", true),
        ("X-Barba", "yes", true),
        ("X-Up-Version", "3.14.0", true),
        ("X-PJAX", "true", true),
        ("HX-Boosted", "true", true),
        ("HX-Request", "true", false),
        ("X-Requested-With", "XMLHttpRequest", false),
    ] {
        let header = |wanted: &str| (wanted == name).then(|| value.to_owned());
        let load = Request { header: &header, ..request("https://x/sold", "GET", None) };
        assert_eq!(is_quote(gate(&settings).decide(&load, NOW)), expected, "{name}: {value}");
        let of_client = Request { client_ip: Some("192.0.2.1"), ..load };
        assert!(matches!(gate(&settings).decide(&of_client, NOW), Decision::FreeTier { .. }));
    }
}

// A8 (CHANGELOG), https://github.com/mastodon/mastodon/issues/21861
#[test]
fn a_service_that_makes_a_preview_of_a_link_gets_the_price_without_an_invoice() {
    let settings = settings();
    for (agent, expected) in [
        ("Mastodon/4.3.1 (http.rb/5.2.0; +https://mastodon.test/) Bot", true),
        ("http.rb/5.1.1 (Mastodon/4.2.10; +https://mastodon.test/) Bot", true),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", true),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", true),
        ("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", true),
        ("WhatsApp/2.23.20.0", true),
        ("SummalyBot/5.5.1 (+https://github.com/misskey-dev/summaly/blob/master/README.md)", true),
        ("Synapse (bot; +https://github.com/matrix-org/synapse)", true),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", false),
        ("curl/8.5.0", false),
    ] {
        let header = |name: &str| (name == "User-Agent").then(|| agent.to_owned());
        let visit = Request { header: &header, ..request("https://x/sold", "GET", None) };
        assert_eq!(is_quote(gate(&settings).decide(&visit, NOW)), expected, "{agent}");
    }
}

#[test]
fn trace_requests_and_websocket_upgrades_by_post_are_refused_on_every_path() {
    let settings = settings();
    for path in ["/sold", "/unlisted", "/posted", "/_toll/x", "//sold"] {
        let url = format!("https://x{path}");
        let upgrade = Request { is_upgrade: true, ..request(&url, "POST", None) };
        let refused = error(gate(&settings).decide(&upgrade, NOW));
        assert_eq!(refused, RequestError::UpgradeWithoutGet, "{path}");
        assert_eq!(error(decide(&settings, &url, "TRACE", None)).status(), 405, "{path}");
    }
}

#[test]
fn the_error_for_an_unavailable_invoice_has_a_retry_after_header() {
    let unavailable = RequestError::InvoiceUnavailable { retry_after_s: 5 };
    assert_eq!(unavailable.header(), Some(("Retry-After", "5".to_owned())));
}

#[test]
fn no_spelling_of_a_path_below_the_reserved_prefix_is_forwarded() {
    let settings = settings();
    for path in
        ["/_toll/x", "/_toll/stats/", "/_toll//stats", "/_TOLL/stats", "//_toll/stats", "/%5ftoll/stats"]
    {
        let url = format!("https://x{path}");
        assert_eq!(error(decide(&settings, &url, "GET", None)), RequestError::NotFound, "{path}");
    }
    assert_eq!(decide(&settings, "https://x/_tolls", "GET", None), OPEN);
}

/// Returns the decision for a request to `/sold` with this `Authorization` header. `is_settled` tells the gate whether
/// the payment of a credential is known to be settled.
fn decide_if_settled<'a>(settings: &'a Settings, authorization: &str, is_settled: bool) -> Decision<'a> {
    let gate = Gate { is_settled: &|_, _| is_settled, ..gate(settings) };
    gate.decide(&request("https://x/sold", "GET", Some(authorization)), NOW)
}

/// Returns the claim of a decision that has exactly one claim, and the challenge that the client gets if the payment
/// has not settled.
fn claim(decision: Decision<'_>) -> (Claim<'_>, ChallengeDraft<'_>) {
    match decision {
        Decision::Unsettled { mut claims, otherwise } if claims.len() == 1 => (claims.remove(0), *otherwise),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_payment_of_a_valid_credential_is_looked_up_unless_it_is_known_to_be_settled() {
    let settings = settings();
    for credential in buy(&settings, "https://x/sold", "GET") {
        assert!(matches!(decide_if_settled(&settings, &credential, true), Decision::Paid(_)));
        let (claim, otherwise) = claim(decide_if_settled(&settings, &credential, false));
        assert_eq!(claim.purchase.grant.amount_sats, 5);
        assert_eq!(claim.purchase.counted, None);
        assert_eq!(otherwise.refused, Some(Refusal::Unpaid));
        assert_eq!(claim.purchase.grant.payment_hash, claim.macaroon.payment_hash());
        assert!(credential.contains(&claim.macaroon.encode()));
    }
}

#[test]
fn a_missing_or_all_zero_preimage_leads_to_a_look_up_and_a_wrong_preimage_is_refused() {
    let settings = settings();
    for credential in buy(&settings, "https://x/sold", "GET") {
        let (macaroon, _) = credential.split_once(':').unwrap();
        for unproven in
            [format!("{macaroon}:"), macaroon.to_owned(), format!("{macaroon}:{}", "0".repeat(64))]
        {
            let decision = decide(&settings, "https://x/sold", "GET", Some(&unproven));
            assert!(!claim(decision).0.purchase.grant.is_proven);
            let at_another_path = decide(&settings, "https://x/posted", "POST", Some(&unproven));
            assert_eq!(refusal(at_another_path).code(), "endpoint_mismatch");
        }
        let wrong = format!("{macaroon}:{}", "1".repeat(64));
        let refused = error(decide(&settings, "https://x/sold", "GET", Some(&wrong)));
        assert_eq!(refused, RequestError::Credential(Refusal::WrongPreimage));
    }
}

#[test]
fn one_of_two_credentials_is_enough_if_its_payment_has_settled() {
    let settings = settings();
    let [standard, toll] = buy(&settings, "https://x/sold", "GET");
    let (unproven, _) = standard.split_once(':').unwrap();
    let both = format!("{unproven}:, {toll}");
    assert!(matches!(decide(&settings, "https://x/sold", "GET", Some(&both)), Decision::Paid(_)));
}

#[test]
fn at_most_four_payments_are_looked_up_and_those_with_a_preimage_come_first() {
    let settings = settings();
    let [standard, toll] = buy(&settings, "https://x/sold", "GET");
    let (unproven, _) = standard.split_once(':').unwrap();
    let is_proven = |header: &str| match decide_if_settled(&settings, header, false) {
        Decision::Unsettled { claims, .. } => {
            claims.iter().map(|claim| claim.purchase.grant.is_proven).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(is_proven(&format!("{unproven}:, {toll}")), [true, false]);
    assert_eq!(
        is_proven(&format!("{unproven}:, {unproven}:, {toll}, {unproven}:, {standard}")),
        [true, true, false, false]
    );
}

#[test]
fn a_macaroon_of_another_issuer_is_refused_without_a_preimage() {
    let settings = settings();
    let preimage = "01".repeat(32);
    let payment_hash = Preimage::from_hex(&preimage).unwrap().payment_hash();
    let caveats = ["expires_at = 1800003600", "endpoint = /sold", "method = GET"].map(str::to_owned);
    let key = SigningKey::lightning_toll(SECRET.as_bytes());
    let macaroon = Macaroon::lightning_toll(&key, payment_hash).with_caveats(&caveats).unwrap().encode();
    let decide_with = |preimage: &str| {
        decide(&settings, "https://x/sold", "GET", Some(&format!("L402 {macaroon}:{preimage}")))
    };
    for preimage in ["", &"0".repeat(64)] {
        let refused = error(decide_with(preimage));
        assert_eq!(refused, RequestError::Credential(Refusal::MalformedPreimage));
    }
    assert!(matches!(decide_with(&preimage), Decision::Paid(_)));
}

#[test]
fn a_repeated_challenge_has_the_macaroon_that_the_client_sent() {
    let settings = settings();
    let invoice = Json::parse(include_bytes!("../vectors/lnbits_invoice.json")).unwrap();
    let bolt11 = Bolt11::parse(invoice.get("bolt11").unwrap().as_str().unwrap()).unwrap();
    for credential in buy(&settings, "https://x/sold", "GET") {
        let (Claim { macaroon, purchase }, _) = claim(decide_if_settled(&settings, &credential, false));
        let narrowed = macaroon.attenuate("amount_sats=5").unwrap();
        let (grant, description) = (&purchase.grant, "Random joke".to_owned());
        let repeated = Challenge::repeat(&narrowed, grant, description, bolt11.clone());
        let text = narrowed.encode();
        let header = format!("L402 macaroon=\"{text}\", invoice=\"{}\"", bolt11.as_str());
        assert_eq!(repeated.header(), header);
        let body = Json::parse(repeated.body(Some(&Refusal::Unpaid)).as_bytes()).unwrap();
        assert_eq!(body.get("macaroon").unwrap().as_str(), Some(text.as_str()));
        assert_eq!(body.number("amountSats"), Some(5));
        assert_eq!(body.number("expiresAt"), Some(grant.expires_at_unix));
        assert_eq!(body.get("code").unwrap().as_str(), Some("unpaid"));
    }
}
