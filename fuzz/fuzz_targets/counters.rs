//! Reads any JSON as the state of each Durable Object that counts, and as the requests to it, and runs the requests. No payment may get
//! more uses at once than it bought.
#![no_main]

use edgetoll::limits::invoice_limit::InvoiceLimitRequest;
use edgetoll::limits::rate_limit::SlidingWindow;
use edgetoll::limits::uses::{MeterRequest, MeterResponse, Uses};
use edgetoll::policy::free_tier::exact_counter::{ExactCounter, FreeTierRequest};
use edgetoll::strict_json::{FromJson, Json};
use libfuzzer_sys::fuzz_target;

const NOW_MS: u64 = edgetoll_fuzz::NOW_UNIX * 1000;

fuzz_target!(|text: &[u8]| {
    let mut lines = text.split(|byte| *byte == b'\n').map(Json::parse);
    let Some(Some(state)) = lines.next() else { return };
    let requests: Vec<Json> = lines.flatten().collect();
    let _ = ExactCounter::from_json(&state);
    let _ = SlidingWindow::from_json(&state).map(|mut window| window.admit(2, NOW_MS));
    for request in &requests {
        let _ = FreeTierRequest::from_json(request);
        let _ = InvoiceLimitRequest::from_json(request);
    }
    // A new meter, because a stored state with other numbers than edgetoll writes proves nothing.
    let mut uses = Uses::default();
    let mut taken = 0_u64;
    for mut request in requests.iter().filter_map(MeterRequest::from_json) {
        request.bought = 3;
        request.returned = None;
        if let MeterResponse::Taken { remaining, .. } = uses.run(&request, NOW_MS) {
            taken += 1;
            assert_eq!(remaining, 3 - taken);
        }
    }
    if let Some(mut stored) = Uses::from_json(&state) {
        requests
            .iter()
            .filter_map(MeterRequest::from_json)
            .for_each(|request| {
                stored.run(&request, NOW_MS);
            });
    }
});
