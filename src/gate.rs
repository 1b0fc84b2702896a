//! The decision: what happens to a request, from plain values alone.
//!
//! 1. The path has one reading that counts and one that a forgiving origin might take; where they cost differently: 400.
//! 2. `/_toll/` is ours.
//! 3. The route: none, or one that is free: forward. Priced under other methods only: 405.
//! 4. A preflight is neither charged nor answered with content.
//! 5. A good credential: forward. A genuine one that is not good here: a fresh challenge that says why. Any other: 401.
//! 6. No credential: a challenge; for `HEAD` and prefetches only the price.

use crate::l402::caveat::Terms;
use crate::l402::credential::Authorization;
use crate::l402::keys::Keys;
use crate::l402::refusal::Refusal;
use crate::l402::verify::{self, Context, Grant};
use crate::policy::Policy;
use crate::policy::path;
use crate::policy::route::{Reading, Route, Selection, Toll, select};
use crate::policy::url::{RequestUrl, is_loopback};
use crate::problem::Problem;

/// What of a request decides.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub url: RequestUrl<'a>,
    pub method: &'a str,
    /// The `Authorization` header, lines joined by commas.
    pub authorization: Option<&'a str>,
    /// `OPTIONS` with `Access-Control-Request-Method`.
    pub is_preflight: bool,
    /// A browser fetches ahead of a click, so nobody would see an invoice.
    pub is_prefetch: bool,
}

/// What happens to it.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// To the origin: nothing to pay.
    Open,
    /// To the origin: paid.
    Paid { route: &'a Route, grant: Grant, amount_sats: u64 },
    /// To the origin, and its answer back without the body.
    Preflight,
    /// 402 with an invoice.
    Challenge { route: &'a Route, terms: Terms, description: String, refused: Option<Refusal> },
    /// 402 with the price and no invoice.
    Quote { route: &'a Route, price_sats: u64 },
    /// 308 to https.
    ToHttps,
    /// Our own answer.
    Refuse(Problem),
    /// `/_toll/health`.
    Health,
}

/// What decides besides the request.
pub struct Gate<'a> {
    /// `None` where the price list cannot be read: then nothing passes.
    pub policy: Option<&'a Policy>,
    /// `None` where a secret or the wallet's settings are missing: then nothing priced passes.
    pub keys: Option<&'a Keys>,
}

impl<'a> Gate<'a> {
    /// Decides.
    pub fn decide(&self, request: &Request<'_>, now_unix: u64) -> Decision<'a> {
        let strict = request.url.path;
        if strict == HEALTH_PATH {
            return Decision::Health;
        }
        let Some(policy) = self.policy else { return Decision::Refuse(Problem::NotConfigured) };
        let liberal = path::liberal(strict, policy.fold_case);
        if [strict, &liberal].into_iter().any(is_reserved) {
            return Decision::Refuse(Problem::NotFound);
        }
        let selection = select(&policy.routes, Reading::Strict, strict, request.method);
        let other_reading = select(&policy.routes, Reading::Liberal, &liberal, request.method);
        if selection != other_reading && (selection.is_priced() || other_reading.is_priced()) {
            return Decision::Refuse(Problem::AmbiguousPath);
        }
        match selection {
            Selection::Unmatched => Decision::Open,
            Selection::Route(Route { toll: Toll::Sats(0), .. }) => Decision::Open,
            Selection::Route(Route { toll: Toll::Shut, .. }) => Decision::Refuse(Problem::NotConfigured),
            _ if request.is_preflight => Decision::Preflight,
            Selection::OtherMethod(route) => {
                Decision::Refuse(Problem::MethodNotAllowed { allow: route.methods.join(", ") })
            }
            Selection::Route(route @ Route { toll: Toll::Sats(price_sats), .. }) => {
                self.charge(policy, route, *price_sats, request, now_unix)
            }
        }
    }

    fn charge(
        &self,
        policy: &'a Policy,
        route: &'a Route,
        price_sats: u64,
        request: &Request<'_>,
        now_unix: u64,
    ) -> Decision<'a> {
        if !request.url.is_https && !is_loopback(request.url.host) {
            let repeatable = ["GET", "HEAD"].contains(&request.method);
            return if repeatable { Decision::ToHttps } else { Decision::Refuse(Problem::PlainHttp) };
        }
        let Some(keys) = self.keys else { return Decision::Refuse(Problem::NotConfigured) };
        let context = Context {
            now_unix,
            service: SERVICE,
            host: request.url.host,
            endpoint: request.url.path,
            method: request.method,
            price_sats,
        };
        let refused = match check(policy, keys, request.authorization, &context) {
            Ok(Some((grant, amount_sats))) => return Decision::Paid { route, grant, amount_sats },
            Err(refusal) if !refusal.is_genuine() => return Decision::Refuse(Problem::Credential(refusal)),
            Err(refusal) => Some(refusal),
            Ok(None) => None,
        };
        if request.url.path.len() > MAX_PRICED_PATH_BYTES {
            return Decision::Refuse(Problem::PathTooLong);
        }
        if request.method == "HEAD" || request.is_prefetch {
            return Decision::Quote { route, price_sats };
        }
        Decision::Challenge {
            route,
            terms: terms(policy, &context),
            description: description(route, &context),
            refused,
        }
    }
}

/// The first good credential; else the refusal to report: a genuine one before garbage that came with it.
fn check(
    policy: &Policy,
    keys: &Keys,
    authorization: Option<&str>,
    context: &Context<'_>,
) -> Result<Option<(Grant, u64)>, Refusal> {
    let mut refused: Option<Refusal> = None;
    let mut note = |refusal: Refusal| {
        if refused.as_ref().is_none_or(|earlier| refusal.is_genuine() && !earlier.is_genuine()) {
            refused = Some(refusal);
        }
    };
    for credential in Authorization::split(authorization.unwrap_or_default()).credentials() {
        let credential = match credential {
            Ok(credential) => credential,
            Err(refusal) => {
                note(refusal);
                continue;
            }
        };
        for macaroon in credential.macaroons {
            let good = macaroon
                .and_then(|macaroon| verify::verify(&macaroon, &credential.preimage, keys, context))
                .and_then(|grant| demand(policy, grant));
            match good {
                Ok(good) => return Ok(Some(good)),
                Err(refusal) => note(refusal),
            }
        }
    }
    refused.map_or(Ok(None), Err)
}

/// Every binding that a route sells by must be in the macaroon; that it holds was checked already.
fn demand(policy: &Policy, grant: Grant) -> Result<(Grant, u64), Refusal> {
    if !policy.encodings.accepts(grant.encoding) {
        return Err(Refusal::EncodingNotAccepted);
    }
    if !grant.binds_host {
        return Err(Refusal::Unbound("host"));
    }
    if !grant.binds_method {
        return Err(Refusal::Unbound("method"));
    }
    let amount_sats = grant.amount_sats.ok_or(Refusal::Unbound("amount_sats"))?;
    Ok((grant, amount_sats))
}

fn terms(policy: &Policy, context: &Context<'_>) -> Terms {
    Terms {
        service: context.service.to_owned(),
        expires_at_unix: context.now_unix.saturating_add(policy.credential_expiry_s),
        amount_sats: context.price_sats,
        host: context.host.to_owned(),
        endpoint: context.endpoint.to_owned(),
        method: context.method.to_owned(),
        payable_until_unix: context.now_unix.saturating_add(policy.invoice_expiry_s),
    }
}

fn description(route: &Route, context: &Context<'_>) -> String {
    let default = || format!("API access: {} {}", context.method, context.endpoint);
    route.description.clone().unwrap_or_else(default)
}

fn is_reserved(path: &str) -> bool {
    path.strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

const RESERVED: &str = "/_toll";
const HEALTH_PATH: &str = "/_toll/health";
const SERVICE: &str = "toll";
/// A credential for a longer path would not fit into the 8 KB that a credential may have.
const MAX_PRICED_PATH_BYTES: usize = 4096;
