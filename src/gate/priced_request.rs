//! Decides what happens to a request to a priced route: by its credentials, or else by the free tier.

use super::{
    ChallengeDraft, Claim, CountedUses, Decision, IsSettled, PreimageClaim, Purchase, Request, Seller,
    WhenSpent,
};
use crate::error::RequestError;
use crate::policy::Policy;
use crate::policy::description;
use crate::policy::facts::Facts;
use crate::policy::fetch_metadata::{self, Page};
use crate::policy::free_tier::FreeTier;
use crate::policy::route::Route;
use crate::protocols::l402::caveat::{CredentialScope, ScopeRule, Terms};
use crate::protocols::l402::cookie::{self, Cookie};
use crate::protocols::l402::credential::{Authorization, Credential, OtherCarriers, of_macaroon_header};
use crate::protocols::l402::macaroon::Macaroon;
use crate::protocols::l402::refusal::Refusal;
use crate::protocols::l402::verify::{Demand, Grant, OtherIssuer, verify_with_signature};
use crate::protocols::offered::Protocol;
use crate::protocols::price::Price;
use crate::protocols::record::is_recordable;
use crate::protocols::x_preimage;

/// A request to a priced route, and its price.
pub struct PricedRequest<'a, 'r> {
    pub policy: &'a Policy,
    pub seller: &'a Seller,
    pub route: &'a Route,
    pub request: &'r Request<'r>,
    pub facts: Facts<'r>,
    pub price: Price,
    pub now_unix: u64,
    /// See [`Gate::has_meter`](super::Gate::has_meter).
    pub has_meter: bool,
}

/// The result of verifying the credentials of a request.
#[derive(Default)]
struct Verified {
    /// The grants of valid credentials whose payments are known to be settled. A grant without a number of uses is the
    /// last one, because no other grant is needed.
    settled: Vec<Grant>,
    /// Credentials that are valid if their payments have settled: at most four, those with a preimage first.
    claims: Vec<(Macaroon, Grant)>,
    /// Why a credential is refused: preferably the refusal of a genuine credential.
    refused: Option<Refusal>,
}

impl Verified {
    fn add_settled(&mut self, grant: Grant) {
        let is_same = |one: &Grant| (one.payment_hash, one.uses) == (grant.payment_hash, grant.uses);
        if !self.settled.iter().any(is_same) {
            self.settled.push(grant);
        }
    }

    /// Whether no other credential has to be verified.
    fn is_complete(&self) -> bool {
        self.settled.len() >= MAX_SETTLED || self.settled.last().is_some_and(|grant| grant.uses.is_none())
    }
}

impl<'a> PricedRequest<'a, '_> {
    pub fn decide(&self, is_settled: &IsSettled<'_>) -> Result<Decision<'a>, RequestError> {
        let Verified { settled, mut claims, refused } = self.verify_credentials(is_settled);
        if let Some(purchase) = self.first_purchase(settled, &mut claims) {
            return Ok(Decision::Paid(purchase));
        }
        if !claims.is_empty() {
            let (claims, otherwise) = self.unsettled(claims);
            return Ok(Decision::Unsettled { claims, otherwise });
        }
        if let Some(preimage) = self.preimage() {
            return self.decide_preimage(&preimage);
        }
        if let Some(refusal) = refused.as_ref().filter(|refusal| !refusal.is_genuine()) {
            return Err(RequestError::Credential(refusal.clone()));
        }
        self.check_path_length()?;
        // A page of another site must not use up the free requests of its visitors.
        let may_be_free =
            |_: &FreeTier| !self.request.is_prefetch && self.embedding_page() != Some(Page::CrossSite);
        Ok(match (self.route.free_tier.filter(may_be_free), self.request.client_ip) {
            (Some(tier), Some(client)) => {
                let key = self.seller.keys.current().free_tier_key(&self.route.id(), client);
                Decision::FreeTier { tier, key, otherwise: self.draft(refused) }
            }
            _ => Decision::Challenge(self.draft(refused)),
        })
    }

    /// Returns the preimage of the request, if the route offers X-Preimage. An empty header counts as missing.
    fn preimage(&self) -> Option<String> {
        let preimage = || (self.request.header)(x_preimage::HEADER).filter(|preimage| !preimage.is_empty());
        self.offers_preimage().then(preimage)?
    }

    fn offers_preimage(&self) -> bool {
        self.has_meter
            && self.route.protocols.contains(Protocol::XPreimage)
            && is_recordable(self.request.url.host, self.request.method)
    }

    fn decide_preimage(&self, preimage: &str) -> Result<Decision<'a>, RequestError> {
        self.check_path_length()?;
        let otherwise = self.draft(None);
        let payment_hash =
            x_preimage::read(preimage).and_then(|hash| match self.policy.revoked.contains(&hash) {
                true => Err(x_preimage::Refusal::Unknown),
                false => Ok(hash),
            });
        match payment_hash {
            Ok(payment_hash) => Ok(Decision::Preimage(PreimageClaim { payment_hash, otherwise })),
            Err(refusal) => otherwise.after_preimage(refusal).map(Decision::Challenge),
        }
    }

    fn check_path_length(&self) -> Result<(), RequestError> {
        let is_short = self.request.url.path.len() <= MAX_PRICED_PATH_BYTES;
        if is_short { Ok(()) } else { Err(RequestError::PathTooLong) }
    }

    /// Verifies the credentials in headers, and then the cookies. A cookie whose payment is settled comes before a
    /// credential in a header whose payment is not known to be settled.
    fn verify_credentials(&self, is_settled: &IsSettled<'_>) -> Verified {
        let mut verified = self.verify_headers(is_settled);
        if !verified.is_complete() {
            for grant in self.settled_cookies() {
                verified.add_settled(grant);
                if verified.is_complete() {
                    break;
                }
            }
        }
        verified
    }

    fn verify_headers(&self, is_settled: &IsSettled<'_>) -> Verified {
        let demand = self.demand();
        let mut verified = Verified::default();
        let mut unproven = Vec::new();
        let mut checked = 0_usize;
        let mut caveats = 0_usize;
        for credential in self.credentials() {
            let (macaroons, preimage) = match credential {
                Ok(credential) => (credential.macaroons, credential.preimage),
                Err(refusal) => (vec![Err(refusal)], None),
            };
            for macaroon in macaroons {
                let more = macaroon.as_ref().map_or(0, |macaroon| macaroon.caveats().count());
                caveats = caveats.saturating_add(more);
                if checked >= MAX_MACAROONS || caveats > MAX_CAVEATS {
                    break;
                }
                checked = checked.saturating_add(1);
                let checked = macaroon.and_then(|macaroon| {
                    let keys = &self.seller.keys;
                    let (grant, signature) =
                        verify_with_signature(&macaroon, preimage.as_ref(), keys, &demand)?;
                    Ok(((macaroon, grant), signature))
                });
                match checked {
                    Ok(((_, grant), signature)) if is_settled(self.policy, &grant) => {
                        signature.remember();
                        verified.add_settled(grant);
                        if verified.is_complete() {
                            return verified;
                        }
                    }
                    Ok((claim, _)) if claim.1.is_proven => verified.claims.push(claim),
                    Ok((claim, _)) => unproven.push(claim),
                    Err(refusal) => verified.refused = Some(prefer_genuine(verified.refused, refusal)),
                }
            }
        }
        verified.claims.extend(unproven);
        verified.claims.truncate(MAX_CLAIMS);
        verified
    }

    /// Returns the credentials in `Authorization`, then those in the other headers that can carry them.
    fn credentials(&self) -> Vec<Result<Credential, Refusal>> {
        let OtherCarriers { toll_authorization, macaroons } = self.request.other_carriers;
        let mut credentials = Vec::new();
        for header in [self.request.authorization, toll_authorization].into_iter().flatten() {
            credentials.extend(Authorization::split(header).credentials());
        }
        for header in macaroons.into_iter().flatten() {
            credentials.extend(of_macaroon_header(header, &self.seller.keys).into_iter().map(Ok));
        }
        credentials
    }

    /// Returns the grants of the valid cookies, if the method is `GET` or `HEAD`.
    ///
    /// Browsers send cookies also with the WebSockets of other pages of the same site, which can read the messages without CORS. So the
    /// cookies of a WebSocket of another origin are ignored, unless `cors` has this origin by its name. A cookie with a number of uses is
    /// ignored for each request of another origin, for a prefetch, and for a request that a page of another origin embeds, so that the
    /// request does not take a use that a person bought.
    fn settled_cookies(&self) -> impl Iterator<Item = Grant> {
        let is_own = |origin: &String| {
            *origin == self.request.url.origin
                || self.policy.cors.as_ref().is_some_and(|cors| cors.names(origin))
        };
        let is_of_own_page = move || (self.request.header)("Origin").as_ref().is_none_or(is_own);
        let is_read = |_: &&str| {
            ["GET", "HEAD"].contains(&self.request.method) && (!self.request.is_upgrade || is_of_own_page())
        };
        let own_name = move || {
            let scope = CredentialScope::new(&self.route.scope, self.request.url.path, "GET");
            self.route
                .uses
                .is_none()
                .then(|| cookie::name(&scope, &self.route.kind(), self.price.currency(), None))
        };
        let cookies = Cookie::parse_all(self.request.cookie.filter(is_read).unwrap_or_default(), own_name);
        cookies.flatten().filter_map(move |cookie| {
            let (grant, signature) =
                verify_with_signature(&cookie.macaroon, None, &self.seller.keys, &self.demand()).ok()?;
            let may_take_use = || is_of_own_page() && self.may_take_use();
            if (grant.uses.is_some() && !may_take_use()) || !cookie.is_settled(&self.seller.keys, &grant) {
                return None;
            }
            signature.remember();
            Some(grant)
        })
    }

    fn may_take_use(&self) -> bool {
        !self.request.is_prefetch && self.embedding_page().is_none_or(|page| page == Page::SameOrigin)
    }

    fn demand(&self) -> Demand<'_> {
        let route = self.route;
        let is_fixed_price_path = matches!(route.scope, ScopeRule::Endpoint { .. })
            && route.pricing.fixed_sats().is_some()
            && route.uses.is_none();
        Demand {
            now_unix: self.now_unix,
            service: &route.service,
            host: self.request.url.host,
            endpoint: self.request.url.path,
            method: self.request.method,
            ip: self.request.client_ip,
            price: &self.price,
            sold_as: route.sold_as(),
            scope: &route.scope,
            binds_ip: route.binds_ip,
            counts_uses: route.uses.is_some(),
            encodings: self.policy.encodings,
            revoked: &self.policy.revoked,
            other_issuer: match self.policy.other_issuer_max_age_s {
                Some(max_age_s) => OtherIssuer::Accepted { max_age_s, is_fixed_price_path },
                None => OtherIssuer::Refused,
            },
        }
    }

    /// Returns the purchase of the first grant; `None` if there is no grant. If all uses of a grant are spent, the next
    /// grant is used, and after the last grant the claims.
    fn first_purchase(
        &self,
        settled: Vec<Grant>,
        claims: &mut Vec<(Macaroon, Grant)>,
    ) -> Option<Purchase<'a>> {
        settled.into_iter().rev().fold(None, |next, grant| {
            let when_spent = || match next {
                Some(next) => WhenSpent::Next(next),
                None if claims.is_empty() => self.challenge_when_spent(),
                None => {
                    let (claims, otherwise) = self.unsettled(std::mem::take(claims));
                    WhenSpent::Unsettled { claims, otherwise }
                }
            };
            Some(self.purchase(grant, when_spent))
        })
    }

    /// Returns the claims, and the challenge that is sent if none of their payments has settled.
    fn unsettled(&self, claims: Vec<(Macaroon, Grant)>) -> (Vec<Claim<'a>>, Box<ChallengeDraft<'a>>) {
        let claims = claims.into_iter().map(|(macaroon, grant)| Claim {
            macaroon,
            purchase: self.purchase(grant, || self.challenge_when_spent()),
        });
        (claims.collect(), self.draft(Some(Refusal::Unpaid)))
    }

    fn challenge_when_spent(&self) -> WhenSpent<'a> {
        WhenSpent::Challenge(self.draft(Some(Refusal::Spent)))
    }

    fn purchase(&self, grant: Grant, when_spent: impl FnOnce() -> WhenSpent<'a>) -> Purchase<'a> {
        let counted = grant.uses.map(|bought| CountedUses {
            // A credential of a realm may be from a route that sells more uses. On this route, the credential is good
            // for at most the number of uses that this route sells.
            bought: self.route.uses.map_or(bought, |uses| uses.min(bought)),
            // A HEAD request takes no use, because its response has no content.
            is_taken: self.request.method != "HEAD",
            when_spent: Box::new(when_spent()),
        });
        Purchase { seller: self.seller, route: self.route, grant, protocol: Protocol::L402, counted }
    }

    fn draft(&self, refused: Option<Refusal>) -> Box<ChallengeDraft<'a>> {
        let (method, path) = (self.request.method, self.request.url.path);
        Box::new(ChallengeDraft {
            seller: self.seller,
            route: self.route,
            price: self.price.clone(),
            terms: self.terms(),
            description: description::shorten(&match &self.route.description {
                Some(description) => description.fill(&self.facts),
                None => format!("API access: {method} {path}"),
            }),
            refused,
            refused_preimage: None,
            is_quote: self.is_quote(),
            offers_preimage: self.offers_preimage(),
        })
    }

    fn terms(&self) -> Terms {
        let (route, request) = (self.route, self.request);
        Terms {
            service: route.service.clone(),
            expires_at_unix: self.now_unix.saturating_add(route.credential_expiry_s),
            host: request.url.host.to_owned(),
            scope: CredentialScope::new(&route.scope, request.url.path, request.method),
            ip: request.client_ip.filter(|_| route.binds_ip).map(str::to_owned),
            uses: route.uses,
            price: self.price.clone(),
            sold_as: route.sold_as().map(|digest| self.seller.keys.current().sold_as(digest)),
            payable_until_unix: self.now_unix.saturating_add(route.invoice_expiry_s),
        }
    }

    /// Whether the challenge has only the price, without an invoice. This is so in six cases:
    /// 1. The request is a prefetch: a person would not see the invoice.
    /// 2. The method is `HEAD`.
    /// 3. The method is `OPTIONS`, and the route does not list this method.
    /// 4. A page embeds the response or opens a WebSocket: neither a person nor the page could read the invoice.
    ///    Otherwise the visitors of a page with many images could use up the invoices of all clients.
    /// 5. A service makes a preview of a link.
    /// 6. A script loads a page that a person may open: if it gets no page, the browser requests it again.
    fn is_quote(&self) -> bool {
        let is_listed = |method: &str| self.route.methods.iter().any(|one| one == method);
        let method = self.request.method;
        self.request.is_prefetch
            || method == "HEAD"
            || (method == "OPTIONS" && !is_listed("OPTIONS"))
            || self.embedding_page().is_some()
            || fetch_metadata::is_link_preview(self.request.header)
            || fetch_metadata::is_page_loader(self.request.header)
    }

    /// Returns which page embeds the response or opens this WebSocket. Most browsers send `Origin` with a WebSocket, but no Fetch
    /// Metadata headers. websocket-client for Python also sends the origin of the server, and can read the response.
    fn embedding_page(&self) -> Option<Page> {
        let (header, own_origin) = (self.request.header, self.request.url.origin);
        let is_listed = |origin: &str| {
            self.policy.cors.as_ref().is_some_and(|cors| cors.allow_origin(Some(origin)).is_some())
        };
        let of_socket = || match header("Origin") {
            Some(origin) if origin != own_origin && is_listed(&origin) => Some(Page::SameOrigin),
            Some(origin) if origin != own_origin => Some(Page::CrossSite),
            Some(_) if fetch_metadata::is_browser(header) => Some(Page::SameOrigin),
            _ => None,
        };
        let page = fetch_metadata::embedding_page(header, self.policy.cors.as_ref(), own_origin);
        page.or_else(|| self.request.is_upgrade.then(of_socket)?)
    }
}

/// Returns the later refusal if there is no earlier one, or if only the later one is for a genuine credential. Returns
/// the earlier refusal in all other cases.
fn prefer_genuine(earlier: Option<Refusal>, refusal: Refusal) -> Refusal {
    match earlier {
        Some(earlier) if earlier.is_genuine() || !refusal.is_genuine() => earlier,
        _ => refusal,
    }
}

/// The path becomes the `endpoint` caveat of a credential, and an `Authorization` header may be at most 8 KB long. This
/// limit leaves room for base64 and for the other caveats. The limit also applies to routes of a realm.
const MAX_PRICED_PATH_BYTES: usize = 4_096;
/// Each macaroon costs an HMAC for each of its caveats, so only the first macaroons of a request are verified. A client
/// sends one or two.
const MAX_MACAROONS: usize = 6;
/// The caveats of all macaroons that are verified. During a rotation of the secret, each caveat costs two HMACs. A macaroon has
/// about ten caveats, and at most 100.
const MAX_CAVEATS: usize = 200;
/// Each claim can cost a request to a wallet, so only four claims are kept.
const MAX_CLAIMS: usize = 4;
/// Each grant with a number of uses can cost a request to a Durable Object.
const MAX_SETTLED: usize = 4;
