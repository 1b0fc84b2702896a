//! The decision: what happens to a request, from plain values alone.
//!
//! 1. `/_toll/` is ours. What would reach the origin as something else than it is priced as is refused.
//! 2. The path has one reading that counts and others that an origin might take; where they cost differently: 400.
//! 3. The route: none, or one that is free: forward. Priced under other methods only: 405.
//! 4. A preflight is neither charged nor answered with content.
//! 5. A good credential: forward. A genuine one that is not good here: a fresh challenge that says why. Any other: 401.
//! 6. No credential: a challenge; for `HEAD` and prefetches only the price.

use crate::l402::caveat::{Scope, Terms};
use crate::l402::credential::Authorization;
use crate::l402::keys::Keys;
use crate::l402::refusal::Refusal;
use crate::l402::verify::{self, Context, Grant, Price};
use crate::policy::Policy;
use crate::policy::path;
use crate::policy::route::{Reading, Route, Selection, Sold, Toll, allowed, select};
use crate::policy::url::{RequestUrl, is_loopback};
use crate::problem::Problem;

/// What of a request decides.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The URL, taken apart: what is priced is what is forwarded.
    pub url: RequestUrl<'a>,
    /// As it was sent; compared as text, since the runtime's own type takes unknown methods for GET.
    pub method: &'a str,
    /// The client's address, or the /64 of an IPv6 one; `None` where it is not known.
    pub client_ip: Option<&'a str>,
    /// The `Authorization` header, lines joined by commas.
    pub authorization: Option<&'a str>,
    /// `OPTIONS` with `Access-Control-Request-Method`.
    pub is_preflight: bool,
    /// `Upgrade: websocket`: the runtime sends it as `GET`, whatever the method.
    pub is_upgrade: bool,
    /// A browser fetches ahead of a click, so nobody would see an invoice.
    pub is_prefetch: bool,
}

/// What happens to it. `route` is the entry of the price list that it fell under.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are named for what they are")]
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
        if request.method.eq_ignore_ascii_case("TRACE") {
            return Decision::Refuse(Problem::MethodNotAllowed { allow: "GET, HEAD, POST".to_owned() });
        }
        if request.is_upgrade && request.method != "GET" {
            return Decision::Refuse(Problem::UpgradeWithoutGet);
        }
        let liberal = path::liberal(strict, policy.fold_case);
        let others = path::others(strict, policy.fold_case);
        if others.iter().map(String::as_str).chain([strict, &liberal]).any(is_reserved) {
            return Decision::Refuse(Problem::NotFound);
        }
        let has_prices = policy.routes.iter().any(|route| route.toll != Toll::Sats(0));
        if has_prices && path::has_dot_segment(strict) {
            return Decision::Refuse(Problem::AmbiguousPath);
        }
        let selection = select(&policy.routes, Reading::Strict, strict, request.method);
        let read = |path: &str| select(&policy.routes, Reading::Liberal, path, request.method);
        let liberal = read(&liberal);
        if selection != liberal && (selection.is_priced() || liberal.is_priced()) {
            return Decision::Refuse(Problem::AmbiguousPath);
        }
        if others.iter().map(|path| read(path)).any(|other| other != selection && other.is_priced()) {
            return Decision::Refuse(Problem::AmbiguousPath);
        }
        match selection {
            Selection::Unmatched => Decision::Open,
            Selection::Route(Route { toll: Toll::Sats(0), .. }) => Decision::Open,
            Selection::Route(Route { toll: Toll::Shut, .. }) => Decision::Refuse(Problem::NotConfigured),
            _ if request.is_preflight => Decision::Preflight,
            Selection::OtherMethod(_) => {
                Decision::Refuse(Problem::MethodNotAllowed { allow: allowed(&policy.routes, strict) })
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
        if route.by_ip && request.client_ip.is_none() {
            return Decision::Refuse(Problem::UnknownClient);
        }
        let context = Context {
            now_unix,
            service: &route.service,
            host: request.url.host,
            endpoint: request.url.path,
            method: request.method,
            ip: request.client_ip,
            realm: match &route.sold {
                Sold::Endpoint { .. } => None,
                Sold::Realm(realm) => Some(realm),
            },
            price: Price::Sats(price_sats),
        };
        let refused =
            match check(&Seller { policy, keys, route, price_sats }, request.authorization, &context) {
                Ok(Some((grant, amount_sats))) => return Decision::Paid { route, grant, amount_sats },
                Err(refusal) if !refusal.is_genuine() => {
                    return Decision::Refuse(Problem::Credential(refusal));
                }
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
            terms: terms(policy, route, price_sats, &context),
            description: description(route, &context),
            refused,
        }
    }
}

/// Who sells what.
struct Seller<'a> {
    policy: &'a Policy,
    keys: &'a Keys,
    route: &'a Route,
    price_sats: u64,
}

/// The first good credential and what was paid for it; else the refusal to report: a genuine one before garbage that came
/// with it.
fn check(
    seller: &Seller<'_>,
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
                .and_then(|macaroon| verify::verify(&macaroon, &credential.preimage, seller.keys, context))
                .and_then(|grant| seller.demand(grant, context.now_unix));
            match good {
                Ok(good) => return Ok(Some(good)),
                Err(refusal) => note(refusal),
            }
        }
    }
    refused.map_or(Ok(None), Err)
}

impl Seller<'_> {
    /// Every limit that the route sells by must be in the macaroon; that those in it hold was checked already.
    fn demand(&self, grant: Grant, now_unix: u64) -> Result<(Grant, u64), Refusal> {
        if !self.policy.encodings.accepts(grant.encoding) {
            return Err(Refusal::EncodingNotAccepted);
        }
        if self.policy.revoked.contains(&grant.payment_hash) {
            return Err(Refusal::Revoked);
        }
        if grant.uses.is_some() {
            return Err(Refusal::Unsatisfiable("uses".to_owned()));
        }
        let binds = grant.binds;
        let by_method = self.route.sold == Sold::Endpoint { by_method: true };
        let by_realm = matches!(self.route.sold, Sold::Realm(_));
        let demanded = [
            ("endpoint", binds.endpoint, !by_realm),
            ("method", binds.method, by_method),
            ("realm", binds.realm, by_realm),
            ("ip", binds.ip, self.route.by_ip),
            ("host", binds.host, !grant.is_foreign),
        ];
        if grant.is_foreign {
            self.demand_of_foreign(&grant, now_unix)?;
        }
        if let Some((name, ..)) = demanded.iter().find(|(_, is_bound, is_demanded)| *is_demanded && !is_bound)
        {
            return Err(Refusal::Unbound(name));
        }
        match grant.amount_sats {
            // Nobody of ours said what was paid for it.
            _ if grant.is_foreign => Ok((grant, self.price_sats)),
            Some(amount_sats) => Ok((grant, amount_sats)),
            None => Err(Refusal::Unbound("amount_sats")),
        }
    }

    /// A foreign macaroon is short-lived, and good only where one fixed price is asked for one path.
    fn demand_of_foreign(&self, grant: &Grant, now_unix: u64) -> Result<(), Refusal> {
        let max_age_s = self.policy.foreign_max_age_s.ok_or(Refusal::ForeignNotAccepted)?;
        let in_time = grant.expires_at_unix <= now_unix.saturating_add(max_age_s);
        let is_sold_so = matches!(self.route.sold, Sold::Endpoint { .. });
        if in_time && is_sold_so { Ok(()) } else { Err(Refusal::Foreign { max_age_s }) }
    }
}

fn terms(policy: &Policy, route: &Route, price_sats: u64, context: &Context<'_>) -> Terms {
    let scope = match &route.sold {
        Sold::Realm(realm) => Scope::Realm(realm.clone()),
        Sold::Endpoint { by_method } => Scope::Endpoint {
            endpoint: context.endpoint.to_owned(),
            method: by_method.then(|| context.method.to_owned()),
        },
    };
    Terms {
        service: route.service.clone(),
        expires_at_unix: context.now_unix.saturating_add(policy.credential_expiry_s),
        amount_sats: price_sats,
        host: context.host.to_owned(),
        scope,
        ip: context.ip.filter(|_| route.by_ip).map(str::to_owned),
        uses: None,
        fiat: None,
        wallet: None,
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
/// A credential for a longer path would not fit into the 8 KB that a credential may have.
const MAX_PRICED_PATH_BYTES: usize = 4096;
