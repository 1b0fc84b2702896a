//! The client of the Durable Object that counts the uses of a payment.

use std::num::NonZeroU32;

use worker::Env;

use crate::bindings::METER;
use crate::edge::context::RequestContext;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::durable_object;
use crate::error::RequestError;
use crate::limits::uses::{MeterRequest, MeterResponse};
use crate::protocols::l402::verify::Grant;

/// A use that was taken. It is spent or returned once.
pub struct TakenUse {
    meter: String,
    bought: u64,
    ticket: u64,
    /// How many uses are left besides this one.
    pub remaining: u64,
}

/// Takes a use. Returns `None` if all are spent. A use that is neither spent nor returned counts as spent after the time that the
/// origin may take.
pub async fn take(
    ctx: &RequestContext<'_>,
    grant: &Grant,
    bought: NonZeroU32,
) -> Result<Option<TakenUse>, RequestError> {
    let (meter, bought) = (grant.payment_hash.to_hex(), u64::from(bought.get()));
    let lease_ms = u64::from(ctx.policy().origin_timeout_ms).saturating_add(LEASE_BEYOND_TIMEOUT_MS);
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
            // The object may still take the use, although the client is not served.
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

impl TakenUse {
    /// Spends the use: the origin has answered.
    pub async fn spend(self, env: Env) {
        self.call(&env, MeterRequest::Spend { ticket: self.ticket }).await;
    }

    /// Returns the use to the meter: the origin failed. Returns how many uses are left.
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

/// How long a client waits for the object.
const TIMEOUT_MS: i32 = 5_000;
/// How long a response that is late for the client is awaited. The runtime ends longer waits.
const LATE_MS: i32 = 25_000;
/// How much longer than the origin may take a use stays in flight before it counts as spent.
const LEASE_BEYOND_TIMEOUT_MS: u64 = 30_000;
const CLOCK_SKEW_MS: u64 = 3_600_000;
