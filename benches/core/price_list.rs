//! Reads a price list from its JSON.

use std::fmt::Write;
use std::hint::black_box;

use criterion::Criterion;
use edgetoll::config::Settings;
use edgetoll::policy::Policy;
use edgetoll::policy::normalization::fold_case;
use edgetoll::strict_json::Json;

use crate::cpu::CpuTime;

pub fn bench(criterion: &mut Criterion<CpuTime>) {
    for routes in [10, 100, 1_000] {
        let text = text(routes);
        criterion.bench_function(&format!("read/{routes}"), |b| {
            b.iter_with_large_drop(|| {
                Policy::parse(&Json::parse(black_box(text.as_bytes())).unwrap(), fold_case)
            });
        });
    }
}

pub fn settings(routes: usize) -> Settings {
    let var = |name: &str| match name {
        "TOLL_SECRET" => Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c".to_owned()),
        "LNBITS_URL" => Some("https://lnbits.test".to_owned()),
        "LNBITS_KEY" => Some("0123456789abcdef".to_owned()),
        _ => None,
    };
    let settings = Settings::read(var, Some(&text(routes)), fold_case);
    assert_eq!(settings.faults, [""; 0]);
    settings
}

/// Returns a list in which the route `/api/v1/weather` is in the middle. All routes cost 5 sats. Of ten routes, seven are paths, two have a
/// parameter and one is for everything below a path.
fn text(routes: usize) -> String {
    let mut text = r#"{"routes":["#.to_owned();
    for at in 0..routes {
        let path = match at % 10 {
            _ if at == routes / 2 => "/api/v1/weather".to_owned(),
            3 => format!("/api/v1/users{at}/:id"),
            6 => format!("/shops{at}/:shop/items/:item"),
            9 => format!("/files/part{at}/*"),
            _ => format!("/api/v1/product-{at}"),
        };
        let separator = if at == 0 { "" } else { "," };
        write!(text, r#"{separator}{{"path":"{path}","sats":5}}"#).unwrap();
    }
    text + "]}"
}
