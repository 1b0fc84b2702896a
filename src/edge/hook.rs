//! A wallet says that something was paid. It is only a hint: whoever was told the address may say so, and LNbits says it
//! twice. So the payment is looked up, and the answer to that counts.

use std::sync::{LazyLock, Mutex};

use web_sys::Response;

use super::isolate::held;
use super::time::now_ms;
use super::{Exchange, Failure, answer, body, books, log};
use crate::flood::Minutes;
use crate::l402::caveat::Wallet;
use crate::l402::preimage::PaymentHash;
use crate::ledger::hook;
use crate::problem::Problem;

impl Exchange<'_> {
    /// Takes the hint. Whoever has no token of ours finds nothing here.
    pub(super) async fn take_hint(&self, token: &str) -> Result<Response, Failure> {
        if !self.settings.keys().is_some_and(|keys| hook::is_ours(keys, token)) {
            return Err(Problem::NotFound.into());
        }
        if self.arrival.method != "POST" {
            return Err(Problem::MethodNotAllowed { allow: "POST".to_owned() }.into());
        }
        let body = body::read(self.arrival.request.body(), MAX_BODY_BYTES).await?;
        let hash = body.as_deref().and_then(hook::payment_hash).ok_or(Problem::NotFound)?;
        if !books::is_settled(&hash) {
            self.look_into(token, &hash).await?;
        }
        Ok(answer::empty(204)?)
    }

    /// Asks each wallet, since the hint does not say whose it is.
    async fn look_into(&self, token: &str, hash: &PaymentHash) -> Result<(), Problem> {
        static HINTS: LazyLock<Mutex<Minutes>> = LazyLock::new(Mutex::default);
        // Each invoice has a token of its own.
        held(&HINTS, |hints| hints.take(token, HINTS_PER_MINUTE, now_ms()))
            .map_err(|wait_ms| Problem::TooManyTries { retry_after_s: wait_ms.div_ceil(1_000) })?;
        let mut result = Ok(());
        for name in Wallet::ALL {
            match books::learn(self.env, self.settings, name, hash).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    log::wallet(name, &format!("did not say whether what it told of was paid: {error}"));
                    result = Err(Problem::LedgerUnavailable);
                }
            }
        }
        result
    }
}

/// LNbits sends 2 KB.
const MAX_BODY_BYTES: usize = 16_384;
const HINTS_PER_MINUTE: u64 = 10;
