//! Sends a request with the proof of a payment, and judges the response.

use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method};
use reqwest::{Request, Response, StatusCode};

use super::challenge::{Challenged, is_from, read_body};
use super::error::ClientError;
use super::flow::{Payer, Sender, Verdict, copy, now_unix};
use super::journal::{Payment, State};
use super::offer::{Offer, ProofKind, is_l402};
use super::response::TollResponse;
use super::target::Target;
use super::terms::Terms;
use super::www_authenticate::{self, HttpChallenge};
use crate::bolt11::Bolt11;

impl Payer {
    /// Sends the request with a credential of an earlier call.
    pub(super) async fn send_stored(
        &self,
        sender: &dyn Sender,
        request: &Request,
        target: &Target,
        mut payment: Payment,
    ) -> Result<Verdict, ClientError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let sent = sender.send(with_proof(request, &payment)?).await;
            let response = sent.map_err(ClientError::Unreachable)?;
            if is_accepted(&response) {
                self.accepted(&mut payment, request, &response);
            }
            // After a redirect to another origin, a refusal says nothing about the credential.
            if is_accepted(&response) || !is_from(&response, &payment.origin) {
                return Ok(Verdict::Served(TollResponse::paid(response, payment, false)));
            }
            match response.status() {
                StatusCode::PAYMENT_REQUIRED => {
                    let Challenged { response, offer } = Challenged::read(response, &payment.origin).await?;
                    // The server does not know yet that its invoice is paid.
                    let is_early = offer.as_ref().is_some_and(|offer| offer.invoice == payment.invoice);
                    match (offer, pauses.next()) {
                        (Some(_), Some(pause)) if is_early => tokio::time::sleep(pause).await,
                        (Some(_), None) if is_early => return Err(not_served(payment, response.status())),
                        (Some(offer), _) => {
                            self.refused(&mut payment, target, &offer)?;
                            return Ok(Verdict::Unpaid(response));
                        }
                        // Such a response says nothing about the credential: edgetoll has no challenge for `HEAD` and for prefetches.
                        (None, _) => {
                            return Ok(Verdict::Served(TollResponse::paid(response, payment, false)));
                        }
                    }
                }
                // Another request takes the last use.
                StatusCode::CONFLICT if response.headers().contains_key(RETRY_AFTER) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause.max(retry_after(&response)).min(MAX_PAUSE)).await,
                    None => return Ok(Verdict::Served(TollResponse::paid(response, payment, false))),
                },
                StatusCode::UNAUTHORIZED if self.limits.pays_again || is_ended(&response, &payment) => {
                    self.give_up(&mut payment)?;
                    return Ok(Verdict::Unpaid(response));
                }
                // pylsat answers 403 to a credential that was used up, but a 403 can also come from the service itself.
                StatusCode::FORBIDDEN if self.limits.pays_again => {
                    self.give_up(&mut payment)?;
                    return Ok(Verdict::Unpaid(response));
                }
                StatusCode::BAD_REQUEST if payment.proof() == ProofKind::Preimage => {
                    let (response, body) = read_body(response).await?;
                    if !is_refusal_of_preimage(&body) {
                        return Ok(Verdict::Served(TollResponse::paid(response, payment, false)));
                    }
                    self.give_up(&mut payment)?;
                    return Ok(Verdict::Unpaid(response));
                }
                _ => return Ok(Verdict::Served(TollResponse::paid(response, payment, false))),
            }
        }
    }

    /// Sends the request with the proof of a new payment, again and again while the server does not know the payment.
    pub(super) async fn deliver(
        &self,
        sender: &dyn Sender,
        request: &Request,
        mut payment: Payment,
    ) -> Result<TollResponse, ClientError> {
        let mut pauses = PAUSES.into_iter();
        let mut is_lost = false;
        loop {
            let response = match sender.send(with_proof(request, &payment)?).await {
                Ok(response) => response,
                Err(source) => match pauses.next().filter(|_| is_repeatable(request.method())) {
                    Some(pause) => {
                        is_lost = true;
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    None => return Err(self.lost(payment, source)),
                },
            };
            payment.is_unanswered = is_lost;
            if is_accepted(&response) {
                self.accepted(&mut payment, request, &response);
                return Ok(TollResponse::paid(response, payment, true));
            }
            if !is_from(&response, &payment.origin) {
                return Ok(self.unserved(payment, response));
            }
            let status = response.status();
            let is_early = match status {
                StatusCode::PAYMENT_REQUIRED => match Challenged::read(response, &payment.origin).await {
                    Ok(again) => again.offer.is_some_and(|offer| offer.invoice == payment.invoice),
                    Err(ClientError::Unreachable(source)) => return Err(self.lost(payment, source)),
                    Err(_) => false,
                },
                StatusCode::UNAUTHORIZED => false,
                StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    match pauses.next() {
                        Some(pause) => {
                            tokio::time::sleep(pause.max(retry_after(&response)).min(MAX_PAUSE)).await;
                            continue;
                        }
                        None => return Ok(self.unserved(payment, response)),
                    }
                }
                // An answer of the service itself.
                _ => return Ok(self.unserved(payment, response)),
            };
            match pauses.next().filter(|_| is_early) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    payment.was_refused = !payment.may_be_spent();
                    let _ = self.journal.write(&mut payment);
                    return Err(not_served(payment, status));
                }
            }
        }
    }

    /// Records that the answer to a paid request was lost.
    fn lost(&self, mut payment: Payment, source: reqwest_middleware::Error) -> ClientError {
        payment.was_unserved = true;
        let _ = self.journal.write(&mut payment);
        ClientError::AnswerLost { payment: Box::new(payment), source }
    }

    /// Records that the answer to a paid request was an error. The credential can be used again.
    fn unserved(&self, mut payment: Payment, response: Response) -> TollResponse {
        payment.was_unserved = true;
        let _ = self.journal.write(&mut payment);
        TollResponse::paid(response, payment, true)
    }

    /// Records that the server has accepted a payment for a request.
    pub(super) fn accepted(&self, payment: &mut Payment, request: &Request, response: &Response) {
        let before = payment.clone();
        payment.unfit.remove(request.url().as_str());
        let left = response.headers().get(USES_HEADER).filter(|_| is_from(response, &payment.origin));
        (payment.was_accepted, payment.was_refused, payment.is_unanswered) = (true, false, false);
        // The server has looked up a payment whose preimage the wallet has not returned.
        if payment.state == State::Sent {
            payment.state = State::Paid;
        }
        // A preimage without a macaroon is kept too, although it pays for one request: the answer may still break off, and then
        // some servers accept it again.
        if left.is_some_and(|left| left == "0") {
            payment.state = State::Used;
        }
        if *payment != before {
            // The response must reach the caller also if the file cannot be written any more.
            let _ = self.journal.write(payment);
        }
    }

    /// Records that the server does not accept a credential for a request, for which it makes an offer.
    pub(super) fn refused(
        &self,
        payment: &mut Payment,
        target: &Target,
        offer: &Offer,
    ) -> Result<(), ClientError> {
        if !is_for_others(payment, target, offer) {
            return self.give_up(payment);
        }
        // The price of a request with a body may depend on the body.
        if ["GET", "HEAD"].contains(&target.method.as_str()) {
            if payment.unfit.len() >= MAX_UNFIT {
                payment.unfit.pop_first();
            }
            payment.unfit.insert(target.url.clone());
        }
        Ok(self.journal.write(payment)?)
    }

    /// Records that the server does not accept a credential any more.
    fn give_up(&self, payment: &mut Payment) -> Result<(), ClientError> {
        payment.state = State::Used;
        payment.was_refused |= !payment.was_accepted && !payment.may_be_spent();
        Ok(self.journal.write(payment)?)
    }
}

/// Whether a credential that is not valid for a page stays good for others: the page costs more than the payment, or sells something
/// else, or has another URL, because some servers sell each query for itself.
fn is_for_others(payment: &Payment, target: &Target, offer: &Offer) -> bool {
    let is_paid = || payment.url == target.url && target.is_paid_by(payment, &target.scope(offer));
    payment.was_accepted && (costs_more(offer, payment) || !is_paid())
}

/// Whether an offer costs more than a payment. Of two prices in a currency, the exchange rate does not count, as at the server.
pub(super) fn costs_more(offer: &Offer, payment: &Payment) -> bool {
    let paid = payment.macaroon.as_ref().and_then(|macaroon| Terms::of_macaroon(macaroon).fiat);
    if let (Some(price), Some(paid)) = (&offer.terms.fiat, paid) {
        return !paid.covers(price);
    }
    let invoice = Bolt11::parse(&offer.invoice).ok();
    let price_msat = invoice.and_then(|invoice| invoice.amount_msat());
    price_msat > Some(payment.amount_sats.saturating_mul(1_000))
}

/// Whether a server makes no challenge now: at a limit, or while its wallet fails. Such a response does not say whether another
/// credential is valid. With `X-Toll-Expires`, it comes from the origin behind the paywall.
pub(super) fn is_silent(response: &Response, method: &Method) -> bool {
    let status = response.status();
    let is_silent = status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::SERVICE_UNAVAILABLE && is_repeatable(method));
    is_silent && !is_accepted(response)
}

/// Whether a response with the status 401 means that the credential is not valid any more. While it is valid, a 401 without an L402
/// challenge may come from a service that needs a login as well.
fn is_ended(response: &Response, payment: &Payment) -> bool {
    let is_valid =
        payment.was_accepted && payment.until_unix.is_none_or(|until_unix| until_unix >= now_unix());
    !is_valid || l402_challenges(response).next().is_some()
}

fn not_served(payment: Payment, status: StatusCode) -> ClientError {
    ClientError::PaidNotServed { payment: Box::new(payment), status: status.as_u16() }
}

/// Returns the request with the proof of a payment.
pub(super) fn with_proof(request: &Request, payment: &Payment) -> Result<Request, ClientError> {
    let mut request = copy(request)?;
    let preimage = payment.preimage.as_deref().unwrap_or_default();
    let (name, value) = match payment.proof() {
        ProofKind::L402 { scheme, macaroon } => (AUTHORIZATION, format!("{scheme} {macaroon}:{preimage}")),
        ProofKind::Preimage => (http::HeaderName::from_static(PREIMAGE_HEADER), preimage.to_owned()),
    };
    let mut value = HeaderValue::try_from(value).map_err(|_| ClientError::Url("the macaroon".to_owned()))?;
    value.set_sensitive(true);
    // A request may have an `Authorization` of its own, for the origin behind the paywall.
    request.headers_mut().append(name, value);
    Ok(request)
}

/// Whether the server has accepted the credential. A 401 or 503 with `X-Toll-Expires` comes from the origin behind the
/// paywall. So does a 402 with this header, unless the origin makes a challenge of its own.
pub(super) fn is_accepted(response: &Response) -> bool {
    let status = response.status();
    let is_of_origin = || response.headers().contains_key(EXPIRES_HEADER);
    let has_invoice = || l402_challenges(response).any(|challenge| challenge.parameter("invoice").is_some());
    status.is_success()
        || status.is_redirection()
        || (is_of_origin() && (status != StatusCode::PAYMENT_REQUIRED || !has_invoice()))
}

fn l402_challenges(response: &Response) -> impl Iterator<Item = HttpChallenge> {
    let lines = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenges =
        lines.flat_map(|value| www_authenticate::parse(&String::from_utf8_lossy(value.as_bytes())));
    challenges.filter(|challenge| is_l402(&challenge.scheme))
}

/// Whether the body of a 400 is one of ln-paywall's refusals of a preimage.
fn is_refusal_of_preimage(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    ["preimage", "invoice"].iter().any(|word| text.contains(word))
}

/// Whether a request may be sent again after its response was lost (RFC 9110, idempotent methods).
fn is_repeatable(method: &Method) -> bool {
    method.is_idempotent()
}

/// Returns `Retry-After` in seconds; zero if it is missing or a date.
fn retry_after(response: &Response) -> Duration {
    let value = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Duration::from_secs(value.and_then(|value| value.parse().ok()).unwrap_or(0))
}

/// The header that carries the preimage of rack-lightning and ln-paywall.
pub const PREIMAGE_HEADER: &str = "x-preimage";
const USES_HEADER: &str = "x-toll-uses-remaining";
const EXPIRES_HEADER: &str = "x-toll-expires";

const MAX_UNFIT: usize = 50;
/// The pauses between attempts.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];
const MAX_PAUSE: Duration = Duration::from_secs(30);
