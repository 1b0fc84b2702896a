//! Checks what all documents have in common: their links, and the commands of Wrangler that they print.

use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// Returns the Markdown files at the root of the repository and in `docs/`.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["", "docs"].into_iter().flat_map(|folder| read_dir(root.join(folder)).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Returns the targets of all links and images of a document.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// Returns the anchors that GitHub gives to the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| -> String {
        let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
        heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_between_documents_leads_to_a_file_and_a_heading() {
    for document in documents() {
        let text = read_to_string(&document).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads to no file", document.display());
            if !anchor.is_empty() {
                let found = anchors(&read_to_string(&target).unwrap()).iter().any(|known| known == anchor);
                assert!(found, "{}: {link} leads to no heading", document.display());
            }
        }
    }
}

/// U15, U19 (CHANGELOG).
#[test]
fn the_readme_and_the_index_link_to_every_document() {
    for (index, folder) in [("README.md", "docs/"), ("docs/README.md", "")] {
        let text = read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(index)).unwrap();
        for document in documents().iter().filter(|path| path.parent().unwrap().ends_with("docs")) {
            let name = document.file_name().unwrap().to_str().unwrap();
            let is_linked =
                links(&text).iter().any(|link| link.split('#').next() == Some(&format!("{folder}{name}")));
            assert!(is_linked || name == "README.md", "{index} does not link to {name}");
        }
    }
}

/// U10 (CHANGELOG): without a login, and with several accounts, Wrangler asks; with a pipe as its input, it fails.
#[test]
fn documents_log_in_before_they_use_wrangler_and_never_pipe_into_it() {
    for document in documents() {
        let text = read_to_string(&document).unwrap();
        assert!(!text.contains("| npx wrangler"), "{}: a pipe into Wrangler", document.display());
    }
    let readme = read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let deploy = readme.split("## Deploy it").nth(1).unwrap();
    let commands = deploy
        .lines()
        .filter(|line| line.starts_with("    "))
        .filter_map(|line| line.trim().strip_prefix("npx wrangler "))
        .filter(|command| !command.starts_with("dev"));
    assert_eq!(commands.collect::<Vec<_>>().first(), Some(&"login"));
}

#[test]
fn the_document_about_scale_has_the_numbers_that_were_measured() {
    let table = |text: &str| -> String {
        let (_, rest) = text.split_once("| one object, or one LNbits |").unwrap();
        rest.lines().take_while(|line| line.starts_with('|') || line.starts_with(" per")).collect()
    };
    let (document, results) = (include_str!("../../docs/scale.md"), include_str!("../../benches/RESULTS.md"));
    assert_eq!(table(document), table(results));
    for case in ["paid, standard macaroon", "challenge"] {
        let (_, row) = results.split_once(&format!("| {case} | ")).unwrap();
        let cpu_us = row.split(' ').next().unwrap();
        assert!(document.contains(&format!("{cpu_us} µs")), "{case}: {cpu_us}");
    }
}

/// Each command that a document prints is run by a test, in its own words or with the addresses of the test, or cannot run here.
#[test]
fn each_command_of_the_documents_is_run_by_a_test_or_needs_what_a_test_does_not_have() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (command, file, evidence) in RUN_BY_A_TEST {
        let text = read_to_string(root.join(file)).unwrap();
        assert!(text.contains(evidence), "{command}: {file} has no {evidence}");
    }
    let known =
        RUN_BY_A_TEST.iter().map(|(command, ..)| command).chain(NOT_RUN.iter().map(|(command, _)| command));
    let known: Vec<&str> = known.copied().collect();
    let mut unused = known.clone();
    for document in documents() {
        let text = read_to_string(&document).unwrap();
        for line in text.lines().filter(|line| line.starts_with("    ")).map(str::trim) {
            let program = line.trim_start_matches('(').split([' ', '=']).next().unwrap_or_default();
            if PROGRAMS.contains(&program) {
                let matching: Vec<&str> =
                    known.iter().copied().filter(|command| line.starts_with(command)).collect();
                assert!(!matching.is_empty(), "{}: no test runs `{line}`", document.display());
                unused.retain(|command| !matching.contains(command));
            }
        }
    }
    assert_eq!(unused, Vec::<&str>::new(), "no document has these commands");
}

const PROGRAMS: [&str; 14] = [
    "cargo",
    "credential",
    "curl",
    "edgetoll",
    "export",
    "go",
    "make",
    "node",
    "npm",
    "npx",
    "openssl",
    "php",
    "python3",
    "read",
];

/// The beginning of a command, the test file that runs it, and a part of that file that shows it.
const RUN_BY_A_TEST: [(&str, &str, &str); 29] = [
    ("make dev", "tests/e2e/dev.test.mjs", "tools/dev.mjs"),
    ("make test", ".ci/run", "make test"),
    ("make release", "Makefile", "@tools/release.sh"),
    ("make soak", "tests/e2e/soak.test.mjs", "EDGETOLL_SOAK_S"),
    ("cargo test", "tools/test.mjs", "'cargo', ['test'"),
    ("curl -i --compressed http://127.0.0.1:8787", "tests/e2e/dev.test.mjs", "## Try it"),
    ("credential=$(curl", "tests/e2e/dev.test.mjs", "## Try it"),
    ("node demo/pay.mjs", "tests/e2e/dev.test.mjs", "## Try it"),
    ("curl -s http://127.0.0.1:8787/_toll/stats", "tests/e2e/dev.test.mjs", "## Try it"),
    ("npm install edgetoll", "tests/e2e/package.test.mjs", "'npm', ['install'"),
    ("npx edgetoll init", "tests/e2e/package.test.mjs", "'edgetoll', 'init'"),
    ("npx wrangler dev", "tests/e2e/package.test.mjs", "'wrangler', 'dev'"),
    ("npx edgetoll doctor", "tests/e2e/package.test.mjs", "'edgetoll', 'doctor'"),
    ("npx edgetoll deploy", "tests/e2e/deploy_command.test.mjs", "['deploy', ...args]"),
    ("npx wrangler deploy", "tests/e2e/deploy.test.mjs", "'wrangler', 'deploy', '--dry-run'"),
    ("cargo run --bin edgetoll -- check", "tools/build.sh", "--bin edgetoll -- check"),
    ("cargo run --bin edgetoll -- doctor", "tests/e2e/doctor.test.mjs", "(read .*"),
    ("(read -rs", "tests/e2e/doctor.test.mjs", "(read .*"),
    ("edgetoll fetch", "tests/e2e/fetch.test.mjs", ".fetch("),
    ("export EDGETOLL_LNBITS", "tests/e2e/fetch.test.mjs", "EDGETOLL_LNBITS"),
    ("curl -s --compressed -H \"Authorization: Bearer", "tests/e2e/dev.test.mjs", "## Try it"),
    ("curl -H \"Authorization: Bearer", "tests/e2e/dev.test.mjs", "## Try it"),
    ("curl -f", "tests/e2e/ledger_csv.test.mjs", "ledger.csv"),
    ("node origin", "tests/e2e/origins_snippets.test.mjs", "interpreterOf"),
    ("python3 ", "tests/e2e/origins_snippets.test.mjs", "interpreterOf"),
    ("go run", "tests/e2e/origins_snippets.test.mjs", "interpreterOf"),
    ("php -S", "tests/e2e/origins_snippets.test.mjs", "interpreterOf"),
    ("curl -i http://127.0.0.1:3000", "tests/e2e/origins_snippets.test.mjs", "send("),
    ("export ORIGIN_", "tests/e2e/origins_snippets.test.mjs", "ORIGIN_TOKEN"),
];

/// The beginning of a command, and what a test does not have.
const NOT_RUN: [(&str, &str); 16] = [
    ("npx wrangler login", "an account at Cloudflare"),
    ("npx wrangler secret", "an account at Cloudflare"),
    ("npx wrangler deployments", "an account at Cloudflare"),
    ("npx wrangler rollback", "an account at Cloudflare"),
    ("npx wrangler delete", "an account at Cloudflare"),
    ("npx wrangler kv", "an account at Cloudflare"),
    ("curl -i --compressed https://", "a deployment"),
    ("curl -i https://", "a deployment"),
    ("curl -i --resolve", "a deployment"),
    ("curl -i http://203", "a deployment"),
    ("openssl rand", "a test: the command is not part of edgetoll"),
    ("cargo install --path .", "minutes: `make test` compiles the same command"),
    ("make repeat", "minutes: `make test` runs the same script"),
    ("make fuzz", "minutes"),
    ("make bench", "minutes, and a quiet machine"),
    ("make screenshots", "a person who looks at them"),
];
