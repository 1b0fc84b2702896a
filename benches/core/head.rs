//! Measures the CPU time of hostile requests. Their heads have 8 KB and are made to cost as much time as possible. Fails if
//! one request costs more than 2 ms, or accordingly more on a slower machine.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

#[path = "../../tests/native/support/hostile_heads.rs"]
mod hostile_heads;

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ThreadTime;

fn main() {
    let settings = hostile_heads::settings();
    let mut costs: Vec<(Duration, &str)> = Vec::new();
    for head in hostile_heads::hostile_heads() {
        let handle = head.handle(&settings, 8_000);
        costs.push((cost(handle), head.name));
    }
    costs.sort();
    for (cost, name) in costs.iter().rev() {
        println!("{:>6.3} ms  {name}", cost.as_secs_f64() * 1_000.0);
    }
    let parsing = parsing();
    println!("{:>6.3} ms  serde_json, for comparison", parsing.as_secs_f64() * 1_000.0);
    let limit = LIMIT.mul_f64((parsing.as_secs_f64() / USUAL_PARSING.as_secs_f64()).max(1.0));
    assert!(costs.iter().all(|(cost, _)| *cost <= limit), "a request costs more than {limit:?}");
}

/// Returns the time that another library needs for a text, as a measure of the machine.
fn parsing() -> Duration {
    let text = format!("[{}]", vec![r#"{"path":"/a/item","sats":5}"#; 1_000].join(","));
    cost(|| {
        black_box(serde_json::from_str::<serde_json::Value>(&text).unwrap());
    })
}

fn cost(run: impl Fn()) -> Duration {
    let runs = (0..20).map(|_| {
        let started = ThreadTime::now();
        run();
        started.elapsed()
    });
    runs.min().unwrap_or_default()
}

const LIMIT: Duration = Duration::from_millis(2);
/// What [`parsing`] returns on a machine on which [`LIMIT`] holds.
const USUAL_PARSING: Duration = Duration::from_micros(200);
