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
