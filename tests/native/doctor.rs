//! `edgetoll doctor`: its findings for responses of LNbits, and where it reads its settings. The JSON bodies have the
//! form that LNbits 1.6.2 and 1.5.5 send.

use std::process::Command;

use crate::support::price_list::valid;
use edgetoll::bolt11::Bolt11;
use edgetoll::cli::check::document::Document;
use edgetoll::cli::doctor::judge::{self, HttpError, HttpResult};
use edgetoll::cli::doctor::rate_limit::{Burst, BurstEnd};
use edgetoll::cli::doctor::report::{Check, CheckResult, Level, Tally};
use edgetoll::cli::doctor::settings::{self, Deployment, SettingsError, Sources, VariableReader};
use edgetoll::cli::doctor::{default_price_list, deployment, dev_vars, origin};
use edgetoll::cli::http::{Answer, TimedAnswer};
use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::protocols::price::Price;
use edgetoll::strict_json::Json;
use edgetoll::wallet::lnbits::Lnbits;
use edgetoll::wallet::{InvoiceRequest, PaymentStatus, WalletError, WalletResponse};

fn response(status: u16, body: &str) -> HttpResult {
    Ok(WalletResponse { status, retry_after_s: None, body: body.to_owned(), is_listed: None })
}

fn levels<const N: usize>(findings: [CheckResult; N]) -> [Level; N] {
    findings.map(|finding| finding.level)
}

#[test]
fn a_health_response_of_lnbits_is_ok_within_a_second_and_a_warning_after_more_than_a_second() {
    let health = response(200, HEALTH);
    assert_eq!(
        levels([judge::reachable(&health, 1_000), judge::reachable(&health, 1_001)]),
        [Level::Ok, Level::Warn]
    );
    assert!(judge::reachable(&health, 42).sentence.contains("42 ms"));
}

#[test]
fn a_health_request_without_a_valid_response_of_lnbits_fails_and_the_finding_says_what_to_do() {
    for (response, advice) in [
        (response(307, ""), "create the first account"),
        (response(301, ""), "redirects"),
        (response(308, ""), "redirects"),
        (response(200, "<html>"), "is not LNbits"),
        (response(200, "{}"), "is not LNbits"),
        (response(404, ""), "is not LNbits"),
        (response(401, ""), "in front of LNbits"),
        (response(403, ""), "in front of LNbits"),
        (response(502, ""), "status 502"),
        (Err(HttpError::ConnectionRefused), "start LNbits"),
        (Err(HttpError::Tls), "certificate"),
        (Err(HttpError::Timeout), "within 5 s"),
        (Err(HttpError::TooLarge), "larger"),
        (Err(HttpError::NotHttp), "does not speak HTTP"),
        (Err(HttpError::HostUnreachable), "host"),
    ] {
        let finding = judge::reachable(&response, 5);
        assert_eq!((finding.level, finding.check), (Level::Fail, Check::Reachable));
        assert!(finding.sentence.contains(advice), "{}", finding.sentence);
    }
}

#[test]
fn a_clock_difference_to_lnbits_above_a_minute_is_a_warning_and_above_ten_minutes_a_failure() {
    let health =
        WalletResponse { status: 200, retry_after_s: None, body: HEALTH.to_owned(), is_listed: None };
    let level = |now_unix| judge::clock(&health, now_unix).level;
    for (skew_s, expected) in
        [(0, Level::Ok), (60, Level::Ok), (61, Level::Warn), (600, Level::Warn), (601, Level::Fail)]
    {
        assert_eq!(
            (level(SERVER_TIME_UNIX + skew_s), level(SERVER_TIME_UNIX - skew_s)),
            (expected, expected)
        );
    }
    let lnbits = Lnbits::new("https://lnbits.example.com", "0123456789abcdef").unwrap();
    let invoice = Json::parse(INVOICE.as_bytes()).unwrap();
    let created_unix =
        Bolt11::parse(invoice.get("bolt11").unwrap().as_str().unwrap()).unwrap().timestamp_unix();
    let created =
        WalletResponse { status: 201, retry_after_s: None, body: INVOICE.to_owned(), is_listed: None };
    let request = InvoiceRequest {
        price: &Price::Sats(5),
        description: "",
        expiry_s: 300,
        network: "bc",
        route: "",
        client: None,
        webhook: None,
        uses: None,
        record: None,
    };
    for (skew_s, is_refused) in [(600, false), (601, true)] {
        let read = lnbits.read_created(&request, &created, created_unix - skew_s);
        assert_eq!(matches!(read, Err(WalletError::Clock)), is_refused);
    }
}

#[test]
fn a_version_of_lnbits_before_1_6_fails_and_an_unreadable_version_is_a_warning() {
    let version = |text: &str| judge::version(&response(200, &format!(r#"{{"info":{{"version":{text}}}}}"#)));
    for (text, level) in [
        (r#""1.6.2""#, Level::Ok),
        (r#""1.6.0""#, Level::Ok),
        (r#""v1.6.0-rc2""#, Level::Ok),
        (r#""1.10.0""#, Level::Ok),
        (r#""2.0""#, Level::Ok),
        (r#""1.5.6""#, Level::Fail),
        (r#""0.12.12""#, Level::Fail),
        (r#""""#, Level::Warn),
        (r#""latest""#, Level::Warn),
        ("7", Level::Warn),
    ] {
        assert_eq!(version(text).level, level, "{text}");
    }
    for response in
        [response(200, "<html>"), response(404, r#"{"info":{"version":"1.6.2"}}"#), Err(HttpError::TooLarge)]
    {
        assert_eq!(judge::version(&response).level, Level::Warn);
    }
    assert_eq!(version(r#""1.6.2""#).sentence, "1.6.2");
    assert_eq!(version(r#""1.6.\u001b[31m\u0007\n2""#).sentence, "1.6.[31m2");
    assert_eq!(version(&format!("\"1.6.{}\"", "9".repeat(90))).sentence.len(), 20);
}

#[test]
fn only_a_wallet_key_that_lnbits_confirms_to_be_an_invoice_key_is_ok() {
    let finding = judge::key(&response(200, r#"{"name":"merchant","balance":22000}"#));
    assert_eq!((finding.level, finding.check), (Level::Ok, Check::Key));
    for (response, advice) in [
        (response(200, r#"{"id":"9cb6","name":"merchant","balance":22000}"#), "admin key"),
        (response(404, r#"{"detail":"Wallet not found."}"#), "no wallet with this key"),
        (response(401, r#"{"detail":"No Api Key provided."}"#), "X-Api-Key"),
        (response(403, ""), "X-Api-Key"),
        (response(200, "<html>"), "status 200"),
        (response(429, r#"{"error":"Rate limit exceeded: 200 per 1 minute"}"#), "status 429"),
        (Err(HttpError::Timeout), "within 5 s"),
    ] {
        let finding = judge::key(&response);
        assert_eq!(finding.level, Level::Fail);
        assert!(finding.sentence.contains(advice), "{}", finding.sentence);
    }
}

#[test]
fn a_pending_test_invoice_is_ok_if_its_creation_and_its_look_up_take_at_most_a_second_each() {
    let invoice = Json::parse(INVOICE.as_bytes()).unwrap();
    let bolt11 = Bolt11::parse(invoice.get("bolt11").unwrap().as_str().unwrap()).unwrap();
    let pending = Ok(PaymentStatus::Pending(bolt11));
    let finding = judge::invoice_created(&pending, 1_000, 7);
    assert_eq!((finding.level, finding.check), (Level::Ok, Check::Invoice));
    assert!(finding.sentence.contains("created in 1000 ms and looked up in 7 ms"));
    assert_eq!(
        levels([
            judge::invoice_created(&pending, 1_001, 1),
            judge::invoice_created(&pending, 1, 1_001),
            judge::invoice_created(&Ok(PaymentStatus::Unpaid), 1, 1),
            judge::invoice_created(&Ok(PaymentStatus::Paid), 1, 1),
            judge::invoice_created(&Err(WalletError::OtherAmount), 1, 1),
        ]),
        [Level::Warn, Level::Warn, Level::Fail, Level::Fail, Level::Fail]
    );
}

#[test]
fn the_finding_for_an_invoice_that_was_not_created_says_what_to_do() {
    for (error, advice) in [
        (WalletError::Status(520), "funding source"),
        (WalletError::RateLimited { retry_after_s: None }, "raise the rate limit of LNbits"),
        (WalletError::OtherNetwork, "`network`"),
        (WalletError::Clock, "set its clock"),
        (WalletError::NotJson, "is not JSON"),
    ] {
        let finding = judge::invoice_not_created(&error);
        assert_eq!((finding.level, finding.check), (Level::Fail, Check::Invoice));
        assert!(finding.sentence.contains(advice), "{}", finding.sentence);
    }
}

#[test]
fn an_exposed_preimage_fails_and_an_inconclusive_response_to_the_preimage_probe_is_a_warning() {
    let leak = |preimage| judge::leak(&preimage);
    let exposed = response(200, &format!(r#"{{"paid":false,"preimage":"{}"}}"#, "ab".repeat(32)));
    assert_eq!(
        levels([
            leak(response(200, r#"{"paid":false,"preimage":null}"#)),
            leak(response(403, "")),
            leak(exposed),
            leak(response(500, "")),
            leak(Err(HttpError::Timeout)),
        ]),
        [Level::Ok, Level::Warn, Level::Fail, Level::Warn, Level::Warn]
    );
}

#[test]
fn a_missing_exchange_rate_fails_only_if_the_price_list_needs_it() {
    let rate = |currency: &str, status, body: &str| (currency.to_owned(), response(status, body));
    let source = judge::price_source;
    let usd = rate("USD", 200, r#"{"rate":1666.6666666666667,"price":60000.0}"#);
    let no_rate = || rate("EUR", 200, r#"{"rate":0.0,"price":0.0}"#);
    let finding = source(&[usd], true);
    assert_eq!((finding.level, finding.check), (Level::Ok, Check::PriceSource));
    assert_eq!(finding.sentence, "1 USD is 1666.67 sats");
    assert_eq!(source(&[no_rate()], false).level, Level::Ok);
    for rate_of_eur in [
        no_rate(),
        rate("EUR", 400, r#"{"rate":1.0}"#),
        rate("EUR", 200, r#"{"rate":-1.0}"#),
        rate("EUR", 200, r#"{"rate":1e300}"#),
        rate("EUR", 200, r#"{"rate":"1"}"#),
        rate("EUR", 200, "<html>"),
        ("EUR".to_owned(), Err(HttpError::Timeout)),
    ] {
        let usd = rate("USD", 200, r#"{"rate":1666.67,"price":60000.0}"#);
        let finding = source(&[usd, rate_of_eur], true);
        assert_eq!(finding.level, Level::Fail);
        assert!(finding.sentence.contains("no rate for EUR:"), "{}", finding.sentence);
    }
}

#[test]
fn each_currency_of_the_price_list_is_listed_once() {
    let list = r#"{"routes":[{"path":"/a","fiat":"0.01 USD"},{"path":"/b","sats":5},
        {"path":"/c","price":[{"when":{"method":"GET"},"fiat":"1 EUR"},{"fiat":"2 USD"}]}]}"#;
    let list = Policy::parse(&Json::parse(list.as_bytes()).unwrap(), fold_case).policy.unwrap();
    assert_eq!(judge::currencies(&list), ["EUR", "USD"]);
    assert!(judge::currencies(&default_price_list().unwrap()).is_empty());
}

#[test]
fn a_rate_limit_of_lnbits_that_is_unknown_or_below_the_invoice_limit_is_a_warning() {
    let burst = |planned, answered, end| judge::rate_limit(&Burst { planned, answered, end }, 120);
    assert_eq!(
        levels([
            burst(121, 121, BurstEnd::Done),
            burst(121, 50, BurstEnd::Limited),
            burst(121, 9, BurstEnd::Status(503)),
            burst(121, 9, BurstEnd::NoResponse),
            burst(121, 9, BurstEnd::OutOfTime),
        ]),
        [Level::Ok, Level::Warn, Level::Warn, Level::Warn, Level::Warn]
    );
    let limited = burst(121, 50, BurstEnd::Limited).sentence;
    assert!(
        limited.contains("answers 50 requests") && limited.contains("invoices_per_minute is 120"),
        "{limited}"
    );
    let bounded = judge::rate_limit(&Burst { planned: 500, answered: 500, end: BurstEnd::Done }, 1_000);
    assert_eq!(bounded.level, Level::Ok);
    assert!(bounded.sentence.contains("more were not sent"));
}

#[test]
fn the_report_of_edgetoll_doctor_is_aligned_and_counts_failures_and_warnings() {
    let finding = |level, check| CheckResult::new(level, check, "is so").to_string();
    assert_eq!(finding(Level::Ok, Check::Key), "OK    key           is so");
    assert_eq!(finding(Level::Fail, Check::PriceSource), "FAIL  price source  is so");
    let mut tally = Tally::default();
    for level in [Level::Ok, Level::Skip, Level::Warn] {
        tally.count(level);
    }
    assert!(!tally.has_failed());
    tally.count(Level::Fail);
    tally.count(Level::Warn);
    assert!(tally.has_failed());
    assert_eq!(tally.to_string(), "1 FAIL, 2 WARN");
}

#[test]
fn dev_vars_are_read_as_wrangler_reads_them() {
    let text =
        "# A=0\nA=1\n  export B = 'two # 2' # comment\nC=\"x\"\nD=`y`\nE=bare # comment\nF=\nAA=9\nA=3\r\nG";
    for (name, expected) in [
        ("A", Some("3")),
        ("B", Some("two # 2")),
        ("C", Some("x")),
        ("D", Some("y")),
        ("E", Some("bare")),
        ("F", Some("")),
        ("AA", Some("9")),
        ("G", None),
        ("H", None),
    ] {
        assert_eq!(dev_vars::get(text, name).as_deref(), expected, "{name}");
    }
}

// R8. The expected values are those of dotenv 16.3.1, which Wrangler 4 contains.
#[test]
fn unusual_dev_vars_are_read_as_wrangler_reads_them() {
    for (text, name, expected) in [
        ("\u{feff}A=1\nB=2", "A", Some("1")),
        ("\u{feff} A\u{a0}=\u{a0}1\u{feff}\n", "A", Some("1")),
        ("A: 1\nB=2", "A", Some("1")),
        ("A:  'x' # y", "A", Some("x")),
        ("A:1", "A", None),
        ("A : 1", "A", None),
        ("A:\nB=2", "A", Some("B=2")),
        ("A:\nB=2", "B", None),
        (r#"A="x\ny\rz""#, "A", Some("x\ny\rz")),
        (r"A='x\ny'", "A", Some(r"x\ny")),
        (r"A=x\ny", "A", Some(r"x\ny")),
        (r#"A="http://x"y"#, "A", Some(r#""http://x"y"#)),
        (r#"A="x\ny" z"#, "A", Some("\"x\ny\" z")),
        ("A='x' 'y' # z", "A", Some("x' 'y")),
        ("A='x'#y", "A", Some("x")),
        ("A='x # y", "A", Some("'x")),
        ("A='", "A", Some("'")),
        (r#"A="x\"y""#, "A", Some(r#"x\"y"#)),
        ("A='C:\\dir\\'\nB='x'", "A", Some(r"C:\dir\")),
        ("A='x\r\nB=2\n'\nC=3", "A", Some("x\nB=2\n")),
        ("A='x\r\nB=2\n'\nC=3", "B", None),
        ("A='x\r\nB=2\n'\nC=3", "C", Some("3")),
        ("A='x\nB='y'", "B", Some("y")),
        ("A=1\rB=2", "B", Some("2")),
        ("A=\n\n 'x'", "A", Some("x")),
        ("A=\nx", "A", Some("")),
        ("A\n=1", "A", Some("1")),
        ("A B=1", "B", None),
        ("export\tA=1", "A", Some("1")),
        ("export export A=1", "A", None),
        ("export = 1", "export", Some("1")),
    ] {
        assert_eq!(dev_vars::get(text, name).as_deref(), expected, "{name} in {text:?}");
    }
}

/// Reads the settings of a deployment from the process environment, `.dev.vars` and the Wrangler file.
fn read(
    environment: &[(&str, &str)],
    dev_vars: Option<&str>,
    file: Option<&str>,
    environment_name: Option<&str>,
) -> Result<Deployment, SettingsError> {
    let document = file.map(|text| Document::read("wrangler.toml", text).ok().unwrap());
    settings::read(&Sources {
        process_environment: &|name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        },
        dev_vars: dev_vars.map(|text| (".dev.vars", text)),
        file: document.as_ref().map(|document| ("wrangler.toml", document)),
        environment: environment_name,
    })
}

fn headings(deployment: Result<Deployment, SettingsError>) -> Vec<String> {
    deployment.unwrap().wallets.into_iter().map(|wallet| wallet.heading).collect()
}

#[test]
fn the_process_environment_overrides_dev_vars_and_dev_vars_override_the_wrangler_file() {
    let file = "[vars]\nLNBITS_URL = \"https://file.example\"\nLNBITS_KEY = \"filefile\"\n";
    let dev_vars = "LNBITS_URL=https://dev.example\nLNBITS_KEY=devdevdev\n";
    let process = [("LNBITS_URL", "https://shell.example"), ("LNBITS_KEY", "shellshell")];
    assert_eq!(
        headings(read(&process, Some(dev_vars), Some(file), None)),
        [
            "LNbits at https://shell.example (LNBITS_URL from the process environment, LNBITS_KEY from the process environment)"
        ]
    );
    assert_eq!(
        headings(read(&[("LNBITS_KEY", "")], Some(dev_vars), Some(file), None)),
        ["LNbits at https://dev.example (LNBITS_URL from .dev.vars, LNBITS_KEY from .dev.vars)"]
    );
    assert_eq!(
        headings(read(&[], None, Some(file), None)),
        ["LNbits at https://file.example (LNBITS_URL from wrangler.toml, LNBITS_KEY from wrangler.toml)"]
    );
}

#[test]
fn the_wrangler_file_url_overrides_the_dev_vars_url_if_the_key_is_in_the_process_environment() {
    let file = "[vars]\nLNBITS_URL = \"https://file.example\"\n";
    let dev_vars = "LNBITS_URL=http://127.0.0.1:5402\nLNBITS_KEY=devdevdev\n";
    let key = [("LNBITS_KEY", "shellshell")];
    assert_eq!(
        headings(read(&key, Some(dev_vars), Some(file), None)),
        [
            "LNbits at https://file.example (LNBITS_URL from wrangler.toml, LNBITS_KEY from the process environment)"
        ]
    );
    assert_eq!(
        headings(read(&key, Some(dev_vars), None, None)),
        [
            "LNbits at http://127.0.0.1:5402 (LNBITS_URL from .dev.vars, LNBITS_KEY from the process environment)"
        ]
    );
}

#[test]
fn for_a_wrangler_environment_edgetoll_doctor_ignores_the_vars_of_the_top_level() {
    let file = "[vars]\nLNBITS_URL = \"https://top.example\"\nTOLL = '{\"invoices_per_minute\":7}'\n\
                [env.staging.vars]\nLNBITS_URL = \"https://staging.example\"\n\
                [env.staging.vars.TOLL]\ninvoices_per_minute = 9\n[env.bare]\nname = \"x\"\n";
    let key = [("LNBITS_KEY", "shellshell")];
    let staging = read(&key, None, Some(file), Some("staging")).unwrap();
    assert!(staging.wallets[0].heading.starts_with("LNbits at https://staging.example "));
    assert_eq!(staging.price_list.unwrap().invoices_per_minute, 9);
    assert_eq!(read(&key, None, Some(file), None).unwrap().price_list.unwrap().invoices_per_minute, 7);
    assert_eq!(
        read(&key, None, Some(file), Some("bare")).err(),
        Some(SettingsError::NoUrl { name: "LNBITS_URL" })
    );
    let error = read(&key, None, Some(file), Some("prod")).err().unwrap().to_string();
    assert!(error.starts_with("wrangler.toml has no environment prod: "), "{error}");
}

#[test]
fn the_wallet_in_slot_2_needs_a_url_and_a_key() {
    let first = [("LNBITS_URL", "https://a.example"), ("LNBITS_KEY", "aaaaaaaa")];
    let with = |more: &[(&'static str, &'static str)]| read(&[&first, more].concat(), None, None, None);
    assert_eq!(with(&[]).unwrap().wallets.len(), 1);
    assert_eq!(
        with(&[("LNBITS_URL_2", "https://b.example")]).err(),
        Some(SettingsError::NoKey { name: "LNBITS_KEY_2" })
    );
    assert_eq!(
        with(&[("LNBITS_KEY_2", "bbbbbbbb")]).err(),
        Some(SettingsError::NoUrl { name: "LNBITS_URL_2" })
    );
    assert_eq!(
        headings(with(&[("LNBITS_URL_2", "https://b.example"), ("LNBITS_KEY_2", "bbbbbbbb")]))[1],
        "LNbits at https://b.example (LNBITS_URL_2 from the process environment, LNBITS_KEY_2 from the process environment)"
    );
}

#[test]
fn the_error_for_an_unusable_setting_names_the_setting_without_its_value() {
    for (url, key, name) in [
        ("http://lnbits.example.com", "keykeykey", "LNBITS_URL"),
        ("https://user:word@lnbits.example.com", "keykeykey", "LNBITS_URL"),
        ("https://lnbits.example.com", "key with spaces", "LNBITS_KEY"),
    ] {
        let error = read(&[("LNBITS_URL", url), ("LNBITS_KEY", key)], None, None, None).err().unwrap();
        let sentence = error.to_string();
        assert!(
            sentence.starts_with(&format!("{name} from the process environment cannot be used")),
            "{sentence}"
        );
        assert!(!sentence.contains(url) && !sentence.contains(key));
    }
    // The Worker removes outer white space.
    assert!(
        read(
            &[("LNBITS_URL", "https://lnbits.example.com\n"), ("LNBITS_KEY", " keykeykey ")],
            None,
            None,
            None
        )
        .is_ok()
    );
}

// U14 (CHANGELOG)
#[test]
fn a_command_in_a_message_can_be_run_where_the_program_was_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wrangler.toml"), "[vars.TOLL]\n").unwrap();
    let printed = |cargo: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgetoll"));
        command.args(["doctor", "wrangler.toml"]).current_dir(folder.path()).env_remove("CARGO");
        let output = command.envs(cargo.map(|cargo| ("CARGO", cargo))).output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let by_path = concat!("export LNBITS_KEY && ", env!("CARGO_BIN_EXE_edgetoll"), " doctor wrangler.toml)");
    assert!(printed(None).contains(by_path), "{}", printed(None));
    let by_cargo = "export LNBITS_KEY && cargo run --bin edgetoll -- doctor wrangler.toml)";
    assert!(printed(Some("cargo")).contains(by_cargo), "{}", printed(Some("cargo")));
}

// U4 (CHANGELOG)
#[test]
fn an_origin_that_leads_back_to_a_paywall_fails_unless_the_worker_is_on_a_route_of_the_same_zone() {
    let answer = |status, is_challenge, body: &str| TimedAnswer {
        answer: Ok(Answer {
            status,
            www_authenticate: if is_challenge {
                "L402 macaroon=\"a\", invoice=\"b\"".to_owned()
            } else {
                String::new()
            },
            is_elsewhere: false,
            body: body.into(),
        }),
        ms: 7,
    };
    let level = |root: &TimedAnswer, is_paywall, is_of_zone| {
        origin::judge_origin(root, "wrangler.toml", is_paywall, false, is_of_zone).level
    };
    let fine = answer(200, false, "");
    assert_eq!((level(&fine, false, false), level(&fine, true, false)), (Level::Ok, Level::Fail));
    assert_eq!(level(&fine, true, true), Level::Warn);
    assert_eq!(level(&answer(402, true, ""), false, false), Level::Fail);
    assert_eq!(level(&answer(508, false, r#"{"code":"origin_loop"}"#), false, false), Level::Fail);
    // An origin may answer with 402 or 508 for its own reasons.
    assert_eq!(level(&answer(402, false, ""), false, false), Level::Ok);
    assert_eq!(level(&answer(508, false, "{}"), false, false), Level::Warn);
    let silent = TimedAnswer { answer: Err(HttpError::Timeout), ms: 5_000 };
    let finding = origin::judge_origin(&silent, "wrangler.toml", false, false, false);
    assert_eq!(finding.level, Level::Warn);
    assert!(
        finding.sentence.ends_with("ignore this if the origin admits only Cloudflare"),
        "{}",
        finding.sentence
    );
}

// U14 (CHANGELOG)
#[test]
fn lines_of_dev_vars_that_are_not_settings_are_reported_without_their_text() {
    let text = "# comment\nTOLL_SECRET pasted\nADMIN_TOKN=pasted\nLNBITS_KEY=pasted\nLOG_LEVEL=pasted\n";
    let sources = Sources {
        process_environment: &|_| None,
        dev_vars: Some((".dev.vars", text)),
        file: None,
        environment: None,
    };
    let reader = VariableReader::new(&sources).unwrap();
    let results = deployment::examine(&sources, &reader, None);
    let of_dev_vars: Vec<&str> = results
        .iter()
        .filter(|result| result.check == Check::DevVars)
        .map(|result| result.sentence.as_str())
        .collect();
    assert_eq!(
        of_dev_vars,
        [
            "line 2 of .dev.vars is not a setting: write it as NAME=value",
            "line 3 of .dev.vars sets ADMIN_TOKN, which edgetoll does not know; did you mean ADMIN_TOKEN?"
        ]
    );
    assert!(results.iter().all(|result| !result.sentence.contains("pasted")));
}

// R8
#[test]
fn edgetoll_doctor_fails_if_wrangler_uses_a_file_in_a_folder_above() {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("shop");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("wrangler.toml"), "[vars.TOLL]\nroutes = []\n").unwrap();
    std::fs::write(top.path().join("wrangler.jsonc"), "{}").unwrap();
    let doctor = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgetoll"));
        let ended = command.arg("doctor").args(arguments).current_dir(&folder).env_clear().output().unwrap();
        String::from_utf8_lossy(&ended.stdout).into_owned()
    };
    let printed = doctor(&[]);
    assert!(printed.contains("FAIL  config file   Wrangler uses "), "{printed}");
    assert!(printed.contains("pass `--config wrangler.toml` to Wrangler"), "{printed}");
    assert!(!doctor(&["wrangler.toml"]).contains("config file"));
}

#[test]
fn edgetoll_doctor_treats_an_unreadable_price_list_as_missing() {
    let wallet = [("LNBITS_URL", "https://a.example"), ("LNBITS_KEY", "aaaaaaaa")];
    for file in ["[vars.TOLL]\nnetwork = \"moon\"\n", "[vars]\nTOLL = \"{\"\n", "[vars]\n"] {
        assert!(read(&wallet, None, Some(file), None).unwrap().price_list.is_none());
    }
}

#[test]
fn edgetoll_doctor_warns_of_routes_that_are_observed() {
    for (list, level, sentence) in [
        (
            r#"{"mode":"observe","routes":[{"path":"/a"}]}"#,
            Level::Warn,
            "1 of 1 routes are observed, and no route charges",
        ),
        (
            r#"{"routes":[{"path":"/a"},{"path":"/b","mode":"observe"}]}"#,
            Level::Warn,
            "1 of 2 routes charge, and 1 are observed",
        ),
        (r#"{"routes":[{"path":"/a"},{"path":"/b","mode":"off"}]}"#, Level::Ok, "1 of 2 routes have a price"),
    ] {
        let document = Document::read("wrangler.json", &format!(r#"{{"vars":{{"TOLL":{list}}}}}"#)).unwrap();
        let sources = Sources {
            process_environment: &|_| None,
            dev_vars: None,
            file: Some(("wrangler.json", &document)),
            environment: None,
        };
        let reader = VariableReader::new(&sources).unwrap();
        let results = deployment::examine(&sources, &reader, Some(&valid(list)));
        let found = results.iter().find(|result| result.check == Check::PriceList).unwrap();
        assert_eq!((found.level, found.sentence.as_str()), (level, sentence), "{list}");
    }
}

const HEALTH: &str = r#"{"server_time":1795219132,"up_time":"00:00:02"}"#;
const SERVER_TIME_UNIX: u64 = 1_795_219_132;
const INVOICE: &str = include_str!("../vectors/lnbits_invoice.json");
