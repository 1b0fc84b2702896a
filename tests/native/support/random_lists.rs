//! Random price lists and paths with the names in which paths are hostile: prefixes of each other, wildcards, parameters,
//! differences in case, index files, CGI folders, and the reserved prefix.

use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::policy::route::Pattern;

use super::price_list::parse;
use super::random::Random;

/// Returns a price list that can be used. Some of its routes may be invalid.
pub fn price_list(random: &mut Random) -> Policy {
    let routes = random.below(9);
    price_list_of(routes, random)
}

pub fn price_list_of(routes: usize, random: &mut Random) -> Policy {
    let routes: Vec<String> = (0..routes).map(|_| route(random)).collect();
    let list = format!(
        r#"{{"prefix":"{}","origin_case_sensitive":{},"routes":[{}]}}"#,
        random.choose(&["/_toll", "/_toll", "/a", "/api"]),
        random.below(4) == 0,
        routes.join(",")
    );
    parse(&list).policy.unwrap()
}

/// Returns the text of a price list that can be used, in which each route has a mode.
pub fn list_with_modes(random: &mut Random) -> String {
    let routes: Vec<String> = (0..1 + random.below(8))
        .map(|_| {
            let mode = random.choose(&["charge", "charge", "observe", "observe", "observe", "off"]);
            route(random).replacen('{', &format!(r#"{{"mode":"{mode}","#), 1)
        })
        .collect();
    let unmatched = random.choose(&["pass", "pass", "pass", "deny"]);
    format!(r#"{{"unmatched":"{unmatched}","routes":[{}]}}"#, routes.join(","))
}

fn route(random: &mut Random) -> String {
    let path = loop {
        let end = random.choose(&["", "", "", "", "/", "/*", "/*"]);
        let path = format!("{}{end}", names(random, &[PLAIN, PLAIN, OTHER, PARAMETERS]));
        if Pattern::parse(&path, fold_case).is_ok() {
            break path;
        }
    };
    let methods = random.choose(&["", "", r#","methods":["GET"]"#, r#","methods":["POST","PUT"]"#]);
    let host = random.choose(&["", "", "", r#","host":"x""#, r#","host":"*.x""#, r#","host":"y""#]);
    format!(r#"{{"path":"{path}","sats":{}{methods}{host}}}"#, random.choose(&[0, 5, 5, 7]))
}

/// Returns a path. Most paths are plain.
pub fn path(random: &mut Random) -> String {
    let end = random.choose(&["", "", "", "", "", "/", "/", "//", ".", "/.", "%2f", ";", "/index.html"]);
    let names = names(random, &[PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, OTHER]);
    format!("{names}{end}")
}

pub fn target(random: &mut Random) -> (&'static str, &'static str) {
    (random.choose(&["x", "x", "b.x", "y"]), random.choose(&["GET", "GET", "HEAD", "POST", "post", "DELETE"]))
}

fn names(random: &mut Random, kinds: &[&[&str]]) -> String {
    let count = random.choose(&[0, 1, 1, 1, 2, 2, 2, 3, 3, 4]);
    let mut path = String::new();
    for _ in 0..count {
        let names = random.choose(kinds);
        path.push('/');
        path.push_str(random.choose(names));
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

const PLAIN: &[&str] = &[
    "0", "A", "API", "CGI-BIN", "DEFAULT", "Index", "_TOLL", "_Toll", "_toll", "a", "a", "a", "api", "api",
    "b", "b-c", "b_c", "cgi-bin", "default", "htbin", "htdocs", "index", "indexes", "public", "x",
    "xcgi-bin",
];
const OTHER: &[&str] = &[
    ".a",
    "..a",
    "A.JS",
    "a.",
    "a..b",
    "a.js",
    "a.php",
    "A.b.c",
    "%61",
    "%41",
    "%c3%a9",
    "a%2fb",
    "a+b",
    "a;b",
    "b c",
    "a b",
    "cgi-bin.",
    "cgi-bin.x",
    "default.htm",
    "http:",
    "index.",
    "index.html",
    "INDEX.x",
    "index.php",
    "(S(x))",
    "a::$D",
    "é",
    "",
    "a~",
];
const PARAMETERS: &[&str] = &[":a", ":b"];
