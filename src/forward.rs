//! What changes in the headers of a forwarded request and of its response.

use std::cell::LazyCell;

use crate::config::{Origin, Settings};
use crate::crypto::HmacKey;
use crate::http::cache_control::{self, VARY_BY_CREDENTIAL};
use crate::http::header;
use crate::http::header_edits::HeaderEdits;
use crate::http::header_list::HeaderList;
use crate::http::message_signature::{MessageSignature, SIGNATURE, SIGNATURE_INPUT, SignatureBase};
use crate::http::origin_headers::{PublicUrls, ResolveUrl, SET_COOKIE, may_name_url};
use crate::http::url::RequestUrl;
use crate::payment::PaymentHash;
use crate::policy::Policy;
use crate::policy::aliases::AliasWork;
use crate::policy::route::{Pricing, Route, Selection, Target};
use crate::protocols::l402::credential::{is_macaroon_header, may_contain_own_macaroon};
use crate::protocols::l402::verify::Grant;
use crate::protocols::offered::Protocol;
use crate::protocols::own_headers::without_own;
use crate::protocols::x_preimage;

/// Why a request is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardReason {
    /// The route has no price, or no route matches.
    Open,
    /// This request to a priced route has the price 0.
    Waived,
    /// The request is within the free tier.
    Free,
    /// A CORS preflight: it costs nothing, and its response has no body.
    Preflight,
    Paid,
    /// The owner observes what would be charged.
    Observed,
}

impl ForwardReason {
    /// Returns the word for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waived => "waived",
            Self::Free => "free",
            Self::Preflight => "preflight",
            Self::Paid => "paid",
            Self::Observed => "observed",
        }
    }

    /// Returns the value of `X-Toll-Status`.
    fn status(self) -> &'static str {
        match self {
            Self::Open | Self::Waived | Self::Preflight | Self::Observed => "open",
            Self::Free => "free",
            Self::Paid => "paid",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Open, Self::Waived, Self::Free, Self::Preflight, Self::Paid, Self::Observed];
        all.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// A request that is forwarded.
pub struct ForwardedRequest<'a> {
    pub url: RequestUrl<'a>,
    pub headers: &'a HeaderList,
    pub reason: ForwardReason,
    /// What the credential of a paid request grants.
    pub grant: Option<&'a Grant>,
    /// The status that an observed request would have got.
    pub observed: Option<u16>,
    /// The priced route of the request.
    pub route: Option<&'a Route>,
    pub policy: &'a Policy,
    pub settings: &'a Settings,
    /// The value of [`HOP_HEADER`].
    pub deployment_tag: &'a str,
    /// The pseudonym of the client.
    pub client: Option<&'a str>,
    /// Present if `ORIGIN_SECRET` is set.
    pub signing: Option<Signing<'a>>,
}

/// What the signature of a forwarded request needs besides its headers.
pub struct Signing<'a> {
    pub key: &'a HmacKey,
    pub method: &'a str,
    /// The path and the query of the URL that the request is sent to.
    pub path_and_query: &'a str,
    pub created_unix: u64,
}

impl ForwardedRequest<'_> {
    /// Removes these headers, and then adds edgetoll's own headers:
    /// 1. headers that only edgetoll may set;
    /// 2. headers that could make the origin serve something other than what was priced;
    /// 3. the credentials and cookies of edgetoll, and on a priced route also the L402 credentials of others and a preimage.
    ///
    /// The signature covers all `X-Toll-*` headers, so that an origin can refuse a request with one that is not covered.
    pub fn edits(&self) -> HeaderEdits {
        let mut edits = HeaderEdits::default();
        let mut has_forwarded_host = false;
        let mut caveats = 0;
        for (name, value) in self.headers.iter() {
            if self.is_removed(name, value, &mut caveats) {
                edits.delete(name);
            } else if name.eq_ignore_ascii_case("authorization") {
                let others = without_own(name, value);
                if others.as_deref() == Some(value) || !self.is_for_origin(value, &mut caveats) {
                    replace(&mut edits, name, value, others);
                }
            } else if name.eq_ignore_ascii_case("cookie") {
                replace(&mut edits, name, value, without_own(name, value));
            } else if name.eq_ignore_ascii_case(FORWARDED_HOST) {
                has_forwarded_host = true;
            }
        }
        if !has_forwarded_host {
            edits.set(FORWARDED_HOST, self.url.authority());
        }
        let mut base = self.signing.as_ref().map(Signing::base);
        let mut set_own = |name: &str, value: &str| {
            edits.set(name, value);
            base.iter_mut().for_each(|base| base.cover(name, value));
        };
        set_own(HOP_HEADER, self.deployment_tag);
        set_own("X-Toll-Status", self.reason.status());
        if let Some(grant) = self.grant {
            set_own("X-Toll-Payment-Hash", &grant.payment_hash.to_hex());
            set_own("X-Toll-Amount-Sats", &grant.amount_sats.to_string());
        }
        if let Some(status) = self.observed {
            set_own("X-Toll-Observed", &status.to_string());
        }
        if let Some(client) = self.client {
            set_own("X-Toll-Client", client);
        }
        if let Some(token) = &self.settings.origin_token {
            set_own("X-Toll-Origin-Token", token);
        }
        if let (Some(signing), Some(base)) = (&self.signing, base) {
            let [input, signature] = signing.sign(base).with_others(SIGNATURE_LABEL, self.headers);
            edits.set(SIGNATURE_INPUT, &input);
            edits.set(SIGNATURE, &signature);
        }
        edits
    }

    /// `caveats` is the number of caveats in the headers before.
    fn is_removed(&self, name: &str, value: &str, caveats: &mut usize) -> bool {
        header::is_removed(name, &self.policy.keep_headers)
            || (name.eq_ignore_ascii_case(header::NEXT_URL) && self.names_other_price(name, value))
            || (header::is_url_part(name) && header::has_url_syntax(value))
            || self.carries_macaroon(name, value, caveats)
            || (self.signing.is_some() && header::is_other_spelling(name, SIGNATURE_INPUT))
            || (self.reason != ForwardReason::Open && header::is_same(name, x_preimage::HEADER))
            || self.route.is_some_and(|route| changes_price(name, &route.pricing))
    }

    /// Whether the path in a header has a price of another route. A header in `keep_headers` may have any path.
    fn names_other_price(&self, name: &str, value: &str) -> bool {
        if self.policy.keep_headers.iter().any(|kept| header::is_same(kept, name)) {
            return false;
        }
        let path = value.split(['?', '#']).next().unwrap_or_default();
        let target = Target { host: self.url.host, method: "GET" };
        self.policy.may_have_other_price(&mut AliasWork::default(), path, target, &|other| {
            matches!(other, Selection::Route(other) if self.route.is_some_and(|own| std::ptr::eq(own, other)))
        })
    }

    /// Whether the L402 credentials of an `Authorization` header belong to an origin that sells its path itself: nothing is charged here,
    /// and this deployment signed none of their macaroons.
    fn is_for_origin(&self, authorization: &str, caveats: &mut usize) -> bool {
        let is_charged = !matches!(self.reason, ForwardReason::Open | ForwardReason::Observed);
        let keys = self.settings.keys().filter(|_| !is_charged);
        keys.is_some_and(|keys| !may_contain_own_macaroon(authorization, keys, caveats))
    }

    fn carries_macaroon(&self, name: &str, value: &str, caveats: &mut usize) -> bool {
        let keys = self.settings.keys().filter(|_| is_macaroon_header(name));
        keys.is_some_and(|keys| may_contain_own_macaroon(value, keys, caveats))
    }
}

impl Signing<'_> {
    /// Covers method, path and query, as they are sent. The host is not covered, because an origin may have another host
    /// than the client's URL. A request without a query has the query `?` (RFC 9421, 2.2.7).
    fn base(&self) -> SignatureBase {
        let (path, query) = match self.path_and_query.find('?') {
            Some(at) => self.path_and_query.split_at(at),
            None => (self.path_and_query, "?"),
        };
        let mut base = SignatureBase::default();
        base.cover("@method", self.method);
        base.cover("@path", path);
        base.cover("@query", query);
        base
    }

    fn sign(&self, base: SignatureBase) -> MessageSignature {
        let created = self.created_unix.to_string();
        let parameters = [";created=", &created, ";keyid=\"toll\";alg=\"hmac-sha256\";tag=\"edgetoll\""];
        base.sign(self.key, &parameters.concat())
    }
}

/// Whether the origin may read a price from this header that differs from the price that edgetoll read.
fn changes_price(name: &str, pricing: &Pricing) -> bool {
    // A price function can read any header, so only headers whose names every origin reads in the same way are forwarded.
    (matches!(pricing, Pricing::Code) && !header::is_unambiguous(name))
        || (pricing.depends_on_length() && header::is_other_encoding(name))
        || pricing.headers().any(|priced| header::is_other_spelling(name, priced))
}

/// Replaces the value of a header, or deletes the header. An unchanged value is left alone, because setting it again
/// would lose its bytes beyond ASCII.
fn replace(edits: &mut HeaderEdits, name: &str, value: &str, changed: Option<String>) {
    match changed {
        Some(changed) if changed == value => {}
        Some(changed) => edits.set(name, &changed),
        None => edits.delete(name),
    }
}

/// What the response to a forwarded request needs besides its own headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponsePlan<'a> {
    pub reason: ForwardReason,
    /// The position of the priced route in the price list.
    pub route: Option<usize>,
    /// The last second in which the credential of the request is valid.
    pub expires_at_unix: Option<u64>,
    /// The payment of the request, for the log.
    pub payment_hash: Option<PaymentHash>,
    /// Whether the CORS headers are added.
    pub is_shared: bool,
    /// Scheme, host and port of the client's request.
    pub public_origin: &'a str,
    /// The URL of the forwarded request.
    pub origin_url: &'a str,
    /// The `Origin` header of the client's request.
    pub page: Option<&'a str>,
}

impl<'a> ResponsePlan<'a> {
    /// Returns the plan as one line. `shell.js` passes it back when the response arrives, so the Worker keeps nothing
    /// for a request whose client has left.
    pub fn to_line(&self) -> String {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        [
            self.reason.as_str().to_owned(),
            number(self.route.map(|route| route as u64)),
            number(self.expires_at_unix),
            self.payment_hash.map(|hash| hash.to_hex()).unwrap_or_default(),
            if self.is_shared { "1" } else { "" }.to_owned(),
            self.public_origin.to_owned(),
            self.origin_url.to_owned(),
            // Of these texts, only a header value can contain a tab, so it is the last one.
            self.page.unwrap_or_default().to_owned(),
        ]
        .join("\t")
    }

    /// Parses the line that [`to_line`](Self::to_line) returned.
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(8, '\t');
        let mut next = || fields.next();
        Some(Self {
            reason: ForwardReason::parse(next()?)?,
            route: next()?.parse().ok(),
            expires_at_unix: next()?.parse().ok(),
            payment_hash: PaymentHash::from_hex(next()?),
            is_shared: next()? == "1",
            public_origin: next()?,
            origin_url: next()?,
            page: next().filter(|page| !page.is_empty()),
        })
    }

    /// Returns the changes of the response's headers:
    /// 1. Headers that only edgetoll may set are removed. The response to a preflight keeps only CORS headers.
    /// 2. Shared caches are kept from storing the response to a request with a price.
    /// 3. The origin's URL is replaced with the URL of this deployment. `Alt-Svc` is removed: it names another host or port of
    ///    the origin (RFC 7838).
    /// 4. The CORS headers are added.
    pub fn edits(
        &self,
        headers: &HeaderList,
        policy: &Policy,
        origin: &Origin,
        resolve: ResolveUrl,
    ) -> HeaderEdits {
        let mut edits = HeaderEdits::default();
        let is_priced = self.route.is_some() || self.reason == ForwardReason::Observed;
        let is_removed = |name: &str| {
            header::is_reserved(name)
                || (self.reason == ForwardReason::Preflight && !header::is_for_preflight(name))
                || (is_priced && cache_control::is_cache_override(name))
                || (matches!(origin, Origin::Url(_)) && name.eq_ignore_ascii_case(ALT_SVC))
        };
        headers.iter().filter(|(name, _)| is_removed(name)).for_each(|(name, _)| edits.delete(name));
        if let Some(expires_at_unix) = self.expires_at_unix {
            edits.set("X-Toll-Expires", &expires_at_unix.to_string());
        }
        let mut vary = headers.get("Vary").map(str::to_owned);
        if is_priced {
            edits.set("Cache-Control", &cache_control::private(headers.get("Cache-Control")));
            vary = Some(cache_control::with_members(vary.as_deref(), &VARY_BY_CREDENTIAL));
            if self.offers_preimage(policy) {
                vary = Some(cache_control::with_members(vary.as_deref(), &[x_preimage::HEADER]));
            }
            vary.iter().for_each(|vary| edits.set("Vary", vary));
        }
        if let Origin::Url(base) = origin {
            self.hide_origin(&mut edits, headers, base, resolve);
        }
        if let Some(cors) = policy.cors.as_ref().filter(|_| self.is_shared) {
            let get = |name: &str| headers.get(name).map(str::to_owned);
            cors.share(self.page, vary.as_deref(), get, &mut edits);
        }
        edits
    }

    fn offers_preimage(&self, policy: &Policy) -> bool {
        let route = self.route.and_then(|position| policy.routes.get(position));
        route.is_some_and(|route| route.protocols.contains(Protocol::XPreimage))
    }

    fn hide_origin(&self, edits: &mut HeaderEdits, headers: &HeaderList, base: &str, resolve: ResolveUrl) {
        // Most responses have none of these headers, so the URL of the origin is parsed only if one exists.
        let public = LazyCell::new(|| PublicUrls::new(base, self.origin_url, self.public_origin, resolve));
        for (name, value) in headers.iter().filter(|(name, _)| may_name_url(name)) {
            public.rewrite(name, value).iter().for_each(|changed| edits.set(name, changed));
        }
        let cookies = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(SET_COOKIE));
        let rewritten: Vec<_> =
            cookies.map(|(_, value)| (value, public.rewrite(SET_COOKIE, value))).collect();
        if rewritten.iter().any(|(_, changed)| changed.is_some()) {
            edits.delete(SET_COOKIE);
            for (value, changed) in &rewritten {
                edits.append(SET_COOKIE, changed.as_deref().unwrap_or(value));
            }
        }
    }
}

const ALT_SVC: &str = "Alt-Svc";
/// The header that marks forwarded requests. A marked request that arrives at this deployment again is a loop and is
/// refused.
pub const HOP_HEADER: &str = "X-Toll-Hop";
/// The label of the signature among those of the request.
const SIGNATURE_LABEL: &str = "toll";
/// The header that carries the host of the request, with its port. A value that the client sent is removed, unless `keep_headers`
/// lists this header.
const FORWARDED_HOST: &str = "X-Forwarded-Host";
