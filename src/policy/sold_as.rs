//! What a credential of a route opens, as a digest without the price.
//!
//! A Worker judges a credential by the price list of today and does not know what was sold. So a credential of a route with
//! one price has the caveat `sold_as`, a tag of this digest. If the price of the route has changed since, the paid amount
//! stays sufficient as long as the digest is the same: the credential opens no other route, and no more expensive variant of
//! this route.

use super::route::Route;
use crate::crypto;
use crate::protocols::l402::caveat::ScopeRule;

/// Sets [`Route::sold_as`] of each route.
///
/// The credentials of a realm open all of its routes, so the digest of a realm covers all of them. If a route is added to
/// the realm, or gets another price than the others, older credentials must cover the new price.
pub fn set_sold_as(routes: &mut [Route]) {
    let mut digests: Vec<Option<[u8; 32]>> = Vec::with_capacity(routes.len());
    for route in routes.iter() {
        let realm = route.scope.realm();
        let of_realm =
            routes.iter().zip(&digests).find(|(other, _)| realm.is_some() && other.scope.realm() == realm);
        let digest = of_realm.map_or_else(|| digest(routes, route), |(_, digest)| *digest);
        digests.push(digest);
    }
    for (route, digest) in routes.iter_mut().zip(digests) {
        route.sold_as = digest;
    }
}

/// Returns the digest of what the credentials of a route open: the XOR of the digests of the route, or of all routes of its
/// realm. Returns `None` if these routes do not all have the same price, or if one of them has `honor_paid = false`.
fn digest(routes: &[Route], route: &Route) -> Option<[u8; 32]> {
    let realm = route.scope.realm();
    let mut price = None;
    let mut digest = [0; 32];
    for opened in routes {
        let is_opened =
            if realm.is_some() { opened.scope.realm() == realm } else { std::ptr::eq(opened, route) };
        if !is_opened || opened.is_free() {
            continue;
        }
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
