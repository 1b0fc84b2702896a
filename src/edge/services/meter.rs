//! Calls the Durable Object that counts the uses of a payment.

use std::num::NonZeroU32;

use crate::edge::platform::runtime::Env;

use crate::bindings::METER;
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::durable_object;
use crate::error::RequestError;
use crate::limits::uses::{MeterRequest, MeterResponse};
use crate::policy::price_list::COUNTED_TIMEOUT_MS;
use crate::protocols::l402::verify::Grant;

/// A use that was taken. The handler must spend or return the use.
pub struct TakenUse {
    meter: String,
    bought: u64,
    ticket: u64,
    /// How many uses are left besides this use.
    pub remaining: u64,
}

/// Takes a use. Returns `None` if all uses are spent. A use that is neither spent nor returned within
/// `origin_timeout` plus 30 seconds counts as spent.
pub async fn take(
    ctx: &RequestContext<'_>,
    grant: &Grant,
    bought: NonZeroU32,
) -> Result<Option<TakenUse>, RequestError> {
    let (meter, bought) = (grant.payment_hash.to_hex(), u64::from(bought.get()));
    let timeout_ms = ctx.policy().origin_timeout_ms.unwrap_or(COUNTED_TIMEOUT_MS);
    let lease_ms = u64::from(timeout_ms).saturating_add(LEASE_BEYOND_TIMEOUT_MS);
    let request = MeterRequest::Take {
        bought,
        until_ms: now_ms().saturating_add(lease_ms),
        delete_at_ms: grant.issued_until_unix.saturating_mul(1_000).saturating_add(CLOCK_SKEW_MS),
    };
    let call =
        durable_object::call(ctx.env, &METER, &meter, &request).ok_or(RequestError::UsesUnavailable)?;
    match call.response(TIMEOUT_MS).await {
        Some(MeterResponse::Taken { ticket, remaining }) => {
            Ok(Some(TakenUse { meter, bought, ticket, remaining }))
        }
        Some(MeterResponse::Spent) => Ok(None),
        Some(MeterResponse::InFlight) => Err(RequestError::UsesInFlight),
        Some(MeterResponse::Remaining(_)) => Err(RequestError::UsesUnavailable),
        None => {
            // The object may take the use later, although the client gets an error now. The use is then returned.
            let env = ctx.env.clone();
            ctx.context.wait_until(async move {
                if let Some(MeterResponse::Taken { ticket, remaining }) = call.response(LATE_MS).await {
                    TakenUse { meter, bought, ticket, remaining }.return_use(&env).await;
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
    let request = MeterRequest::Check { bought: u64::from(bought.get()) };
    let call = durable_object::call(ctx.env, &METER, &grant.payment_hash.to_hex(), &request)
        .ok_or(RequestError::UsesUnavailable)?;
    match call.response(TIMEOUT_MS).await {
        Some(MeterResponse::Remaining(remaining)) => Ok(Some(remaining)),
        Some(MeterResponse::Spent) => Ok(None),
        Some(MeterResponse::InFlight) => Err(RequestError::UsesInFlight),
        Some(MeterResponse::Taken { .. }) | None => Err(RequestError::UsesUnavailable),
    }
}

impl TakenUse {
    /// Spends the use, because the origin has responded with a status below 500.
    pub async fn spend(self, env: Env) {
        self.call(&env, MeterRequest::Spend { ticket: self.ticket }).await;
    }

    /// Gives the use back to the payment, because the origin has not responded with a status below 500. The result is
    /// the number of uses that are left. If the Durable Object does not respond, this use is not included in the
    /// number.
    pub async fn return_use(self, env: &Env) -> u64 {
        let request = MeterRequest::Return { ticket: self.ticket, bought: self.bought };
        match self.call(env, request).await {
            Some(MeterResponse::Remaining(remaining)) => remaining,
            _ => self.remaining,
        }
    }

    async fn call(&self, env: &Env, request: MeterRequest) -> Option<MeterResponse> {
        durable_object::call(env, &METER, &self.meter, &request)?.response(TIMEOUT_MS).await
    }
}

/// How long a response of the Durable Object is awaited. The client waits when a use is taken or returned, but not
/// when a use is spent.
const TIMEOUT_MS: i32 = 5_000;
/// How long the Worker still waits for the object after the client got an error. The runtime ends longer waits.
const LATE_MS: i32 = 25_000;
/// How much longer than `origin_timeout` a use stays in flight before it counts as spent.
const LEASE_BEYOND_TIMEOUT_MS: u64 = 30_000;
const CLOCK_SKEW_MS: u64 = 3_600_000;
