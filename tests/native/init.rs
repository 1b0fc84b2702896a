//! `edgetoll init`: the files that it makes from the answers.

use edgetoll::cli::check::check;
use edgetoll::cli::check::document::Document;
use edgetoll::cli::check::platform::is_worker_name;
use edgetoll::cli::init::{Answers, Existing, NewSecrets, WalletAnswer, worker_name};
use edgetoll::strict_json::Json;
use proptest::prelude::*;

fn answers() -> Answers {
    Answers {
        name: "shop".to_owned(),
        path: "/api/*".to_owned(),
        price: "10".to_owned(),
        wallet: WalletAnswer::Later,
        origin_url: None,
    }
}

fn file(answers: &Answers, existing: &Existing, name: &str) -> String {
    let secrets = NewSecrets { toll_secret: "1".repeat(64), admin_token: "2".repeat(64) };
    let files = answers.files(&secrets, existing).unwrap();
    files.into_iter().find(|file| file.name == name).unwrap().content
}

fn toml(answers: &Answers) -> Document {
    Document::read("wrangler.toml", &file(answers, &Existing::default(), "wrangler.toml")).ok().unwrap()
}

/// The template has the bindings, the migrations and the cron trigger of the repository's own Wrangler file, also for staging.
#[test]
fn the_template_binds_what_the_worker_needs() {
    let own = Document::read("wrangler.toml", include_str!("../../wrangler.toml")).ok().unwrap();
    let made = toml(&answers());
    let staging = made.root().get("env").and_then(|env| env.get("staging")).unwrap();
    for key in
        ["durable_objects", "migrations", "kv_namespaces", "triggers", "ratelimits", "compatibility_date"]
    {
        assert_eq!(made.root().get(key), own.root().get(key), "{key}");
    }
    for key in ["durable_objects", "kv_namespaces"] {
        assert_eq!(staging.get(key), own.root().get(key), "env.staging.{key}");
    }
    assert_eq!(check("wrangler.toml", &file(&answers(), &Existing::default(), "wrangler.toml")).findings, []);
}

// A11 (CHANGELOG): a crawler that gets 402 for robots.txt may read all pages (RFC 9309, 2.3.1.3).
#[test]
fn if_every_path_is_sold_robots_txt_and_well_known_stay_free() {
    let all = Answers { path: "/*".to_owned(), ..answers() };
    assert_eq!(check("wrangler.toml", &file(&all, &Existing::default(), "wrangler.toml")).findings, []);
    let made = toml(&all);
    let staging = made.root().get("env").and_then(|env| env.get("staging")).unwrap();
    for place in [made.root(), staging] {
        let routes = place.get("vars").and_then(|vars| vars.get("TOLL")?.get("routes")?.as_array()).unwrap();
        let paths = |is_free: bool| {
            let routes = routes.iter().filter(move |route| (route.number("sats") == Some(0)) == is_free);
            routes.filter_map(|route| route.get("path")?.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((paths(false), paths(true)), (vec!["/*"], vec!["/robots.txt", "/.well-known/*"]));
    }
    assert!(!file(&answers(), &Existing::default(), "wrangler.toml").contains("robots.txt"));
}

#[test]
fn an_address_of_this_machine_and_secrets_are_only_in_dev_vars() {
    let local = Answers {
        wallet: WalletAnswer::Lnbits {
            url: "http://127.0.0.1:5000".to_owned(),
            key: Some("abcdefgh".to_owned()),
        },
        origin_url: Some("http://localhost:3000".to_owned()),
        ..answers()
    };
    let [toml, vars] = ["wrangler.toml", ".dev.vars"].map(|name| file(&local, &Existing::default(), name));
    for line in
        ["LNBITS_URL=http://127.0.0.1:5000", "LNBITS_KEY=abcdefgh", "ORIGIN_URL=http://localhost:3000"]
    {
        assert!(vars.lines().any(|found| found == line), "{line}");
    }
    assert!(!toml.contains("127.0.0.1:5000") && !toml.contains("abcdefgh") && !toml.contains("localhost"));
    assert!(!toml.contains(&"1".repeat(64)) && vars.contains(&"1".repeat(64)));
}

// R8
#[test]
fn a_package_json_with_a_byte_order_mark_is_extended() {
    let existing =
        Existing { package_json: Some("\u{feff}{\"name\": \"shop\"}".to_owned()), gitignore: None };
    let secrets = NewSecrets { toll_secret: String::new(), admin_token: String::new() };
    let files = answers().files(&secrets, &existing).unwrap();
    let package = files.into_iter().find(|file| file.name == "package.json").unwrap().content;
    assert!(package.starts_with("{\n  \"name\": \"shop\""), "{package}");
}

#[test]
fn a_package_json_that_is_not_an_object_or_not_json_is_an_error() {
    for text in ["{", "[]x"] {
        let existing = Existing { package_json: Some(text.to_owned()), gitignore: None };
        let secrets = NewSecrets { toll_secret: String::new(), admin_token: String::new() };
        assert!(answers().files(&secrets, &existing).is_err(), "{text}");
    }
}

/// Other users of the machine must not read the secrets.
#[cfg(unix)]
#[test]
fn only_this_user_can_read_dev_vars() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let mut init = std::process::Command::new(env!("CARGO_BIN_EXE_edgetoll"));
    let ended =
        init.args(["init", "--yes"]).current_dir(folder.path()).env_remove("NWC_URL").output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let mode = std::fs::metadata(folder.path().join(".dev.vars")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

// R8
#[test]
fn edgetoll_init_warns_if_wrangler_uses_a_file_in_a_folder_above() {
    let top = tempfile::tempdir().unwrap();
    let [shop, other] = ["shop", "other"].map(|name| top.path().join(name));
    let init = |folder: &std::path::Path| {
        std::fs::create_dir(folder).unwrap();
        let mut init = std::process::Command::new(env!("CARGO_BIN_EXE_edgetoll"));
        let ended = init.args(["init", "--yes"]).current_dir(folder).env_remove("NWC_URL").output().unwrap();
        assert!(ended.status.success() && folder.join("wrangler.toml").exists(), "{ended:?}");
        String::from_utf8_lossy(&ended.stdout).into_owned()
    };
    assert!(!init(&shop).contains("Wrangler uses"));
    std::fs::write(top.path().join("wrangler.jsonc"), "{}").unwrap();
    let printed = init(&other);
    assert!(printed.contains("Warning: Wrangler uses "), "{printed}");
    assert!(printed.contains("pass `--config wrangler.toml` to Wrangler"), "{printed}");
}

#[test]
fn the_name_of_a_worker_has_letters_digits_and_dashes() {
    for (text, name) in [("My Shop", "my-shop"), ("shop_2", "shop-2"), ("…", "edgetoll"), ("", "edgetoll")]
    {
        assert_eq!(worker_name(text), name);
    }
    assert_eq!(worker_name(&"a".repeat(100)).len(), 54);
    // The rule of Wrangler 4.164.0.
    for (text, expected) in [
        ("my-shop_2", true),
        ("_x", true),
        ("My-shop", false),
        ("my shop!", false),
        ("-x", false),
        ("é", false),
    ] {
        assert_eq!(is_worker_name(text), expected, "{text}");
    }
}

proptest! {
    /// An answer is a value, and never another line or key.
    #[test]
    fn an_answer_cannot_write_another_setting(path in "\\PC*|[\"\\\\\n\r#=\\[\\]{}a]*", price in "\\PC*|[\"\\\\\n#=\\[\\]{}1]*") {
        // For this path, `init` also writes the paths that stay free.
        prop_assume!(path != "/*");
        let hostile = Answers { path: path.clone(), price, ..answers() };
        let made = toml(&hostile);
        let routes = made.root().get("vars").and_then(|vars| vars.get("TOLL")?.get("routes")?.as_array()).unwrap();
        prop_assert_eq!(routes.len(), 1);
        prop_assert_eq!(routes[0].get("path").and_then(Json::as_str), Some(path.as_str()));
        let root = |document: &Document| match document.root() {
            Json::Object(members) => members.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        prop_assert_eq!(root(&made), root(&toml(&answers())));
    }
}
