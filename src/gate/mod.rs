//! Decides what happens to a request that is not for one of edgetoll's own endpoints. The decision uses only the values
//! that are passed in; it sends no request.
//!
//! 1. `TRACE` and a WebSocket upgrade with a method other than `GET` are refused.
//! 2. The path is resolved in every form in which an origin might read it. A path below the reserved prefix gets 404. A
//!    path gets 400 if an origin may read it as another path with another price.
//! 3. A request to a free route is forwarded. A request that matches no route gets 404 if `unmatched` is `deny`;
//!    otherwise it is forwarded too. A request to a route with a mistake in the price list gets 503.
//! 4. A preflight costs nothing and gets no content. A request gets 405 if its path has a price only for other methods,
//!    and 421 if its path has a price only on other hosts.
//! 5. A request without https is redirected to https if its method is `GET` or `HEAD`; otherwise it gets 403. A request
//!    on the loopback interface needs no https.
//! 6. The price is computed. If the price depends on something that origins could read in different ways, the request
//!    gets 400. A request that costs 0 sats is forwarded.
//! 7. A request with a valid credential is forwarded. If the credential has no preimage, or a preimage that is not a
//!    sufficient proof, a wallet must confirm the payment first. A genuine credential that is not valid for this
//!    request gets a new challenge with the reason. A malformed or forged credential gets 401.
//! 8. If the route offers X-Preimage and the request has a preimage, a wallet must confirm the payment. A malformed
//!    preimage is refused.
//! 9. A request without a credential uses the free tier. If the route has no free tier, or if no free request is left,
//!    the request gets a challenge. The challenge has only the price, without an invoice, if the request is a prefetch,
//!    if its method is `HEAD`, or if a page embeds the response. The same applies to `OPTIONS`, unless the
//!    route lists this method.
//!
//! A route with `mode = "off"` or `mode = "observe"` is a free route. If the price list has an observed route, a request
//! that is forwarded without payment is judged again, as if the observed routes charged: see [`Observation`].

mod observe;
mod priced_request;

pub use observe::Observation;

use std::num::NonZeroU32;

use priced_request::PricedRequest;

use crate::error::RequestError;
use crate::http::url::RequestUrl;
use crate::keys::Keys;
use crate::payment::{PaymentHash, WalletSlot};
use crate::policy::Policy;
use crate::policy::aliases::{self, AliasWork, MAX_PATHS_IN_QUERY};
use crate::policy::facts::{EdgeFact, Facts, PriceError, method_overrides};
use crate::policy::free_tier::FreeTier;
use crate::policy::normalization;
use crate::policy::price::price_of;
use crate::policy::price_list::Unmatched;
use crate::policy::resolve::{Ambiguous, MAX_NAMED_PATH_FORMS, Resolved};
use crate::policy::route::{Pricing, Route, Selection, Target, allowed};
use crate::protocols::l402::caveat::Terms;
use crate::protocols::l402::credential::OtherCarriers;
use crate::protocols::l402::macaroon::{Encoding, Macaroon};
use crate::protocols::l402::refusal::Refusal;
use crate::protocols::l402::verify::Grant;
use crate::protocols::offered::Protocol;
use crate::protocols::price::{MAX_SATS, Price};
use crate::protocols::record::OwnInvoice;
use crate::protocols::x_preimage::{self, ErrorStyle};
use crate::wallet::slots::Wallets;

/// The part of a request that the decision depends on.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The URL that is priced and forwarded.
    pub url: RequestUrl<'a>,
    /// The method as it was sent. It is a text, because the `Method` type of the `worker` crate turns unknown methods
    /// into `GET`.
    pub method: &'a str,
    /// The client's IPv4 address or IPv6 prefix; `None` if it is not known.
    pub client_ip: Option<&'a str>,
    /// The `Authorization` header. If a request has several of them, the runtime joins their values with commas.
    pub authorization: Option<&'a str>,
    pub other_carriers: OtherCarriers<'a>,
    /// The `Cookie` header.
    pub cookie: Option<&'a str>,
    /// Whether the request is `OPTIONS` with `Access-Control-Request-Method`.
    pub is_preflight: bool,
    /// Whether the request has `Upgrade: websocket`. The runtime forwards such a request as `GET`, even if it has another
    /// method.
    pub is_upgrade: bool,
    /// Whether a browser prefetches the page. A person would not see the invoice, so no invoice is created.
    pub is_prefetch: bool,
    pub has_body: bool,
    /// Returns the value of a request header, for prices that depend on it.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// Returns what Cloudflare knows about the request; `None` if it does not know this fact.
    pub edge: &'a dyn Fn(EdgeFact) -> Option<String>,
}

/// What happens to a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Forward without payment. If the route has prices, but the price of this request is 0 sats, `waived` is the
    /// route.
    Open {
        waived: Option<&'a Route>,
    },
    /// Forward without payment, because the owner observes what would be charged.
    Observed(Observation<'a>),
    /// Forward: a credential is valid, and its payment is known to be settled.
    Paid(Purchase<'a>),
    /// Forward if the client has a free request left; its free requests are counted under `key`. Otherwise send the
    /// challenge `otherwise`.
    FreeTier {
        tier: FreeTier,
        key: String,
        otherwise: Box<ChallengeDraft<'a>>,
    },
    /// Forward for the first claim whose payment a wallet confirms. If no wallet confirms a payment, repeat the
    /// challenge of a claim whose invoice can still be paid. If there is no such claim, send the challenge `otherwise`.
    Unsettled {
        claims: Vec<Claim<'a>>,
        otherwise: Box<ChallengeDraft<'a>>,
    },
    /// Forward if a wallet confirms that the preimage of the request pays for it, and if the payment is not used yet.
    Preimage(PreimageClaim<'a>),
    /// Respond with 402 and this challenge.
    Challenge(Box<ChallengeDraft<'a>>),
    /// Answer a preflight without the origin. Exception: if the price list has `preflights = "origin"` and no `cors`,
    /// forward the preflight without its body, and remove the body of the response.
    Preflight,
    /// Redirect to the same URL with https (308).
    Redirect,
    Refuse(Refused<'a>),
}

/// A refused request: the error, and the route of the request. The route is `None` if no route was selected.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused<'a> {
    pub error: RequestError,
    pub route: Option<&'a Route>,
}

impl From<RequestError> for Refused<'_> {
    fn from(error: RequestError) -> Self {
        Self { error, route: None }
    }
}

/// A valid credential that pays for a request to a route.
#[derive(Debug, PartialEq, Eq)]
pub struct Purchase<'a> {
    pub seller: &'a Seller,
    pub route: &'a Route,
    pub grant: Grant,
    /// The protocol with which the payment is proven.
    pub protocol: Protocol,
    /// The uses that were bought; `None` if the number of uses is not limited.
    pub counted: Option<CountedUses<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct CountedUses<'a> {
    pub bought: NonZeroU32,
    /// Whether the request takes a use. `HEAD` takes none, but is refused when all uses are spent. Otherwise a client
    /// could send any number of `HEAD` requests to the origin.
    pub is_taken: bool,
    /// What is done if all uses are spent.
    pub when_spent: Box<WhenSpent<'a>>,
}

/// What is done with a request whose purchase has no use left. A browser sends the cookies of all payments for a page,
/// the oldest first, so the uses of the first one may be spent while those of another one are not.
#[derive(Debug, PartialEq, Eq)]
pub enum WhenSpent<'a> {
    /// Serve the purchase of another valid credential, whose payment is known to be settled.
    Next(Purchase<'a>),
    /// Do what [`Decision::Unsettled`] says.
    Unsettled {
        claims: Vec<Claim<'a>>,
        otherwise: Box<ChallengeDraft<'a>>,
    },
    Challenge(Box<ChallengeDraft<'a>>),
    /// Refuse the request with this error.
    Refuse(RequestError),
}

/// A credential that is valid if its payment has settled.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    pub macaroon: Macaroon,
    pub purchase: Purchase<'a>,
}

/// A preimage without a macaroon, which pays for one request if its invoice was created for such a request.
#[derive(Debug, PartialEq, Eq)]
pub struct PreimageClaim<'a> {
    pub payment_hash: PaymentHash,
    /// The challenge of this request, for a route that answers refusals with it. It also has what the request needs and
    /// costs.
    pub otherwise: Box<ChallengeDraft<'a>>,
}

impl<'a> PreimageClaim<'a> {
    /// Returns what the invoice must satisfy. `method` and `path` are those of the request.
    pub fn demand<'d>(&'d self, method: &'d str, path: &'d str, now_unix: u64) -> x_preimage::Demand<'d> {
        let ChallengeDraft { seller, route, price, terms, .. } = &*self.otherwise;
        let keys = || seller.keys.all();
        let client = terms.ip.as_deref().map(|ip| keys().map(|set| set.client_pseudonym(ip)).collect());
        let sold_as = route.sold_as().map(|digest| keys().map(|set| set.sold_as(digest)).collect());
        x_preimage::Demand {
            keys: &seller.keys,
            now_unix,
            route: route.pattern.as_str(),
            host: &terms.host,
            path,
            method,
            client,
            price,
            sold_as: sold_as.unwrap_or_default(),
        }
    }

    /// Returns the purchase of one request with an invoice that satisfies the demand. `slot` is that of the wallet that
    /// created the invoice.
    pub fn into_purchase(self, invoice: &OwnInvoice, slot: WalletSlot, method: &str) -> Purchase<'a> {
        let ChallengeDraft { seller, route, .. } = *self.otherwise;
        let expires_at_unix = x_preimage::expires_at_unix(invoice);
        let grant = Grant {
            payment_hash: self.payment_hash,
            encoding: Encoding::Standard,
            is_proven: true,
            other_issuer: false,
            expires_at_unix,
            issued_until_unix: expires_at_unix,
            amount_sats: invoice.amount_sats,
            uses: Some(NonZeroU32::MIN),
            wallet: slot,
            payable_until_unix: Some(invoice.payable_until_unix),
        };
        let when_spent = match self.otherwise.after_preimage(x_preimage::Refusal::Spent) {
            Ok(draft) => WhenSpent::Challenge(draft),
            Err(error) => WhenSpent::Refuse(error),
        };
        let counted = CountedUses {
            bought: NonZeroU32::MIN,
            is_taken: method != "HEAD",
            when_spent: Box::new(when_spent),
        };
        Purchase { seller, route, grant, protocol: Protocol::XPreimage, counted: Some(counted) }
    }
}

impl<'a> ChallengeDraft<'a> {
    /// Returns the challenge with which a refused preimage is answered.
    ///
    /// # Errors
    /// Fails with the reason, if the route states the reasons of refusals.
    pub fn after_preimage(
        mut self: Box<Self>,
        refusal: x_preimage::Refusal,
    ) -> Result<Box<Self>, RequestError> {
        match self.route.x_preimage_errors {
            ErrorStyle::LnPaywall => Err(RequestError::Preimage(refusal)),
            ErrorStyle::RackLightning => {
                self.refused_preimage = Some(refusal.code());
                Ok(self)
            }
        }
    }
}

/// A challenge before its invoice is created.
#[derive(Debug, PartialEq, Eq)]
pub struct ChallengeDraft<'a> {
    pub seller: &'a Seller,
    pub route: &'a Route,
    pub price: Price,
    pub terms: Terms,
    /// The description of the invoice.
    pub description: String,
    /// Why the credential of the request was refused; `None` if the request has no credential.
    pub refused: Option<Refusal>,
    /// The code of a refused preimage, for the log. The response does not mention it.
    pub refused_preimage: Option<&'static str>,
    /// Whether the challenge has only the price, without an invoice.
    pub is_quote: bool,
    /// Whether the preimage of the invoice pays for one request without a macaroon.
    pub offers_preimage: bool,
}

/// The keys that sign macaroons, and the wallets that receive payments.
pub struct Seller {
    pub keys: Keys,
    pub wallets: Wallets,
}

impl PartialEq for Seller {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Seller {}

impl std::fmt::Debug for Seller {
    /// Shows no field, because the keys are secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seller(..)")
    }
}

/// What the decision depends on, apart from the request itself.
#[derive(Clone, Copy)]
pub struct Gate<'a, 'c> {
    pub policy: &'a Policy,
    /// `None` if `TOLL_SECRET` or a setting of a wallet is missing or wrong. Then every request to a priced route is
    /// refused.
    pub seller: Option<&'a Seller>,
    pub code: &'c PriceCode<'c>,
    pub is_settled: &'c IsSettled<'c>,
    /// Whether the Durable Object that counts uses is bound. Without it, no route offers X-Preimage.
    pub has_meter: bool,
}

/// Returns whether the payment of a credential is already known to be settled, without a request to the wallet.
pub type IsSettled<'c> = dyn Fn(&Policy, &Grant) -> bool + 'c;

/// Returns the price in satoshis that the owner's code computes for a request to a route with `price = "code"`; `None`
/// if the code has no price for this route.
pub type PriceCode<'c> = dyn Fn(&Route, &Facts<'_>) -> Option<Result<u64, PriceError>> + 'c;

impl<'a> Gate<'a, '_> {
    pub fn decide(&self, request: &Request<'_>, now_unix: u64) -> Decision<'a> {
        let decision = self.try_decide(request, now_unix).unwrap_or_else(Decision::Refuse);
        match &self.policy.if_charging {
            Some(if_charging) if matches!(decision, Decision::Open { waived: None }) => {
                self.observe(if_charging, request, now_unix)
            }
            _ => decision,
        }
    }

    fn try_decide(&self, request: &Request<'_>, now_unix: u64) -> Result<Decision<'a>, Refused<'a>> {
        check_method(request.method, request.is_upgrade)?;
        let selection = match self.select(request) {
            // The announced request may be one that edgetoll forwards. The preflight itself may be one for paid content.
            Err(RequestError::AmbiguousPath) if self.announces_unambiguous(request) => {
                return Ok(Decision::Preflight);
            }
            selection => selection?,
        };
        let route = match selection {
            Selection::Unmatched if self.policy.unmatched == Unmatched::Deny => {
                return Err(RequestError::NotFound.into());
            }
            Selection::Unmatched => return Ok(Decision::Open { waived: None }),
            Selection::Route(route) if route.is_free() => return Ok(Decision::Open { waived: None }),
            Selection::Route(route @ Route { pricing: Pricing::Invalid, .. }) => {
                return Err(Refused { error: RequestError::NotConfigured, route: Some(route) });
            }
            _ if request.is_preflight => return Ok(Decision::Preflight),
            Selection::OtherMethod(_) => {
                let target = Target { host: request.url.host, method: request.method };
                let path = self.policy.priced_path(request.url.path, target);
                let allow = allowed(&self.policy.routes, path, target.host);
                return Err(RequestError::MethodNotAllowed { allow }.into());
            }
            Selection::OtherHost(_) => return Err(RequestError::OtherHost.into()),
            Selection::Route(route) => route,
        };
        self.decide_priced(route, request, now_unix).map_err(|error| Refused { error, route: Some(route) })
    }

    /// Whether a request is a preflight, and its path is not ambiguous for the method that it announces.
    fn announces_unambiguous(&self, request: &Request<'_>) -> bool {
        let announced = (request.header)("Access-Control-Request-Method").filter(|_| request.is_preflight);
        announced.is_some_and(|method| {
            let target = Target { host: request.url.host, method: &method };
            matches!(self.policy.resolve(request.url.path, target), Ok(Resolved::Selected(_)))
        })
    }

    /// Selects the route of a request. Some frameworks replace the method with the value of the query parameter
    /// `_method`. So a request is refused if this value selects another route than the method, and at least one of the
    /// two routes has a price. A request with many of these parameters is refused too, because a route is selected for
    /// each of them.
    fn select(&self, request: &Request<'_>) -> Result<Selection<'a>, RequestError> {
        let target = Target { host: request.url.host, method: request.method };
        let work = &mut AliasWork::default();
        let resolved = self.policy.resolve_within(work, request.url.path, target);
        let selection = match resolved {
            Err(Ambiguous) => return Err(RequestError::AmbiguousPath),
            Ok(Resolved::Reserved) => return Err(RequestError::NotFound),
            Ok(Resolved::Selected(selection)) => selection,
        };
        let (path, query) = (request.url.path, request.url.query());
        let (named, images) = (aliases::in_query(path, query), self.images_in_query(path, query, selection));
        let mut has_other_price = |path: &String, is_own: &dyn Fn(Selection<'_>) -> bool| {
            self.policy.may_have_other_price(work, path, target, is_own)
        };
        // An origin that takes the path from a parameter may also take the query from there.
        let is_own = |other: Selection<'_>| other == selection && !other.depends_on_query();
        let is_own_image = |other: Selection<'_>| other == selection;
        let is_ambiguous = named.len().saturating_add(images.len()) > MAX_PATHS_IN_QUERY
            || named.iter().any(|path| has_other_price(path, &is_own))
            || images.iter().any(|path| has_other_price(path, &is_own_image));
        if is_ambiguous {
            return Err(RequestError::AmbiguousPath);
        }
        let overrides = method_overrides(request.method, query);
        if overrides.len() > MAX_METHOD_OVERRIDES {
            return Err(RequestError::Price(PriceError::MethodInQuery));
        }
        let is_ambiguous = |method: &str| match self.policy.resolve_up_to(
            MAX_NAMED_PATH_FORMS,
            work,
            path,
            Target { method, ..target },
        ) {
            Ok(Resolved::Selected(overridden)) => {
                overridden != selection && (overridden.is_priced() || selection.is_priced())
            }
            Ok(Resolved::Reserved) => false,
            Err(Ambiguous) => true,
        };
        if self.different_methods(request.method, &overrides).any(is_ambiguous) {
            return Err(RequestError::Price(PriceError::MethodInQuery));
        }
        Ok(selection)
    }

    /// Returns the methods for which the price list has other routes than for the method of the request, each kind of them once.
    fn different_methods<'m>(
        &self,
        method: &'m str,
        overrides: &'m [String],
    ) -> impl Iterator<Item = &'m str> + use<'m> {
        let have_same_routes = |a: &str, b: &str| {
            self.policy.routes.iter().all(|route| route.has_method(a) == route.has_method(b))
        };
        let mut methods = vec![method];
        for other in overrides {
            if !methods.iter().any(|method| have_same_routes(method, other)) {
                methods.push(other);
            }
        }
        methods.into_iter().skip(1)
    }

    /// Returns the paths of the images that an optimizer may read for this request. If the price list has the path of an image
    /// optimizer, the owner has decided that its images have a price of their own, or are free.
    fn images_in_query(&self, path: &str, query: &str, selection: Selection<'_>) -> Vec<String> {
        let images = aliases::images_in_query(query);
        let is_listed = || matches!(selection, Selection::Route(route) if route.pattern.is_exact());
        if images.is_empty() || is_listed() {
            return Vec::new();
        }
        let optimizer = normalization::normalize(path, self.policy.fold_case);
        let read = images.iter().flat_map(|image| aliases::of_image(&optimizer, image));
        read.take(MAX_PATHS_IN_QUERY.saturating_add(1)).collect()
    }

    fn decide_priced(
        &self,
        route: &'a Route,
        request: &Request<'_>,
        now_unix: u64,
    ) -> Result<Decision<'a>, RequestError> {
        if !request.url.is_private() {
            let is_repeatable = ["GET", "HEAD"].contains(&request.method);
            return if is_repeatable { Ok(Decision::Redirect) } else { Err(RequestError::PlainHttp) };
        }
        let seller = self.seller.ok_or(RequestError::NotConfigured)?;
        if route.binds_ip && request.client_ip.is_none() {
            return Err(RequestError::UnknownClient);
        }
        let hidden_queries = normalization::hidden_queries;
        if route.pricing.depends_on_query()
            && hidden_queries(request.url.path) > hidden_queries(route.pattern.as_str())
        {
            return Err(RequestError::AmbiguousPath);
        }
        let facts = facts(self.policy, request);
        let price = self.price(route, &facts)?;
        if price == Price::Sats(0) {
            return Ok(Decision::Open { waived: Some(route) });
        }
        let priced = PricedRequest {
            policy: self.policy,
            seller,
            route,
            request,
            facts,
            price,
            now_unix,
            has_meter: self.has_meter,
        };
        priced.decide(self.is_settled)
    }

    fn price(&self, route: &Route, facts: &Facts<'_>) -> Result<Price, RequestError> {
        let price = match &route.pricing {
            Pricing::Rules(rules) => price_of(rules, facts),
            Pricing::Code => match (self.code)(route, facts) {
                Some(Ok(sats)) if sats <= MAX_SATS => Ok(Price::Sats(sats)),
                Some(Err(error)) => Err(error),
                _ => return Err(RequestError::NotConfigured),
            },
            Pricing::Invalid => return Err(RequestError::NotConfigured),
        };
        price.map_err(RequestError::Price)
    }
}

/// Checks that the runtime forwards the request with this method.
///
/// # Errors
/// Refuses `TRACE`, and a WebSocket upgrade with a method other than `GET`, which the runtime would forward as `GET`.
pub fn check_method(method: &str, is_upgrade: bool) -> Result<(), RequestError> {
    if method.eq_ignore_ascii_case("TRACE") {
        return Err(RequestError::MethodNotAllowed { allow: "GET, HEAD, POST".to_owned() });
    }
    if is_upgrade && method != "GET" {
        return Err(RequestError::UpgradeWithoutGet);
    }
    Ok(())
}

fn facts<'r>(policy: &Policy, request: &Request<'r>) -> Facts<'r> {
    let target = Target { host: request.url.host, method: request.method };
    Facts {
        method: request.method,
        path: policy.priced_path(request.url.path, target),
        query: request.url.query(),
        has_body: request.has_body || request.is_upgrade,
        header: request.header,
        edge: request.edge,
        fold_case: policy.fold_case,
    }
}

/// An honest client sends the parameter `_method` once at most.
const MAX_METHOD_OVERRIDES: usize = 8;
