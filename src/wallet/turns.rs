//! Which of the wallets is asked next. The second is there for when the first fails, and only then.

use super::WalletError;
use super::breaker::Breaker;
use crate::l402::caveat::Wallet;

/// How each wallet did lately.
#[derive(Default)]
pub struct Turns {
    first: Breaker,
    second: Breaker,
}

impl Turns {
    /// In how many milliseconds a wallet may be asked, where none may now.
    pub fn wait_ms(&self, has_second: bool, now_ms: u64) -> Option<u64> {
        let first_ms = self.wait_ms_of(Wallet::First, now_ms);
        let second_ms = self.wait_ms_of(Wallet::Second, now_ms);
        let wait_ms = if has_second { first_ms.min(second_ms) } else { first_ms };
        (wait_ms > 0).then_some(wait_ms)
    }

    /// In how many milliseconds this wallet may be asked; 0 for now.
    pub fn wait_ms_of(&self, wallet: Wallet, now_ms: u64) -> u64 {
        match wallet {
            Wallet::First => self.first.wait_ms(now_ms),
            Wallet::Second => self.second.wait_ms(now_ms),
        }
    }

    /// Who is asked first: the first wallet, unless it is left alone.
    ///
    /// # Errors
    /// In how many milliseconds one may be asked.
    pub fn begin(&mut self, has_second: bool, now_ms: u64) -> Result<Wallet, u64> {
        let wait_ms = match self.admit(Wallet::First, now_ms) {
            Ok(()) => return Ok(Wallet::First),
            Err(wait_ms) => wait_ms,
        };
        if !has_second {
            return Err(wait_ms);
        }
        match self.admit(Wallet::Second, now_ms) {
            Ok(()) => Ok(Wallet::Second),
            Err(second_ms) => Err(wait_ms.min(second_ms)),
        }
    }

    /// Who is asked after one has failed: the other, else the same once more where that may help.
    pub fn go_on(
        &mut self,
        failed: Wallet,
        error: &WalletError,
        has_second: bool,
        now_ms: u64,
    ) -> Option<Wallet> {
        let other = match failed {
            Wallet::First => Wallet::Second,
            Wallet::Second => Wallet::First,
        };
        if has_second && self.admit(other, now_ms).is_ok() {
            return Some(other);
        }
        (error.may_pass_at_once() && self.admit(failed, now_ms).is_ok()).then_some(failed)
    }

    /// Whether this wallet may be asked now.
    ///
    /// # Errors
    /// In how many milliseconds it may.
    pub fn admit(&mut self, wallet: Wallet, now_ms: u64) -> Result<(), u64> {
        self.breaker(wallet).admit(now_ms)
    }

    /// Notes what became of a request that was sent then. Tells whether the wallet is left alone from now on.
    pub fn note<T>(
        &mut self,
        wallet: Wallet,
        result: &Result<T, WalletError>,
        sent_ms: u64,
        now_ms: u64,
    ) -> bool {
        let breaker = self.breaker(wallet);
        match result.as_ref().err().map_or(Some(false), WalletError::is_fault_of_wallet) {
            Some(true) => breaker.failed(rest_ms(result), sent_ms, now_ms),
            Some(false) => {
                breaker.succeeded();
                false
            }
            None => false,
        }
    }

    fn breaker(&mut self, wallet: Wallet) -> &mut Breaker {
        match wallet {
            Wallet::First => &mut self.first,
            Wallet::Second => &mut self.second,
        }
    }
}

/// How long the wallet wants to be left alone, where it says so.
fn rest_ms<T>(result: &Result<T, WalletError>) -> Option<u64> {
    let error = result.as_ref().err()?;
    matches!(error, WalletError::RateLimited { .. }).then(|| error.retry_after_s().saturating_mul(1_000))
}
