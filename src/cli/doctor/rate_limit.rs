//! Measures how many requests LNbits answers when it gets a burst: many requests in quick succession.
//!
//! LNbits limits how many requests a client address may send to the same path. Every request of the burst looks up the
//! same payment, which does not exist. So the burst uses up the limit of a path that nothing else uses.

use std::sync::Mutex;
use std::thread;

use crate::cli::http::{Clock, Http, MAX_CONNECTIONS, since_1970};
use crate::wallet::lnbits::Lnbits;

/// How LNbits responded to a burst: many quick requests to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// How many requests were planned.
    pub planned: u64,
    /// How many requests got status 200 or 404.
    pub answered: u64,
    pub end: BurstEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BurstEnd {
    /// All planned requests got status 200 or 404.
    Done,
    /// A request was refused with 429.
    Limited,
    /// A request was answered with this unexpected status.
    Status(u16),
    /// A request got no response.
    NoResponse,
    /// The time limit of the burst was reached.
    OutOfTime,
}

/// Sends `invoices_per_minute` + 1 requests, but at most 500. Stops at the first response with a status other than 200
/// or 404, at the first request without a response, or after 20 s. Returns how LNbits responded.
pub(super) fn measure(http: &Http, lnbits: &Lnbits, invoices_per_minute: u64) -> Burst {
    let planned = invoices_per_minute.saturating_add(1).min(MAX_REQUESTS);
    // The payment hash in the path is the current time. So the path is new, and LNbits has counted no requests to it
    // yet.
    let request = lnbits.get(&format!("/api/v1/payments/{:064x}", since_1970().as_nanos()), false);
    let clock = Clock::start();
    let progress = Mutex::new(Progress { unsent: planned, answered: 0, end: None });
    let send_all = || {
        while with_lock(&progress, |progress| progress.take_request(clock.ms())) {
            let response = http.send(&request).result;
            let end = match response.map(|response| response.status) {
                Ok(200 | 404) => None,
                Ok(429) => Some(BurstEnd::Limited),
                Ok(status) => Some(BurstEnd::Status(status)),
                Err(_) => Some(BurstEnd::NoResponse),
            };
            with_lock(&progress, |progress| progress.record(end));
        }
    };
    if cfg!(target_os = "wasi") {
        // WASI has no threads.
        send_all();
    } else {
        thread::scope(|scope| (0..MAX_CONNECTIONS).for_each(|_| drop(scope.spawn(send_all))));
    }
    with_lock(&progress, |progress| Burst {
        planned,
        answered: progress.answered,
        end: progress.end.unwrap_or(BurstEnd::Done),
    })
}

struct Progress {
    unsent: u64,
    answered: u64,
    end: Option<BurstEnd>,
}

impl Progress {
    /// Returns whether another request must be sent. If so, counts that request as sent.
    fn take_request(&mut self, now_ms: u64) -> bool {
        let Some(unsent) = self.unsent.checked_sub(1).filter(|_| self.end.is_none()) else { return false };
        if now_ms > MAX_MS {
            self.end = Some(BurstEnd::OutOfTime);
            return false;
        }
        self.unsent = unsent;
        true
    }

    /// Counts a request as answered if `end` is `None`. Otherwise, the burst ends, and `end` is the reason. If the
    /// burst has already ended, the first reason is kept.
    fn record(&mut self, end: Option<BurstEnd>) {
        match end {
            None => self.answered = self.answered.saturating_add(1),
            Some(end) => self.end = self.end.or(Some(end)),
        }
    }
}

fn with_lock<T>(progress: &Mutex<Progress>, change: impl FnOnce(&mut Progress) -> T) -> T {
    change(&mut progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

const MAX_REQUESTS: u64 = 500;
/// When a burst has lasted this long, no further request is sent.
pub(super) const MAX_MS: u64 = 20_000;
