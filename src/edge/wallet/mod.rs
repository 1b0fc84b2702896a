//! The calls to the wallets, within one budget of time for each request, and to the second wallet when the first fails.

pub mod probe;
mod send;

use std::sync::{LazyLock, Mutex};

use super::isolate::held;
use super::kv;
use super::log;
use super::time::{now_ms, now_unix};
use crate::l402::caveat::Wallet as Name;
use crate::settings::Wallets;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::turns::Turns;
use crate::wallet::{
    BUDGET_MS, Call, Invoice, InvoiceRequest, Payment, Standing, TRY_MS, Wallet, WalletError,
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
pub fn is_awake(wallets: &Wallets) -> Result<(), WalletError> {
    let has_second = wallets.get(Name::Second).is_some();
    held(&CREATING, |turns| turns.wait_ms(has_second, now_ms()))
        .map_or(Ok(()), |wait_ms| Err(resting(wait_ms)))
}

/// Has an invoice made, and says by which wallet.
pub async fn create(
    wallets: &Wallets,
    invoice: &InvoiceRequest<'_>,
    budget: Budget,
) -> Result<(Name, Invoice), WalletError> {
    let has_second = wallets.get(Name::Second).is_some();
    let mut name = held(&CREATING, |turns| turns.begin(has_second, now_ms())).map_err(resting)?;
    let mut tries = 1_u32;
    loop {
        let made = try_to_create(wallets, name, invoice, budget).await;
        let is_resting = held(&CREATING, |turns| turns.note(name, &made, now_ms()));
        let error = match made {
            Ok(made) => return Ok((name, made)),
            Err(error) => error,
        };
        if is_resting {
            log::wallet(name, &error.to_string());
        }
        let next = held(&CREATING, |turns| turns.go_on(name, &error, has_second, now_ms()));
        match next {
            Some(next) if tries < MAX_TRIES => (name, tries) = (next, tries.saturating_add(1)),
            _ => return Err(error),
        }
    }
}

async fn try_to_create(
    wallets: &Wallets,
    name: Name,
    invoice: &InvoiceRequest<'_>,
    budget: Budget,
) -> Result<Invoice, WalletError> {
    let lnbits = wallets.get(name).ok_or(WalletError::Gone)?;
    let answer = send(&lnbits.create(invoice), budget).await?;
    lnbits.read_created(invoice, &answer, now_unix())
}

/// Asks the wallet that made an invoice whether it was paid.
pub async fn look_up(
    wallets: &Wallets,
    name: Name,
    payment: &Payment,
    budget: Budget,
) -> Result<Standing, WalletError> {
    let lnbits = wallets.get(name).ok_or(WalletError::Gone)?;
    held(&LOOKING_UP, |turns| turns.admit(name, now_ms())).map_err(resting)?;
    let mut tries = 1_u32;
    loop {
        let standing = try_to_look_up(lnbits, payment, budget).await;
        if held(&LOOKING_UP, |turns| turns.note(name, &standing, now_ms())) {
            log::wallet(name, "is not asked about payments for a while");
        }
        match standing {
            Err(error) if error.may_pass_at_once() && tries < MAX_TRIES => {
                held(&LOOKING_UP, |turns| turns.admit(name, now_ms())).map_err(|_| error)?;
                tries = tries.saturating_add(1);
            }
            standing => return standing,
        }
    }
}

async fn try_to_look_up(lnbits: &Lnbits, payment: &Payment, budget: Budget) -> Result<Standing, WalletError> {
    let answer = send(&lnbits.look_up(&payment.hash), budget).await?;
    lnbits.read_looked_up(payment, &answer, now_unix())
}

async fn send(call: &Call, budget: Budget) -> Result<crate::wallet::Answer, WalletError> {
    send::send(call, budget.of_try_ms().ok_or(WalletError::NoTimeLeft)?).await
}

fn resting(retry_in_ms: u64) -> WalletError {
    WalletError::Resting { retry_in_ms }
}

/// How the wallets do. Making invoices and looking payments up have limits of their own, at LNbits as well.
static CREATING: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);
static LOOKING_UP: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);

const MAX_TRIES: u32 = 2;
/// A wallet is not blamed for what nobody could do in so little time.
const MIN_TRY_MS: u32 = 1_000;
