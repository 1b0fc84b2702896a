//! Cookies, the `Accept` header and forms.

use edgetoll::http::accept::prefers_html;
use edgetoll::http::cookie::{SameSite, SetCookie, pairs, without};
use edgetoll::http::form;

#[test]
fn the_pairs_of_a_cookie_header_are_read_in_order() {
    let read = |header| pairs(header).collect::<Vec<_>>();
    assert_eq!(read("a=1; b=2;c=3"), [("a", "1"), ("b", "2"), ("c", "3")]);
    assert_eq!(read("a=1; a=2"), [("a", "1"), ("a", "2")]);
    assert_eq!(read("a=b=c; =x; y="), [("a", "b=c"), ("", "x"), ("y", "")]);
    assert_eq!(read("flag; ; a=1;"), [("a", "1")]);
    // R10 (CHANGELOG), https://github.com/cloudflare/pingora/issues/892: the runtime joins `Cookie` lines with a comma.
    assert_eq!(read("a=1, b=2; c=3, d=4"), [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    assert_eq!(read(""), []);
}

#[test]
fn cookies_are_removed_by_name_and_all_other_cookies_stay() {
    let kept = |header| without(header, |name| name.starts_with("toll_"));
    for (header, expected) in [
        ("a=1; toll_x=2; b=3", Some("a=1; b=3")),
        ("a=1;toll_x=2;b=3", Some("a=1;b=3")),
        // R9 (CHANGELOG), https://github.com/rwf2/cookie-rs/issues/116: other cookies are not changed.
        ("a=1;b=2;  c=3; ;d", Some("a=1;b=2;  c=3; ;d")),
        (" a = 1 ;toll_x=2;b", Some("a = 1 ;b")),
        ("toll_x=1", None),
        ("toll_x=1; toll_y=2;", None),
        ("", Some("")),
        ("a=toll_x; flag", Some("a=toll_x; flag")),
        ("toll_flag; a=1", Some("a=1")),
        // The runtime joins two `Cookie` header lines with a comma.
        ("a=1, toll_x=2; b=3", Some("a=1; b=3")),
        ("toll_x=2, a=1", Some("a=1")),
        ("a=1, b=2; toll_x=3", Some("a=1, b=2")),
    ] {
        assert_eq!(kept(header).as_deref(), expected, "{header}");
    }
}

#[test]
fn a_set_cookie_header_is_http_only_and_secure_and_has_a_path_that_browsers_accept() {
    let cookie = SetCookie { name: "n", value: "v", path: "/a/b", max_age_s: 60, same_site: SameSite::Lax };
    assert_eq!(cookie.to_string(), "n=v; Path=/a/b; Max-Age=60; HttpOnly; Secure; SameSite=Lax");
    let deleted = SetCookie { value: "", max_age_s: 0, same_site: SameSite::Strict, ..cookie };
    assert_eq!(deleted.to_string(), "n=; Path=/a/b; Max-Age=0; HttpOnly; Secure; SameSite=Strict");
    let longest = format!("/{}", "x".repeat(1_023));
    for (path, attribute) in [
        (longest.as_str(), longest.as_str()),
        (&format!("{longest}x"), "/"),
        ("/a;Domain=x", "/"),
        ("/a b", "/"),
        ("/a\r\nX: y", "/"),
        ("/é", "/"),
        ("a", "/"),
        ("", "/"),
    ] {
        let text = SetCookie { path, ..cookie }.to_string();
        assert_eq!(text, format!("n=v; Path={attribute}; Max-Age=60; HttpOnly; Secure; SameSite=Lax"));
    }
}

#[test]
fn a_client_prefers_html_if_its_accept_header_gives_html_at_least_the_weight_of_json() {
    for (accept, expected) in [
        ("text/html", true),
        ("TEXT/HTML", true),
        // Browsers send this header when they open a page.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
        ("text/html, application/json", true),
        ("application/json;q=0.9, text/html;q=0.9", true),
        ("application/json;q=0.9, text/html ; q=0.91", true),
        ("text/html;level=1;q=0.3", true),
        ("application/json;q=0.9, text/html;q=0.5", false),
        ("application/json, text/html;Q=0.999", false),
        ("text/html;q=0", false),
        ("text/html;q=0.000", false),
        ("text/html;q=x", false),
        ("text/html;q=-1", false),
        ("application/json", false),
        ("*/*", false),
        ("text/*", false),
        ("", false),
    ] {
        assert_eq!(prefers_html(accept), expected, "{accept}");
    }
}

#[test]
fn a_form_field_is_decoded_as_the_whatwg_url_standard_says() {
    for (body, value) in [
        ("token=a+b%20c%2Bd", Some("a b c+d")),
        ("x=1&token=first&token=second", Some("first")),
        ("t%6Fken=1", Some("1")),
        ("token=a=b", Some("a=b")),
        ("token=a;b", Some("a;b")),
        ("token=%C3%A9", Some("é")),
        ("token=%zz%", Some("%zz%")),
        ("token=a%FFb", None),
        ("token", Some("")),
        ("&&token=", Some("")),
        ("Token=1", None),
        ("tokens=1", None),
        ("", None),
    ] {
        assert_eq!(form::field(body, "token").as_deref(), value, "{body}");
    }
    assert_eq!(form::field("a+b=1", "a b").as_deref(), Some("1"));
}
