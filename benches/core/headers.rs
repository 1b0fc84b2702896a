//! Decides for each header of a request whether it is removed before the request is forwarded.

use std::hint::black_box;

use criterion::Criterion;
use edgetoll::http::header::{is_removed, is_url_part};
use edgetoll::protocols::l402::credential::is_macaroon_header;

use crate::cpu::CpuTime;

pub fn bench(criterion: &mut Criterion<CpuTime>) {
    let is_checked =
        |name: &str| is_removed(black_box(name), &[]) || is_url_part(name) || is_macaroon_header(name);
    criterion.bench_function("headers/13 names", |b| {
        b.iter(|| NAMES.iter().filter(|name| is_checked(name)).count());
    });
}

const NAMES: [&str; 13] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "cf-visitor",
    "host",
    "user-agent",
    "x-forwarded-proto",
    "x-real-ip",
];
