//! Splits any URL as a URL parser (WHATWG URL) has serialized it: the parts must be those of the parser. Also reads the text as a setting.
#![no_main]

use edgetoll::config::Origin;
use edgetoll::http::url::{RequestUrl, is_serialized};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|text: &str| {
    let _ = Origin::parse(text);
    let parsed = Url::parse(text);
    if is_serialized(text) {
        assert_eq!(parsed.as_ref().map(Url::as_str), Ok(text));
    }
    let _ = RequestUrl::parse(text);
    let Some(url) = parsed.ok().filter(|url| matches!(url.scheme(), "http" | "https")) else { return };
    let split = RequestUrl::parse(url.as_str()).expect("a URL that a parser has serialized");
    assert_eq!(split.is_https, url.scheme() == "https");
    assert_eq!(Some(split.host), url.host_str().map(|host| host.trim_end_matches('.')), "{url}");
    assert_eq!(split.path, url.path(), "{url}");
    assert_eq!(split.query(), url.query().unwrap_or_default(), "{url}");
});
