//! What a credential of a route opens, as a digest without the price.
//!
//! A Worker judges a credential by the price list of today and does not know what was sold. So a credential of a route with
//! one price has the caveat `sold_as`, a tag of this digest. If the price of the route has changed since, the paid amount
//! stays sufficient as long as the digest is the same: the credential opens no other route, and no more expensive variant of
//! this route.

use std::sync::OnceLock;

use super::route::Route;
use crate::crypto;
use crate::protocols::l402::caveat::ScopeRule;

/// [`Route::sold_as`] of a route. Without a realm, it is computed when it is first needed, so that a long price list is
/// read in little time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoldAs(OnceLock<Option<[u8; 32]>>);

impl Route {
    /// Returns the digest of what a credential of this route opens, without the price. Returns `None` if the route has
    /// `honor_paid = false`, or if its price depends on the request.
    pub fn sold_as(&self) -> Option<&[u8; 32]> {
        let of_route = || digest(std::slice::from_ref(self), None);
        self.sold_as.0.get_or_init(of_route).as_ref()
    }
}

/// Computes [`Route::sold_as`] of each route of a realm.
///
/// The credentials of a realm open all of its routes, so the digest of a realm covers all of them. If a route is added to
/// the realm, or gets another price than the others, older credentials must cover the new price.
pub fn compute_of_realms(routes: &mut [Route]) {
    for at in 0..routes.len() {
        let Some(realm) = routes.get(at).and_then(|route| route.scope.realm()) else { continue };
        let earlier = routes.iter().take(at).find(|route| route.scope.realm() == Some(realm));
        let sold_as = match earlier {
            Some(earlier) => earlier.sold_as.clone(),
            None => SoldAs(OnceLock::from(digest(routes, Some(realm)))),
        };
        if let Some(route) = routes.get_mut(at) {
            route.sold_as = sold_as;
        }
    }
}

/// Returns the digest of what the credentials of a realm open, or of a single route without a realm: the XOR of the
/// digests of its routes. Returns `None` if these routes do not all have the same price, or if one of them has
/// `honor_paid = false`.
fn digest(routes: &[Route], realm: Option<&str>) -> Option<[u8; 32]> {
    let mut price = None;
    let mut digest = [0; 32];
    for opened in routes.iter().filter(|route| route.scope.realm() == realm && route.has_price()) {
        let fixed = opened.pricing.fixed()?;
        if !opened.honors_paid || *price.get_or_insert(fixed) != fixed {
            return None;
        }
        for (byte, other) in digest.iter_mut().zip(crypto::sha256(text(opened).as_bytes())) {
            *byte ^= other;
        }
    }
    price.map(|_| digest)
}

/// Returns what a credential of the route opens. The length of each part is written before the part, so two different
/// routes never have the same text.
fn text(route: &Route) -> String {
    let methods = route.methods.join(",");
    let scope = match &route.scope {
        ScopeRule::Endpoint { binds_method: false } => "endpoint",
        ScopeRule::Endpoint { binds_method: true } => "endpoint method",
        ScopeRule::Realm(realm) => realm,
    };
    let realm = if route.scope.realm().is_some() { "realm" } else { "" };
    let ip = if route.binds_ip { "ip" } else { "" };
    let mut text = String::new();
    for part in
        [route.host.as_str(), route.pattern.as_str(), &methods, realm, scope, ip, route.service.as_str()]
    {
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    }
    text
}
