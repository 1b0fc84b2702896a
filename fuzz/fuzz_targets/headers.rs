//! Reads any text as each header of a request or response that edgetoll reads, and changes it where edgetoll does.
#![no_main]

use edgetoll::crypto::HmacKey;
use edgetoll::http::header_list::HeaderList;
use edgetoll::http::message_signature::SignatureBase;
use edgetoll::http::origin_headers::PublicUrls;
use edgetoll::http::{accept, cache_control};
use edgetoll::policy::client::ClientSource;
use edgetoll::protocols::x_preimage;
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|value: &str| {
    let _ = accept::prefers_html(value);
    let private = cache_control::private(Some(value));
    assert!(private.starts_with("private"));
    assert_eq!(cache_control::private(Some(&private)), private);
    let vary = cache_control::with_members(Some(value), &["Cookie"]);
    assert!(
        vary.split(", ").any(|member| member == "*" || member.eq_ignore_ascii_case("cookie")),
        "{vary:?}"
    );
    let _ = x_preimage::read(value);
    let _ = x_preimage::takes_invoice(Some(value), false);
    let _ = ClientSource::default().client(Some(value), Some(value));
    let resolve = |url: &str, base: &str| Some(Url::parse(base).ok()?.join(url).ok()?.to_string());
    let public = PublicUrls::new(
        "https://origin.test:8443/app",
        "https://origin.test:8443/app/x",
        "https://shop.test",
        resolve,
    );
    for name in ["Location", "Link", "Refresh", "Set-Cookie", "HX-Redirect"] {
        let _ = public.rewrite(name, value);
    }
    sign(value);
});

/// Signs a request that has signatures already. Each label must be in both headers.
fn sign(value: &str) {
    let (input, signature) = value.split_once('\n').unwrap_or((value, value));
    let lines = format!("2\nsignature-input\n{input}\nsignature\n{signature}\n");
    let Some(headers) = HeaderList::parse(lines, 0) else { return };
    let mut base = SignatureBase::default();
    base.cover("@method", "GET");
    let signed = base.sign(&HmacKey::new(&[7; 32]), ";created=1");
    let [inputs, signatures] = signed.with_others("toll", &headers);
    assert!(
        inputs.contains("toll=(\"@method\")") && signatures.contains("toll=:"),
        "{inputs:?} {signatures:?}"
    );
}
