//! How many requests LNbits takes in a row. It counts by the client's address and the exact path, also the path of a payment
//! that it does not have: such a one is asked for, so that no other check, and nobody else, finds its limit used up.

use std::sync::Mutex;
use std::thread;

use super::http::{Clock, Http, MAX_CONNECTIONS, since_1970};
use crate::wallet::lnbits::Lnbits;

/// Quick requests to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// How many were to be sent.
    pub wanted: u64,
    /// How many were answered before it ended.
    pub answered: u64,
    /// How it ended.
    pub end: End,
}

/// How a burst ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of them were answered.
    Done,
    /// The next one was refused: 429.
    Limited,
    /// The next one was answered with this status.
    Status(u16),
    /// The next one was not answered.
    NoResponse,
    /// There was no more time.
    OutOfTime,
}

/// Sends one request more than the deployment may ask for invoices in a minute.
pub(super) fn measure(http: &Http, lnbits: &Lnbits, invoices_per_minute: u64) -> Burst {
    let wanted = invoices_per_minute.saturating_add(1).min(MAX_REQUESTS);
    let call = lnbits.get(&format!("/api/v1/payments/{:064x}", since_1970().as_nanos()), false);
    let clock = Clock::start();
    let progress = Mutex::new(Progress { unsent: wanted, answered: 0, end: None });
    thread::scope(|scope| {
        for _ in 0..MAX_CONNECTIONS {
            scope.spawn(|| {
                while with_lock(&progress, |progress| progress.take(clock.ms())) {
                    let answer = http.send(&call).answer;
                    let end = match answer.map(|answer| answer.status) {
                        Ok(200 | 404) => None,
                        Ok(429) => Some(End::Limited),
                        Ok(status) => Some(End::Status(status)),
                        Err(_) => Some(End::NoResponse),
                    };
                    with_lock(&progress, |progress| progress.note(end));
                }
            });
        }
    });
    with_lock(&progress, |progress| Burst {
        wanted,
        answered: progress.answered,
        end: progress.end.unwrap_or(End::Done),
    })
}

struct Progress {
    unsent: u64,
    answered: u64,
    end: Option<End>,
}

impl Progress {
    /// Takes one of the requests that are still to be sent.
    fn take(&mut self, now_ms: u64) -> bool {
        let Some(unsent) = self.unsent.checked_sub(1).filter(|_| self.end.is_none()) else { return false };
        if now_ms > MAX_MS {
            self.end = Some(End::OutOfTime);
            return false;
        }
        self.unsent = unsent;
        true
    }

    fn note(&mut self, end: Option<End>) {
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
/// How long a burst may take.
pub(super) const MAX_MS: u64 = 20_000;
