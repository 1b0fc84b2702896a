//! Header names are compared without allocation. The verdicts are compared with those of a simple reference, which makes
//! a text of each name.

use edgetoll::http::header::{self, HARMLESS, REWRITING, REWRITING_ENDINGS, REWRITING_PREFIXES};
use edgetoll::protocols::l402::credential::{MACAROON_HEADERS, is_macaroon_header};

use crate::support::random::Random;

/// Compares the verdicts for each known name in many spellings, with beginnings and endings of other names.
#[test]
fn hostile_spellings_of_header_names_get_the_verdicts_of_the_reference() {
    let known = REWRITING_ENDINGS.iter().chain(&REWRITING_PREFIXES).chain(&REWRITING).chain(&HARMLESS);
    let known: Vec<&str> = known.chain(&MACAROON_HEADERS).chain(&OTHERS).copied().collect();
    let mut compared = 0_usize;
    for name in &known {
        for separator in SEPARATORS {
            let name = name.replace('-', separator);
            for start in STARTS {
                for end in ENDS {
                    compare(&format!("{start}{name}{end}"));
                    compared += 1;
                }
            }
            compare(&name.to_ascii_uppercase());
            for at in 0..name.len() {
                compare(&name[at..]);
                compare(&name[..at]);
            }
        }
    }
    assert!(compared > 40_000, "{compared}");
}

#[test]
fn random_header_names_get_the_verdicts_of_the_reference() {
    let known = REWRITING_ENDINGS.iter().chain(&REWRITING_PREFIXES).chain(&REWRITING).chain(&OTHERS);
    let pieces: Vec<&str> = known.flat_map(|name| name.split('-')).chain(SEPARATORS).collect();
    let mut random = Random::new(16);
    for _ in 0..60_000 {
        let mut name = String::new();
        for _ in 0..1 + random.below(4) {
            name.push_str(random.choose(&pieces));
            name.push_str(random.choose(&["-", "_", ".", "", "-"]));
        }
        if random.below(2) == 0 {
            name.pop();
        }
        let cased = name.chars().map(|c| if random.below(3) == 0 { c.to_ascii_uppercase() } else { c });
        compare(&cased.collect::<String>());
    }
}

fn compare(name: &str) {
    let kept = ["X-Original-URL".to_owned(), "x_http_method".to_owned()];
    assert_eq!(header::is_removed(name, &[]), reference::is_removed(name, &[]), "{name}");
    assert_eq!(header::is_removed(name, &kept), reference::is_removed(name, &kept), "{name}");
    assert_eq!(header::is_reserved(name), reference::is_reserved(name), "{name}");
    assert_eq!(header::is_url_part(name), reference::is_url_part(name), "{name}");
    assert_eq!(header::is_other_encoding(name), reference::is_other_encoding(name), "{name}");
    assert_eq!(header::is_for_preflight(name), reference::is_for_preflight(name), "{name}");
    for expected in ["Content-Length", "Content-Encoding", "X-Plan", "x_plan"] {
        let is_other = reference::is_other_spelling(name, expected);
        assert_eq!(header::is_other_spelling(name, expected), is_other, "{name}");
    }
    let is_macaroon = MACAROON_HEADERS.iter().any(|known| reference::fold(known) == reference::fold(name));
    assert_eq!(is_macaroon_header(name), is_macaroon, "{name}");
}

/// Makes a text of each name in lower case, with a dash in place of each character that is not a letter or a digit.
mod reference {
    use super::{HARMLESS, REWRITING, REWRITING_ENDINGS, REWRITING_PREFIXES};

    pub fn fold(name: &str) -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
    }

    pub fn is_removed(name: &str, keep: &[String]) -> bool {
        let is_kept = keep.iter().any(|one| fold(one) == fold(name));
        is_reserved(name) || (is_rewriting(name) && !is_kept)
    }

    fn is_rewriting(name: &str) -> bool {
        if HARMLESS.iter().any(|harmless| name.to_lowercase() == harmless.to_lowercase()) {
            return false;
        }
        let name = fold(name).trim_matches('-').to_owned();
        REWRITING_ENDINGS.iter().any(|ending| name.ends_with(ending))
            || REWRITING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || REWRITING.contains(&name.as_str())
    }

    pub fn is_url_part(name: &str) -> bool {
        let name = fold(name);
        let words: Vec<&str> = name.split('-').collect();
        let last = words.last().copied().unwrap_or_default();
        ["port", "proto", "protocol", "scheme"].contains(&last) && name != "sec-websocket-protocol"
    }

    pub fn is_reserved(name: &str) -> bool {
        fold(name).starts_with("x-toll-")
    }

    pub fn is_other_encoding(name: &str) -> bool {
        let name = fold(name);
        let known = ["accept-encoding", "content-encoding", "transfer-encoding"];
        name.ends_with("-encoding") && !known.contains(&name.as_str())
    }

    pub fn is_other_spelling(name: &str, expected: &str) -> bool {
        fold(name) == fold(expected) && name.to_lowercase() != expected.to_lowercase()
    }

    pub fn is_for_preflight(name: &str) -> bool {
        let name = fold(name);
        name.starts_with("access-control-") || name == "allow" || name == "vary"
    }
}

const SEPARATORS: [&str; 8] = ["-", "_", ".", "~", "--", "|", "", "0"];
const STARTS: [&str; 9] = ["", "-", "_", "X-", "x_toll_", "X-Toll-", "access-control-", "X-Invoke-", "a"];
const ENDS: [&str; 10] = ["", "-", "~", "s", "-url", "_Override", "-Proto", ".port", "-Encoding", "-host"];
/// Names on which a verdict depends, and which the crate does not list, and names near to them.
const OTHERS: [&str; 26] = [
    "",
    "accept-encoding",
    "access-control-max-age",
    "allow",
    "content-encoding",
    "content-length",
    "grpc-encoding",
    "host",
    "port",
    "report-to",
    "sec-websocket-protocol",
    "transfer-encoding",
    "vary",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-http-method",
    "x-original-url",
    "x-plan",
    "x-support",
    "x-toll",
    "x-toll-",
    "x-toll-status",
    "x-tollbooth",
    "x-url-protocol",
    "x-url-scheme",
];
