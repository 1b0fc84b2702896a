//! Resolves a path with a short price list: its route, and how origins may read it.

use std::hint::black_box;

use criterion::Criterion;
use edgetoll::policy::route::Target;

use crate::cpu::CpuTime;
use crate::price_list;

pub fn bench(criterion: &mut Criterion<CpuTime>) {
    let settings = price_list::settings(10);
    let policy = settings.policy().unwrap();
    let target = Target { host: "api.example.com", method: "GET" };
    for (name, path) in [
        ("root", "/"),
        ("plain", "/api/v1/weather"),
        ("extension", "/assets/app.min.js"),
        ("folder", "/api/v1/weather/"),
        ("encoded", "/api/caf%C3%A9/menu"),
        ("index file", "/docs/index.html"),
    ] {
        criterion.bench_function(&format!("resolve/{name}"), |b| {
            b.iter(|| policy.resolve(black_box(path), target))
        });
    }
}
