//! Measures the CPU time of the core: macaroons, path normalization, header names, decisions of the gate, forwarding, and
//! reading a price list. Where `libmacaroon` does the same, it is measured too.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod cpu;
mod decide;
mod forward;
mod headers;
mod macaroons;
mod paths;
mod price_list;

use std::time::Duration;

use criterion::Criterion;

use cpu::CpuTime;

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    macaroons::bench(&mut criterion);
    paths::bench(&mut criterion);
    headers::bench(&mut criterion);
    decide::bench(&mut criterion);
    forward::bench(&mut criterion);
    price_list::bench(&mut criterion);
    criterion.final_summary();
}
