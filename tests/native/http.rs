//! Cookies, the `Accept` header and forms.

use cpu_time::ThreadTime;
use edgetoll::http::accept::prefers_html;
use edgetoll::http::cookie::{SameSite, SetCookie, for_url, own_pairs, without};
use edgetoll::http::form;
use edgetoll::http::origin_headers::PublicUrls;
use edgetoll::http::url::{RequestUrl, is_authority};

#[test]
fn the_cookies_of_edgetoll_are_read_in_order() {
    let read = |header| own_pairs(header).collect::<Vec<_>>();
    assert_eq!(read("toll_a=1; b=2;toll_c=3"), [("toll_a", "1"), ("toll_c", "3")]);
    assert_eq!(read("toll_a=1; toll_a=2"), [("toll_a", "1"), ("toll_a", "2")]);
    assert_eq!(read("toll_a=b=c; =toll_x; toll_y="), [("toll_a", "b=c"), ("toll_y", "")]);
    assert_eq!(read("toll_flag; ; toll_a=1;"), [("toll_a", "1")]);
    assert_eq!(
        read("x=toll_a=1; xtoll_a=1; TOLL_a=1; toll_a,toll_b=1 ;\t toll_c =toll_d=2\t"),
        [("toll_a,toll_b", "1"), ("toll_c ", "toll_d=2")]
    );
    // R10 (CHANGELOG), https://github.com/cloudflare/pingora/issues/892: the runtime joins `Cookie` lines with a comma.
    assert_eq!(
        read("a=1, toll_b=2; toll_c=3,  toll_d=4,toll_e=5"),
        [("toll_b", "2"), ("toll_c", "3"), ("toll_d", "4,toll_e=5")]
    );
    assert_eq!(read(""), []);
}

// A2 (CHANGELOG): the end of a cookie was searched for each prefix in its value.
#[test]
fn a_cookie_with_the_prefix_many_times_is_read_once() {
    let started = ThreadTime::now();
    assert_eq!(own_pairs(&format!("a={}", "toll_".repeat(40_000))).count(), 0);
    assert!(started.elapsed().as_secs() < 2);
}

#[test]
fn cookies_are_removed_by_name_and_all_other_cookies_stay() {
    let kept = |header| without(header, |_| true);
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
    // A2 (CHANGELOG): each comma costs time.
    let of_length = |bytes: usize| format!("text/html{}", ",".repeat(bytes - "text/html".len()));
    assert!(prefers_html(&of_length(4_096)) && !prefers_html(&of_length(4_097)));
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

/// The parser of the `url` crate, which follows the same standard as that of the Workers runtime.
fn resolve_url(text: &str, base: &str) -> Option<String> {
    url::Url::parse(base).ok()?.join(text).ok().map(String::from)
}

// R1 (CHANGELOG), https://github.com/tinyproxy/tinyproxy/issues/426: the rules of ProxyPassReverse and
// ProxyPassReverseCookieDomain of Apache.
#[test]
fn a_response_header_with_the_url_of_the_origin_gets_the_public_url() {
    let public = PublicUrls::new(
        "http://10.0.0.5:8080",
        "http://10.0.0.5:8080/x/y",
        "https://api.test:8443",
        resolve_url,
    );
    for (name, value, expected) in [
        ("Location", "http://10.0.0.5:8080/sold/", Some("https://api.test:8443/sold/")),
        ("Location", "HTTP://10.0.0.5:8080/sold?a=b#c", Some("https://api.test:8443/sold?a=b#c")),
        ("Location", "//10.0.0.5:8080/sold", Some("https://api.test:8443/sold")),
        ("Location", "http://10.0.0.5:8080", Some("https://api.test:8443/")),
        ("Location", "http://10.0.0.5:8080?x", Some("https://api.test:8443/?x")),
        ("Location", "http://user@10.0.0.5:8080/x", Some("https://api.test:8443/x")),
        ("Location", "http:\\\\10.0.0.5:8080\\x", Some("https://api.test:8443/x")),
        ("Location", "\\\\10.0.0.5:8080/x", Some("https://api.test:8443/x")),
        ("Location", " ht\ttps:/10.0.0.5:8080/x", Some("https://api.test:8443/x")),
        ("Location", "/\t/10.0.0.5:8080/x", Some("https://api.test:8443/x")),
        ("Location", "http://10.0.5:8080/x", Some("https://api.test:8443/x")),
        ("Location", "http:z", Some("https://api.test:8443/x/z")),
        ("Location", "/a//b", None),
        ("Location", "/a:b", None),
        ("Content-Location", "https://10.0.0.5:8080/x", Some("https://api.test:8443/x")),
        ("Location", "/sold", None),
        ("Location", "sold", None),
        ("Location", "http://10.0.0.5/sold", None),
        ("Location", "http://10.0.0.5:80801/sold", None),
        ("Location", "http://10.0.0.5:8080.evil.test/", None),
        ("Location", "http://10.0.0.5:8080@evil.test/", None),
        ("Location", "http://evil.test/http://10.0.0.5:8080/", None),
        ("Location", "ftp://10.0.0.5:8080/", None),
        (
            "Link",
            "<http://10.0.0.5:8080/a>; rel=next, <https://other.test/>; rel=x,<//10.0.0.5:8080/b>",
            Some(
                "<https://api.test:8443/a>; rel=next, <https://other.test/>; rel=x,<https://api.test:8443/b>",
            ),
        ),
        ("Link", "< http://10.0.0.5:8080/a >; rel=next", Some("<https://api.test:8443/a>; rel=next")),
        ("Link", "</a>; rel=next", None),
        (
            "Link",
            "<a.png>; rel=preload; imagesrcset=\"http://10.0.0.5:8080/a 1x, b 2x,http://10.0.0.5:8080/c\", <b>; anchor=\"//10.0.0.5:8080/d\"",
            Some(
                "<a.png>; rel=preload; imagesrcset=\"https://api.test:8443/a 1x, b 2x,https://api.test:8443/c\", <b>; anchor=\"https://api.test:8443/d\"",
            ),
        ),
        ("Link", "<http://10.0.0.5:8080/a", None),
        ("Refresh", "5; url=http://10.0.0.5:8080/a", Some("5; url=https://api.test:8443/a")),
        ("Refresh", "5;URL='http://10.0.0.5:8080/a'", Some("5;URL='https://api.test:8443/a'")),
        ("Refresh", "5; url = \"http://10.0.0.5:8080/a\" x", Some("5; url = \"https://api.test:8443/a\" x")),
        ("Refresh", "0;http://10.0.0.5:8080/a", Some("0;https://api.test:8443/a")),
        ("Refresh", "0.5, 'http://10.0.0.5:8080/a", Some("0.5, 'https://api.test:8443/a")),
        ("Refresh", "0 http://10.0.0.5:8080/a", Some("0 https://api.test:8443/a")),
        ("Refresh", "5", None),
        ("Refresh", "", None),
        ("Refresh", "5; url=", None),
        ("Refresh", "5; url=/a", None),
        // Scripts of htmx, Turbo, Unpoly and Inertia follow these headers.
        ("hx-redirect", "http://10.0.0.5:8080/a", Some("https://api.test:8443/a")),
        ("X-Inertia-Location", "HTTP://10.0.0.5:8080/a", Some("https://api.test:8443/a")),
        ("Turbo-Location", "//10.0.0.5:8080/a", Some("https://api.test:8443/a")),
        ("HX-Push-Url", "http://10.0.0.5:8080/a", Some("https://api.test:8443/a")),
        ("HX-Push-Url", "false", None),
        ("X-Middleware-Rewrite", "http://10.0.0.5:8080/a", Some("https://api.test:8443/a")),
        ("SourceMap", "http://10.0.0.5:8080/a.js.map", Some("https://api.test:8443/a.js.map")),
        ("X-SourceMap", "a.js.map", None),
        ("X-Pingback", "http://10.0.0.5:8080/xmlrpc.php", Some("https://api.test:8443/xmlrpc.php")),
        ("HX-Location", "{\"path\":\"http://other.test/\"}", None),
        ("Operation-Location", "http://other.test/a", None),
        (
            "HX-Location",
            "{\"path\":\"http://10.0.0.5:8080/a\"}",
            Some("{\"path\":\"https://api.test:8443/a\"}"),
        ),
        (
            "HX-Location",
            "{\"path\":\"http:\\/\\/10.0.0.5:8080\\/a\",\"x\":\"\\/b\"}",
            Some("{\"path\":\"https://api.test:8443/a\",\"x\":\"\\/b\"}"),
        ),
        ("OData-EntityId", "http://10.0.0.5:8080/a(1)", Some("https://api.test:8443/a(1)")),
        ("Azure-AsyncOperation", "http://10.0.0.5:8080/a", Some("https://api.test:8443/a")),
        // RFC 9728, 5.1, https://github.com/vercel/mcp-handler/issues/110
        (
            "WWW-Authenticate",
            "Bearer resource_metadata=\"http://10.0.0.5:8080/.well-known/oauth-protected-resource\", scope=\"a b\"",
            Some(
                "Bearer resource_metadata=\"https://api.test:8443/.well-known/oauth-protected-resource\", scope=\"a b\"",
            ),
        ),
        ("WWW-Authenticate", "Bearer realm=\"http://other.test/token\",service=\"/a\"", None),
        ("WWW-Authenticate", "Digest realm=\"http://10.0.0.5:8080/\", nonce=\"a\"", None),
        ("Speculation-Rules", "\"http://10.0.0.5:8080/r.json\"", Some("\"https://api.test:8443/r.json\"")),
        ("X-Job-Uri", "urn:job:1", None),
        ("X-Note", "http://10.0.0.5:8080/a", None),
        ("Set-Cookie", "a=1; Domain=10.0.0.5; Path=/; Secure", Some("a=1; Path=/; Secure")),
        ("Set-Cookie", "a=1;domain=.10.0.0.5", Some("a=1")),
        ("Set-Cookie", "a=1; Domain=\"10.0.0.5\"", Some("a=1")),
        ("Set-Cookie", "a=http://10.0.0.5:8080/;  Path=/x ;HttpOnly", None),
        ("Set-Cookie", "Domain=10.0.0.5; Domain=other.test", None),
    ] {
        assert_eq!(public.rewrite(name, value).as_deref(), expected, "{name}: {value}");
    }
}

/// R8 (CHANGELOG): no URL parser, or no resolver, accepts these hosts.
#[test]
fn an_authority_has_labels_of_1_to_63_bytes_no_hexadecimal_number_at_its_end_and_a_port_above_0() {
    let (longest, longer) = (format!("{}.test", "a".repeat(63)), format!("{}.test", "a".repeat(64)));
    for valid in ["a.test", "a.test.", "a_b.test:8443", "127.0.0.1:1", "[::1]:80", "0x1.test", &longest] {
        assert!(is_authority(valid), "{valid}");
    }
    for invalid in ["a.0x1", "a.0X", "a..test", ".a", "..", "a.test:0", "a.test:65536", "1.2", &longer] {
        assert!(!is_authority(invalid), "{invalid}");
    }
}

#[test]
fn a_cookie_is_secure_except_over_http_on_this_machine() {
    let cookie = "toll_x=v; Path=/; Max-Age=1; HttpOnly; Secure; SameSite=Lax";
    for url in ["https://api.test/x", "https://localhost/x", "http://api.test/x"] {
        assert_eq!(for_url(cookie, &RequestUrl::parse(url).unwrap()), cookie, "{url}");
    }
    for url in ["http://localhost:8787/x", "http://127.0.0.1/x", "http://[::1]/x", "http://a.localhost/x"] {
        let expected = "toll_x=v; Path=/; Max-Age=1; HttpOnly; SameSite=Lax";
        assert_eq!(for_url(cookie, &RequestUrl::parse(url).unwrap()), expected, "{url}");
    }
}

// R1 (CHANGELOG)
#[test]
fn the_path_of_the_origin_url_is_removed_and_default_ports_are_equal() {
    let public = PublicUrls::new(
        "https://origin.test/app",
        "https://origin.test/app/x/y",
        "https://api.test",
        resolve_url,
    );
    for (name, value, expected) in [
        ("Location", "https://origin.test/app/x", Some("https://api.test/x")),
        ("Location", "https://ORIGIN.test:443/app", Some("https://api.test/")),
        ("Location", "https://origin.test./app/x", Some("https://api.test/x")),
        ("Location", "/app/../secret", None),
        ("Location", "http://origin.test/app/x", Some("https://api.test/x")),
        ("Location", "http://origin.test:80/app?x", Some("https://api.test/?x")),
        ("Location", "/app/x", Some("/x")),
        // Django 5.2 with USE_X_FORWARDED_HOST.
        ("Location", "https://api.test/app/x/", Some("https://api.test/x/")),
        // Django without SECURE_PROXY_SSL_HEADER.
        ("Location", "http://api.test/app/x/", Some("https://api.test/x/")),
        ("Location", "https://api.test/x/", None),
        ("Location", "https://api.test:8443/app/x", None),
        ("Link", "<https://api.test/app/a>; rel=canonical", Some("<https://api.test/a>; rel=canonical")),
        ("Location", "/app", Some("/")),
        ("Service-Worker-Allowed", "/app/", Some("/")),
        ("Location", "/app?x", Some("/?x")),
        ("Location", "/app//evil.test", Some("https://api.test//evil.test")),
        ("Location", "/app/\\evil.test", Some("https://api.test//evil.test")),
        ("Location", "/app/\t/evil.test", Some("https://api.test//evil.test")),
        ("Refresh", "0;url=/app/\t/evil.test", Some("0;url=https://api.test//evil.test")),
        ("Location", "/application", None),
        ("Location", "/other", None),
        ("Location", "https://origin.test/other", None),
        ("Location", "https://origin.test:8443/app/x", None),
        ("Location", "//origin.test/app/x", Some("https://api.test/x")),
        ("HX-Redirect", "/app/x", Some("/x")),
        ("HX-Location", "{\"path\":\"/app/x\"}", Some("{\"path\":\"/x\"}")),
        ("Speculation-Rules", "\"/app/a.json\", \"/other\"", Some("\"/a.json\", \"/other\"")),
        ("Reporting-Endpoints", "a=\"/app/a\"", Some("a=\"/a\"")),
        (
            "Report-To",
            "{\"endpoints\":[{\"url\":\"https://origin.test/app/a\"}]}",
            Some("{\"endpoints\":[{\"url\":\"https://api.test/a\"}]}"),
        ),
        ("Use-As-Dictionary", "match=\"/app/js/*\"", Some("match=\"/js/*\"")),
        ("Sec-Session-Registration", "(ES256);path=\"/app/start\"", Some("(ES256);path=\"/start\"")),
        ("Link", "</app/a>; anchor=\"/app/b\"", Some("</a>; anchor=\"/b\"")),
        ("WWW-Authenticate", "Basic realm=\"/app/x\"", None),
        // Browsers encode these characters.
        ("Location", "/app/caf\u{e9}", Some("https://api.test/caf%C3%A9")),
        ("Location", "/app/a b", Some("https://api.test/a%20b")),
        ("Location", "/other/caf\u{e9}", None),
        // The runtime has replaced a byte that is not UTF-8. Its value is lost.
        ("Location", "/app/caf\u{fffd}", None),
        ("HX-Redirect", "/x", None),
        ("Link", "</app/x>; rel=next", Some("</x>; rel=next")),
        ("Set-Cookie", "a=1; Path=/app", Some("a=1; Path=/")),
        ("Set-Cookie", "a=1; path=/app/x; Domain=origin.test; Secure", Some("a=1; Path=/x; Secure")),
        ("Set-Cookie", "a=1; Path=/application", None),
        ("Set-Cookie", "a=1; Domain=test", None),
    ] {
        assert_eq!(public.rewrite(name, value).as_deref(), expected, "{name}: {value}");
    }
    // A redirect from http to https must not lead back to http.
    let public = PublicUrls::new(
        "https://origin.test/app",
        "https://origin.test/app/x",
        "http://api.test",
        resolve_url,
    );
    for (location, expected) in
        [("https://api.test/app/x", "https://api.test/x"), ("https://origin.test/app/x", "http://api.test/x")]
    {
        assert_eq!(public.rewrite("Location", location).as_deref(), Some(expected));
    }
}
