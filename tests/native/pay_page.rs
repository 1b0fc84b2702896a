//! The pay page: which requests get it, its values, its template, and its requests to the settle endpoint.

use edgetoll::http::url::is_local_path;
use edgetoll::pages::pay_page::{PayPage, is_navigation};
use edgetoll::pages::settle::{SettleRequest, navigation_header};
use edgetoll::pages::template::fill;
use edgetoll::policy::owner::{Accent, Contact, Owner, parse_title};
use proptest::prelude::*;

/// The `Accept` headers come from browsers that open a page (MDN, "Content negotiation") and from programs (curl,
/// fetch, axios).
#[test]
fn a_browser_that_opens_a_page_gets_the_pay_page_and_a_program_does_not() {
    const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
    const FIREFOX: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, mode) in
        [(CHROME, Some("navigate")), (FIREFOX, None), ("text/html", None), ("TEXT/HTML;q=0.5", None)]
    {
        assert!(is_navigation("GET", Some(accept), mode), "{accept}");
    }
    for (method, accept, mode) in [
        ("GET", Some(CHROME), Some("cors")),
        ("GET", Some(CHROME), Some("no-cors")),
        ("POST", Some(CHROME), Some("navigate")),
        ("HEAD", Some(CHROME), None),
        ("GET", None, None),
        ("GET", Some("*/*"), None),
        ("GET", Some("application/json, text/plain, */*"), None),
        ("GET", Some("application/json, text/html;q=0.9"), None),
        ("GET", Some("text/html;q=0"), None),
        ("GET", Some("text/html;q=0.0"), None),
        ("GET", Some("text/html;q=x"), None),
        ("GET", Some("text/htmlx"), None),
    ] {
        assert!(!is_navigation(method, accept, mode), "{method} {accept:?}");
    }
}

const PAGE: PayPage<'_> = PayPage {
    nonce: "n",
    prefix: "/_toll",
    host: "x.test",
    owner: &Owner { title: None, contact: None, accent: None },
    path: "/a",
    description: Some("A page"),
    amount_sats: 21,
    fiat: None,
    uses: None,
    lasts_s: 3_600,
    is_realm: false,
    invoice: "lnbc1",
    macaroon: "AgE=",
    invoice_expires_unix: 1,
    expires_unix: 2,
    now_unix: 0,
    reason: None,
    is_retry: false,
};

fn values_of(page: &PayPage<'_>, names: &[&'static str]) -> Vec<String> {
    let values = page.values();
    names.iter().map(|name| values.iter().find(|(known, _)| known == name).unwrap().1.clone()).collect()
}

#[test]
fn the_pay_page_states_the_lifetime_of_a_credential_in_the_largest_unit_that_divides_it() {
    const UNITS: [&str; 8] = [
        "one_day",
        "many_days",
        "one_hour",
        "many_hours",
        "one_minute",
        "many_minutes",
        "one_second",
        "many_seconds",
    ];
    for (lasts_s, name, value) in [
        (86_400, "one_day", "1"),
        (2_592_000, "many_days", "30"),
        (3_600, "one_hour", "1"),
        (5_400, "many_minutes", "90"),
        (60, "one_minute", "1"),
        (91, "many_seconds", "91"),
        (1, "one_second", "1"),
    ] {
        let page = PayPage { lasts_s, ..PAGE };
        let expected: Vec<&str> = UNITS.iter().map(|unit| if *unit == name { value } else { "" }).collect();
        assert_eq!(values_of(&page, &UNITS), expected, "{lasts_s}");
    }
}

/// U17 (CHANGELOG)
#[test]
fn without_a_description_the_path_is_the_heading_and_is_not_shown_twice() {
    const NAMES: [&str; 2] = ["heading", "description"];
    assert_eq!(values_of(&PAGE, &NAMES), ["A page", "A page"]);
    for description in [None, Some(""), Some(" "), Some("/a")] {
        assert_eq!(values_of(&PayPage { description, ..PAGE }, &NAMES), ["/a", ""], "{description:?}");
    }
}

/// U17 (CHANGELOG)
#[test]
fn the_pages_show_the_owner_of_the_price_list_and_without_one_the_host_alone() {
    const NAMES: [&str; 6] = ["name", "site", "contact", "contact_href", "accent", "on_accent"];
    assert_eq!(values_of(&PAGE, &NAMES), ["x.test", "", "", "", "", ""]);
    let owner = Owner {
        title: parse_title("Example & Sons"),
        contact: Contact::parse("help+toll@example.com"),
        accent: Accent::parse("#F7C948"),
    };
    let of_owner = values_of(&PayPage { owner: &owner, ..PAGE }, &NAMES);
    let address = "help+toll@example.com";
    let expected = ["Example & Sons", "x.test", address, &format!("mailto:{address}"), "#F7C948", "#000000"];
    assert_eq!(of_owner, expected);
    let owner = Owner { contact: Contact::parse("https://example.com/help?a=b&c=d"), ..Owner::default() };
    let of_url = values_of(&PayPage { owner: &owner, ..PAGE }, &NAMES[2..4]);
    assert_eq!(of_url, ["example.com/help?a=b&c=d", "https://example.com/help?a=b&c=d"]);
    let filled = fill(include_str!("../../www/pay.html"), &PayPage { owner: &owner, ..PAGE }.values());
    assert!(filled.contains(
        r#"<a href="https://example.com/help?a=b&amp;c=d"><bdi>example.com/help?a=b&amp;c=d</bdi></a>"#
    ));
}

/// U17 (CHANGELOG), WCAG 2.2, 1.4.3.
#[test]
fn text_on_every_accent_color_has_a_contrast_of_at_least_4_5() {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let steps = || (0..=255_u8).step_by(5);
    for (red, green, blue) in steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| (r, g, b))))
    {
        let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
        let color = format!("#{red:02x}{green:02x}{blue:02x}");
        let contrast = match Accent::parse(&color).unwrap().text_color() {
            "#000000" => (luminance + 0.05) / 0.05,
            _ => 1.05 / (luminance + 0.05),
        };
        assert!(contrast >= 4.5, "{color}: {contrast}");
    }
}

#[test]
fn the_pay_page_states_the_amount_and_the_uses_and_the_scope() {
    const NAMES: [&str; 6] = ["one_sat", "many_sats", "one_use", "many_uses", "scope_path", "scope_realm"];
    assert_eq!(values_of(&PAGE, &NAMES), ["", "1", "", "", "1", ""]);
    let other = PayPage { amount_sats: 1, uses: Some(1), is_realm: true, ..PAGE };
    assert_eq!(values_of(&other, &NAMES), ["1", "", "1", "", "", "1"]);
    assert_eq!(values_of(&PayPage { uses: Some(5), ..PAGE }, &NAMES)[3], "5");
}

#[test]
fn values_in_a_template_are_escaped_and_not_parsed_as_a_template() {
    let values =
        [("a", "1 < 2 & \"3\" > '4'".to_owned()), ("b", String::new()), ("c", "{{a}}<!--if b-->".to_owned())];
    let template =
        "<p title=\"{{a}}\"><!--if a-->yes<!--/if a--><!--if b-->no<!--/if b-->{{b}}|{{c}}|{{unknown}}|";
    let filled = "<p title=\"1 &lt; 2 &amp; &quot;3&quot; &gt; &#39;4&#39;\">yes|{{a}}&lt;!--if b--&gt;||";
    assert_eq!(fill(template, &values), filled);
}

proptest! {
    #[test]
    fn no_value_adds_markup_to_a_template(value in "\\PC{0,40}") {
        let filled = fill("<a href=\"{{v}}\">{{v}}</a>", &[("v", value)]);
        prop_assert_eq!(filled.matches('<').count(), 2);
        prop_assert_eq!(filled.matches('>').count(), 2);
        prop_assert_eq!(filled.matches('"').count(), 2);
    }
}

#[test]
fn every_name_in_the_template_of_the_pay_page_has_a_value() {
    let template = include_str!("../../www/pay.html");
    let values = PAGE.values();
    let is_known = |name: &str| values.iter().any(|(known, _)| *known == name);
    for name in template.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
        assert!(is_known(name), "{{{{{name}}}}}");
    }
    for name in template.split("<!--if ").skip(1).filter_map(|rest| rest.split("-->").next()) {
        assert!(is_known(name), "if {name}");
        assert!(template.contains(&format!("<!--/if {name}-->")), "{name} has no end");
    }
    assert!(!fill(template, &values).contains("<!--if"));
}

#[test]
fn a_settle_request_has_exactly_one_macaroon_and_no_preimage() {
    let parse = |content_type: &str, body: &str| SettleRequest::parse(content_type, body);
    let form =
        parse("application/x-www-form-urlencoded;charset=UTF-8", "macaroon=Ag%2BE%3D&to=%2Fa%3Fb%3Dc+d")
            .unwrap();
    assert_eq!(
        form,
        SettleRequest { macaroon: "Ag+E=".to_owned(), to: Some("/a?b=c d".to_owned()), is_form: true }
    );
    let json = parse("application/json", r#"{"macaroon":"AgE=","to":"/a"}"#).unwrap();
    assert_eq!(
        json,
        SettleRequest { macaroon: "AgE=".to_owned(), to: Some("/a".to_owned()), is_form: false }
    );
    assert_eq!(parse("application/json", r#"{"macaroon":"AgE="}"#).unwrap().to, None);
    for body in [
        "",
        "{}",
        "[]",
        r#"{"macaroon":5}"#,
        r#"{"macaroon":"a:b"}"#,
        r#"{"macaroon":"a,b"}"#,
        r#"{"macaroon":"a b"}"#,
    ] {
        assert_eq!(parse("application/json", body), None, "{body}");
    }
    assert_eq!(parse("application/x-www-form-urlencoded", "macaroon=a%0d%0ab"), None);
}

/// <https://www.w3.org/TR/fetch-metadata/>, <https://www.w3.org/TR/upgrade-insecure-requests/>
#[test]
fn a_page_that_was_paid_for_is_priced_with_the_headers_of_a_browser_that_opens_it() {
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (name, expected) in [
        ("Accept", Some(Some(accept))),
        ("Sec-Fetch-Dest", Some(Some("document"))),
        ("sec-fetch-mode", Some(Some("navigate"))),
        ("Upgrade-Insecure-Requests", Some(Some("1"))),
        ("Content-Length", Some(None)),
        ("Content-Type", Some(None)),
        ("ORIGIN", Some(None)),
        ("User-Agent", None),
        ("Accept-Language", None),
        ("Sec-Fetch-Site", None),
    ] {
        assert_eq!(navigation_header(name), expected, "{name}");
    }
}

#[test]
fn a_text_that_a_browser_may_open_on_another_host_is_not_a_local_path() {
    for local in ["/", "/a?b=c", "/a//b", "/%5Cevil", "/a?b=c\\d"] {
        assert!(is_local_path(local), "{local}");
    }
    for other in [
        "",
        "a",
        "//evil.test",
        "/\\evil.test",
        "https://evil.test",
        "/a\\b",
        "/a b",
        "/a\r\nX: y",
        "/\t/evil.test",
        "/ä",
    ] {
        assert!(!is_local_path(other), "{other}");
    }
}
