//! The log: one JSON object a line. Never a secret, a preimage, a key, an address, a path or a whole token.

use serde::Serialize;

use crate::gate::{Decision, Offer, Sale};
use crate::l402::caveat::Wallet;
use crate::ledger::traffic::Outcome;

/// What is told of one request.
#[derive(Serialize)]
pub struct Line {
    event: &'static str,
    method: String,
    decision: &'static str,
    route: Option<String>,
    /// Why a route's free tier was not for this client.
    pub free: Option<&'static str>,
    pub code: Option<&'static str>,
    pub detail: Option<String>,
    pub payment_hash: Option<String>,
    status: u16,
    ms: u64,
}

impl Line {
    /// A line for a request that nothing is known of but its method.
    pub fn new(method: String) -> Self {
        let (code, detail, payment_hash, route, free) = (None, None, None, None, None);
        Self {
            event: "request",
            method,
            decision: "none",
            route,
            free,
            code,
            detail,
            payment_hash,
            status: 0,
            ms: 0,
        }
    }

    /// Notes the decision.
    pub fn decided(&mut self, decision: &Decision<'_>) {
        let (name, route) = match decision {
            Decision::Open => ("open", None),
            Decision::Waived { route } => ("waived", Some(route)),
            Decision::Sold(sale) => ("paid", Some(&sale.route)),
            Decision::Unsettled { claims, route, .. } => {
                self.payment_hash = claims.first().map(|claim| claim.sale.grant.payment_hash.short());
                ("unsettled", Some(route))
            }
            Decision::Preflight => ("preflight", None),
            Decision::FreeTier { route, .. } => ("challenge", Some(route)),
            Decision::Offer { route, offer } => {
                self.code = offer.refused.as_ref().map(|refused| refused.code());
                (if offer.is_quote { "quote" } else { "challenge" }, Some(route))
            }
            Decision::ToHttps => ("to_https", None),
            Decision::Refuse(_, route) => ("refuse", route.as_ref()),
            Decision::Operator(_) => ("operator", None),
            Decision::Settle => ("settle", None),
            Decision::Public(_) => ("public", None),
            Decision::Hook(_) => ("hook", None),
            Decision::Health => ("health", None),
            Decision::Prices => ("prices", None),
        };
        self.decision = name;
        self.route = route.map(|route| route.pattern.as_str().to_owned());
    }

    /// Notes that what was presented was not enough after all.
    pub fn refused(&mut self, offer: &Offer<'_>) {
        self.decision = "challenge";
        self.code = offer.refused.as_ref().map(|refused| refused.code());
    }

    /// Notes that it was paid for.
    pub fn sold(&mut self, sale: &Sale<'_>) {
        self.decision = "paid";
        self.payment_hash = Some(sale.grant.payment_hash.short());
    }

    /// Notes that the request passes, as what.
    pub fn passed(&mut self, decision: &'static str) {
        self.decision = decision;
    }

    /// The route, and what became of the request there.
    pub fn outcome(&self, status: u16) -> Option<(&str, Outcome)> {
        let outcome = match (self.decision, self.code) {
            ("paid", None) => Outcome::Paid,
            ("free" | "waived", None) => Outcome::Free,
            _ if status == 402 => Outcome::Challenged,
            _ => Outcome::Refused,
        };
        Some((self.route.as_deref()?, outcome))
    }

    /// Writes the line.
    pub fn write(mut self, status: u16, ms: u64) {
        self.status = status;
        self.ms = ms;
        write(&self);
    }
}

/// Tells of a wallet what its owner should know.
pub fn wallet(wallet: Wallet, detail: &str) {
    write(&OfWallet { event: "wallet", wallet: wallet.as_str(), detail });
}

/// Tells of the books what their owner should know.
pub fn ledger(detail: &str) {
    write(&Fault { event: "ledger", detail });
}

/// Tells what is wrong with the settings.
pub fn fault(fault: &str) {
    write(&Fault { event: "not_configured", detail: fault });
}

fn write(line: &impl Serialize) {
    let line = serde_json::to_string(line).unwrap_or_default();
    web_sys::console::log_1(&line.into());
}

#[derive(Serialize)]
struct OfWallet<'a> {
    event: &'static str,
    wallet: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct Fault<'a> {
    event: &'static str,
    detail: &'a str,
}
