//! How a request is paid: with a stored credential, with a payment that was begun before, or with a new payment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use reqwest::{Request, Response, StatusCode};

use super::bill::Bill;
use super::budget;
use super::builder::Limits;
use super::challenge::{Challenged, is_from};
use super::delivery::{costs_more, is_accepted, is_silent, with_proof};
use super::error::ClientError;
use super::journal::{Journal, Payment, Scope, State};
use super::offer::{Offer, ProofKind};
use super::resource_locks::ResourceLocks;
use super::response::TollResponse;
use super::target::Target;
use super::wallet::{Paid, PayError, PaymentState, Wallet, WalletError};
use crate::payment::{PaymentHash, Preimage};

/// Sends requests: the client itself, or the rest of a middleware.
#[async_trait]
pub trait Sender: Sync {
    async fn send(&self, request: Request) -> Result<Response, reqwest_middleware::Error>;
}

/// Pays for requests. Clones share all but the limits.
#[derive(Clone)]
pub struct Payer {
    pub limits: Limits,
    pub wallet: Option<Arc<dyn Wallet>>,
    pub journal: Arc<Journal>,
    pub locks: Arc<ResourceLocks>,
    /// The number of calls.
    pub requests: Arc<AtomicU64>,
}

/// The response to a request with or without a stored credential.
pub(super) enum Verdict {
    /// The credential was accepted, or not judged.
    Served(TollResponse),
    /// There is no credential, or the server does not accept it. The response may have a challenge.
    Unpaid(Response),
}

/// How an offer is answered. The payment is in the journal.
enum Step {
    /// With a credential that was bought before.
    Use(Payment),
    /// With a payment for the same content that was begun before, and whose outcome is not known.
    Resume(Payment),
    /// With a new payment.
    Pay(Payment),
}

impl Payer {
    /// Sends a request, and pays if the server asks for it.
    pub async fn run(&self, sender: &dyn Sender, request: Request) -> Result<TollResponse, ClientError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let target = Target::of(&request)?;
        let mut tried = BTreeSet::new();
        let response = self.send_with_stored(sender, &request, &target, &mut tried).await?;
        let response = match response {
            Verdict::Served(response) => return Ok(response),
            Verdict::Unpaid(response) => response,
        };
        let Challenged { response, offer } = Challenged::read(response, &target.origin).await?;
        let Some(offer) = offer else { return Ok(TollResponse::free(response)) };
        if !self.may_send_proof(&target) {
            return Err(ClientError::Insecure(target.origin));
        }
        let scope = target.scope(&offer);
        let resource = format!("{} {scope:?}", target.origin);
        let _lock = self.locks.lock(&resource).await;
        self.obtain(sender, &request, &target, offer, scope, &mut tried).await
    }

    /// Sends a request without paying. Returns the offer if it has to be paid.
    pub async fn price(
        &self,
        sender: &dyn Sender,
        request: Request,
    ) -> Result<Option<(Offer, Bill)>, ClientError> {
        let target = Target::of(&request)?;
        let response = sender.send(request).await.map_err(ClientError::Unreachable)?;
        let Challenged { response, offer } = Challenged::read(response, &target.origin).await?;
        let status = response.status();
        let Some(offer) = offer else {
            let is_known = !status.is_server_error() && ![402, 429].contains(&status.as_u16());
            return if is_known { Ok(None) } else { Err(ClientError::NoPrice(status.as_u16())) };
        };
        let bill = Bill::check(&offer, &target.host, &self.limits.network, now_unix())?;
        // A stored credential is not sent, because that could take one of its uses.
        let scope = target.scope(&offer);
        let pays = |stored: &Payment| target.is_paid_by(stored, &scope) && !costs_more(&offer, stored);
        let is_paid = self.covering(&target)?.iter().any(pays);
        Ok((!is_paid).then_some((offer, bill)))
    }

    /// Sends the request with a stored credential that covers it, or else without one.
    async fn send_with_stored(
        &self,
        sender: &dyn Sender,
        request: &Request,
        target: &Target,
        tried: &mut BTreeSet<String>,
    ) -> Result<Verdict, ClientError> {
        let mut stored = self.covering(target)?.into_iter().take(MAX_UNJUDGED).peekable();
        while let Some(payment) = stored.next() {
            let payment_hash = payment.payment_hash.clone();
            match self.send_stored(sender, request, target, payment).await? {
                // The server has not judged this credential. It may make a challenge for a request without one.
                Verdict::Served(response) if is_bare(&response, target) => continue,
                Verdict::Served(response)
                    if is_silent(&response, request.method()) && stored.peek().is_some() =>
                {
                    continue;
                }
                Verdict::Unpaid(response) if response.status() != StatusCode::PAYMENT_REQUIRED => {}
                verdict => {
                    tried.insert(payment_hash);
                    return Ok(verdict);
                }
            }
            tried.insert(payment_hash);
            break;
        }
        let response = sender.send(copy(request)?).await.map_err(ClientError::Unreachable)?;
        Ok(Verdict::Unpaid(response))
    }

    /// Returns the credentials that were accepted before and cover a request: those that were bought for its URL first, then those for its
    /// path, the newest first.
    fn covering(&self, target: &Target) -> Result<Vec<Payment>, ClientError> {
        if !self.may_send_proof(target) {
            return Ok(Vec::new());
        }
        let now = now_unix();
        let covers = |payment: &Payment| {
            payment.was_accepted
                && payment.is_usable(now)
                && !payment.unfit.contains(&target.url)
                && payment.covers(&target.origin, &target.path, &target.method)
        };
        let mut covering: Vec<_> = self.journal.payments()?.into_iter().filter(covers).collect();
        covering.sort_by_key(|payment| (payment.url != target.url, payment.scope.endpoint.is_none()));
        Ok(covering)
    }

    /// Finds a payment for an offer, and sends the request with its proof.
    async fn obtain(
        &self,
        sender: &dyn Sender,
        request: &Request,
        target: &Target,
        mut offer: Offer,
        scope: Scope,
        tried: &mut BTreeSet<String>,
    ) -> Result<TollResponse, ClientError> {
        loop {
            match self.next_step(target, &offer, &scope, tried)? {
                Step::Use(mut stored) => {
                    tried.insert(stored.payment_hash.clone());
                    match self.send_stored(sender, request, target, stored.clone()).await? {
                        // Without this credential, the server made a challenge.
                        Verdict::Served(response) if is_bare(&response, target) => {
                            self.refused(&mut stored, target, &offer)?;
                        }
                        Verdict::Served(response) => return Ok(response),
                        Verdict::Unpaid(response) => {
                            let newer = Challenged::read(response, &target.origin).await?.offer;
                            offer = newer.filter(|newer| target.scope(newer) == scope).unwrap_or(offer);
                        }
                    }
                }
                Step::Resume(begun) => {
                    match self.resume(sender, request, begun).await {
                        Ok(Some(response)) => return Ok(response),
                        Ok(None) => {}
                        // Another process has finished this payment, and has used it up.
                        Err(ClientError::PaidNotServed { payment, .. })
                            if self.known(&payment)?.is_some_and(|known| known.was_accepted) =>
                        {
                            tried.insert(payment.payment_hash);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Step::Pay(payment) => return self.pay(sender, request, payment).await,
            }
        }
    }

    /// Decides how an offer is answered, and writes a new payment to the journal. One transaction does both, so that no
    /// other process pays for the same content meanwhile.
    fn next_step(
        &self,
        target: &Target,
        offer: &Offer,
        scope: &Scope,
        tried: &BTreeSet<String>,
    ) -> Result<Step, ClientError> {
        let now = now_unix();
        self.journal.transact(|known| {
            let is_paid_by = |payment: &Payment| target.is_paid_by(payment, scope);
            let is_read = ["GET", "HEAD"].contains(&target.method.as_str());
            // A server may honor a payment after it has raised the price.
            let may_be_honored =
                |payment: &Payment| payment.was_accepted && is_read && !payment.unfit.contains(&target.url);
            let is_stored = |payment: &&Payment| {
                payment.is_usable(now)
                    && is_paid_by(payment)
                    && (!costs_more(offer, payment) || may_be_honored(payment))
                    && !payment.is_in_use(now)
                    && !tried.contains(&payment.payment_hash)
            };
            let stored = known.values().filter(is_stored);
            let stored = stored.max_by_key(|payment| {
                let is_fit = !payment.unfit.contains(&target.url);
                (!costs_more(offer, payment), is_fit, payment.url == target.url, payment.at_unix)
            });
            // A call sends few credentials. Without a limit, a server that refuses each one would get all.
            if let Some(stored) = stored.filter(|_| tried.len() < MAX_STORED) {
                return (Ok(Step::Use(stored.clone())), None);
            }
            let is_begun = |payment: &&Payment| {
                let replaces = |other: &Payment| is_paid_by(other) && other.replaces(payment, &target.url);
                let is_replaced = || known.values().any(replaces);
                let is_given_up = payment.expires_at_unix < now && (self.limits.pays_again || is_replaced());
                let is_own = payment.url == target.url || !costs_more(offer, payment);
                payment.state == State::Sent && is_paid_by(payment) && is_own && !is_given_up
            };
            if let Some(begun) = known.values().find(is_begun) {
                return (Ok(Step::Resume(begun.clone())), None);
            }
            let payment = self.new_payment(target, offer, scope, now);
            match payment.and_then(|payment| budget::check(known, payment, &self.limits, now)) {
                Ok(payment) => (Ok(Step::Pay(payment.clone())), Some(payment)),
                Err(error) => (Err(error), None),
            }
        })?
    }

    /// Returns the payment for an offer that may be paid, budgets aside.
    fn new_payment(
        &self,
        target: &Target,
        offer: &Offer,
        scope: &Scope,
        now: u64,
    ) -> Result<Payment, ClientError> {
        self.check_host(&target.host)?;
        let bill = Bill::check(offer, &target.host, &self.limits.network, now)?;
        let price_sats = bill.amount_sats;
        self.check_price(price_sats)?;
        let wallet = self.wallet.as_ref().ok_or(ClientError::NoWallet { price_sats })?;
        let (scheme, macaroon) = match &offer.proof {
            ProofKind::L402 { scheme, macaroon } => (Some(scheme.clone()), Some(macaroon.clone())),
            ProofKind::Preimage => (None, None),
        };
        Ok(Payment {
            payment_hash: bill.payment_hash.to_hex(),
            at_unix: now,
            origin: target.origin.clone(),
            host: target.host.clone(),
            url: target.url.clone(),
            path: target.path.clone(),
            method: target.method.clone(),
            amount_sats: price_sats,
            fee_msat: None,
            wallet: wallet.name(),
            state: State::Sent,
            invoice: offer.invoice.clone(),
            expires_at_unix: bill.expires_at_unix,
            scope: scope.clone(),
            scheme,
            macaroon,
            preimage: None,
            until_unix: offer.terms.until_unix,
            was_accepted: false,
            was_refused: false,
            is_unanswered: false,
            was_unserved: false,
            unfit: BTreeSet::new(),
        })
    }

    /// Whether others cannot read a credential that is sent to a server, or may.
    fn may_send_proof(&self, target: &Target) -> bool {
        target.is_private || self.limits.allows_http
    }

    fn check_host(&self, host: &str) -> Result<(), ClientError> {
        match self.limits.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|allowed| allowed == host)) {
            true => Ok(()),
            false => Err(ClientError::HostNotAllowed(host.to_owned())),
        }
    }

    fn check_price(&self, price_sats: u64) -> Result<(), ClientError> {
        let limit_sats = self.limits.max_sats;
        if price_sats > limit_sats {
            return Err(ClientError::TooExpensive { price_sats, limit_sats });
        }
        Ok(())
    }

    /// Lets the wallet pay an invoice that is in the journal, and sends the request with its proof.
    async fn pay(
        &self,
        sender: &dyn Sender,
        request: &Request,
        mut payment: Payment,
    ) -> Result<TollResponse, ClientError> {
        let wallet = self.wallet.as_ref().ok_or(ClientError::NoWallet { price_sats: payment.amount_sats })?;
        match wallet.pay_invoice(&payment.invoice, self.max_fee_msat()).await {
            Ok(paid) => self.prove(sender, request, payment, paid).await,
            Err(PayError::NotPaid(reason)) => {
                self.unpaid(&mut payment)?;
                Err(ClientError::NotPaid(reason))
            }
            Err(PayError::Unknown(reason)) => {
                self.try_without_preimage(sender, request, payment, reason).await
            }
        }
    }

    /// Finds out what became of a payment that was begun before, perhaps by a process that was killed or still pays.
    /// Returns `None` if nothing was paid and nothing will be, or if another process has finished the payment meanwhile.
    async fn resume(
        &self,
        sender: &dyn Sender,
        request: &Request,
        mut payment: Payment,
    ) -> Result<Option<TollResponse>, ClientError> {
        let wallet = self.wallet.as_ref().filter(|wallet| wallet.name() == payment.wallet);
        let (Some(wallet), Some(hash)) = (wallet, PaymentHash::from_hex(&payment.payment_hash)) else {
            let reason = WalletError::OtherWallet(payment.wallet.clone());
            return self.try_without_preimage(sender, request, payment, reason).await.map(Some);
        };
        let can_be_paid = payment.expires_at_unix >= now_unix();
        let reason = match wallet.wait_for_payment(&hash, PENDING_LIMIT).await {
            Ok(PaymentState::Settled(preimage)) => {
                let paid = Paid { preimage, fee_msat: None };
                return self.prove(sender, request, payment, paid).await.map(Some);
            }
            Ok(PaymentState::Pending) => WalletError::Pending,
            Ok(PaymentState::Unpaid) if !can_be_paid => {
                self.unpaid(&mut payment)?;
                return Ok(None);
            }
            Err(reason) if !can_be_paid => reason,
            // The same invoice is paid: a wallet never pays an invoice twice.
            Ok(PaymentState::Unpaid) | Err(_) => {
                self.check_host(&payment.host)?;
                self.check_price(payment.amount_sats)?;
                if self.known(&payment)?.is_none_or(|known| known.state != State::Sent) {
                    return Ok(None);
                }
                match wallet.pay_invoice(&payment.invoice, self.max_fee_msat()).await {
                    Ok(paid) => return self.prove(sender, request, payment, paid).await.map(Some),
                    // Another process may pay the same invoice at this time, so it is not known to be unpaid before it
                    // has expired.
                    Err(PayError::NotPaid(reason) | PayError::Unknown(reason)) => reason,
                }
            }
        };
        self.try_without_preimage(sender, request, payment, reason).await.map(Some)
    }

    /// Returns a payment as the journal has it, in which other processes may have written meanwhile.
    fn known(&self, payment: &Payment) -> Result<Option<Payment>, ClientError> {
        Ok(self.journal.transact(|known| (known.get(&payment.payment_hash).cloned(), None))?)
    }

    /// Records that the wallet has paid, and sends the request with the proof.
    async fn prove(
        &self,
        sender: &dyn Sender,
        request: &Request,
        mut payment: Payment,
        paid: Paid,
    ) -> Result<TollResponse, ClientError> {
        self.paid(&mut payment, paid);
        match payment.preimage {
            Some(_) => self.deliver(sender, request, payment).await,
            None => self.try_without_preimage(sender, request, payment, WalletError::NoPreimage).await,
        }
    }

    /// Sends `<macaroon>:` without a preimage. A server that looks up its payments accepts it if the invoice is paid.
    async fn try_without_preimage(
        &self,
        sender: &dyn Sender,
        request: &Request,
        mut payment: Payment,
        reason: WalletError,
    ) -> Result<TollResponse, ClientError> {
        if matches!(payment.proof(), ProofKind::L402 { .. })
            && let Ok(response) = sender.send(with_proof(request, &payment)?).await
            && is_accepted(&response)
            // Another origin, to which the server redirects, knows nothing of the payment.
            && is_from(&response, &payment.origin)
        {
            self.accepted(&mut payment, request, &response);
            return Ok(TollResponse::paid(response, payment, true));
        }
        Err(ClientError::MayBePaid { payment: Box::new(payment), reason })
    }

    fn max_fee_msat(&self) -> u64 {
        self.limits.max_fee_sats.saturating_mul(1000)
    }

    /// Records that the wallet has paid.
    fn paid(&self, payment: &mut Payment, paid: Paid) {
        let fits = |preimage: &Preimage| preimage.payment_hash().to_hex() == payment.payment_hash;
        payment.preimage = paid.preimage.filter(fits).map(|preimage| preimage.to_hex());
        payment.fee_msat = paid.fee_msat;
        if payment.preimage.is_some() {
            payment.state = State::Paid;
            payment.is_unanswered = true;
        }
        // If the file cannot be written any more, the payment stays in it as begun, and is resumed later.
        let _ = self.journal.write(payment);
    }

    /// Records that nothing was paid and nothing will be.
    fn unpaid(&self, payment: &mut Payment) -> Result<(), ClientError> {
        payment.state = State::Unpaid;
        Ok(self.journal.write(payment)?)
    }
}

/// Whether a response of the server itself asks for a payment, and has no challenge.
fn is_bare(response: &Response, target: &Target) -> bool {
    response.status() == StatusCode::PAYMENT_REQUIRED
        && !is_accepted(response)
        && is_from(response, &target.origin)
}

pub(super) fn copy(request: &Request) -> Result<Request, ClientError> {
    request.try_clone().ok_or(ClientError::UnrepeatableBody)
}

/// Returns the time in Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the client is native")]
pub fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The most stored credentials that one call sends, besides those that the server does not judge.
const MAX_STORED: usize = 2;
/// The most stored credentials that one call sends while the server does not say whether they are valid.
const MAX_UNJUDGED: usize = 5;
/// The time that a payment may be on its way.
const PENDING_LIMIT: Duration = Duration::from_secs(30);
