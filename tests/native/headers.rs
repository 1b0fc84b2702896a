//! The headers that edgetoll removes from a request before the origin gets it, and the caching headers of a paid
//! response.

use edgetoll::http::cache_control::{self, VARY_BY_CREDENTIAL, with_members};
use edgetoll::http::header::{has_url_syntax, is_for_preflight, is_removed, is_reserved, is_url_part};
use edgetoll::protocols::l402::credential::Authorization;
use edgetoll::strict_json::Json;

#[test]
fn every_spelling_of_a_header_that_claims_a_payment_or_another_path_is_removed() {
    for name in [
        "X-Toll-Status",
        "x_toll_status",
        "X-Toll_Client",
        "x-toll-",
        "X-Original-URL",
        "x_rewrite_url",
        // PHP and lighttpd read the punctuation in the next four names as `_`.
        "X.Toll.Status",
        "X~Toll~Status",
        "X!Toll!Amount!Sats",
        "X.Original.URL",
        // gunicorn takes the start of the path from SCRIPT_NAME.
        "SCRIPT_NAME",
    ] {
        assert!(is_removed(name, &[]), "{name}");
    }
    let keep = ["X-Original-URL".to_owned(), "X-Toll-Status".to_owned()];
    assert!(!is_removed("x-original-url", &keep));
    assert!(is_removed("X-Toll-Status", &keep), "keep_headers does not apply to X-Toll-*");
    assert!(!is_removed("X-Tollbooth", &[]) && !is_removed("Authorization", &[]));
    assert!(is_reserved("X_Toll-Expires") && !is_reserved("Expires"));
}

#[test]
fn the_response_to_a_preflight_keeps_only_headers_of_the_preflight() {
    for (name, is_kept) in [
        ("Access-Control-Allow-Origin", true),
        ("access-control-allow-methods", true),
        ("Access-Control-Max-Age", true),
        ("Allow", true),
        ("vary", true),
        ("Set-Cookie", false),
        ("Location", false),
        ("Content-Type", false),
        ("X-Access-Control-Allow-Origin", false),
        ("Allowed", false),
    ] {
        assert_eq!(is_for_preflight(name), is_kept, "{name}");
    }
}

#[test]
fn headers_that_make_some_origins_use_another_path_or_host_or_method_are_removed() {
    // Attack A1 (CHANGELOG): `curl /free -H 'X-Matched-Path: /sold'` got paid content from an origin that obeys the
    // header.
    let names = rewriting_headers();
    assert!(names.len() >= 80, "{}", names.len());
    for name in names {
        assert!(is_removed(&name, &[]), "{name}");
        assert!(!is_removed(&name, std::slice::from_ref(&name)), "keep_headers keeps {name}");
    }
}

#[test]
fn headers_that_clients_need_are_forwarded() {
    for name in [
        "Access-Control-Request-Method",
        "access-control-request-method",
        "HX-Current-URL",
        "Host",
        "Next-Url",
        "X-GitHub-Enterprise-Host",
        "X-Goog-Resource-URI",
        "X-Stainless-Helper-Method",
        "Accept",
        "Content-Type",
        "Destination",
        "Origin",
        "Referer",
        "Sec-Fetch-Mode",
        "User-Agent",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Requested-With",
        "X-Up-Target",
    ] {
        assert!(!is_removed(name, &[]), "{name}");
    }
}

#[test]
fn a_header_that_some_origins_write_into_the_url_is_removed_if_it_contains_more_than_its_part() {
    // A1 (CHANGELOG): Astro serves `/sold` for `curl /free -H 'X-Forwarded-Proto: http://x/sold?'`.
    for name in [
        "X-Forwarded-Proto",
        "x_forwarded_port",
        "X-Forwarded-Scheme",
        "X-Url-Scheme",
        "X-Forwarded-Protocol",
        "Port",
    ] {
        assert!(is_url_part(name), "{name}");
    }
    for name in ["Sec-WebSocket-Protocol", "X-Support", "X-Forwarded-For", "Report-To"] {
        assert!(!is_url_part(name), "{name}");
    }
    for value in ["http://x/sold?", "x:sold?", "80/sold?", "80%2Fsold%3F", "80#", "80\\sold"] {
        assert!(has_url_syntax(value), "{value}");
    }
    for value in ["https", "https, http", "443", "wss"] {
        assert!(!has_url_syntax(value), "{value}");
    }
}

/// Returns the names in `rewriting_headers.json`.
fn rewriting_headers() -> Vec<String> {
    let vectors = Json::parse(include_bytes!("../vectors/rewriting_headers.json")).unwrap();
    let list = |key: &str| vectors.get(key).and_then(Json::as_array).unwrap().to_vec();
    let known =
        list("known").into_iter().map(|header| header.get("name").and_then(Json::as_str).unwrap().to_owned());
    known.chain(list("same_shape").iter().map(|name| name.as_str().unwrap().to_owned())).collect()
}

#[test]
fn the_authorization_header_is_forwarded_without_l402_and_lsat_credentials() {
    for (header, left) in [
        ("L402 a:b", None),
        ("lsat a:b, L402 c,d:e", None),
        ("L402", None),
        ("L402\ta:b", None),
        ("L402:a:b", None),
        ("L402=a:b", None),
        ("'L402 a:b'", None),
        ("Bearer x, L402;a:b", Some("Bearer x")),
        ("LSAT-Other a", Some("LSAT-Other a")),
        ("Bearer x", Some("Bearer x")),
        ("Bearer x, L402 a:b", Some("Bearer x")),
        ("L402 a,b : c, Basic eA==", Some("Basic eA==")),
        (r#"Digest a="L402 x, L402 y", b=c, LSAT q:r"#, Some(r#"Digest a="L402 x, L402 y", b=c"#)),
        (r#"Bearer "x, L402 a:b"#, Some(r#"Bearer "x"#)),
        // A word without a space after it starts no credential: it is a second macaroon, and base64 has slashes.
        ("L402 a,b/c:d", None),
        // Outside of a quoted string, `\` is an ordinary character.
        (r"Bearer x\, L402 a:b", Some(r"Bearer x\")),
        (r#"Digest a="\", L402 x", b=c, L402 q:r"#, Some(r#"Digest a="\", L402 x", b=c"#)),
        (r#"Bearer "x\", L402 a:b"#, Some(r#"Bearer "x\""#)),
        ("L402 a, AgEJMTI3LjAuMC4xAkIAAKfIqRtAgEJMTI3LjAuMC4xAkIAAKfIqRt c:d", None),
    ] {
        assert_eq!(Authorization::split(header).others().as_deref(), left, "{header}");
    }
}

#[test]
fn a_paid_response_is_not_stored_by_shared_caches_and_varies_by_credential() {
    for (from_origin, sent) in [
        (None, "private"),
        (Some("public, max-age=60"), "private, max-age=60"),
        (Some("S-MaxAge = 9, Public, no-cache"), "private, no-cache"),
        (Some("no-store"), "private, no-store"),
        // These cases were found by attacks like A1 to A12 (CHANGELOG).
        (Some("must-understand, no-store, max-age=600"), "private, must-understand, no-store, max-age=600"),
        (Some("private=\"x\", max-age=1"), "private, max-age=1"),
    ] {
        assert_eq!(cache_control::private(from_origin), sent, "{from_origin:?}");
    }
    for name in
        ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Vercel-CDN-Cache-Control", "X-Accel-Expires"]
    {
        assert!(cache_control::is_cache_override(name), "{name}");
    }
    for name in ["Cache-Control", "Expires", "Age"] {
        assert!(!cache_control::is_cache_override(name), "{name}");
    }
    let vary = |value| with_members(value, &VARY_BY_CREDENTIAL);
    assert_eq!(vary(None), "Authorization, Cookie, X-Toll-Authorization, Macaroon, Grpc-Metadata-Macaroon");
    let with_accept = "accept, cookie, macaroon, Authorization, X-Toll-Authorization, Grpc-Metadata-Macaroon";
    assert_eq!(vary(Some("accept, cookie, macaroon")), with_accept);
    assert_eq!(vary(Some("*")), "*");
}
