//! Changes the headers of a paid request before it is forwarded: without and with a signature.

use std::hint::black_box;

use criterion::Criterion;
use edgetoll::crypto::HmacKey;
use edgetoll::forward::{ForwardReason, ForwardedRequest, Signing};
use edgetoll::gate::Decision;
use edgetoll::http::header_list::HeaderList;
use edgetoll::http::url::RequestUrl;
use edgetoll::protocols::l402::macaroon::Encoding;

use crate::cpu::CpuTime;
use crate::{decide, macaroons, price_list};

pub fn bench(criterion: &mut Criterion<CpuTime>) {
    let settings = price_list::settings(10);
    let gate = settings.gate(settings.policy().unwrap(), &|_, _| None, &|_, grant| grant.is_proven);
    let credential = format!(
        "L402 {}:{}",
        macaroons::mint(settings.keys().unwrap(), Encoding::Standard),
        macaroons::PREIMAGE
    );
    let url = "https://api.example.com/api/v1/weather";
    let Decision::Paid(purchase) = gate.decide(&decide::request(url, Some(&credential)), 1_800_000_000)
    else {
        return;
    };
    let headers = format!("3\naccept\n*/*\nauthorization\n{credential}\nuser-agent\ncurl/8\n");
    let headers = HeaderList::parse(headers, 0).unwrap();
    let key = HmacKey::new(b"6f1d0c9e8b7a4f3e2d5c6b7a8f9e0d1c");
    for (name, key) in [("not signed", None), ("signed", Some(&key))] {
        criterion.bench_function(&format!("forward/paid, {name}"), |b| {
            b.iter(|| {
                let forwarded = ForwardedRequest {
                    url: RequestUrl::parse(url).unwrap(),
                    headers: black_box(&headers),
                    reason: ForwardReason::Paid,
                    grant: Some(&purchase.grant),
                    observed: None,
                    route: Some(purchase.route),
                    policy: settings.policy().unwrap(),
                    settings: &settings,
                    deployment_tag: "00112233445566778899aabbccddeeff",
                    client: Some("00112233445566778899aabbccddeeff"),
                    signing: key.map(|key| Signing {
                        key,
                        method: "GET",
                        path_and_query: "/api/v1/weather",
                        created_unix: 1_800_000_000,
                    }),
                };
                forwarded.edits()
            });
        });
    }
}
