//! Requests to the wallets. A client waits while a wallet creates an invoice or looks up a payment, so such a request
//! must end before the deadline of the client's request. No client waits for a request for the ledger, which has its
//! own time limit.

mod http;
#[cfg(feature = "nwc")]
mod nwc;
pub mod probe;
mod send;

use std::sync::{LazyLock, Mutex};

use crate::edge::platform::clock::{Deadline, now_ms, now_unix};
use crate::edge::platform::isolate::with_lock;
use crate::edge::platform::log;
use crate::edge::platform::runtime::Env;
use crate::payment::{PaymentHash, WalletSlot};
use crate::policy::wallet_order::WalletOrder;
use crate::protocols::record::OwnInvoice;
use crate::wallet::failover::Failover;
use crate::wallet::receipt::{Receipt, Sale};
use crate::wallet::slots::{BySlot, Wallets};
use crate::wallet::{
    Invoice, InvoiceRequest, Payment, PaymentStatus, Wallet, WalletError, WalletRequest, WalletResponse,
};
use send::send;

/// Fails if the circuits of all wallets are open, so that no invoice can be created now.
pub fn check_invoice_circuits(wallets: &Wallets) -> Result<(), WalletError> {
    match with_lock(&INVOICES, |failover| failover.wait_ms(wallets.slots(), now_ms())) {
        Some(retry_in_ms) => Err(circuit_open(retry_in_ms)),
        None => Ok(()),
    }
}

/// Returns how many milliseconds two circuit breakers of a wallet stay open in this isolate: first the one for
/// invoices, then the one for look-ups.
pub fn open_circuits_ms(slot: WalletSlot) -> [u64; 2] {
    [&INVOICES, &LOOK_UPS].map(|failover| with_lock(failover, |failover| failover.wait_ms_of(slot, now_ms())))
}

/// Creates an invoice, and returns it with the slot of the wallet that created it. If a wallet fails, the next wallet is
/// asked, as long as enough time is left. If there is no other wallet whose circuit is closed, the same wallet is asked
/// once more, but only after a transient error.
pub async fn create_invoice(
    env: &Env,
    wallets: &Wallets,
    order: WalletOrder,
    invoice: &InvoiceRequest<'_>,
    deadline: Deadline,
) -> Result<(WalletSlot, Invoice), WalletError> {
    let mut limit_ms = deadline.for_wallet_ms().ok_or(WalletError::NoTimeLeft)?;
    let mut others = with_lock(&INVOICES, |failover| failover.order(order, wallets.slots()));
    let slot = with_lock(&INVOICES, |failover| failover.choose(&others, now_ms()));
    let mut slot = slot.map_err(circuit_open)?;
    loop {
        let is_retry = !others.contains(&slot);
        others.retain(|other| *other != slot);
        let error = match create_at(env, wallets, slot, invoice, limit_ms, deadline).await {
            Ok(made) => return Ok((slot, made)),
            // No wallet sells while one may spend.
            Err(WalletError::MaySpend) => {
                probe::remember_may_spend(slot);
                return Err(WalletError::MaySpend);
            }
            Err(error) if is_retry => return Err(error),
            Err(error) => error,
        };
        limit_ms = deadline.for_wallet_ms().ok_or(error)?;
        let next = with_lock(&INVOICES, |failover| failover.choose_after(slot, &error, &others, now_ms()));
        slot = next.ok_or(error)?;
    }
}

/// Creates an invoice with one wallet. A wallet that refuses the webhook URL responds with status 400. So after this
/// status, the request is sent again without a webhook.
async fn create_at(
    env: &Env,
    wallets: &Wallets,
    slot: WalletSlot,
    invoice: &InvoiceRequest<'_>,
    limit_ms: u32,
    deadline: Deadline,
) -> Result<Invoice, WalletError> {
    let wallet = wallets.get(slot).ok_or(WalletError::NotConfigured)?;
    let sent_ms = now_ms();
    let without_webhook = InvoiceRequest { webhook: None, ..*invoice };
    let has_webhook =
        invoice.webhook.is_some() && with_lock(&NO_WEBHOOK_UNTIL_MS, |until| now_ms() >= *until.get(slot));
    let mut made =
        create(env, wallet, slot, if has_webhook { invoice } else { &without_webhook }, limit_ms).await;
    if has_webhook
        && matches!(made, Err(WalletError::Status(400)))
        && let Some(limit_ms) = deadline.for_wallet_ms()
    {
        made = create(env, wallet, slot, &without_webhook, limit_ms).await;
        // If the request without a webhook succeeds, the webhook was the reason, and webhooks are left out for an hour.
        // If it fails too, the reason is not known, and webhooks are left out for a minute only.
        let pause_ms = if made.is_ok() { HOUR_MS } else { MINUTE_MS };
        with_lock(&NO_WEBHOOK_UNTIL_MS, |until| *until.get_mut(slot) = now_ms().saturating_add(pause_ms));
        if made.is_ok() {
            log::wallet(
                slot,
                "refuses to call PUBLIC_URL: payments are recorded when their credentials are used, or within minutes",
            );
        }
    }
    record(&INVOICES, slot, &made, sent_ms);
    made
}

async fn create(
    env: &Env,
    wallet: &Wallet,
    slot: WalletSlot,
    invoice: &InvoiceRequest<'_>,
    limit_ms: u32,
) -> Result<Invoice, WalletError> {
    let response = send(env, slot, &wallet.create(invoice)?, limit_ms).await?;
    wallet.read_created(invoice, &response, now_unix()).map_err(|error| match error {
        WalletError::Status(status @ (401 | 403 | 404)) => WalletError::KeyRefused { status, slot },
        error => error,
    })
}

/// Fails if the circuit of this wallet is open, so that no payment can be looked up now.
pub fn check_look_up_circuit(slot: WalletSlot) -> Result<(), WalletError> {
    match with_lock(&LOOK_UPS, |failover| failover.wait_ms_of(slot, now_ms())) {
        0 => Ok(()),
        retry_in_ms => Err(circuit_open(retry_in_ms)),
    }
}

/// Asks the wallet that created an invoice whether the invoice was paid.
pub async fn look_up(
    env: &Env,
    wallets: &Wallets,
    slot: WalletSlot,
    payment: &Payment,
    deadline: Deadline,
) -> Result<PaymentStatus, WalletError> {
    let wallet = wallets.get(slot).ok_or(WalletError::NotConfigured)?;
    let mut status = PaymentStatus::Unpaid;
    let mut read = |response: &WalletResponse| {
        status = wallet.read_looked_up(payment, response, now_unix())?;
        Ok(())
    };
    look_up_with(env, wallet, slot, &payment.hash, deadline, &mut read).await?;
    Ok(status)
}

/// Looks up a payment at a wallet. `read` checks the response and keeps what it reads. A transient error is retried
/// once.
async fn look_up_with(
    env: &Env,
    wallet: &Wallet,
    slot: WalletSlot,
    payment_hash: &PaymentHash,
    deadline: Deadline,
    read: &mut dyn FnMut(&WalletResponse) -> Result<(), WalletError>,
) -> Result<(), WalletError> {
    match look_up_once(env, wallet, slot, payment_hash, deadline, read).await {
        Err(error) if error.is_transient() => {
            look_up_once(env, wallet, slot, payment_hash, deadline, read).await
        }
        result => result,
    }
}

async fn look_up_once(
    env: &Env,
    wallet: &Wallet,
    slot: WalletSlot,
    payment_hash: &PaymentHash,
    deadline: Deadline,
    read: &mut dyn FnMut(&WalletResponse) -> Result<(), WalletError>,
) -> Result<(), WalletError> {
    let limit_ms = deadline.for_wallet_ms().ok_or(WalletError::NoTimeLeft)?;
    with_lock(&LOOK_UPS, |failover| failover.admit(slot, now_ms())).map_err(circuit_open)?;
    let sent_ms = now_ms();
    let response = send_look_up(env, wallet, slot, payment_hash, limit_ms).await;
    let checked = response.and_then(|response| read(&response));
    record(&LOOK_UPS, slot, &checked, sent_ms);
    checked
}

/// Looks up a payment, also in the list of the wallet if the first response does not say whether the payment was paid. The time limit
/// is for all requests together.
async fn send_look_up(
    env: &Env,
    wallet: &Wallet,
    slot: WalletSlot,
    payment_hash: &PaymentHash,
    limit_ms: u32,
) -> Result<WalletResponse, WalletError> {
    let until_ms = now_ms().saturating_add(u64::from(limit_ms));
    let mut response = send(env, slot, &wallet.look_up(payment_hash), limit_ms).await?;
    for page in 0..MAX_LIST_PAGES {
        let Some(request) = wallet.list_request(&response, page).filter(|_| response.is_listed.is_none())
        else {
            break;
        };
        let left_ms = until_ms.saturating_sub(now_ms());
        let list = send(env, slot, &request, u32::try_from(left_ms).unwrap_or(limit_ms)).await?;
        response.is_listed = wallet.read_listed(payment_hash, &list)?;
    }
    Ok(response)
}

/// Looks for an invoice of edgetoll at all wallets, because a payment hash alone does not name a wallet.
///
/// # Errors
/// Fails if a wallet fails and no other wallet has the invoice: the wallet that failed may have it.
pub async fn find_invoice(
    env: &Env,
    wallets: &Wallets,
    payment_hash: &PaymentHash,
    deadline: Deadline,
) -> Result<Option<(WalletSlot, Box<OwnInvoice>)>, WalletError> {
    let mut failed = None;
    for (slot, wallet) in wallets.slots().filter_map(|slot| Some((slot, wallets.get(slot)?))) {
        let mut found = None;
        let mut read = |response: &WalletResponse| {
            found = wallet.read_own_invoice(payment_hash, response)?.map(Box::new);
            Ok(())
        };
        let looked_up = look_up_with(env, wallet, slot, payment_hash, deadline, &mut read).await;
        failed = failed.or(looked_up.err());
        if let Some(invoice) = found {
            return Ok(Some((slot, invoice)));
        }
    }
    failed.map_or(Ok(None), Err)
}

/// Returns the receipt of a payment; `None` if the invoice is not paid, or if edgetoll did not request the invoice. `sale`
/// is what is known of the payment without the wallet.
pub async fn receipt(
    env: &Env,
    wallet: &Wallet,
    slot: WalletSlot,
    payment_hash: &PaymentHash,
    sale: Option<&Sale>,
) -> Result<Option<Receipt>, WalletError> {
    check_look_up_circuit(slot)?;
    let response = send_look_up(env, wallet, slot, payment_hash, LEDGER_TIMEOUT_MS).await?;
    wallet.read_receipt(payment_hash, sale, &response)
}

/// Sends a request for the ledger, unless the circuit of the wallet is open. The result does not change the circuit
/// breaker, which counts only requests of clients.
pub async fn send_for_ledger(
    env: &Env,
    slot: WalletSlot,
    request: &WalletRequest,
) -> Result<WalletResponse, WalletError> {
    check_look_up_circuit(slot)?;
    send(env, slot, request, LEDGER_TIMEOUT_MS).await
}

fn record<T>(failover: &Mutex<Failover>, slot: WalletSlot, result: &Result<T, WalletError>, sent_ms: u64) {
    let has_opened = with_lock(failover, |failover| failover.record(slot, result, sent_ms, now_ms()));
    if let (true, Err(error)) = (has_opened, result) {
        log::wallet(slot, &format!("gets no requests for a while: {error}"));
    }
}

fn circuit_open(retry_in_ms: u64) -> WalletError {
    WalletError::CircuitOpen { retry_in_ms }
}

/// Creating invoices and looking up payments have separate circuit breakers, because LNbits has separate rate limits
/// for them.
static INVOICES: LazyLock<Mutex<Failover>> = LazyLock::new(Mutex::default);
static LOOK_UPS: LazyLock<Mutex<Failover>> = LazyLock::new(Mutex::default);
/// Until this time, a wallet gets requests for invoices without a webhook, because it responded to a request with a
/// webhook with status 400.
static NO_WEBHOOK_UNTIL_MS: Mutex<BySlot<u64>> = Mutex::new(BySlot::all(0));

/// With more payments in the seconds of one payment, the wallet does not confirm it.
const MAX_LIST_PAGES: usize = 5;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
/// The time limit of a request for the ledger. No paying client waits for such a request, so the limit can be long.
const LEDGER_TIMEOUT_MS: u32 = 10_000;
