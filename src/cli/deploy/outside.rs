//! Judges a deployment by its responses, as a client on the Internet sees them.

use crate::bolt11::Bolt11;
use crate::cli::doctor::report::{Check, CheckResult, Level};
use crate::cli::http::{Answer, HttpError};
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::protocols::l402::macaroon::Macaroon;
use crate::protocols::price::Price;
use crate::strict_json::Json;

/// Returns the route whose challenge is requested: one that can be bought with `GET`, and has no free tier. Its price is the same
/// for every request, if there is such a route.
pub fn route_to_try(policy: &Policy) -> Option<&Route> {
    let is_tried = |route: &&Route| route.is_sold() && route.has_method("GET") && route.free_tier.is_none();
    let mut routes: Vec<&Route> = policy.routes.iter().filter(is_tried).collect();
    routes.sort_by_key(|route| route.pricing.fixed_sats().is_none());
    routes.into_iter().next()
}

/// Judges the response to a request without a credential for a path of a priced route.
pub fn judge_challenge(
    path: &str,
    route: &Route,
    network: &str,
    answer: &Result<Answer, HttpError>,
) -> CheckResult {
    let result =
        |level, sentence: String| CheckResult::new(level, Check::Challenge, format!("{path} {sentence}"));
    match answer {
        Err(error) => result(Level::Fail, format!("did not answer: {error}")),
        Ok(answer) if answer.status == 402 => match challenge_faults(answer, route, network).as_slice() {
            [] => result(
                Level::Ok,
                "gets 402 with an invoice, in the form that all known clients read".to_owned(),
            ),
            faults => result(Level::Fail, format!("gets 402, but {}", faults.join("; "))),
        },
        Ok(Answer { status: 200..=399, .. }) => result(
            Level::Fail,
            "is served without payment: is another Worker or page rule on this route?".to_owned(),
        ),
        Ok(Answer { status, .. }) => result(
            Level::Fail,
            format!(
                "gets status {status} instead of 402: `npx wrangler tail` and the dashboard show the reason"
            ),
        ),
    }
}

/// Returns what a known client could not read in a 402.
fn challenge_faults(answer: &Answer, route: &Route, network: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut expect = |holds: bool, fault: &str| {
        if !holds {
            faults.push(fault.to_owned());
        }
    };
    // The expression of Aperture and lnget: (LSAT|L402) macaroon="(.*?)", invoice="(.*?)".
    let header = answer.www_authenticate.strip_prefix("L402 macaroon=\"");
    let (macaroon, rest) = header.and_then(|rest| rest.split_once("\", invoice=\"")).unwrap_or_default();
    let invoice = rest.split('"').next().unwrap_or_default();
    let parsed = Bolt11::parse(invoice).ok();
    let minted = Macaroon::parse(macaroon).ok();
    expect(
        minted.is_some(),
        "WWW-Authenticate has no macaroon: something between the client and the Worker changes the header",
    );
    expect(parsed.is_some(), "WWW-Authenticate has no Lightning invoice");
    let json = Json::parse(&answer.body);
    let of_body = |name: &str| json.as_ref()?.get(name)?.as_str().map(str::to_owned);
    expect(
        of_body("invoice").as_deref() == Some(invoice),
        "the JSON body has another invoice, or is not JSON",
    );
    expect(
        of_body("macaroon").is_some_and(|text| Macaroon::parse(&text).is_ok()),
        "the JSON body has no macaroon",
    );
    if let (Some(invoice), Some(minted)) = (parsed, minted) {
        expect(invoice.payment_hash() == minted.payment_hash(), "the macaroon is for another payment");
        expect(invoice.network() == network, "the invoice is for another network than the price list says");
        let price = route.pricing.fixed().and_then(|price| match price {
            Price::Sats(sats) => Some(*sats),
            Price::Fiat(_) => None,
        });
        let is_price = |sats: u64| invoice.amount_msat() == sats.checked_mul(1_000);
        expect(
            price.is_none_or(is_price),
            "the invoice has another amount than the price list: is an older version deployed?",
        );
    }
    faults
}

/// Judges the response at another address of the same Worker, such as workers.dev.
pub fn judge_other_address(url: &str, answer: &Result<Answer, HttpError>) -> CheckResult {
    let result =
        |level, sentence: String| CheckResult::new(level, Check::Bypass, format!("{url} {sentence}"));
    match answer {
        Ok(Answer { status: 200..=399, .. }) => {
            result(Level::Fail, "serves the path without payment: set workers_dev = false".to_owned())
        }
        Ok(Answer { status: 402, .. }) => result(
            Level::Warn,
            "is a second address of the Worker, which also charges: set workers_dev = false if clients should not use it".to_owned(),
        ),
        Ok(Answer { status, .. }) => result(Level::Ok, format!("serves nothing (status {status})")),
        Err(_) => result(Level::Ok, "does not answer".to_owned()),
    }
}

/// Judges the response of the origin to a request that did not pass the Worker.
pub fn judge_origin(url: &str, answer: &Result<Answer, HttpError>) -> CheckResult {
    let result = |level, sentence: String| {
        CheckResult::new(level, Check::Bypass, format!("the origin at {url} {sentence}"))
    };
    match answer {
        Ok(Answer { status: 200..=399, .. }) => result(
            Level::Warn,
            "also answers requests that did not pass the paywall: close it, as docs/closing-the-origin.md says".to_owned(),
        ),
        Ok(Answer { status, .. }) => result(Level::Ok, format!("does not serve this machine (status {status})")),
        Err(_) => result(Level::Ok, "does not answer this machine".to_owned()),
    }
}
