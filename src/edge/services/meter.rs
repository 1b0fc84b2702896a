//! Calls the Durable Object that counts the uses of a payment. A use costs one call, because the object learns that a
//! use is spent with the next call about the same payment.

use std::num::NonZeroU32;
use std::sync::{LazyLock, Mutex};

use crate::edge::platform::runtime::Env;

use crate::bindings::METER;
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::{now_ms, sleep};
use crate::edge::platform::durable_object::{self, PendingCall};
use crate::edge::platform::isolate::with_lock;
use crate::error::RequestError;
use crate::limits::isolate_uses::{IsolateUses, Notice, SEND_AFTER_MS};
use crate::limits::uses::{Lease, MeterRequest, MeterResponse};
use crate::payment::PaymentHash;
use crate::policy::price_list::COUNTED_TIMEOUT_MS;
use crate::protocols::l402::verify::Grant;

/// The Durable Object of a payment.
struct Meter {
    /// The payment hash, in hexadecimal digits.
    name: String,
    bought: u64,
}

/// A use that was taken. The handler must spend or return the use.
pub struct TakenUse {
    meter: Meter,
    ticket: u64,
    /// How many uses are left besides this use and all others that are in flight.
    pub remaining: u64,
}

/// Takes a use. Returns `None` if all uses are spent. A use that is neither spent nor returned within
/// `origin_timeout` plus 30 seconds counts as spent.
pub async fn take(
    ctx: &RequestContext<'_>,
    grant: &Grant,
    bought: NonZeroU32,
) -> Result<Option<TakenUse>, RequestError> {
    let meter = Meter::of(grant, bought);
    if meter.is_all_spent() {
        return Ok(None);
    }
    let timeout_ms = ctx.policy().origin_timeout_ms.unwrap_or(COUNTED_TIMEOUT_MS);
    let lease_ms = u64::from(timeout_ms).saturating_add(LEASE_BEYOND_TIMEOUT_MS);
    let lease = Lease {
        until_ms: now_ms().saturating_add(lease_ms),
        delete_at_ms: grant.issued_until_unix.saturating_mul(1_000).saturating_add(CLOCK_SKEW_MS),
    };
    let call = meter.call(ctx.env, None, Some(lease)).ok_or(RequestError::UsesUnavailable)?;
    match call.response(TIMEOUT_MS).await {
        Some(MeterResponse::Taken { ticket, remaining }) => Ok(Some(TakenUse { meter, ticket, remaining })),
        Some(response) => match meter.left(response)? {
            None => Ok(None),
            Some(_) => Err(RequestError::UsesUnavailable),
        },
        None => {
            // The object may take the use later, although the client gets an error now. The use is then returned.
            let env = ctx.env.clone();
            ctx.context.wait_until(async move {
                if let Some(MeterResponse::Taken { ticket, remaining }) = call.response(LATE_MS).await {
                    TakenUse { meter, ticket, remaining }.return_use(&env).await;
                }
            });
            Err(RequestError::UsesUnavailable)
        }
    }
}

/// Returns how many uses are left, without taking one; `None` if all are spent.
pub async fn check(
    ctx: &RequestContext<'_>,
    grant: &Grant,
    bought: NonZeroU32,
) -> Result<Option<u64>, RequestError> {
    let meter = Meter::of(grant, bought);
    if meter.is_all_spent() {
        return Ok(None);
    }
    let call = meter.call(ctx.env, None, None).ok_or(RequestError::UsesUnavailable)?;
    let response = call.response(TIMEOUT_MS).await.ok_or(RequestError::UsesUnavailable)?;
    meter.left(response)
}

/// Whether this isolate knows that the use of a payment that buys one use is spent.
pub fn is_known_as_spent(payment_hash: &PaymentHash) -> bool {
    Meter { name: payment_hash.to_hex(), bought: 1 }.is_all_spent()
}

impl TakenUse {
    /// Spends the use, because the origin has responded with a status below 500. The request does not wait for the
    /// object.
    pub fn spend(self, ctx: &RequestContext<'_>) {
        let Self { meter, ticket, remaining } = self;
        let notice = with_lock(&USES, |uses| uses.spend(&meter.name, ticket, remaining == 0, now_ms()));
        let wait_ms = match notice {
            Notice::ByOther => return,
            Notice::Later => SEND_AFTER_MS,
            Notice::Now => 0,
        };
        let env = ctx.env.clone();
        ctx.context.wait_until(async move {
            if wait_ms > 0 {
                sleep(wait_ms).await;
            }
            meter.send_spent(&env).await;
        });
    }

    /// Gives the use back to the payment, because the origin has not responded with a status below 500. The result is
    /// the number of uses that are left. If the Durable Object does not respond, this use is not included in the
    /// number.
    pub async fn return_use(self, env: &Env) -> u64 {
        let Some(call) = self.meter.call(env, Some(self.ticket), None) else { return self.remaining };
        match call.response(TIMEOUT_MS).await {
            Some(response) => self.meter.left(response).ok().flatten().unwrap_or_default(),
            None => self.remaining,
        }
    }
}

impl Meter {
    fn of(grant: &Grant, bought: NonZeroU32) -> Self {
        Self { name: grant.payment_hash.to_hex(), bought: u64::from(bought.get()) }
    }

    fn is_all_spent(&self) -> bool {
        with_lock(&USES, |uses| uses.is_all_spent(&self.name, self.bought))
    }

    /// Calls the object. The request also contains the spent uses that the object does not know of yet.
    fn call(&self, env: &Env, returned: Option<u64>, take: Option<Lease>) -> Option<PendingCall> {
        let spent = with_lock(&USES, |uses| uses.take_unsent(&self.name));
        self.send(env, MeterRequest { bought: self.bought, spent, returned, take })
    }

    /// Tells the object which uses are spent, unless another request has told it.
    async fn send_spent(&self, env: &Env) {
        let spent = with_lock(&USES, |uses| uses.take_unsent(&self.name));
        if spent.is_empty() {
            return;
        }
        let request = MeterRequest { bought: self.bought, spent, returned: None, take: None };
        if let Some(call) = self.send(env, request)
            && let Some(response) = call.response(TIMEOUT_MS).await
        {
            let _ = self.left(response);
        }
    }

    fn send(&self, env: &Env, request: MeterRequest) -> Option<PendingCall> {
        durable_object::call(env, &METER, &self.name, &request)
    }

    /// Returns the number of uses that are left, from a response to a request that takes no use or could not take one;
    /// `None` if all are spent.
    fn left(&self, response: MeterResponse) -> Result<Option<u64>, RequestError> {
        match response {
            MeterResponse::Remaining(remaining) => Ok(Some(remaining)),
            MeterResponse::Spent => {
                with_lock(&USES, |uses| uses.record_all_spent(&self.name, self.bought));
                Ok(None)
            }
            MeterResponse::InFlight => Err(RequestError::UsesInFlight),
            MeterResponse::Taken { .. } => Err(RequestError::UsesUnavailable),
        }
    }
}

static USES: LazyLock<Mutex<IsolateUses>> = LazyLock::new(Mutex::default);

/// How long a response of the Durable Object is awaited. The client waits when a use is taken or returned, but not
/// when a use is spent.
const TIMEOUT_MS: i32 = 5_000;
/// How long the Worker still waits for the object after the client got an error. The runtime ends longer waits.
const LATE_MS: i32 = 25_000;
/// How much longer than `origin_timeout` a use stays in flight before it counts as spent.
const LEASE_BEYOND_TIMEOUT_MS: u64 = 30_000;
const CLOCK_SKEW_MS: u64 = 3_600_000;
