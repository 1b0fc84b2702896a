//! The calls to the wallets, within one budget of time for each request, and to the second wallet when the first fails.

pub mod probe;
mod send;

use std::sync::{LazyLock, Mutex};

use send::send;

use super::isolate::held;
use super::kv;
use super::log;
use super::time::{now_ms, now_unix};
use crate::l402::caveat::Wallet as Name;
use crate::l402::preimage::PaymentHash;
use crate::settings::Wallets;
use crate::wallet::receipt::Receipt;
use crate::wallet::turns::Turns;
use crate::wallet::{
    Answer, BUDGET_MS, Call, Invoice, InvoiceRequest, Payment, Standing, TRY_MS, Wallet, WalletError,
};

/// The time that a request may spend on wallets.
#[derive(Clone, Copy)]
pub struct Budget {
    ends_at_ms: u64,
}

impl Budget {
    /// That of a request that arrived now.
    pub fn from(arrived_ms: u64) -> Self {
        Self { ends_at_ms: arrived_ms.saturating_add(BUDGET_MS) }
    }

    /// What of it one try may take, where it is worth to begin one.
    pub fn of_try_ms(self) -> Option<u32> {
        let left_ms = self.left_ms().min(TRY_MS);
        u32::try_from(left_ms).ok().filter(|left_ms| *left_ms >= MIN_TRY_MS)
    }

    /// What of it a store may take.
    pub fn of_store_ms(self) -> i32 {
        i32::try_from(self.left_ms()).unwrap_or(kv::TIMEOUT_MS).min(kv::TIMEOUT_MS)
    }

    fn left_ms(self) -> u64 {
        self.ends_at_ms.saturating_sub(now_ms())
    }
}

/// Whether any wallet would be asked for an invoice now.
pub fn is_asked_for_invoices(wallets: &Wallets) -> Result<(), WalletError> {
    let has_second = wallets.get(Name::Second).is_some();
    match held(&CREATING, |turns| turns.wait_ms(has_second, now_ms())) {
        Some(retry_in_ms) => Err(WalletError::Resting { retry_in_ms }),
        None => Ok(()),
    }
}

/// Has an invoice made, and says by which wallet.
pub async fn create(
    wallets: &Wallets,
    invoice: &InvoiceRequest<'_>,
    budget: Budget,
) -> Result<(Name, Invoice), WalletError> {
    let has_second = wallets.get(Name::Second).is_some();
    let limit_ms = budget.of_try_ms().ok_or(WalletError::NoTimeLeft)?;
    let name = held(&CREATING, |turns| turns.begin(has_second, now_ms())).map_err(resting)?;
    let error = match try_to_create(wallets, name, invoice, (limit_ms, budget)).await {
        Ok(made) => return Ok((name, made)),
        Err(error) => error,
    };
    let limit_ms = budget.of_try_ms().ok_or(error)?;
    let name = held(&CREATING, |turns| turns.go_on(name, &error, has_second, now_ms())).ok_or(error)?;
    Ok((name, try_to_create(wallets, name, invoice, (limit_ms, budget)).await?))
}

async fn try_to_create(
    wallets: &Wallets,
    name: Name,
    invoice: &InvoiceRequest<'_>,
    (limit_ms, budget): (u32, Budget),
) -> Result<Invoice, WalletError> {
    let wallet = wallets.get(name).ok_or(WalletError::Gone)?;
    let sent_ms = now_ms();
    let is_hooked =
        invoice.webhook.is_some() && held(&UNHOOKED, |unhooked| now_ms() >= *slot(unhooked, name));
    let unhooked = InvoiceRequest { webhook: None, ..*invoice };
    let mut made = post(wallet, if is_hooked { invoice } else { &unhooked }, limit_ms).await;
    if is_hooked
        && matches!(made, Err(WalletError::Status(400)))
        && let Some(limit_ms) = budget.of_try_ms()
    {
        made = post(wallet, &unhooked, limit_ms).await;
        // Else it was not the webhook that it refused.
        let unhooked_ms = if made.is_ok() { UNHOOKED_MS } else { MINUTE_MS };
        held(&UNHOOKED, |unhooked| *slot(unhooked, name) = now_ms().saturating_add(unhooked_ms));
        if made.is_ok() {
            log::wallet(
                name,
                "refuses to call PUBLIC_URL: what is paid shows when it is used, or within minutes",
            );
        }
    }
    note(&CREATING, name, &made, sent_ms);
    made
}

async fn post(
    wallet: &impl Wallet,
    invoice: &InvoiceRequest<'_>,
    limit_ms: u32,
) -> Result<Invoice, WalletError> {
    let answer = send(&wallet.create(invoice), limit_ms).await?;
    wallet.read_created(invoice, &answer, now_unix())
}

/// Whether a wallet would be asked about a payment now.
pub fn is_asked_about_payments(name: Name) -> Result<(), WalletError> {
    match held(&LOOKING_UP, |turns| turns.wait_ms_of(name, now_ms())) {
        0 => Ok(()),
        retry_in_ms => Err(WalletError::Resting { retry_in_ms }),
    }
}

/// Asks the wallet that made an invoice whether it was paid.
pub async fn look_up(
    wallets: &Wallets,
    name: Name,
    payment: &Payment,
    budget: Budget,
) -> Result<Standing, WalletError> {
    let wallet = wallets.get(name).ok_or(WalletError::Gone)?;
    let standing = try_to_look_up(wallet, name, payment, budget).await;
    match standing {
        // Whoever asks twice learns the same.
        Err(error) if error.may_pass_at_once() => try_to_look_up(wallet, name, payment, budget).await,
        standing => standing,
    }
}

async fn try_to_look_up(
    wallet: &impl Wallet,
    name: Name,
    payment: &Payment,
    budget: Budget,
) -> Result<Standing, WalletError> {
    let limit_ms = budget.of_try_ms().ok_or(WalletError::NoTimeLeft)?;
    held(&LOOKING_UP, |turns| turns.admit(name, now_ms())).map_err(resting)?;
    let sent_ms = now_ms();
    let standing = match send(&wallet.look_up(&payment.hash), limit_ms).await {
        Ok(answer) => wallet.read_looked_up(payment, &answer, now_unix()),
        Err(error) => Err(error),
    };
    note(&LOOKING_UP, name, &standing, sent_ms);
    standing
}

/// What a wallet has to say for the books of one payment.
pub async fn receipt(
    wallets: &Wallets,
    name: Name,
    payment_hash: &PaymentHash,
) -> Result<Option<Receipt>, WalletError> {
    let wallet = wallets.get(name).ok_or(WalletError::Gone)?;
    let answer = ask_for_books(name, &wallet.look_up(payment_hash)).await?;
    wallet.read_receipt(payment_hash, &answer)
}

/// Asks a wallet, unless it is left alone. How it does is judged by what clients ask alone.
pub async fn ask_for_books(name: Name, call: &Call) -> Result<Answer, WalletError> {
    is_asked_about_payments(name)?;
    send(call, BOOKS_MS).await
}

fn note<T>(turns: &Mutex<Turns>, name: Name, result: &Result<T, WalletError>, sent_ms: u64) {
    let rests = held(turns, |turns| turns.note(name, result, sent_ms, now_ms()));
    if let (true, Err(error)) = (rests, result) {
        log::wallet(name, &format!("is left alone for a while: {error}"));
    }
}

/// What is kept for a wallet, of what is kept for both.
fn slot<T>(both: &mut [T; 2], name: Name) -> &mut T {
    let [first, second] = both;
    match name {
        Name::First => first,
        Name::Second => second,
    }
}

fn resting(retry_in_ms: u64) -> WalletError {
    WalletError::Resting { retry_in_ms }
}

/// How the wallets do. Making invoices and looking payments up have limits of their own, at LNbits as well.
static CREATING: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);
static LOOKING_UP: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);
/// Until when each is not asked to call us, since it refused.
static UNHOOKED: Mutex<[u64; 2]> = Mutex::new([0; 2]);

const MINUTE_MS: u64 = 60_000;
const UNHOOKED_MS: u64 = 3_600_000;
/// A wallet is not blamed for what nobody could do in so little time.
const MIN_TRY_MS: u32 = 2_000;
/// No client waits for it.
const BOOKS_MS: u32 = 10_000;
