//! Plain paths take a short cut past the normalization. Its result is compared with that of the full normalization.

use edgetoll::policy::aliases::{AliasWork, of_path};
use edgetoll::policy::normalization::{
    comparable, fold_case, normalize, normalize_segment, normalized_forms,
};
use edgetoll::policy::plain_path::plain_path;
use edgetoll::policy::resolve::{Ambiguous, MAX_FORMS, Resolved};
use edgetoll::policy::route::{PathForm, Pattern, Segment, Selection, Target};

use crate::support::random::{Random, cases};
use crate::support::random_lists::{path, price_list, target};

#[test]
fn the_short_cut_for_plain_paths_gives_the_result_of_the_full_normalization() {
    let lists = cases(500, 10_000);
    let mut random = Random::new(3);
    let mut outcomes = [0_usize; 8];
    for _ in 0..lists {
        let policy = price_list(&mut random);
        for _ in 0..100 {
            let path = path(&mut random);
            let (host, method) = target(&mut random);
            let target = Target { host, method };
            let full = policy.resolve_up_to(MAX_FORMS, &mut AliasWork::default(), &path, target);
            assert_eq!(policy.resolve(&path, target), full, "{method} {host}{path} {:?}", policy.routes);
            let is_plain = plain_path(&path).is_some();
            outcomes[outcome(&full)] += usize::from(is_plain);
            outcomes[0] += usize::from(!is_plain);
        }
    }
    // Each result occurs for plain paths too.
    assert!(outcomes.iter().all(|count| *count > lists / 10), "{outcomes:?}");
}

fn outcome(resolved: &Result<Resolved<'_>, Ambiguous>) -> usize {
    match resolved {
        Err(Ambiguous) => 1,
        Ok(Resolved::Reserved) => 2,
        Ok(Resolved::Selected(Selection::Unmatched)) => 3,
        Ok(Resolved::Selected(Selection::OtherHost(_))) => 4,
        Ok(Resolved::Selected(Selection::OtherMethod(_))) => 5,
        Ok(Resolved::Selected(Selection::Route(route))) if route.is_free() => 6,
        Ok(Resolved::Selected(Selection::Route(_))) => 7,
    }
}

#[test]
fn a_plain_path_has_no_other_normalized_forms_than_itself_without_a_slash_at_its_end() {
    let characters = (0..=u8::MAX).map(char::from).chain(['\u{2024}', '\u{ff0f}', '\u{200b}', '\u{212a}']);
    for character in characters {
        for path in ["/sold", "/a/b/", "/a/app.min.js", "/cgi-bin/a", "/a/indexes", "/x/Default/y"] {
            for at in 1..=path.len() {
                check_forms(&format!("{}{character}{}", &path[..at], &path[at..]));
            }
        }
    }
    let mut random = Random::new(5);
    let pieces = [
        "/",
        "/",
        "/",
        ".",
        "a",
        "B",
        "-",
        "index",
        "default",
        "cgi-bin",
        "htbin",
        "_ipx",
        "VirtualHostRoot",
        "virtual_hosting",
        "php",
        ";",
        ":",
        "%",
        "+",
    ];
    let plain = (0..200_000).filter(|_| {
        let pieces = (0..1 + random.below(9)).map(|_| random.choose(&pieces));
        check_forms(&format!("/{}", pieces.collect::<String>()))
    });
    assert!(plain.count() > 20_000);
}

/// Checks the normalized forms of a path if it is plain. Returns whether it is plain.
fn check_forms(path: &str) -> bool {
    let Some(plain) = plain_path(path) else { return false };
    let forms = normalized_forms(path, 96).unwrap();
    let root: &[u8] = b"";
    let is_known =
        |form: &Vec<u8>| form == path.as_bytes() || form == plain.as_bytes() || (path == "/" && form == root);
    assert!(forms.iter().all(is_known), "{path:?} {forms:?}");
    for normalized in forms.iter().map(|form| comparable(form, fold_case)).chain([normalize(path, fold_case)])
    {
        assert_eq!(normalized, plain.to_ascii_lowercase(), "{path:?}");
        assert_eq!(of_path(&normalized), Vec::<String>::new(), "{path:?}");
    }
    true
}

/// [`Pattern::parse`] does not normalize a name that it recognizes as normalized.
#[test]
fn each_name_of_a_pattern_is_normalized() {
    let names = [
        "a",
        "b-c_0",
        "A",
        "index",
        "default",
        "index.html",
        "a.",
        ".a",
        "%61",
        "",
        "a;b",
        "\u{e9}",
        "cgi-bin",
    ];
    for [first, last] in names.iter().flat_map(|first| names.map(|last| [*first, last])) {
        for (end, is_last) in [("", true), ("/:x", false), ("/*", false)] {
            let text = format!("/{first}/:x/{last}{end}");
            let pattern = Pattern::parse(&text, fold_case).unwrap();
            let exact = |name, is_last| {
                normalize_segment(name, is_last, fold_case)
                    .into_iter()
                    .map(Segment::Exact)
                    .collect::<Vec<_>>()
            };
            let after = match end {
                "" => vec![Segment::End],
                "/*" => vec![Segment::Rest],
                _ => vec![Segment::Param, Segment::End],
            };
            let expected = [exact(first, false), vec![Segment::Param], exact(last, is_last), after].concat();
            assert_eq!(pattern.segments(PathForm::Normalized), expected, "{text}");
        }
    }
}

#[test]
fn a_path_that_a_normalization_changes_is_not_plain() {
    for path in ["/", "/a", "/a/", "/A-1/b_c", "/index/a", "/CGI-BIN/a"] {
        assert!(plain_path(path).is_some(), "{path}");
    }
    for path in [
        "",
        "//",
        "/a//b",
        "//a",
        "/a//",
        "a",
        "/a/.",
        "/a/b.",
        "/a/..",
        "/a.b/c",
        "/a/app.min.js",
        "/a/.env",
        "/a/..b",
        "/a.b/",
        "/index",
        "/a/INDEX/",
        "/a/Index.html",
        "/default",
        "/a/default.x",
        "/cgi-bin/a",
        "/_ipx/a/b",
        "/a/_IPX/b",
        "/a/htbin",
        "/a%62",
        "/a+b",
        "/a;b",
        "/a\\b",
        "/a:b",
        "/a(b",
        "/a b",
        "/a\u{7f}",
        "/caf\u{e9}",
    ] {
        assert_eq!(plain_path(path), None, "{path}");
    }
    assert_eq!(plain_path(&format!("/{}", "a".repeat(1_024))), None);
}
