//! `edgetoll check`: the findings in a Wrangler file, their lines and columns, and the exit status of the command.

use std::fs;
use std::process::{Command, Output};

use edgetoll::cli::check::check;
use edgetoll::cli::check::document::Document;
use edgetoll::cli::check::places::Position;
use proptest::prelude::*;

const TOML: &str = "wrangler.toml";
const JSON: &str = "wrangler.json";
const JSONC: &str = "wrangler.jsonc";

const BUILD: &str = "build.command = \"make build\"\n";

/// Returns the findings in a file as the command prints them, without the file name.
fn findings(name: &str, text: &str) -> Vec<String> {
    check(name, text).findings.iter().map(ToString::to_string).collect()
}

/// Returns the findings in a TOML file that starts with the required `build.command` and continues with `text`, so
/// `text` starts on line 2.
/// Returns the findings without the warning that nothing has a price, which most lists of these tests would get.
fn toml_findings(text: &str) -> Vec<String> {
    let mut found = findings(TOML, &format!("{BUILD}{text}"));
    found.retain(|one| !one.contains("has no route with a price"));
    found
}

// U1 (CHANGELOG)
#[test]
fn a_price_list_that_sells_nothing_is_reported() {
    let nothing = "2:7: warning: TOLL has no route with a price, so every request is forwarded without payment: add a \
                   route, such as [[vars.TOLL.routes]] with path = \"/api/*\" and sats = 5";
    assert!(findings(TOML, &format!("{BUILD}[vars.TOLL]")).contains(&nothing.to_owned()));
    let misplaced = findings(TOML, &format!("{BUILD}[[TOLL.routes]]\npath = \"/api/joke\"\nsats = 5"));
    let error =
        "2:3: error: TOLL is ignored here, so nothing is sold by it: write it as [[vars.TOLL.routes]]";
    assert!(misplaced.contains(&error.to_owned()), "{misplaced:?}");
    let of_environment =
        findings(TOML, &format!("{BUILD}[vars.TOLL]\n[env.live]\nORIGIN_URL = \"https://x.test\""));
    let error = "env.live.ORIGIN_URL is ignored here: write it below vars, as env.live.vars.ORIGIN_URL";
    assert!(of_environment.iter().any(|one| one.ends_with(error)), "{of_environment:?}");
}

// U2 (CHANGELOG)
#[test]
fn a_path_in_the_syntax_of_another_tool_is_an_error_that_suggests_a_path() {
    for (path, suggestion) in [
        ("/users/{id}", ": write path = \"/users/:id\""),
        ("/users/[id]/posts", ": write path = \"/users/:id/posts\""),
        ("/users/<id>", ": write path = \"/users/:id\""),
        ("/users/<int:id>", ": write path = \"/users/:id\""),
        ("/v2/$id", ": write path = \"/v2/:id\""),
        ("/api/(joke|time)", "write :name for one segment"),
        ("/v1/.+", ": write path = \"/v1/*\""),
        ("/a$", ": write path = \"/a\""),
    ] {
        let found = toml_findings(&format!("[[vars.TOLL.routes]]\npath = \"{path}\"\nsats = 5"));
        assert!(found.len() == 1 && found[0].contains(suggestion), "{path}: {found:?}");
        assert!(found[0].contains("but must not have"), "{path}: {found:?}");
    }
}

// U3 (CHANGELOG)
#[test]
fn a_free_window_without_a_unit_is_an_error_that_shows_both_readings() {
    let found = toml_findings("[[vars.TOLL.routes]]\npath = \"/a\"\nfree_requests = 2\nfree_window = 3600");
    let error = "5:15: error: TOLL.routes[0].free_window is 3600 without a unit: write \"3600s\" for seconds, or \
                 \"3600ms\" for milliseconds, which is how the Worker reads it now";
    assert!(found.contains(&error.to_owned()), "{found:?}");
}

// U17 (CHANGELOG)
#[test]
fn a_description_that_makes_a_dense_qr_code_is_an_error_that_says_the_limit() {
    let of = |description: &str| {
        toml_findings(&format!("[[vars.TOLL.routes]]\npath = \"/a\"\ndescription = \"{description}\""))
    };
    for fits in ["x".repeat(256), format!("{{path}} {{query.q}}{}", "x".repeat(127)), "é".repeat(128)] {
        assert_eq!(of(&fits), Vec::<String>::new(), "{fits}");
    }
    for (long, bytes) in
        [("x".repeat(257), 257), ("é".repeat(129), 258), (format!("{{path}}{}", "x".repeat(193)), 257)]
    {
        let error = format!(
            "4:15: error: TOLL.routes[0].description has up to {bytes} bytes, counting 64 for each placeholder: shorten it \
             to 256 bytes, so that a phone can scan the QR code of the invoice"
        );
        assert_eq!(of(&long), [error]);
    }
}

// U17 (CHANGELOG)
#[test]
fn a_title_a_contact_or_an_accent_that_a_page_cannot_show_is_an_error() {
    let of = |key: &str, value: &str| {
        let value = serde_json::to_string(value).unwrap();
        toml_findings(&format!("[vars.TOLL]\n{key} = {value}"))
    };
    let (long_title, long_contact) = ("é".repeat(60), format!("https://example.com/{}", "x".repeat(235)));
    for (key, value) in [
        ("title", "Example & Sons <b>"),
        ("title", &long_title),
        ("contact", "help+toll@mail.example.com"),
        ("contact", "https://example.com/help?a=b"),
        ("contact", "https://example.com/@help"),
        ("accent", "#1a5fb4"),
        ("accent", "#FFFFFF"),
    ] {
        assert_eq!(of(key, value), Vec::<String>::new());
    }
    for (key, values, sentence) in [
        (
            "title",
            ["", " ", "two\nlines", &"x".repeat(61), "turned \u{202e}around"],
            "must be a text of 1 to 60 visible characters",
        ),
        (
            "contact",
            ["help", "a@localhost", "a b@example.com", "http://localhost/help", &long_contact],
            "must be an e-mail address or an https URL",
        ),
        (
            "contact",
            ["javascript:alert(1)", "a@example.com?bcc=b@example.com", "a@.com", "@example.com", "https://"],
            "must be an e-mail address or an https URL",
        ),
        ("accent", ["red", "#fff", "#1a5fb4ff", "#1a5fbg", "1a5fb4"], "must be a color such as \"#1a5fb4\""),
    ] {
        for value in values {
            let found = of(key, value);
            assert_eq!(found.len(), 1, "{key} {value}: {found:?}");
            let starts = found[0].contains(&format!("error: TOLL.{key} is "));
            assert!(starts && found[0].ends_with(sentence), "{value}: {found:?}");
        }
    }
}

// U5 (CHANGELOG)
#[test]
fn a_route_that_no_request_can_reach_is_reported_with_its_true_reason_only() {
    let of = |paths: &[&str]| {
        let routes: Vec<String> =
            paths.iter().map(|path| format!("{{ path = \"{path}\", sats = 5 }}")).collect();
        let found = toml_findings(&format!("[vars.TOLL]\nroutes = [{}]", routes.join(", ")));
        found.into_iter().filter(|one| one.contains("error")).collect::<Vec<_>>()
    };
    assert_eq!(of(&["/api/*", "/api/:x"]), [""; 0]);
    assert_eq!(of(&["/*", "/:x", "/"]), [""; 0]);
    let reserved = of(&["/_toll/x"]);
    assert!(
        reserved.len() == 1 && reserved[0].contains("edgetoll's own endpoints are below /_toll"),
        "{reserved:?}"
    );
    let prices = of(&["/.well-known/l402"]);
    assert!(prices.len() == 1 && prices[0].contains("serves the public price list"), "{prices:?}");
}

// R8
#[test]
fn a_name_that_wrangler_refuses_is_an_error() {
    let expected =
        "2:8: error: name must have only lower-case letters, digits, - and _: Wrangler refuses other names";
    assert_eq!(toml_findings("name = \"My Worker!\"\n[vars.TOLL]"), [expected]);
    assert_eq!(toml_findings("name = \"my-worker_2\"\n[vars.TOLL]"), [""; 0]);
}

#[test]
fn all_mistakes_of_a_toml_file_are_reported_together_with_their_positions() {
    let text = r#"name = "shop"
assets = { directory = "www" }
cache.enabled = true

[vars]
LNBITS_URL = "http://lnbits.example.com"
ORIGIN_URL = "origin.example.com"
LNBITS_KEY = "0123456789abcdef"
LNBIT_URL = "https://lnbits.example.com"

[vars.TOLL]
network = "tb"

[[vars.TOLL.routes]]
path = "/a"
sats = -5

[[vars.TOLL.routes]]
path = "/b"
methods = ["get"]

[[vars.TOLL.routes]]
path = "/c"
sat = 3
"#;
    assert_eq!(
        findings(TOML, text),
        [
            "1:1: warning: build.command should be \"make build\": otherwise an older build may be deployed",
            "2:10: error: assets.run_worker_first must be true: otherwise a static file at a priced path is served without payment",
            "2:10: warning: assets.binding should be \"ASSETS\": edgetoll finds its static files by this name",
            "3:17: error: cache.enabled must be false: otherwise Cloudflare serves paid responses from its cache to everyone",
            "6:14: error: LNBITS_URL begins with http://, and secrets would be sent in plain text: write https://, as in \"https://lnbits.example.com\"",
            "7:14: error: ORIGIN_URL has no https:// at its beginning: write it, as in \"https://origin.example.com\"",
            "8:1: error: LNBITS_KEY is a secret: remove it from this file and set it with `npx wrangler secret put LNBITS_KEY`",
            "9:1: warning: LNBIT_URL is not a variable that edgetoll knows; did you mean `LNBITS_URL`?",
            "12:11: warning: TOLL.network is a test network, whose coins have no value: use \"bc\" to be paid in bitcoin",
            "16:8: error: TOLL.routes[0].sats is -5, but must be a whole number of satoshis from 0 to 10000000",
            "20:11: error: TOLL.routes[1].methods is [\"get\"], but must be a list of upper-case methods: write methods = [\"GET\"]",
            "24:1: error: TOLL.routes[2].sat is not a key that edgetoll knows; did you mean `sats = 3`?",
        ]
    );
}

#[test]
fn mistakes_in_json_with_comments_are_reported_with_their_positions() {
    let text = r#"{
  // The build command.
  "build": { "command": "make build" },
  "vars": {
    "ADMIN_TOKEN": "x",
    "TOLL": { "routes": [
      { "path": "/é", "sats": 1.5 }, { "path": "/b", "setas": 1 },
      { "path": "/c", "realm": 7, },
    ] },
  },
}"#;
    for name in [JSON, JSONC] {
        let found = findings(name, text);
        for (found, expected) in found.iter().zip([
            "5:5: error: ADMIN_TOKEN is a secret: remove it from this file and set it with `npx wrangler secret put ADMIN_TOKEN`",
            "7:31: error: TOLL.routes[0].sats is 1.5, but must be a whole number of satoshis from 0 to 10000000: write \"sats\": 2",
            "7:54: error: TOLL.routes[1].setas is not a key that edgetoll knows; the known keys are bind, ",
            "8:32: error: TOLL.routes[2].realm is 7, but must be a name of 1 to 32 characters from a-z, 0-9 and _, such as \"gpu\"",
        ]) {
            assert!(found.starts_with(expected), "{found}");
        }
        assert_eq!(found.len(), 4);
    }
}

#[test]
fn a_missing_key_is_reported_at_the_table_that_should_have_it() {
    let toml = "build.command = \"make build\"\n[vars.TOLL]\n[[vars.TOLL.routes]]\n  sats = 1\n";
    let json = "{\"build\":{\"command\":\"make build\"},\n\"vars\":{\"TOLL\":{\"routes\":[{\"sats\":1}]}}}";
    for (name, text, place) in [(TOML, toml, "3:1"), (JSON, json, "2:27")] {
        let found = findings(name, text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("{place}: error: TOLL.routes[0].path is missing")),
            "{}",
            found[0]
        );
    }
}

#[test]
fn a_missing_key_or_list_item_has_the_position_of_its_nearest_parent_that_exists() {
    let document = Document::read(TOML, "[vars]\nTOLL = { routes = [{ sats = 1 }] }").ok().unwrap();
    for (place, column) in [
        ("vars.TOLL", 8),
        ("vars.TOLL.routes", 19),
        ("vars.TOLL.routes[0]", 20),
        ("vars.TOLL.routes[0].sats", 29),
        ("vars.TOLL.routes[0].path", 20),
        ("vars.TOLL.routes[1]", 19),
        ("vars.TOLL.routes[1].sats[2]", 19),
        ("vars.TOLL.network", 8),
    ] {
        assert_eq!(document.value(place), Position { line: 2, column }, "{place}");
    }
    assert_eq!(document.key("vars.TOLL.routes[0].sats"), Position { line: 2, column: 22 });
    assert_eq!(document.key("vars.TOLL.routes[0].path"), Position { line: 2, column: 20 });
    assert_eq!(document.value("env.live"), Position { line: 1, column: 1 });
}

#[test]
fn a_finding_has_the_right_position_in_every_notation_of_toml() {
    for (text, place, value) in [
        ("vars.TOLL.network = 1", "2:21", "1"),
        ("vars = { TOLL = { network = 1 } }", "2:29", "1"),
        ("[vars]\nTOLL.\"network\" = 1", "3:18", "1"),
        ("[vars.TOLL]\r\nnetwork = \"\"\"\r\nx\"\"\"\r\n", "3:11", "\"x\""),
        ("[vars.TOLL]\n\tnetwork\t=\t[]", "3:12", "[]"),
    ] {
        let finding = format!(
            "{place}: error: TOLL.network is {value}, but must be one of \"bc\", \"tb\", \"tbs\", \"bcrt\""
        );
        assert_eq!(toml_findings(text), [finding], "{text}");
    }
    let text = "[vars.TOLL]\nroutes = [\n  { path = \"/a\" }, { path = \"/b\", sats = 1.0 },\n]";
    assert_eq!(
        toml_findings(text),
        [
            "4:42: error: TOLL.routes[1].sats is 1.0, but must be a whole number of satoshis from 0 to 10000000: write sats = 1"
        ]
    );
    let text = "[vars.TOLL]\n[vars.TOLL.rout]\npath = \"/a\"";
    assert_eq!(
        toml_findings(text),
        ["3:12: error: TOLL.rout is not a key that edgetoll knows; did you mean `routes`?"]
    );
}

#[test]
fn only_a_whole_number_from_0_to_10000000_is_a_valid_price_in_satoshis() {
    for number in ["-1", "1.0", "1e3", "inf", "nan", "2026-01-01", "18446744073709551616", "10000001"] {
        let text = format!("[vars.TOLL]\ndefault_sats = {number}");
        let finding = format!(
            "3:16: error: TOLL.default_sats is {number}, but must be a whole number of satoshis from 0 to 10000000"
        );
        let found = toml_findings(&text);
        assert!(found.len() == 1 && found[0].starts_with(&finding), "{found:?}");
    }
    for number in ["0xff", "0b1", "0o7", "1_000", "+5", "10000000"] {
        assert_eq!(toml_findings(&format!("[vars.TOLL]\ndefault_sats = {number}")), [""; 0], "{number}");
    }
}

#[test]
fn a_byte_order_mark_does_not_change_the_columns_of_findings() {
    assert_eq!(findings(TOML, "\u{feff}a = $"), findings(TOML, "a = $"));
    assert_eq!(findings(JSON, "\u{feff}{]"), findings(JSON, "{]"));
}

#[test]
fn a_syntax_error_in_toml_or_json_is_reported_with_its_line_and_column() {
    assert_eq!(
        findings(TOML, "a = 1\nb = \n\nc = [1,,2]"),
        [
            "2:5: error: invalid TOML: a value is missing after the =",
            "4:8: error: invalid TOML: extra comma in array, expected value",
        ]
    );
    let redefined = "a = 1\n[a.b]\nc = 1";
    assert_eq!(
        findings(TOML, redefined),
        ["2:2: error: invalid TOML: cannot extend value of type integer with a dotted key"]
    );
    for (text, finding) in [
        ("{\n  \"a\": ,\n}", "2:8: error: invalid JSON: Unexpected comma"),
        ("{\"a\": 1}\n{}", "2:1: error: invalid JSON: Text cannot contain more than one JSON value"),
        ("{a: 1}", "1:2: error: invalid JSON: Expected string for object property"),
        ("{'a': 1}", "1:2: error: invalid JSON: Single-quoted strings are not allowed"),
    ] {
        assert_eq!(findings(JSON, text), [finding], "{text}");
    }
}

#[test]
fn a_repeated_key_is_an_error_that_names_both_lines() {
    for text in [
        "a = 1\n\n  a = 2",
        "[a]\n\n[ a]",
        "[[a]]\n\n[ a]",
        "[x]\na = 1\n\"a\" = 2",
        "x = {a=1,\n\na=1}",
        "[[x]]\na = 1\na = 2",
    ] {
        let found = check(TOML, text).findings;
        let [finding] = found.as_slice() else { panic!("{text}: {found:?}") };
        let first = if text.contains("x]") { 2 } else { 1 };
        assert_eq!(finding.position.line, 3, "{text}");
        assert_eq!(
            finding.sentence,
            format!("this key is already defined in line {first}: remove one"),
            "{text}"
        );
    }
    assert_eq!(
        findings(JSON, "{\"vars\": {\n  \"a\": 1, \"\\u0061\": 2,\n  \"a\": 3}}"),
        [
            "2:11: error: this key is already defined in line 2: remove one",
            "3:3: error: this key is already defined in line 2: remove one",
        ]
    );
}

#[test]
fn a_missing_price_list_is_reported() {
    let sentence = "is missing: without it, no request is forwarded (503 not_configured); add TOLL to vars";
    assert_eq!(toml_findings(""), [format!("1:1: error: TOLL {sentence}")]);
    assert_eq!(toml_findings("\n[vars]\nA = 1"), [format!("3:1: error: TOLL {sentence}")]);
    assert_eq!(
        toml_findings("[env.live]\n[env.live.vars.TOLL]\n"),
        [
            "1:1: warning: TOLL is missing: a deployment without --env forwards no request (503 not_configured); add TOLL to the vars of the top level, or deploy with --env only"
        ]
    );
}

#[test]
fn a_wrangler_environment_inherits_no_variables_from_the_top_level() {
    let text = r#"[vars.TOLL]
[env.live.vars]
ADMIN_TOKEN = "x"
[env.live.vars.TOLL]
[[env.live.vars.TOLL.routes]]
path = "a"
[env.empty]
name = "empty"
[env.half.vars]
PUBLIC_URL = "https://example.com"
"#;
    let missing = "TOLL is missing: vars are not inherited from the top level, so this environment forwards no request (503 not_configured); add TOLL to its vars";
    let found = toml_findings(text);
    assert_eq!(
        found[0],
        "4:1: error: env.live.ADMIN_TOKEN is a secret: remove it from this file and \
         set it with `npx wrangler secret put ADMIN_TOKEN --env live`"
    );
    assert!(found[1].starts_with("7:8: error: env.live.TOLL.routes[0].path "), "{}", found[1]);
    assert_eq!(found[2], format!("8:1: warning: env.empty.{missing}"));
    assert_eq!(found[3], format!("10:1: warning: env.half.{missing}"));
    assert_eq!(found.len(), 4);
}

#[test]
fn a_mistake_in_a_price_list_that_is_a_json_string_is_reported_at_the_start_of_the_string() {
    let text = "[vars]\nTOLL = '{\"routes\":[{\"path\":\"/a\",\"sats\":-1}]}'";
    assert_eq!(
        toml_findings(text),
        ["3:8: error: TOLL.routes[0].sats is -1, but must be a whole number of satoshis from 0 to 10000000"]
    );
    for list in ["{", r#"{"network":"bc","network":"tb"}"#, "{} // free"] {
        let finding = "3:8: error: TOLL is not valid JSON, or has a key twice: correct it, or write a table instead of a text";
        assert_eq!(toml_findings(&format!("[vars]\nTOLL = '{list}'")), [finding], "{list}");
    }
    assert_eq!(toml_findings("[vars]\nTOLL = 5"), ["3:8: error: TOLL is 5, but must be a table"]);
}

#[test]
fn a_price_list_is_a_warning_from_4000_bytes_and_an_error_above_5000_bytes() {
    // Without the name of the header, the price list `{"keep_headers":[""]}` has 21 bytes. With the name, it has
    // `bytes` bytes.
    for (bytes, severity) in
        [(3_999, None), (4_000, Some("warning")), (5_000, Some("warning")), (5_001, Some("error"))]
    {
        let name = "x".repeat(bytes - 21);
        let table = format!("[vars]\nTOLL = {{ keep_headers = [ \"{name}\" ] }}");
        let text = format!("[vars]\nTOLL = '{{\"keep_headers\":[\"{name}\"]}}'");
        let expected: Vec<String> = severity
            .map(|word| format!("3:8: {word}: TOLL has {bytes} bytes as JSON, and Cloudflare allows 5 KB for a variable: shorten or merge routes"))
            .into_iter()
            .collect();
        assert_eq!(toml_findings(&table), expected, "{bytes}");
        assert_eq!(toml_findings(&text), expected, "{bytes}");
    }
}

#[test]
fn a_secret_in_the_vars_of_a_wrangler_file_is_an_error() {
    for name in [
        "TOLL_SECRET",
        "TOLL_SECRET_PREVIOUS",
        "LNBITS_KEY",
        "LNBITS_KEY_2",
        "LNBITS_KEY_8",
        "NWC_URL",
        "NWC_URL_8",
        "ADMIN_TOKEN",
        "ORIGIN_TOKEN",
        "ORIGIN_SECRET",
        "ON_PAYMENT_SECRET",
    ] {
        let finding = format!(
            "3:3: error: {name} is a secret: remove it from this file and set it with `npx wrangler secret put {name}`"
        );
        assert_eq!(toml_findings(&format!("[vars]\n  {name} = \"very\"\n[vars.TOLL]")), [finding]);
    }
}

#[test]
fn a_misspelled_variable_is_a_warning_that_suggests_the_right_name() {
    for (name, suggestion) in [
        ("toll", "TOLL"),
        ("TOLLS", "TOLL"),
        ("LNBITS_ULR", "LNBITS_URL"),
        ("lnbits_url_2", "LNBITS_URL_2"),
        ("ORIGINURL", "ORIGIN_URL"),
        ("TOLL_SECRETS", "TOLL_SECRET"),
    ] {
        let finding = format!(
            "3:1: warning: {name} is not a variable that edgetoll knows; did you mean `{suggestion}`?"
        );
        assert_eq!(toml_findings(&format!("[vars]\n{name} = \"x\"\n[vars.TOLL]")), [finding]);
    }
    for name in ["LOG_LEVEL", "A", "ORIGIN_HOST"] {
        assert_eq!(toml_findings(&format!("[vars]\n{name} = \"x\"\n[vars.TOLL]")), [""; 0], "{name}");
    }
}

#[test]
fn an_invalid_wallet_or_origin_url_is_an_error() {
    for (name, value, is_valid) in [
        ("LNBITS_URL", "\"https://lnbits.example.com\"", true),
        ("LNBITS_URL", "\"http://127.0.0.1:5000\"", true),
        ("LNBITS_URL", "\"http://lnbits.example.com\"", false),
        ("LNBITS_URL", "5", false),
        ("LNBITS_URL_2", "\"http://lnbits.example.com\"", false),
        ("LNBITS_URL_8", "\"http://lnbits.example.com\"", false),
        ("ORIGIN_URL", "\"http://origin.example.com:8080/base\"", true),
        ("ORIGIN_URL", "\"https://user@origin.example.com\"", false),
        ("ORIGIN_URL", "\"https://\"", false),
        ("ORIGIN_URL", "[]", false),
    ] {
        let found = toml_findings(&format!("[vars]\n{name} = {value}\n[vars.TOLL]"));
        assert_eq!(found.is_empty(), is_valid, "{name} {value}: {found:?}");
        let column = name.len() + 4;
        assert!(found.iter().all(|finding| finding.starts_with(&format!("3:{column}: error: {name} "))));
    }
}

// A11 (CHANGELOG), https://developers.cloudflare.com/cache/concepts/interact-with-workers/
#[test]
fn a_cache_before_an_origin_with_a_host_of_its_own_is_a_warning() {
    for (origin, cache, expected) in [
        ("ORIGIN_URL = \"https://origin.example.com\"", "cache = true", 1),
        ("ORIGIN_URL = \"https://origin.example.com\"", "cache = false", 0),
        ("", "cache = true", 0),
    ] {
        let list = format!("[vars]\n{origin}\n[[vars.TOLL.routes]]\npath = \"/a\"\nsats = 5\n{cache}\n");
        let found = toml_findings(&list);
        let warnings =
            found.iter().filter(|finding| finding.contains("is not safe with cache = true")).count();
        assert_eq!(warnings, expected, "{origin} {cache}: {found:?}");
    }
}

#[test]
fn static_assets_must_not_be_served_before_the_worker_runs() {
    let first = "assets.run_worker_first must be true";
    let binding = "assets.binding should be \"ASSETS\"";
    for (assets, expected) in [
        ("run_worker_first = true", vec![]),
        ("run_worker_first = [\"/*\"]", vec![]),
        ("run_worker_first = [\"/*\", \"!/static/*\"]", vec![format!("2:31: error: {first}")]),
        ("run_worker_first = [\"/api/*\"]", vec![format!("2:31: error: {first}")]),
        ("run_worker_first = false", vec![format!("2:31: error: {first}")]),
        ("binding = \"ASSETS\"", vec![format!("2:10: error: {first}")]),
        ("run_worker_first = true, directory = \"www\", binding = \"ASSETS\"", vec![]),
        ("run_worker_first = true, directory = \"www\"", vec![format!("2:10: warning: {binding}")]),
        (
            "run_worker_first = true, directory = \"w\", binding = \"A\"",
            vec![format!("2:64: warning: {binding}")],
        ),
    ] {
        let found = toml_findings(&format!("assets = {{ {assets} }}\n[vars.TOLL]"));
        assert_eq!(found.len(), expected.len(), "{assets}: {found:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.starts_with(expected), "{assets}: {found}");
        }
    }
}

#[test]
fn the_cache_in_front_of_the_worker_must_be_disabled() {
    assert_eq!(toml_findings("cache.enabled = false\n[vars.TOLL]"), [""; 0]);
    let found = toml_findings("[vars.TOLL]\n[env.live]\ncache = { enabled = true }\nvars.TOLL = {}");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("4:21: error: env.live.cache.enabled must be false"), "{}", found[0]);
}

#[test]
fn unless_the_build_command_is_make_build_there_is_a_warning() {
    let sentence = "build.command should be \"make build\": otherwise an older build may be deployed";
    let findings = |name, text: &str| {
        let found = findings(name, text).into_iter();
        found.filter(|one| !one.contains("has no route with a price")).collect::<Vec<_>>()
    };
    assert_eq!(findings(TOML, "[vars.TOLL]"), [format!("1:1: warning: {sentence}")]);
    assert_eq!(
        findings(TOML, "[vars.TOLL]\n[build]\ncommand = \"true\""),
        [format!("3:11: warning: {sentence}")]
    );
    assert_eq!(toml_findings("[vars.TOLL]\n[env.live]\nvars.TOLL = {}"), [""; 0]);
    let text = "[vars.TOLL]\n[env.live]\nvars.TOLL = {}\nbuild = {}";
    assert_eq!(toml_findings(text), [format!("5:9: warning: env.live.{sentence}")]);
}

#[test]
fn an_incomplete_list_of_required_secrets_is_a_warning() {
    let text = "secrets.required = [\"TOLL_SECRET\", \"LNBITS_KEY\", \"ADMIN_TOKEN\", \"ORIGIN_TOKEN\", \"ORIGIN_SECRET\"]\n[vars.TOLL]";
    assert_eq!(
        toml_findings(text),
        [
            "2:20: warning: secrets.required lacks TOLL_SECRET_PREVIOUS, ON_PAYMENT_SECRET: Wrangler loads only listed secrets from .dev.vars, so add them or remove the list"
        ]
    );
}

#[test]
fn a_list_of_secrets_with_an_nwc_url_needs_the_binding_of_the_connection() {
    let secrets = [
        "TOLL_SECRET",
        "TOLL_SECRET_PREVIOUS",
        "NWC_URL_2",
        "NWC_URL",
        "ADMIN_TOKEN",
        "ORIGIN_TOKEN",
        "ORIGIN_SECRET",
    ];
    let text = format!("secrets.required = {secrets:?}\n[vars.TOLL]")
        .replace("\"ORIGIN_T", "\"ON_PAYMENT_SECRET\", \"ORIGIN_T");
    let needs = "2:20: error: secrets.required needs a Durable Object to connect to an NWC wallet: add { name = \
                 \"NWC_CONNECTION\", class_name = \"NwcConnection\" } to durable_objects.bindings";
    assert_eq!(toml_findings(&text), [needs]);
    let binding = "\n[[durable_objects.bindings]]\nname = \"NWC_CONNECTION\"\nclass_name = \"NwcConnection\"";
    let migration = "\n[[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"NwcConnection\"]";
    assert_eq!(toml_findings(&[&text, binding, migration].concat()), [""; 0]);
    assert_eq!(toml_findings(&[&text, binding].concat()).len(), 1, "the class is in no migration");
    let meter = "\n[[durable_objects.bindings]]\nname = \"METER\"\nclass_name = \"Meter\"";
    let both = migration.replace("[\"Nwc", "[\"Meter\", \"Nwc");
    let list = text.replace("[vars.TOLL]", "[vars.TOLL]\nprotocols = [\"l402\", \"x-preimage\"]");
    let warning = "4:13: warning: TOLL.protocols names x-preimage, which is offered with an NWC wallet only if this wallet keeps \
                   the metadata of invoices: `edgetoll doctor` says whether it does";
    assert_eq!(toml_findings(&[&list, binding, meter, &both].concat()), [warning]);
}

#[test]
fn a_route_with_free_requests_needs_a_kv_namespace() {
    let sentence = "TOLL.routes[1].free_requests needs a KV namespace to count free requests: without it, no \
                    request is free; add kv_namespaces = [{ binding = \"TOLL_KV\" }]";
    let list =
        "vars.TOLL.routes = [{ path = \"/a\", free_requests = 0 }, { path = \"/b\", free_requests = 9 }]\n";
    let found = |text: &str| {
        toml_findings(text).into_iter().filter(|finding| finding.contains("needs a KV")).collect::<Vec<_>>()
    };
    let expected = [format!("2:88: error: {sentence}")];
    assert_eq!(found(list), expected);
    assert_eq!(found(&format!("{list}[[kv_namespaces]]\nbinding = \"OTHER\"")), expected);
    let bound = "kv_namespaces = [{ binding = \"OTHER\" }, { binding = \"TOLL_KV\" }]\n";
    assert_eq!(found(&format!("{bound}{list}")), [""; 0]);
    let in_environment = format!("{bound}env.live.{list}");
    assert_eq!(found(&in_environment), [format!("3:97: error: env.live.{sentence}")]);
}

#[test]
fn exact_counting_of_free_requests_needs_a_durable_object() {
    let found = |more: &str| {
        let text = format!("[vars.TOLL]\nfree_tier = \"durable\"\n{more}");
        toml_findings(&text).into_iter().filter(|finding| !finding.contains("not a key")).collect::<Vec<_>>()
    };
    let bound = "[[durable_objects.bindings]]\nname = \"FREE_TIER_EXACT\"\n";
    let class = format!("{bound}class_name = \"FreeTierCounter\"\n");
    let needs = "3:13: error: TOLL.free_tier needs a Durable Object to count free requests: add { name = \
                 \"FREE_TIER_EXACT\", class_name = \"FreeTierCounter\" } to durable_objects.bindings";
    let must_be = "error: durable_objects.bindings[0].class_name must be \"FreeTierCounter\", the class of this binding";
    let needs_migration = "6:14: error: durable_objects.bindings[0].class_name is in no migration: \
                      add it to new_sqlite_classes of an entry of migrations";
    assert_eq!(found(""), [needs]);
    assert_eq!(found("[[durable_objects.bindings]]\nname = \"METER\""), [needs]);
    assert_eq!(found(bound), [format!("4:1: {must_be}")]);
    assert_eq!(found(&format!("{bound}class_name = \"Meter\"")), [format!("6:14: {must_be}")]);
    assert_eq!(found(&class), [needs_migration]);
    assert_eq!(found(&format!("{class}[[migrations]]\nnew_sqlite_classes = [\"Meter\"]")), [needs_migration]);
    assert_eq!(found(&format!("{class}script_name = \"other\"")), [""; 0]);
    assert_eq!(found(&format!("{class}[exports.FreeTierCounter]")), [""; 0]);
    assert_eq!(found(&format!("{class}[[migrations]]\nnew_sqlite_classes = [\"FreeTierCounter\"]")), [""; 0]);
}

#[test]
fn a_wrangler_environment_inherits_migrations_but_no_bindings() {
    let text = r#"durable_objects.bindings = [{ name = "FREE_TIER_EXACT", class_name = "FreeTierCounter" }]
migrations = [{ new_sqlite_classes = ["FreeTierCounter"] }]
vars.TOLL = {}
env.a.vars.TOLL = { free_tier = "durable" }
env.b.vars.TOLL = { free_tier = "durable" }
env.b.durable_objects.bindings = [{ name = "FREE_TIER_EXACT", class_name = "FreeTierCounter" }]
"#;
    let found: Vec<_> =
        toml_findings(text).into_iter().filter(|finding| !finding.contains("not a key")).collect();
    assert_eq!(
        found,
        ["5:33: error: env.a.TOLL.free_tier needs a Durable Object to count free requests: add { name = \
          \"FREE_TIER_EXACT\", class_name = \"FreeTierCounter\" } to durable_objects.bindings"]
    );
}

#[test]
fn a_rate_limiter_with_another_limit_than_the_price_list_is_a_warning() {
    let of = |limiter: &str, list: &str| {
        toml_findings(&format!(
            "[[ratelimits]]\nname = \"CHALLENGE_LIMIT\"\nnamespace_id = \"1\"\nsimple = {{ {limiter} }}\n[vars.TOLL]\n{list}"
        ))
    };
    let differ = |limiter, list| {
        [format!(
            "5:10: warning: ratelimits[0].simple allows {limiter} challenges a minute, but TOLL.challenges_per_minute is {list}: set both to the same number"
        )]
    };
    assert_eq!(of("limit = 10, period = 60", ""), [""; 0]);
    assert_eq!(of("limit = 2, period = 10", "challenges_per_minute = 12"), [""; 0]);
    assert_eq!(of("limit = 20, period = 60", ""), differ(20, 10));
    assert_eq!(of("limit = 10, period = 10", ""), differ(60, 10));
    assert_eq!(of("limit = 10, period = 60", "challenges_per_minute = 30"), differ(10, 30));
    // Without a rate limiter binding, only the limit of the price list applies.
    assert_eq!(toml_findings("[vars.TOLL]\nchallenges_per_minute = 30\n"), [""; 0]);
}

#[test]
fn a_wrangler_environment_that_lacks_a_binding_of_the_top_level_is_a_warning() {
    let text = r#"
migrations = [{ tag = "v1", new_sqlite_classes = ["InvoiceLimit"] }]
ratelimits = [{ name = "CHALLENGE_LIMIT", namespace_id = "1", simple = { limit = 10, period = 60 } }]
durable_objects.bindings = [{ name = "INVOICE_LIMIT", class_name = "InvoiceLimit" }]
kv_namespaces = [{ binding = "TOLL_KV" }]
[vars.TOLL]
[env.staging.vars.TOLL]
"#;
    assert_eq!(
        toml_findings(text),
        [
            "8:1: warning: env.staging.TOLL lacks the binding CHALLENGE_LIMIT, which is not inherited from the top level: without it, each isolate counts challenges by itself; repeat it in this environment",
            "8:1: warning: env.staging.TOLL lacks the binding INVOICE_LIMIT, which is not inherited from the top level: without it, each isolate counts invoices by itself; repeat it in this environment",
            "8:1: warning: env.staging.TOLL lacks the binding TOLL_KV, which is not inherited from the top level: without it, each isolate looks up each payment at LNbits again; repeat it in this environment",
        ]
    );
    let without = text.replace("new_sqlite_classes = [\"InvoiceLimit\"]", "new_sqlite_classes = []");
    assert!(toml_findings(&without)[0].contains("is in no migration"), "{:?}", toml_findings(&without));
}

#[test]
fn the_settlement_mode_preimage_is_a_warning() {
    let found = toml_findings("[vars.TOLL]\nsettlement = \"preimage\"");
    let warning = "3:14: warning: TOLL.settlement is \"preimage\": anyone who obtains a preimage without paying gets access; use \"auto\"";
    assert!(found.contains(&warning.to_owned()), "{found:?}");
}

// A1 (CHANGELOG)
#[test]
fn a_price_that_depends_on_a_removed_header_is_a_warning_unless_keep_headers_lists_the_header() {
    let list = |keep: &str, header: &str| {
        let price = format!("[{{ when = {{ header = {{ {header} = \"x\" }} }}, sats = 9 }}, {{ sats = 5 }}]");
        toml_findings(&format!("[vars.TOLL]\n{keep}\nroutes = [{{ path = \"/a\", price = {price} }}]"))
    };
    let is_warned =
        |found: Vec<String>| found.iter().any(|one| one.contains("which is removed before the request"));
    assert!(is_warned(list("", "X-Forwarded-Uri")));
    assert!(!is_warned(list("keep_headers = [\"x-forwarded-uri\"]", "X-Forwarded-Uri")));
    assert!(!is_warned(list("", "User-Agent")));
}

// R11 (CHANGELOG)
#[test]
fn different_kinds_of_credentials_in_a_realm_are_a_warning() {
    let is_warned = |first: &str, second: &str| {
        let found = toml_findings(&format!(
            "[vars.TOLL]\nroutes = [{{ path = \"/a\", realm = \"r\", {first} }}, {{ path = \"/b\", realm = \"r\", {second} }}]"
        ));
        found.iter().any(|one| one.contains("different uses, services, currencies"))
    };
    for second in [
        "sats = 5, uses = 2",
        "sats = 5, uses = 3, service = \"x\"",
        "sats = 5, uses = 3, bind = [\"ip\"]",
        "fiat = \"0.01 USD\", uses = 3",
    ] {
        assert!(is_warned("sats = 5, uses = 3", second), "{second}");
    }
    for second in [
        "sats = 50, uses = 3",
        "sats_per_kib = 2, methods = [\"POST\"], uses = 3",
        "sats = 0",
        "sats = 5, uses = 3, credential_expiry = \"30d\"",
    ] {
        assert!(!is_warned("sats = 5, uses = 3", second), "{second}");
    }
    assert!(is_warned("fiat = \"0.01 EUR\"", "fiat = \"0.01 USD\""));
}

#[test]
fn a_finding_for_a_secret_a_url_or_a_syntax_error_does_not_contain_the_value() {
    let secret = "5up3rS3cr3t";
    for text in [
        format!("[vars]\nTOLL_SECRET = \"{secret}\""),
        format!("[vars]\nTOLL_SECRET = {secret}"),
        format!("[vars]\nTOLL_SECRET = \"{secret}\nB = 1"),
        format!("[vars]\nTOLL_SECRET = \"{secret}\\q\""),
        format!("[vars]\nLNBITS_URL = \"http://{secret}\""),
        format!("[vars.TOLL]\nrevoked = [\"L402 {secret}:00\"]\nroutes = [{{ path = \"/a\", sats = 5 }}]"),
        format!("[vars.TOLL]\nrevoked = \"{secret}\"\nroutes = [{{ path = \"/a\", sats = 5 }}]"),
    ] {
        let report = check(TOML, &text).to_string();
        assert!(report.contains(": error: ") && !report.contains(secret), "{report}");
    }
    for text in [
        format!("{{\"a\": {secret}}}"),
        format!("{{\"a\": \"{secret}\\q\"}}"),
        format!("{{\"a\": \"{secret}}}"),
    ] {
        let report = check(JSON, &text).to_string();
        assert!(report.contains(": error: ") && !report.contains(secret), "{report}");
    }
}

#[test]
fn a_finding_is_one_line_even_if_a_key_has_control_characters() {
    for text in ["[vars.TOLL]\n\"a\\n\\u001b[31m\" = 1", "[env.\"a\\r\\nb\"]"] {
        let report = check(TOML, text);
        let printed = report.to_string();
        assert_eq!(printed.lines().count(), report.findings.len() + 1, "{printed}");
        assert!(!printed.contains(['\r', '\u{1b}']), "{printed}");
    }
}

#[test]
fn the_wrangler_file_of_this_repository_has_no_mistakes() {
    let report = check(TOML, include_str!("../../wrangler.toml"));
    assert_eq!(report.findings, []);
    assert!(report.routes > 0);
}

#[test]
fn a_deeply_nested_toml_or_json_file_is_an_error_instead_of_a_stack_overflow() {
    let key = "a.".repeat(79) + "a";
    for text in [
        "a.".repeat(200_000) + "a = 1",
        format!("{}b = 1{}", format!("{key} = {{").repeat(79), "}".repeat(79)),
        format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        assert_too_deep(TOML, &text);
    }
    for depth in [129, 512, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_too_deep(JSON, &text);
        }
    }
}

fn assert_too_deep(name: &str, text: &str) {
    let found = findings(name, text);
    let is_depth_error = |finding: &String| {
        ["nested deeper than 128", "nesting depth", "recursion limit", "recursion depth"]
            .iter()
            .any(|text| finding.contains(text))
    };
    assert!(found.iter().any(is_depth_error), "{:?}", found.first());
}

proptest! {
    #[test]
    fn no_bytes_make_the_check_of_a_wrangler_file_panic(bytes in any::<Vec<u8>>()) {
        let text = String::from_utf8_lossy(&bytes);
        for name in [TOML, JSON] {
            check(name, &text);
        }
    }

    #[test]
    fn no_combination_of_tokens_causes_a_panic_or_a_finding_outside_the_file(
        tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..40),
    ) {
        let text = tokens.concat();
        for name in [TOML, JSON] {
            for finding in check(name, &text).findings {
                let line = text.split('\n').nth(finding.position.line - 1);
                prop_assert!(line.is_some_and(|line| finding.position.column <= line.chars().count() + 1));
            }
        }
    }
}

const TOKENS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "=",
    ":",
    ",",
    ".",
    "\n",
    "\r\n",
    " ",
    "\"",
    "'",
    "\"\"\"",
    "#",
    "//",
    "\\",
    "\u{feff}",
    "é",
    "vars",
    "\"vars\":",
    "TOLL",
    "\"TOLL\":",
    "\"a\"",
    "routes",
    "path",
    "\"/a\"",
    "sats",
    "5",
    "-1",
    "1.5",
    "true",
    "[vars]\n",
    "[vars.TOLL]\n",
    "[[vars.TOLL.routes]]\n",
    "[env.x]\n",
    "a = 1\n",
    "a.b = 1\n",
    "{\"a\":1}",
    "\0",
];

#[test]
fn edgetoll_check_exits_with_status_0_if_the_file_has_no_errors() {
    let run = run(&[("wrangler.toml", "[vars.TOLL]\n[[vars.TOLL.routes]]\npath = \"/a\"\n")], &["check"]);
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&run.stdout),
        "wrangler.toml:1:1: warning: build.command should be \"make build\": otherwise an older build may be deployed\n\
         wrangler.toml: 1 warning\n"
    );
    let without_mistakes = format!("{BUILD}[vars.TOLL]\n[[vars.TOLL.routes]]\npath = \"/a\"\n");
    let run = self::run(&[("other.toml", &without_mistakes)], &["check", "other.toml"]);
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&run.stdout), "other.toml: 1 route, no mistakes\n");
}

// mm-5
#[test]
fn edgetoll_check_takes_two_names_that_differ_in_case_for_one_unless_the_origin_reads_case() {
    let price = |name: &str| format!("{{ when = {{ query = {{ {name} = \"1\" }} }}, sats = 50 }}");
    for (setting, names, warnings) in [
        ("origin_case_sensitive = true\n", ["a", "A"], 0),
        ("origin_case_sensitive = true\n", ["a-b", "a_b"], 1),
        ("", ["a", "A"], 1),
    ] {
        let [one, other] = names.map(price);
        let route = format!("{{ path = \"/a\", price = [{one}, {other}, {{ sats = 5 }}] }}");
        let file = format!("{BUILD}[vars.TOLL]\n{setting}routes = [{route}]\n");
        let run = run(&[("wrangler.toml", &file)], &["check"]);
        let stdout = String::from_utf8_lossy(&run.stdout).into_owned();
        assert_eq!(stdout.matches("take for one name").count(), warnings, "{stdout}");
    }
    let head = "methods = [\"HEAD\"], price = [{ when = { method = \"GET\" }, sats = 0 }, { sats = 9 }]";
    let file = format!("{BUILD}[vars.TOLL]\nroutes = [{{ path = \"/a\", {head} }}]\n");
    let run = run(&[("wrangler.toml", &file)], &["check"]);
    assert!(!String::from_utf8_lossy(&run.stdout).contains("never met"));
}

#[test]
fn edgetoll_check_exits_with_status_1_if_the_file_has_an_error() {
    let run =
        run(&[("wrangler.jsonc", "{\"vars\": {\"TOLL\": {\"sats\": 1}, \"ADMIN_TOKEN\": 1}}")], &["check"]);
    assert_eq!(run.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        printed.contains("\nwrangler.jsonc:1:20: error: TOLL.sats is not a key that edgetoll knows; "),
        "{printed}"
    );
    assert!(printed.ends_with("\nwrangler.jsonc: 2 errors, 1 warning\n"), "{printed}");
}

#[test]
fn edgetoll_check_without_a_file_name_checks_the_file_that_wrangler_would_deploy() {
    let both = [("wrangler.jsonc", "{}"), ("wrangler.toml", "")];
    assert!(String::from_utf8_lossy(&run(&both, &["check"]).stdout).starts_with("wrangler.jsonc:1:1: "));
    let both = [("wrangler.json", "{}"), ("wrangler.jsonc", "{}")];
    assert!(String::from_utf8_lossy(&run(&both, &["check"]).stdout).starts_with("wrangler.json:1:1: "));
}

// R8
#[test]
fn edgetoll_check_reports_a_file_in_a_folder_above_that_wrangler_uses_instead() {
    let valid = format!("{BUILD}[vars.TOLL]\n[[vars.TOLL.routes]]\npath = \"/a\"\n");
    for (above, file, is_used) in [
        ("wrangler.json", "wrangler.toml", true),
        ("wrangler.jsonc", "wrangler.toml", true),
        ("a/wrangler.jsonc", "wrangler.toml", true),
        ("wrangler.json", "wrangler.jsonc", true),
        ("wrangler.toml", "wrangler.toml", false),
        ("wrangler.jsonc", "wrangler.jsonc", false),
        ("wrangler.jsonc", "wrangler.json", false),
    ] {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("a/b");
        fs::create_dir_all(&folder).unwrap();
        let text = if file == "wrangler.toml" { &valid } else { "{}" };
        fs::write(folder.join(file), text).unwrap();
        fs::write(top.path().join(above), "{}").unwrap();
        let check = |arguments: &[&str], command: Option<&str>| {
            let mut check = Command::new(env!("CARGO_BIN_EXE_edgetoll"));
            check.arg("check").args(arguments).current_dir(&folder).env_remove("WRANGLER_COMMAND");
            let ended = check.envs(command.map(|name| ("WRANGLER_COMMAND", name))).output().unwrap();
            (ended.status.code(), String::from_utf8_lossy(&ended.stdout).into_owned())
        };
        let used = top.path().canonicalize().unwrap().join(above);
        let error = format!("{file}:1:1: error: Wrangler uses {} instead of {file}, ", used.display());
        let (status, printed) = check(&[], None);
        assert_eq!(printed.starts_with(&error), is_used, "{above} {file} {printed}");
        if is_used {
            assert_eq!(status, Some(1));
            assert!(printed.contains(&format!("pass `--config {file}` to Wrangler")), "{printed}");
        }
        // The owner has chosen the file, or Wrangler has: it may have been started with `--config`.
        for printed in [check(&[file], None).1, check(&["--build"], Some("deploy")).1] {
            assert!(!printed.contains("Wrangler uses"), "{printed}");
        }
    }
}

#[test]
fn edgetoll_check_exits_with_status_2_if_the_file_cannot_be_read() {
    for arguments in [&["check"][..], &["check", "missing.toml"], &["check", "."]] {
        let run = run(&[], arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(run.stdout.is_empty() && String::from_utf8_lossy(&run.stderr).starts_with("edgetoll: "));
    }
}

#[test]
fn a_table_that_wrangler_reads_is_not_a_misplaced_price_list() {
    let list = "vars.TOLL.routes = [{ path = \"/a\", sats = 5 }]\n";
    let text = format!(
        "{list}previews.{list}routes = [{{ pattern = \"a.example.com/*\", zone_name = \"example.com\" }}]\n"
    );
    assert_eq!(toml_findings(&text), [""; 0]);
}

// R8 (CHANGELOG), https://developers.cloudflare.com/workers/configuration/routing/routes/#matching-behavior
#[test]
fn a_pattern_that_lets_requests_pass_the_worker_is_reported() {
    let list = "vars.TOLL.routes = [{ path = \"/api/a\", sats = 5 }]\n";
    let found = |routes: &str| toml_findings(&format!("{list}{routes}\n"));
    for whole in [
        "routes = [\"shop.example/*\"]",
        "routes = [\"*.shop.example/*\", \"a.shop.example/x\"]",
        "routes = [{ pattern = \"*shop.example/*\", zone_name = \"shop.example\" }, \"Shop.example/x\"]",
        "routes = [{ pattern = \"shop.example\", custom_domain = true }, \"shop.example/api/*\"]",
        "route = \"shop.example/*\"",
        "routes = [\"shop.example*\"]",
        "routes = [\"http://shop.example/*\", \"https://shop.example/*\"]",
    ] {
        assert_eq!(found(whole), [""; 0], "{whole}");
    }
    for (routes, expected) in [
        ("routes = [\"shop.example/api/*\"]", "warning: routes[0] covers only a part of shop.example"),
        ("routes = [\"shop.example/\"]", "warning: routes[0] covers only a part of shop.example"),
        ("routes = [\"b.example/*\", \"a.example/x\"]", "warning: routes[1] covers only a part of a.example"),
        ("routes = [{ pattern = \"shop.example/A/*\" }]", "warning: routes[0].pattern covers only a part of"),
        ("route = \"shop.example/api/*\"", "warning: route covers only a part of shop.example"),
        ("routes = [\"http://shop.example/*\"]", "error: routes[0] matches only requests without encryption"),
        ("routes = [\"https://shop.example/*\"]", "warning: routes[0] matches only https requests"),
        ("route = \"https://shop.example/*\"", "warning: route matches only https requests"),
    ] {
        let findings = found(routes);
        assert!(findings.len() == 1 && findings[0].contains(expected), "{routes}: {findings:?}");
    }
}

// R8 (CHANGELOG)
#[test]
fn a_setting_with_which_a_worker_on_cloudflare_cannot_send_requests_is_reported() {
    let list = "vars.TOLL.routes = [{ path = \"/a\", sats = 5 }]\n";
    let found = |setting: &str| toml_findings(&format!("{setting}\n{list}"));
    for setting in [
        "compatibility_date = \"2024-11-11\"\ncompatibility_flags = [\"nodejs_compat\"]",
        "vars.ORIGIN_URL = \"http://127.0.0.1:3000\"",
        "vars.ORIGIN_URL = \"http://[::1]:3000\"",
        "vars.LNBITS_URL = \"https://203.0.113.5.example\"",
    ] {
        assert_eq!(found(setting), [""; 0], "{setting}");
    }
    for (setting, expected) in [
        ("compatibility_date = \"2024-11-10\"", "error: compatibility_date must be"),
        (
            "compatibility_flags = [\"a\", \"cache_option_disabled\"]",
            "error: compatibility_flags[1] must not be",
        ),
        ("vars.ORIGIN_URL = \"http://203.0.113.5\"", "warning: ORIGIN_URL has an IP address, 203.0.113.5,"),
        (
            "vars.ORIGIN_URL = \"https://[2001:db8::1]:8443\"",
            "warning: ORIGIN_URL has an IP address, [2001:db8::1]:8443,",
        ),
        ("vars.LNBITS_URL = \"https://203.0.113.5\"", "warning: LNBITS_URL has an IP address"),
        (
            "vars.LNBITS_URL = \"https://umbrel.local\"",
            "warning: LNBITS_URL has a host name of a private network",
        ),
        (
            "vars.LNBITS_URL = \"https://lnbits:5000\"",
            "warning: LNBITS_URL has a host name of a private network",
        ),
        ("vars.ORIGIN_URL = \"http://box.home.arpa\"", "warning: ORIGIN_URL has a host name of a private"),
        ("vars.ON_PAYMENT_URL = \"https://203.0.113.5/x\"", "warning: ON_PAYMENT_URL has an IP address"),
    ] {
        let findings = found(setting);
        assert!(findings.iter().any(|found| found.contains(expected)), "{setting}: {findings:?}");
    }
}

// R8 (CHANGELOG), https://developers.cloudflare.com/workers/runtime-apis/request/#incomingrequestcfproperties
#[test]
fn a_condition_that_hardly_any_request_meets_is_reported() {
    let found = |when: &str| {
        toml_findings(&format!(
            "[[vars.TOLL.routes]]\npath = \"/a\"\nprice = [{{ when = {{ {when} }}, sats = 9 }}, {{ sats = 5 }}]"
        ))
    };
    for when in [
        "country = [\"GB\", \"T1\"]",
        "header = { User-Agent = [\"*GPTBot*\", \"curl/8.5.0\"], X-Tier = \"gold\" }",
        "query = { q = \"50% off\" }",
    ] {
        assert_eq!(found(when), [""; 0], "{when}");
    }
    for (when, expected) in [
        ("country = \"UK\"", ".country is \"UK\", which is no country of ISO 3166-1: write \"GB\""),
        ("country = [\"FR\", \"EU\"]", ".country is \"EU\""),
        ("header = { user-agent = [\"*a*\", \"GPTBot\"] }", ".header has \"GPTBot\" for User-Agent"),
        (
            "query = { q = \"a%20b\" }",
            ".query has \"a%20b\", but names and values are compared after decoding",
        ),
        ("query = { \"a%20b\" = \"*\" }", ".query has \"a%20b\""),
    ] {
        let findings = found(when);
        let place = "warning: TOLL.routes[0].price[0].when";
        assert!(
            findings.len() == 1 && findings[0].contains(&[place, expected].concat()),
            "{when}: {findings:?}"
        );
    }
}

// U13 (CHANGELOG)
#[test]
fn edgetoll_check_refuses_dev_vars_with_one_sentence() {
    let run = run(&[(".dev.vars", "TOLL_SECRET=word\nADMIN_TOKEN=word\n")], &["check", ".dev.vars"]);
    assert_eq!(run.status.code(), Some(2));
    let printed = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(
        printed.starts_with("edgetoll: .dev.vars is not a Wrangler file: check wrangler.toml instead; `"),
        "{printed}"
    );
    assert_eq!(printed.lines().count(), 1);
}

/// Runs `edgetoll` with `arguments` in a new folder that contains `files`.
fn run(files: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    Command::new(env!("CARGO_BIN_EXE_edgetoll")).args(arguments).current_dir(folder.path()).output().unwrap()
}

#[test]
fn a_route_that_no_request_can_reach_is_reported_even_if_the_price_list_has_mistakes() {
    let text = "[vars.TOLL]\ndefault_sats = -1\n[[vars.TOLL.routes]]\npath = \"a\"\n[[vars.TOLL.routes]]\npath = \"/_toll/x\"\n";
    let report = edgetoll::cli::check::check("wrangler.toml", text).to_string();
    assert!(report.contains("wrangler.toml:2:16: error: TOLL.default_sats"), "{report}");
    assert!(report.contains("wrangler.toml:4:8: error: TOLL.routes[0].path"), "{report}");
    assert!(
        report.contains("wrangler.toml:6:8: error: TOLL.routes[1].path \"/_toll/x\" matches no request"),
        "{report}"
    );
}

const LEDGER: &str = "durable_objects.bindings = [{ name = \"LEDGER\", class_name = \"Ledger\" }]\n\
                      migrations = [{ tag = \"v1\", new_sqlite_classes = [\"Ledger\"] }]\n";

#[test]
fn callbacks_need_a_ledger_and_a_ledger_needs_a_cron_trigger() {
    let list = "[vars]\nON_PAYMENT_URL = \"https://shop.example.com/paid?a=b\"\nTOLL.default_sats = 1\n";
    assert_eq!(
        toml_findings(list)[0],
        "3:18: error: ON_PAYMENT_URL needs a Durable Object to count payments: add { name = \"LEDGER\", class_name = \"Ledger\" } to durable_objects.bindings"
    );
    let crons = "triggers.crons = [\"* * * * *\"]\n";
    assert_eq!(toml_findings(&format!("{LEDGER}{crons}{list}")), [""; 0]);
    let no_cron = [
        "5:1: warning: TOLL needs a cron trigger for the ledger: without one, a payment that neither the client nor a webhook reports is not recorded; add one to triggers.crons, such as \"* * * * *\"",
    ];
    assert_eq!(toml_findings(&format!("{LEDGER}[vars]\nTOLL.default_sats = 1\n")), no_cron);
    let other = LEDGER.replace("\"Ledger\" }]", "\"Meter\" }]");
    assert!(
        toml_findings(&format!("{other}{crons}{list}"))[0]
            .ends_with("must be \"Ledger\", the class of this binding")
    );
    let staging =
        format!("{LEDGER}{crons}[vars]\nTOLL.default_sats = 1\n[env.staging.vars]\nTOLL.default_sats = 1\n");
    assert!(
        toml_findings(&staging)[0].ends_with(
            "env.staging.TOLL lacks the binding LEDGER, which is not inherited from the top level: without it, payments are not recorded; repeat it in this environment"
        )
    );
}

#[test]
fn the_public_url_and_the_callback_url_must_be_https_except_on_localhost() {
    let of = |name: &str, url: &str| {
        toml_findings(&format!(
            "{LEDGER}triggers.crons = [\"* * * * *\"]\nvars.{name} = \"{url}\"\nvars.TOLL.default_sats = 1\n"
        ))
    };
    for (name, url) in [
        ("PUBLIC_URL", "http://api.example.com"),
        ("PUBLIC_URL", "https://api.example.com/?x"),
        ("PUBLIC_URL", "api.example.com"),
        ("ON_PAYMENT_URL", "http://shop.example.com/paid"),
        ("ON_PAYMENT_URL", "https://u:p@shop.example.com/paid"),
        ("ON_PAYMENT_URL", "https://shop.example.com/#paid"),
    ] {
        let found = of(name, url);
        assert!(found[0].contains(&format!("error: {name} ")), "{url}: {found:?}");
    }
    assert_eq!(of("PUBLIC_URL", "http://127.0.0.1:8787"), [""; 0]);
}
