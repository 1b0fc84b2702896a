//! The decision, from plain values.

use crate::support::gate::{BY_PREIMAGE, NO_CODE};
use crate::support::request::request;
use edgetoll::admin::AdminEndpoint;
use edgetoll::bolt11::Bolt11;
use edgetoll::config::{Callbacks, Origin, Settings};
use edgetoll::error::RequestError;
use edgetoll::forward::{authorization, is_removed, private_cache_control, vary};
use edgetoll::gate::{ChallengeDraft, Claim, Decision, Gate, Purchase, Request};
use edgetoll::http::header::is_ours;
use edgetoll::keys::{SigningKey, TollSecret, WeakSecret};
use edgetoll::payment::Preimage;
use edgetoll::policy::normalization::fold_case;
use edgetoll::protocols::l402::caveat::CredentialScope;
use edgetoll::protocols::l402::challenge::{Challenge, Encodings};
use edgetoll::protocols::l402::macaroon::Macaroon;
use edgetoll::protocols::l402::refusal::Refusal;
use edgetoll::protocols::price::Price;
use edgetoll::strict_json::Json;

const NOW: u64 = 1_800_000_000;
const LIST: &str = r#"{"routes":[
    {"path":"/sold","sats":5},
    {"path":"/posted","methods":["POST","PUT"],"sats":5},
    {"path":"/given","sats":0},
    {"path":"/shut","sats":-1}
]}"#;

fn settings(list: Option<&str>, change: &[(&str, Option<&str>)]) -> Settings {
    let vars = [
        ("TOLL_SECRET", crate::support::secret::SECRET.as_str()),
        ("LNBITS_URL", "https://lnbits.test"),
        ("LNBITS_KEY", "0123456789abcdef"),
        ("ORIGIN_URL", "https://origin.test"),
    ];
    let var = |name: &str| match change.iter().find(|(changed, _)| *changed == name) {
        Some((_, value)) => value.map(str::to_owned),
        None => vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
    };
    Settings::read(var, list, fold_case)
}

fn decide<'a>(settings: &'a Settings, url: &str, method: &str, authorization: Option<&str>) -> Decision<'a> {
    settings.gate(BY_PREIMAGE).decide(&request(url, method, authorization), NOW)
}

/// Buys what the gate offers for a request; gives the standard and the lightning-toll credential.
fn buy(settings: &Settings, url: &str, method: &str) -> [String; 2] {
    let Decision::Challenge { offer: ChallengeDraft { terms, description, .. }, .. } =
        decide(settings, url, method, None)
    else {
        panic!("not for sale");
    };
    let answer = Json::parse(include_bytes!("../vectors/lnbits_invoice.json")).unwrap();
    let part = |key: &str| answer.get(key).unwrap().as_str().unwrap();
    let mint = |encodings| {
        let bolt11 = Bolt11::parse(part("bolt11")).unwrap();
        let keys = settings.keys().unwrap().current();
        let challenge =
            Challenge::new(keys, encodings, terms.clone(), description.clone(), bolt11, &[7; 28]).unwrap();
        let header = challenge.header();
        let macaroon = header.split('"').nth(1).unwrap().to_owned();
        format!("L402 {macaroon}:{}", part("preimage"))
    };
    [mint(Encodings::Standard), mint(Encodings::LightningToll)]
}

fn problem(decision: Decision<'_>) -> RequestError {
    match decision {
        Decision::Refuse(refused) => refused.error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_has_no_price_is_open_and_what_has_one_is_not() {
    let settings = settings(Some(LIST), &[]);
    for url in ["https://x/", "https://x/else", "https://x/given", "https://x/%zz//;x", "https://x/sold/else"]
    {
        assert_eq!(decide(&settings, url, "GET", None), Decision::Open { waived: None }, "{url}");
    }
    for url in ["https://x/sold", "https://x/sold?a=b", "https://x:8443/sold"] {
        let Decision::Challenge { offer: ChallengeDraft { terms, description, .. }, .. } =
            decide(&settings, url, "GET", None)
        else {
            panic!("{url}")
        };
        let scope =
            CredentialScope::Endpoint { endpoint: "/sold".to_owned(), method: Some("GET".to_owned()) };
        assert_eq!((terms.amount_sats, &terms.scope, terms.host.as_str()), (5, &scope, "x"));
        assert_eq!((terms.expires_at_unix, terms.payable_until_unix), (NOW + 3_600, NOW + 300));
        assert_eq!(description, "API access: GET /sold");
    }
}

#[test]
fn a_bought_credential_opens_what_it_was_bought_for_until_its_last_second() {
    let settings = settings(Some(LIST), &[]);
    for credential in buy(&settings, "https://x/sold", "GET") {
        let at = |now| {
            settings
                .gate(BY_PREIMAGE)
                .decide(&request("https://x/sold?any=query", "GET", Some(&credential)), now)
        };
        assert!(matches!(at(NOW), Decision::Paid(Purchase { amount_sats: 5, .. })));
        assert!(matches!(at(NOW + 3_600), Decision::Paid(_)));
        assert!(matches!(
            at(NOW + 3_601),
            Decision::Challenge(draft) if matches!(draft.refused, Some(Refusal::Expired))
        ));
        assert!(matches!(decide(&settings, "https://x/sold", "HEAD", Some(&credential)), Decision::Paid(_)));
        let elsewhere = decide(&settings, "https://y/sold", "GET", Some(&credential));
        assert!(matches!(
            elsewhere,
            Decision::Challenge {
                offer: ChallengeDraft { refused: Some(Refusal::HostMismatch { .. }), .. },
                ..
            }
        ));
        let posted = decide(&settings, "https://x/posted", "POST", Some(&credential));
        assert!(matches!(
            posted,
            Decision::Challenge {
                offer: ChallengeDraft { refused: Some(Refusal::EndpointMismatch { .. }), .. },
                ..
            }
        ));
    }
}

#[test]
fn the_first_good_credential_counts_and_a_genuine_refusal_is_told_before_garbage() {
    let settings = settings(Some(LIST), &[]);
    let [standard, _] = buy(&settings, "https://x/sold", "GET");
    let [other, _] = buy(&settings, "https://x/posted", "POST");
    for header in [
        format!("L402 garbage:x, {standard}"),
        format!("{other}, {standard}"),
        format!("{standard}, L402 garbage:x"),
        format!("Bearer x, {standard}"),
    ] {
        assert!(
            matches!(decide(&settings, "https://x/sold", "GET", Some(&header)), Decision::Paid(_)),
            "{header}"
        );
    }
    let header = format!("L402 garbage:x, {other}");
    let refused = decide(&settings, "https://x/sold", "GET", Some(&header));
    assert!(matches!(
        refused,
        Decision::Challenge {
            offer: ChallengeDraft { refused: Some(Refusal::EndpointMismatch { .. }), .. },
            ..
        }
    ));
}

#[test]
fn only_the_encodings_of_the_price_list_are_accepted() {
    let both = settings(Some(LIST), &[]);
    let [standard, lightning_toll] = buy(&both, "https://x/sold", "GET");
    for (macaroon, good, bad) in
        [("l402", &standard, &lightning_toll), ("lightning-toll", &lightning_toll, &standard)]
    {
        let list = LIST.replacen('{', &format!("{{\"macaroon\":\"{macaroon}\","), 1);
        let one = settings(Some(&list), &[]);
        assert!(matches!(decide(&one, "https://x/sold", "GET", Some(good)), Decision::Paid(_)));
        let refused = decide(&one, "https://x/sold", "GET", Some(bad));
        assert!(matches!(
            refused,
            Decision::Challenge {
                offer: ChallengeDraft { refused: Some(Refusal::EncodingNotAccepted), .. },
                ..
            }
        ));
    }
}

#[test]
fn plain_http_sells_nothing_but_to_this_machine() {
    let settings = settings(Some(LIST), &[]);
    assert_eq!(decide(&settings, "http://x/sold", "GET", None), Decision::Redirect);
    assert_eq!(decide(&settings, "http://x/sold", "HEAD", None), Decision::Redirect);
    assert_eq!(problem(decide(&settings, "http://x/posted", "POST", None)), RequestError::PlainHttp);
    assert_eq!(decide(&settings, "http://x/free", "POST", None), Decision::Open { waived: None });
    for host in ["127.0.0.1:8787", "localhost:8787", "[::1]:8787"] {
        let url = format!("http://{host}/sold");
        assert!(matches!(decide(&settings, &url, "GET", None), Decision::Challenge { .. }), "{host}");
    }
}

#[test]
fn other_methods_preflights_and_probes() {
    let settings = settings(Some(LIST), &[]);
    let refused = problem(decide(&settings, "https://x/posted", "GET", None));
    assert_eq!((refused.status(), refused.header()), (405, Some(("Allow", "POST, PUT".to_owned()))));
    let preflight = Request { is_preflight: true, ..request("https://x/posted", "OPTIONS", None) };
    assert_eq!(settings.gate(BY_PREIMAGE).decide(&preflight, NOW), Decision::Preflight);
    assert_eq!(
        RequestError::InvoiceUnavailable { retry_after_s: 5 }.header(),
        Some(("Retry-After", "5".to_owned()))
    );
    let is_quote = |settings, method| match decide(settings, "https://x/sold", method, None) {
        Decision::Challenge { offer, .. } => offer.is_quote,
        other => panic!("{other:?}"),
    };
    assert!(is_quote(&settings, "OPTIONS"));
    let sold = r#"{"routes":[{"path":"/sold","methods":["GET","OPTIONS"],"sats":5}]}"#;
    assert!(!is_quote(&self::settings(Some(sold), &[]), "OPTIONS"));
    assert!(matches!(
        decide(&settings, "https://x/sold", "HEAD", None),
        Decision::Challenge { offer: ChallengeDraft { is_quote: true, cost: Price::Sats(5), .. }, .. }
    ));
    for path in ["/sold", "/free", "/posted"] {
        let url = format!("https://x{path}");
        let upgrade = Request { is_upgrade: true, ..request(&url, "POST", None) };
        assert_eq!(
            problem(settings.gate(BY_PREIMAGE).decide(&upgrade, NOW)),
            RequestError::UpgradeWithoutGet,
            "{path}"
        );
        assert_eq!(problem(decide(&settings, &url, "TRACE", None)).status(), 405, "{path}");
    }
    let prefetch = Request { is_prefetch: true, ..request("https://x/sold", "GET", None) };
    assert!(matches!(
        settings.gate(BY_PREIMAGE).decide(&prefetch, NOW),
        Decision::Challenge { offer: ChallengeDraft { is_quote: true, .. }, .. }
    ));
}

#[test]
fn the_reserved_prefix_never_reaches_the_origin_in_any_spelling() {
    let settings = settings(Some(LIST), &[]);
    assert_eq!(decide(&settings, "https://x/_toll/health", "GET", None), Decision::Health);
    assert_eq!(decide(&settings, "https://x/_toll", "GET", None), Decision::Operator(AdminEndpoint::Bare));
    assert_eq!(
        decide(&settings, "https://x/_toll/?x", "GET", None),
        Decision::Operator(AdminEndpoint::Dashboard)
    );
    assert_eq!(decide(&settings, "https://x/_toll/hook/a.b", "GET", None), Decision::Hook("a.b".to_owned()));
    for path in
        ["/_toll/x", "/_toll/stats/", "/_toll//stats", "/_TOLL/stats", "//_toll/stats", "/%5ftoll/stats"]
    {
        let url = format!("https://x{path}");
        assert_eq!(problem(decide(&settings, &url, "GET", None)), RequestError::NotFound, "{path}");
    }
    assert_eq!(decide(&settings, "https://x/_tolls", "GET", None), Decision::Open { waived: None });
}

#[test]
fn broken_settings_close() {
    for list in [None, Some("{"), Some("[]"), Some(r#"{"routes":[{}]}"#), Some(r#"{"a":1}"#)] {
        let settings = settings(list, &[]);
        assert_eq!(problem(decide(&settings, "https://x/", "GET", None)), RequestError::NotConfigured);
        assert_eq!(decide(&settings, "https://x/_toll/health", "GET", None), Decision::Health);
        assert_eq!(settings.faults().len(), 1);
    }
    for name in ["TOLL_SECRET", "LNBITS_URL", "LNBITS_KEY"] {
        for value in [None, Some("weak")] {
            let settings = settings(Some(LIST), &[(name, value)]);
            assert_eq!(
                problem(decide(&settings, "https://x/sold", "GET", None)),
                RequestError::NotConfigured
            );
            assert_eq!(decide(&settings, "https://x/free", "GET", None), Decision::Open { waived: None });
            assert!(settings.faults().iter().any(|fault| fault.starts_with(name)), "{:?}", settings.faults());
        }
    }
    let good = settings(Some(LIST), &[]);
    assert_eq!(problem(decide(&good, "https://x/shut", "GET", None)), RequestError::NotConfigured);
    assert_eq!(*settings(Some(LIST), &[("ORIGIN_URL", Some("x"))]).origin(), Origin::Broken);
}

#[test]
fn a_secret_is_long_varied_and_not_a_sample() {
    for (text, weak) in [
        ("0123456789abcdef0123456789abcde", Some(WeakSecret::Short)),
        ("0000000000000000000000000000000000000000", Some(WeakSecret::Repetitive)),
        ("test-secret-key-for-hmac-signing", Some(WeakSecret::Sample)),
        ("CHANGE-ME-0123456789-0123456789-0123", Some(WeakSecret::Sample)),
        ("0123456789abcdef0123456789abcdef", Some(WeakSecret::Sample)),
        (crate::support::secret::SECRET.as_str(), None),
    ] {
        assert_eq!(TollSecret::new(text).err(), weak, "{text}");
    }
}

#[test]
fn what_only_we_may_say_is_removed_in_any_spelling() {
    for name in [
        "X-Toll-Status",
        "x_toll_status",
        "X-Toll_Client",
        "x-toll-",
        "X-Original-URL",
        "x_rewrite_url",
        // PHP and lighttpd read these as X_TOLL_STATUS and the like, gunicorn moves the path by the last.
        "X.Toll.Status",
        "X~Toll~Status",
        "X!Toll!Amount!Sats",
        "X.Original.URL",
        "SCRIPT_NAME",
    ] {
        assert!(is_removed(name, &[]), "{name}");
    }
    let keep = ["X-Original-URL".to_owned(), "X-Toll-Status".to_owned()];
    assert!(!is_removed("x-original-url", &keep));
    assert!(is_removed("X-Toll-Status", &keep), "no list keeps ours");
    assert!(!is_removed("X-Tollbooth", &[]) && !is_removed("Authorization", &[]));
    assert!(is_ours("X_Toll-Expires") && !is_ours("Expires"));
}

#[test]
fn the_origin_sees_other_schemes_only() {
    for (header, left) in [
        ("L402 a:b", None),
        ("lsat a:b, L402 c,d:e", None),
        ("L402", None),
        ("L402\ta:b", None),
        ("Bearer x", Some("Bearer x")),
        ("Bearer x, L402 a:b", Some("Bearer x")),
        ("L402 a,b : c, Basic eA==", Some("Basic eA==")),
        (r#"Digest a="L402 x, L402 y", b=c, LSAT q:r"#, Some(r#"Digest a="L402 x, L402 y", b=c"#)),
        (r#"Bearer "x, L402 a:b"#, Some(r#"Bearer "x"#)),
        (r#"Bearer "x\", L402 a:b"#, Some(r#"Bearer "x\""#)),
        ("L402 a, AgEJMTI3LjAuMC4xAkIAAKfIqRtAgEJMTI3LjAuMC4xAkIAAKfIqRt c:d", None),
    ] {
        assert_eq!(authorization(header).as_deref(), left, "{header}");
    }
}

#[test]
fn a_shared_cache_is_told_to_keep_nothing_of_a_paid_answer() {
    for (theirs, ours) in [
        (None, "private"),
        (Some("public, max-age=60"), "private, max-age=60"),
        (Some("S-MaxAge = 9, Public, no-cache"), "private, no-cache"),
        (Some("no-store"), "no-store"),
        (Some("private=\"x\", max-age=1"), "private, max-age=1"),
    ] {
        assert_eq!(private_cache_control(theirs), ours, "{theirs:?}");
    }
    assert_eq!(vary(None), "Authorization, Cookie");
    assert_eq!(vary(Some("accept, cookie")), "accept, cookie, Authorization");
    assert_eq!(vary(Some("*")), "*");
}

/// Decides where only these payments are known to have arrived.
fn decide_unless<'a>(settings: &'a Settings, authorization: &str, is_settled: bool) -> Decision<'a> {
    let gate = Gate { is_settled: &|_| is_settled, ..settings.gate(BY_PREIMAGE) };
    gate.decide(&request("https://x/sold", "GET", Some(authorization)), NOW)
}

/// The only claim, and what is offered to whoever did not pay.
fn claim(decision: Decision<'_>) -> (Claim<'_>, ChallengeDraft<'_>) {
    match decision {
        Decision::Unsettled { mut claims, offer, .. } if claims.len() == 1 => (claims.remove(0), offer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_known_to_be_paid_waits_for_its_wallets_word() {
    let settings = settings(Some(LIST), &[]);
    for credential in buy(&settings, "https://x/sold", "GET") {
        assert!(matches!(decide_unless(&settings, &credential, true), Decision::Paid(_)));
        let (claim, offer) = claim(decide_unless(&settings, &credential, false));
        assert_eq!(claim.sale.amount_sats, 5);
        assert_eq!(claim.sale.metered, None);
        assert_eq!(offer.refused, Some(Refusal::Unpaid));
        assert_eq!(claim.sale.grant.payment_hash, claim.macaroon.payment_hash());
        assert!(credential.contains(&claim.macaroon.encode()));
    }
}

#[test]
fn without_a_preimage_or_with_zeros_for_one_the_wallet_is_asked_and_nothing_passes() {
    let settings = settings(Some(LIST), &[]);
    for credential in buy(&settings, "https://x/sold", "GET") {
        let (macaroon, _) = credential.split_once(':').unwrap();
        for unproven in
            [format!("{macaroon}:"), macaroon.to_owned(), format!("{macaroon}:{}", "0".repeat(64))]
        {
            let decision = decide(&settings, "https://x/sold", "GET", Some(&unproven));
            assert!(!claim(decision).0.sale.grant.is_proven);
            let elsewhere = decide(&settings, "https://x/posted", "POST", Some(&unproven));
            let Decision::Challenge { offer, .. } = elsewhere else { panic!("{elsewhere:?}") };
            assert_eq!(offer.refused.unwrap().code(), "endpoint_mismatch");
        }
        let wrong = format!("{macaroon}:{}", "1".repeat(64));
        let refused = problem(decide(&settings, "https://x/sold", "GET", Some(&wrong)));
        assert_eq!(refused, RequestError::Credential(Refusal::WrongPreimage));
    }
}

#[test]
fn a_credential_that_is_known_to_be_paid_counts_before_one_that_is_not() {
    let settings = settings(Some(LIST), &[]);
    let [standard, toll] = buy(&settings, "https://x/sold", "GET");
    let (unproven, _) = standard.split_once(':').unwrap();
    let both = format!("{unproven}:, {toll}");
    assert!(matches!(decide(&settings, "https://x/sold", "GET", Some(&both)), Decision::Paid(_)));
}

#[test]
fn every_credential_that_may_be_paid_is_asked_about_and_those_with_a_proof_first() {
    let settings = settings(Some(LIST), &[]);
    let [standard, toll] = buy(&settings, "https://x/sold", "GET");
    let (unproven, _) = standard.split_once(':').unwrap();
    let asked = |header: &str| match decide_unless(&settings, header, false) {
        Decision::Unsettled { claims, .. } => {
            claims.iter().map(|claim| claim.sale.grant.is_proven).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&format!("{unproven}:, {toll}")), [true, false]);
    assert_eq!(
        asked(&format!("{unproven}:, {unproven}:, {toll}, {unproven}:, {standard}")),
        [true, true, false, false]
    );
}

#[test]
fn the_invoice_of_another_server_without_its_preimage_is_refused() {
    let settings = settings(Some(LIST), &[]);
    let preimage = "01".repeat(32);
    let payment_hash = Preimage::from_hex(&preimage).unwrap().payment_hash();
    let caveats = ["expires_at = 1800003600", "endpoint = /sold", "method = GET"].map(str::to_owned);
    let key = SigningKey::lightning_toll(crate::support::secret::SECRET.as_bytes());
    let foreign = Macaroon::lightning_toll(&key, payment_hash).with_caveats(&caveats).unwrap().encode();
    let shown = |preimage: &str| {
        decide(&settings, "https://x/sold", "GET", Some(&format!("L402 {foreign}:{preimage}")))
    };
    for preimage in ["", &"0".repeat(64)] {
        assert_eq!(problem(shown(preimage)), RequestError::Credential(Refusal::MalformedPreimage));
    }
    assert!(matches!(shown(&preimage), Decision::Paid(_)));
}

#[test]
fn a_challenge_that_is_repeated_widens_nothing() {
    let settings = settings(Some(LIST), &[]);
    let answer = Json::parse(include_bytes!("../vectors/lnbits_invoice.json")).unwrap();
    let bolt11 = Bolt11::parse(answer.get("bolt11").unwrap().as_str().unwrap()).unwrap();
    for credential in buy(&settings, "https://x/sold", "GET") {
        let (Claim { macaroon, sale: Purchase { grant, .. } }, _) =
            claim(decide_unless(&settings, &credential, false));
        let narrowed = macaroon.attenuate("amount_sats=5").unwrap();
        let again = Challenge::again(&narrowed, &grant, "Random joke".to_owned(), bolt11.clone());
        let text = narrowed.encode();
        assert_eq!(again.header(), format!("L402 macaroon=\"{text}\", invoice=\"{}\"", bolt11.as_str()));
        let body = Json::parse(again.body(Some(&Refusal::Unpaid)).as_bytes()).unwrap();
        assert_eq!(body.get("macaroon").unwrap().as_str(), Some(text.as_str()));
        assert_eq!(body.get("amountSats").unwrap().as_u64(), Some(5));
        assert_eq!(body.get("expiresAt").unwrap().as_u64(), Some(grant.expires_at_unix));
        assert_eq!(body.get("code").unwrap().as_str(), Some("unpaid"));
    }
}

#[test]
fn a_second_wallet_is_read_whole_or_nothing_is_sold() {
    let second = |url, key| settings(Some(LIST), &[("LNBITS_URL_2", url), ("LNBITS_KEY_2", key)]);
    let (url, key) = ("https://other.test", "fedcba9876543210");
    assert!(second(Some(url), Some(key)).wallets().unwrap().get(WalletSlot::Two).is_some());
    assert!(second(None, None).wallets().unwrap().get(WalletSlot::Two).is_none());
    for (url, key, fault) in [
        (Some(url), None, "LNBITS_KEY_2 is missing"),
        (None, Some(key), "LNBITS_URL_2 is missing"),
        (Some("http://other.test"), Some(key), "LNBITS_URL_2 is an https URL"),
        (Some(url), Some("short"), "LNBITS_KEY_2 is the invoice key"),
    ] {
        let settings = second(url, key);
        assert!(settings.wallets().is_none());
        assert!(settings.faults().iter().any(|told| told.starts_with(fault)), "{:?}", settings.faults());
        let refused = problem(decide(&settings, "https://x/sold", "GET", None));
        assert_eq!(refused, RequestError::NotConfigured);
    }
}

#[test]
fn what_is_wrong_with_the_operators_settings_is_told_and_sells_on() {
    let url = ("ON_PAYMENT_URL", Some("https://shop.test/paid"));
    let good = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    for (variables, fault) in [
        (vec![("ADMIN_TOKEN", Some("short"))], "ADMIN_TOKEN is shorter than 32 characters"),
        (vec![("PUBLIC_URL", Some("http://x.test"))], "PUBLIC_URL is an https URL"),
        (vec![url], "ON_PAYMENT_SECRET is missing"),
        (vec![url, ("ON_PAYMENT_SECRET", Some("short"))], "ON_PAYMENT_SECRET has 24 bytes or more"),
        (
            vec![("ON_PAYMENT_URL", Some("x")), ("ON_PAYMENT_SECRET", Some(good))],
            "ON_PAYMENT_URL is an https URL",
        ),
        (vec![("ON_PAYMENT_SECRET", Some(good))], "ON_PAYMENT_URL is missing"),
    ] {
        let settings = settings(Some(LIST), &variables);
        assert!(settings.faults().iter().any(|told| told.starts_with(fault)), "{:?}", settings.faults());
        assert!(!matches!(settings.callbacks(), Callbacks::To(_)));
        assert!(settings.guard().is_none() && settings.public_url().is_none());
        assert!(matches!(decide(&settings, "https://x/sold", "GET", None), Decision::Challenge { .. }));
    }
    let whole = settings(
        Some(LIST),
        &[
            url,
            ("ON_PAYMENT_SECRET", Some(good)),
            ("ADMIN_TOKEN", Some(good)),
            ("PUBLIC_URL", Some("https://x.test/")),
        ],
    );
    assert_eq!(whole.faults(), settings(Some(LIST), &[]).faults());
    assert!(matches!(whole.callbacks(), Callbacks::To(_)));
    assert!(whole.guard().is_some());
    assert_eq!(whole.public_url(), Some("https://x.test"));
}
