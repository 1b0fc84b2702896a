//! The decision: what happens to a request, from plain values alone.
//!
//! 1. `/_toll/` is ours and the operator's, and `/.well-known/l402` is the public price list. What would reach the origin as
//!    something else than it is priced as is refused.
//! 2. The path has one reading that counts and others that an origin might take; where they cost differently: 400.
//! 3. The route: none, or one that is free: forward.
//! 4. A preflight is neither charged nor answered with content. Priced under other methods only: 405; on other hosts: 421.
//! 5. The price of this very request. Where origins could read what it depends on in two ways: 400.
//! 6. A good credential: forward, counted where it buys so many uses; but where its preimage is not enough, or missing, its
//!    wallet must say first that it was paid. A genuine one that is not good here: a fresh challenge that says why. Any
//!    other: 401.
//! 7. No credential: the free tier, if the route has one; then a challenge; for `HEAD`, `OPTIONS` and prefetches only the price.

use std::num::NonZeroU32;

use crate::l402::caveat::{Scope, Terms};
use crate::l402::cookie::Cookie;
use crate::l402::credential::Authorization;
use crate::l402::keys::Keys;
use crate::l402::macaroon::Macaroon;
use crate::l402::refusal::Refusal;
use crate::l402::verify::{self, Context, Grant};
use crate::operator::Door;
use crate::pay_page::Public;
use crate::policy::config::{PREFIX, Unmatched};
use crate::policy::facts::{EdgeFact, Facts, METHOD_OVERRIDE, Unpriced, method_overrides};
use crate::policy::free::FreeTier;
use crate::policy::price::{Cost, MAX_SATS, cost};
use crate::policy::reach::{Ambiguous, PRICES_PATH, Resolved};
use crate::policy::route::{Route, Selection, Sold, Target, Toll, allowed};
use crate::policy::url::{RequestUrl, is_loopback};
use crate::policy::{Policy, path};
use crate::problem::Problem;

/// What of a request decides.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The URL, taken apart: what is priced is what is forwarded.
    pub url: RequestUrl<'a>,
    /// As it was sent; compared as text, since the runtime's own type takes unknown methods for GET.
    pub method: &'a str,
    /// The client's address, or the prefix of an IPv6 one; `None` where it is not known.
    pub client_ip: Option<&'a str>,
    /// The `Authorization` header, lines joined by commas.
    pub authorization: Option<&'a str>,
    /// The `Cookie` header.
    pub cookie: Option<&'a str>,
    /// `OPTIONS` with `Access-Control-Request-Method`.
    pub is_preflight: bool,
    /// `Upgrade: websocket`: the runtime sends it as `GET`, whatever the method.
    pub is_upgrade: bool,
    /// A browser fetches ahead of a click, so nobody would see an invoice.
    pub is_prefetch: bool,
    /// Whether a body comes with it.
    pub has_body: bool,
    /// Looks a header up, for prices that depend on it.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// Looks up what the edge knows.
    pub edge: &'a dyn Fn(EdgeFact) -> Option<String>,
}

/// What happens to it. `route` is the entry of the price list that it fell under.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are named for what they are")]
pub enum Decision<'a> {
    /// To the origin: nothing to pay.
    Open,
    /// To the origin: this very request costs nothing, though others of the route do.
    Waived { route: &'a Route },
    /// To the origin: paid.
    Sold(Sale<'a>),
    /// To the origin, and its answer back without the body; or the Worker answers it itself.
    Preflight,
    /// Sold to the first of these whose wallet says that it was paid. To one that can still be paid, the same challenge again;
    /// else what the offer says.
    Unsettled { claims: Vec<Claim<'a>>, route: &'a Route, offer: Offer<'a> },
    /// To the origin while free requests are left, counted under `key`; else what the offer says.
    FreeTier { route: &'a Route, tier: FreeTier, key: String, offer: Offer<'a> },
    /// 402.
    Offer { route: &'a Route, offer: Offer<'a> },
    /// 308 to https.
    ToHttps,
    /// Our own answer, about this route where it is known.
    Refuse(Problem, Option<&'a Route>),
    /// `/_toll/health`.
    Health,
    /// A door of the operator's.
    Operator(Door),
    /// `/_toll/settle`: a person asks whether an invoice is paid.
    Settle,
    /// A script or style that anybody may have.
    Public(Public),
    /// `/_toll/hook/…`: a wallet says that something was paid. This is what stands behind `hook/`.
    Hook(String),
    /// `/.well-known/l402`.
    Prices,
}

/// What was paid for.
#[derive(Debug, PartialEq, Eq)]
pub struct Sale<'a> {
    /// The entry of the price list.
    pub route: &'a Route,
    /// What the credential says.
    pub grant: Grant,
    /// What was paid for it.
    pub amount_sats: u64,
    /// Where the credential buys so many requests: they are counted.
    pub metered: Option<Metered<'a>>,
}

/// So many requests, and no more.
#[derive(Debug, PartialEq, Eq)]
pub struct Metered<'a> {
    /// How many were bought.
    pub uses: NonZeroU32,
    /// What is said when all are spent.
    pub offer: Offer<'a>,
}

/// A credential that is good, if it was paid for.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// As it was shown.
    pub macaroon: Macaroon,
    /// What it buys.
    pub sale: Sale<'a>,
}

/// What is sold to a request that did not pay.
#[derive(Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// What it costs.
    pub cost: Cost<'a>,
    /// What its credential is bound to. The amount of a price in fiat is known with its invoice.
    pub terms: Terms,
    /// What the invoice says.
    pub description: String,
    /// Why the credential that came along was not enough.
    pub refused: Option<Refusal>,
    /// Only the price is told: nobody would see an invoice.
    pub is_quote: bool,
}

/// What decides besides the request.
pub struct Gate<'a, 'c> {
    /// `None` where the price list cannot be read: then nothing passes.
    pub policy: Option<&'a Policy>,
    /// `None` where a secret or the wallet's settings are missing: then nothing priced passes.
    pub keys: Option<&'a Keys>,
    /// Prices that the Worker's own code makes, in satoshis; `None` where it has none for a route.
    pub code: &'c PriceCode<'c>,
    /// Whether a good credential is known to be paid for, without asking its wallet.
    pub is_settled: &'c IsSettled<'c>,
}

/// Whether a payment is known to have arrived.
pub type IsSettled<'c> = dyn Fn(&Grant) -> bool + 'c;

/// A price made by code.
pub type PriceCode<'c> = dyn Fn(&Route, &Facts<'_>) -> Option<Result<u64, Unpriced>> + 'c;

/// No price is made by code.
pub const NO_CODE: &PriceCode<'static> = &|_, _| None;

impl<'a> Gate<'a, '_> {
    /// Decides.
    pub fn decide(&self, request: &Request<'_>, now_unix: u64) -> Decision<'a> {
        let strict = request.url.path;
        let prefix = self.policy.map_or(PREFIX, |policy| &policy.prefix);
        if strict.strip_prefix(prefix) == Some("/health") {
            return Decision::Health;
        }
        let Some(policy) = self.policy else { return Decision::Refuse(Problem::NotConfigured, None) };
        if request.method.eq_ignore_ascii_case("TRACE") {
            return refuse_method("GET, HEAD, POST");
        }
        if request.is_upgrade && request.method != "GET" {
            return Decision::Refuse(Problem::UpgradeWithoutGet, None);
        }
        if strict == PRICES_PATH && policy.is_public {
            let reads = ["GET", "HEAD", "OPTIONS"].contains(&request.method);
            return if reads { Decision::Prices } else { refuse_method("GET, HEAD") };
        }
        if let Some(own) = strict.strip_prefix(prefix) {
            if let Some(token) = own.strip_prefix("/hook/") {
                return Decision::Hook(token.to_owned());
            }
            if own == "/settle" {
                return Decision::Settle;
            }
            if let Some(file) = Public::find(own) {
                return Decision::Public(file);
            }
            if let Some(door) = Door::find(own) {
                return Decision::Operator(door);
            }
        }
        let target = Target { host: request.url.host, method: request.method };
        let selection = match policy.resolve(strict, target) {
            Err(Ambiguous) => return Decision::Refuse(Problem::AmbiguousPath, None),
            Ok(Resolved::Reserved) => return Decision::Refuse(Problem::NotFound, None),
            Ok(Resolved::Selected(selection)) => selection,
        };
        for method in method_overrides(request.url.query()) {
            let overridden = policy.select(strict, Target { method: &method, ..target });
            if overridden != selection && (overridden.is_priced() || selection.is_priced()) {
                let problem = Unpriced::AmbiguousQuery(METHOD_OVERRIDE.to_owned());
                return Decision::Refuse(Problem::Unpriced(problem), None);
            }
        }
        match selection {
            Selection::Unmatched if policy.unmatched == Unmatched::Deny => {
                Decision::Refuse(Problem::NotFound, None)
            }
            Selection::Unmatched => Decision::Open,
            Selection::Route(route) if route.is_free() => Decision::Open,
            Selection::Route(route @ Route { toll: Toll::Shut, .. }) => {
                Decision::Refuse(Problem::NotConfigured, Some(route))
            }
            _ if request.is_preflight => Decision::Preflight,
            Selection::OtherMethod(_) => refuse_method(&allowed(&policy.routes, strict, target.host)),
            Selection::OtherHost(_) => Decision::Refuse(Problem::OtherHost, None),
            Selection::Route(route) => {
                let charged = self.charge(policy, route, request, now_unix);
                charged.unwrap_or_else(|problem| Decision::Refuse(problem, Some(route)))
            }
        }
    }

    fn charge(
        &self,
        policy: &'a Policy,
        route: &'a Route,
        request: &Request<'_>,
        now_unix: u64,
    ) -> Result<Decision<'a>, Problem> {
        if !request.url.is_https && !is_loopback(request.url.host) {
            let repeatable = ["GET", "HEAD"].contains(&request.method);
            return if repeatable { Ok(Decision::ToHttps) } else { Err(Problem::PlainHttp) };
        }
        let keys = self.keys.ok_or(Problem::NotConfigured)?;
        if route.by_ip && request.client_ip.is_none() {
            return Err(Problem::UnknownClient);
        }
        if route.toll.looks_at_query() && path::hides_query(request.url.path) {
            return Err(Problem::AmbiguousPath);
        }
        let facts = facts(policy, request);
        let cost = self.cost(route, &facts)?;
        if cost == Cost::Sats(0) {
            return Ok(Decision::Waived { route });
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
            price: match cost {
                Cost::Sats(sats) => verify::Price::Sats(sats),
                Cost::Fiat(price) => verify::Price::Fiat(&price.fiat),
            },
        };
        let seller = Seller { policy, keys, route, cost, is_settled: self.is_settled };
        let checked = match check(&seller, request.authorization, &context) {
            Ok(Checked::Good(good)) => Ok(Checked::Good(good)),
            other => check_cookies(&seller, request, &context).map_or(other, |good| Ok(Checked::Good(good))),
        };
        let offer = |refused| Offer {
            cost,
            terms: terms(route, cost, &context),
            description: match &route.description {
                Some(description) => description.fill(&facts),
                None => format!("API access: {} {}", context.method, context.endpoint),
            },
            is_quote: is_quote(route, request),
            refused,
        };
        let sale = |Good { grant, amount_sats }| {
            // HEAD returns nothing of what was bought.
            let bought = grant.uses.filter(|_| request.method != "HEAD");
            let metered = bought.map(|bought| Metered {
                // Within a realm a credential may come from a route that sells more uses for the same price.
                uses: route.uses.map_or(bought, |uses| uses.min(bought)),
                offer: offer(Some(Refusal::Spent)),
            });
            Sale { route, grant, amount_sats, metered }
        };
        Ok(match checked {
            Ok(Checked::Good(good)) => Decision::Sold(sale(good)),
            Ok(Checked::Unsettled(claims)) => {
                let claims = claims.into_iter().map(|(macaroon, good)| Claim { macaroon, sale: sale(good) });
                Decision::Unsettled { claims: claims.collect(), route, offer: offer(Some(Refusal::Unpaid)) }
            }
            Err(refusal) if !refusal.is_genuine() => return Err(Problem::Credential(refusal)),
            _ if request.url.path.len() > MAX_PRICED_PATH_BYTES => return Err(Problem::PathTooLong),
            Err(refusal) => Decision::Offer { route, offer: offer(Some(refusal)) },
            Ok(Checked::Nothing) => match (route.free, request.client_ip) {
                (Some(tier), Some(client)) => {
                    let key = keys.current().free_key(&route.id(), client);
                    Decision::FreeTier { route, tier, key, offer: offer(None) }
                }
                _ => Decision::Offer { route, offer: offer(None) },
            },
        })
    }

    fn cost(&self, route: &'a Route, facts: &Facts<'_>) -> Result<Cost<'a>, Problem> {
        let cost = match &route.toll {
            Toll::Prices(prices) => cost(prices, facts),
            Toll::Code => match (self.code)(route, facts) {
                Some(Ok(sats)) if sats <= MAX_SATS => Ok(Cost::Sats(sats)),
                Some(Err(unpriced)) => Err(unpriced),
                _ => return Err(Problem::NotConfigured),
            },
            Toll::Shut => return Err(Problem::NotConfigured),
        };
        cost.map_err(Problem::Unpriced)
    }
}

fn facts<'a>(policy: &Policy, request: &Request<'a>) -> Facts<'a> {
    Facts {
        method: request.method,
        path: request.url.path,
        query: request.url.query(),
        has_body: request.has_body || request.is_upgrade,
        header: request.header,
        edge: request.edge,
        fold_case: policy.fold_case,
    }
}

/// Nobody would see an invoice, or buy by this method unless the list names it.
fn is_quote(route: &Route, request: &Request<'_>) -> bool {
    let is_named = |method: &str| route.methods.iter().any(|one| one == method);
    request.is_prefetch || request.method == "HEAD" || (request.method == "OPTIONS" && !is_named("OPTIONS"))
}

fn refuse_method(allow: &str) -> Decision<'static> {
    Decision::Refuse(Problem::MethodNotAllowed { allow: allow.to_owned() }, None)
}

/// Who sells what.
struct Seller<'a> {
    policy: &'a Policy,
    keys: &'a Keys,
    route: &'a Route,
    cost: Cost<'a>,
    is_settled: &'a IsSettled<'a>,
}

/// What the credentials of a request come to.
enum Checked {
    /// There is none.
    Nothing,
    /// One is good and known to be paid for.
    Good(Good),
    /// These are good, if they were paid for.
    Unsettled(Vec<(Macaroon, Good)>),
}

/// A credential that is good here.
struct Good {
    grant: Grant,
    /// What was paid for it.
    amount_sats: u64,
}

/// The first good credential that is known to be paid for, else all that are good, those with a proof first; else the
/// refusal to report: a genuine one before garbage that came with it.
fn check(
    seller: &Seller<'_>,
    authorization: Option<&str>,
    context: &Context<'_>,
) -> Result<Checked, Refusal> {
    let mut refused: Option<Refusal> = None;
    let mut unsettled: Vec<(Macaroon, Good)> = Vec::new();
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
            let preimage = credential.preimage.as_ref();
            let good = macaroon.and_then(|macaroon| {
                let grant = verify::verify(&macaroon, preimage, seller.keys, context)?;
                Ok((macaroon, seller.demand(grant, context.now_unix)?))
            });
            match good {
                Ok((_, good)) if (seller.is_settled)(&good.grant) => return Ok(Checked::Good(good)),
                Ok(claim) => unsettled.push(claim),
                Err(refusal) => note(refusal),
            }
        }
    }
    if !unsettled.is_empty() {
        let (mut claims, unproven): (Vec<_>, Vec<_>) =
            unsettled.into_iter().partition(|(_, good)| good.grant.is_proven);
        claims.extend(unproven);
        claims.truncate(MAX_CLAIMS);
        return Ok(Checked::Unsettled(claims));
    }
    refused.map_or(Ok(Checked::Nothing), Err)
}

/// The first cookie that is good. One that is not says nothing: the request goes on as if without it. A browser that fetches
/// ahead takes no use of what a person has bought.
fn check_cookies(seller: &Seller<'_>, request: &Request<'_>, context: &Context<'_>) -> Option<Good> {
    if !["GET", "HEAD"].contains(&context.method) {
        return None;
    }
    Cookie::read_all(request.cookie?).flatten().find_map(|cookie| {
        let grant = verify::verify(&cookie.macaroon, None, seller.keys, context).ok()?;
        let good = seller.demand(grant, context.now_unix).ok()?;
        let takes_use = good.grant.uses.is_some() && request.is_prefetch;
        (!takes_use && cookie.is_settled(seller.keys, &good.grant)).then_some(good)
    })
}

impl Seller<'_> {
    /// Every limit that the route sells by must be in the macaroon; that those in it hold was checked already.
    fn demand(&self, grant: Grant, now_unix: u64) -> Result<Good, Refusal> {
        if !self.policy.encodings.accepts(grant.encoding) {
            return Err(Refusal::EncodingNotAccepted);
        }
        if self.policy.revoked.contains(&grant.payment_hash) {
            return Err(Refusal::Revoked);
        }
        let binds = grant.binds;
        let by_method = self.route.sold == Sold::Endpoint { by_method: true };
        let by_realm = matches!(self.route.sold, Sold::Realm(_));
        let demanded = [
            ("endpoint", binds.endpoint, !by_realm),
            ("method", binds.method, by_method),
            ("realm", binds.realm, by_realm),
            ("ip", binds.ip, self.route.by_ip),
            ("uses", binds.uses, self.route.uses.is_some()),
            ("fiat", binds.fiat, matches!(self.cost, Cost::Fiat(_))),
            ("host", binds.host, !grant.is_foreign),
        ];
        if grant.is_foreign {
            self.demand_of_foreign(&grant, now_unix)?;
        }
        if let Some((name, ..)) = demanded.iter().find(|(_, is_bound, is_demanded)| *is_demanded && !is_bound)
        {
            return Err(Refusal::Unbound(name));
        }
        match (grant.amount_sats, self.cost) {
            // Nobody of ours said what was paid for it.
            (_, Cost::Sats(price_sats)) if grant.is_foreign => Ok(Good { grant, amount_sats: price_sats }),
            (Some(amount_sats), _) => Ok(Good { grant, amount_sats }),
            (None, _) => Err(Refusal::Unbound("amount_sats")),
        }
    }

    /// A foreign macaroon is short-lived, and good only where one fixed price is asked for one path.
    fn demand_of_foreign(&self, grant: &Grant, now_unix: u64) -> Result<(), Refusal> {
        // Its invoice is not ours to ask about.
        if !grant.is_proven {
            return Err(Refusal::MalformedPreimage);
        }
        let max_age_s = self.policy.foreign_max_age_s.ok_or(Refusal::ForeignNotAccepted)?;
        let in_time = grant.expires_at_unix <= now_unix.saturating_add(max_age_s);
        let is_sold_so = matches!(self.route.sold, Sold::Endpoint { .. })
            && self.route.toll.fixed_sats().is_some()
            && self.route.uses.is_none();
        if in_time && is_sold_so { Ok(()) } else { Err(Refusal::Foreign { max_age_s }) }
    }
}

fn terms(route: &Route, cost: Cost<'_>, context: &Context<'_>) -> Terms {
    let scope = match &route.sold {
        Sold::Realm(realm) => Scope::Realm(realm.clone()),
        Sold::Endpoint { by_method } => Scope::Endpoint {
            endpoint: context.endpoint.to_owned(),
            method: by_method.then(|| context.method.to_owned()),
        },
    };
    let (amount_sats, fiat) = match cost {
        Cost::Sats(sats) => (sats, None),
        Cost::Fiat(price) => (0, Some(price.fiat.clone())),
    };
    Terms {
        service: route.service.clone(),
        expires_at_unix: context.now_unix.saturating_add(route.credential_expiry_s),
        amount_sats,
        host: context.host.to_owned(),
        scope,
        ip: context.ip.filter(|_| route.by_ip).map(str::to_owned),
        uses: route.uses,
        fiat,
        wallet: None,
        payable_until_unix: context.now_unix.saturating_add(route.invoice_expiry_s),
    }
}

/// A credential for a longer path would not fit into the 8 KB that a credential may have.
const MAX_PRICED_PATH_BYTES: usize = 4096;
/// Each is a question to a wallet.
const MAX_CLAIMS: usize = 4;
