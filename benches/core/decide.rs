//! Decides a paid request, a request to a path without a route, and a request that gets a challenge.

use std::hint::black_box;

use criterion::Criterion;
use edgetoll::gate::{Decision, Gate, Request};
use edgetoll::http::url::RequestUrl;
use edgetoll::protocols::l402::macaroon::Encoding;

use crate::cpu::CpuTime;
use crate::{macaroons, price_list};

pub fn bench(criterion: &mut Criterion<CpuTime>) {
    for routes in [10, 100, 1_000] {
        let settings = price_list::settings(routes);
        let gate = settings.gate(settings.policy().unwrap(), &|_, _| None, &|_, grant| grant.is_proven);
        let macaroon = macaroons::mint(settings.keys().unwrap(), Encoding::Standard);
        let credential = format!("L402 {macaroon}:{}", macaroons::PREIMAGE);
        let sold = "https://api.example.com/api/v1/weather";
        let paid = request(sold, Some(&credential));
        let unlisted = request("https://api.example.com/assets/logo", None);
        let challenged = request(sold, None);
        assert!(matches!(decide(&gate, &paid), Decision::Paid(_)));
        assert!(matches!(decide(&gate, &unlisted), Decision::Open { waived: None }));
        assert!(matches!(decide(&gate, &challenged), Decision::Challenge(_)));
        for (name, request) in [("paid", &paid), ("unlisted", &unlisted), ("challenge", &challenged)] {
            criterion
                .bench_function(&format!("decide/{name}/{routes}"), |b| b.iter(|| decide(&gate, request)));
        }
    }
}

fn decide<'a>(gate: &Gate<'a, '_>, request: &Request<'_>) -> Decision<'a> {
    gate.decide(black_box(request), 1_800_000_000)
}

pub fn request<'a>(url: &'a str, authorization: Option<&'a str>) -> Request<'a> {
    Request {
        url: RequestUrl::parse(url).unwrap(),
        method: "GET",
        client_ip: Some("192.0.2.1"),
        authorization,
        other_carriers: Default::default(),
        cookie: None,
        is_preflight: false,
        is_upgrade: false,
        is_prefetch: false,
        has_body: false,
        header: &|_| None,
        edge: &|_| None,
    }
}
