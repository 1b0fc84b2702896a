//! Measures the CPU time of hostile requests. Their heads have 8 KB and are made to cost as much time as possible. Fails if
//! one request costs more than 2 ms.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

#[path = "../tests/native/support/hostile_heads.rs"]
mod hostile_heads;

use std::time::Duration;

use cpu_time::ThreadTime;

fn main() {
    let settings = hostile_heads::settings();
    let mut costs: Vec<(Duration, &str)> = Vec::new();
    for head in hostile_heads::hostile_heads() {
        let handle = head.handle(&settings, 8_000);
        let runs = (0..20).map(|_| {
            let started = ThreadTime::now();
            handle();
            started.elapsed()
        });
        costs.push((runs.min().unwrap_or_default(), head.name));
    }
    costs.sort();
    for (cost, name) in costs.iter().rev() {
        println!("{:>6.3} ms  {name}", cost.as_secs_f64() * 1_000.0);
    }
    assert!(costs.iter().all(|(cost, _)| *cost <= LIMIT), "a request costs more than {LIMIT:?}");
}

const LIMIT: Duration = Duration::from_millis(2);
