//! Checks `docs/security.md`: the tests that it names exist, and what it says about comparisons holds.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn each_attack_of_the_security_document_is_held_by_tests_that_exist() {
    let tests = names_of_tests();
    let document = include_str!("../../docs/security.md");
    let rows: Vec<Vec<&str>> = document.lines().filter_map(row).collect();
    for attack in (1..=12).map(|n| format!("A{n}: ")).chain((1..=20).map(|n| format!("{n}. "))) {
        assert_eq!(rows.iter().filter(|cells| cells[0].starts_with(&attack)).count(), 1, "{attack}");
    }
    let mut named = 0;
    for cells in &rows {
        let names: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test for: {}", cells[0]);
        for name in names {
            assert!(tests.contains(&name.to_owned()), "there is no test with the name: {name}");
            named += 1;
        }
    }
    assert!(named > 100, "{named}");
}

/// Returns the cells of a row with an attack; `None` if the line is not such a row.
fn row(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
    let [.., test] = cells[..] else { return None };
    (cells.len() == 3 && test.starts_with('`') && test.len() > 30).then_some(cells)
}

/// Returns the names of all native and end-to-end tests. A helper with such a name would count as a test.
fn names_of_tests() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    for file in files(&root.join("tests")) {
        let text = fs::read_to_string(&file).unwrap();
        let (before, after) = match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => ("fn ", "("),
            Some("mjs") => ("\ntest('", "', "),
            _ => continue,
        };
        let rest = text.split(before).skip(1);
        names.extend(rest.filter_map(|rest| rest.split_once(after)).map(|(name, _)| name.to_owned()));
    }
    names
}

/// Returns the files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A comparison with `==` ends at the first byte that differs. So its time tells a client how much of a tag was right.
#[test]
fn each_comparison_of_a_tag_or_a_token_takes_constant_time() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let makers = ["tag(", "_mac(", ".sign(", "hmac_sha256("];
    let secrets = ["tag", "mac", "signature", "token", "hmac", "signed"];
    let mut compared = 0;
    for file in files(&source).iter().filter(|file| {
        let path = file.to_str().unwrap();
        path.ends_with(".rs") && !["/cli/", "/client/", "/policy/"].iter().any(|folder| path.contains(folder))
    }) {
        let text = fs::read_to_string(file).unwrap();
        compared += text.matches("constant_time_eq(").count() + text.matches("is_one_of(").count();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (at, operator) in line.match_indices(" == ").chain(line.match_indices(" != ")) {
                let word = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
                let left = word(line[..at].rsplit([' ', '(', '.', '&', '*']).next().unwrap_or_default());
                let right =
                    line[at + operator.len()..].split([')', '{', ';', ',', ' ']).next().unwrap_or_default();
                // The value of a constant is no secret.
                if right.chars().all(|c| c.is_uppercase() || c == '_') {
                    continue;
                }
                let right = word(right.rsplit(['.', '&', '*']).next().unwrap_or_default());
                // A client that knows this tag can only have its own requests refused.
                let is_harmless = line.contains("deployment_tag(");
                let makes_tag = !is_harmless && makers.iter().any(|maker| line.contains(maker));
                assert!(!makes_tag, "{}: {line}", file.display());
                for side in [left, right] {
                    assert!(!secrets.contains(&side.as_str()), "{}: {line}", file.display());
                }
            }
        }
    }
    assert!(compared > 8, "{compared}");
}
