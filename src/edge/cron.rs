//! Every minute: what no client and no webhook has told is read from the wallets' own lists; and what may still be paid is
//! looked at before it expires, since an LNbits that was away while its node was paid calls it failed afterwards.

use std::fmt;

use worker::Env;

use super::time::{now_ms, now_unix};
use super::{books, environment, log, wallet};
use crate::l402::caveat::Wallet as Name;
use crate::ledger::ToAsk;
use crate::policy::Policy;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::wallet::lnbits::{Lnbits, MAX_CLOCK_SKEW_S};
use crate::wallet::receipt::{Listed, PAGE, Receipt};
use crate::wallet::{Answer, Call, WalletError};

/// Brings the books up to date. What fails is tried again in the next run.
pub async fn keep_books(env: &Env) {
    let settings = environment::settings(env);
    let (Some(policy), Some(wallets)) = (settings.policy(), settings.wallets()) else { return };
    let now = format!("{{\"now_ms\":{}}}", now_ms());
    let asked = books::ask(env, "ask", &now).await.and_then(|answer| ToAsk::read(&answer));
    let Some(to_ask) = asked else { return };
    for (name, hash) in &to_ask.unsettled {
        let _ = books::learn(env, settings, *name, hash).await;
    }
    for name in Name::ALL {
        let Some(lnbits) = wallets.get(name) else { continue };
        let clerk = Clerk { env, settings, policy, name, lnbits };
        let done = async {
            clerk.read_paid(to_ask.cursor(name)).await?;
            clerk.look_at_pending().await
        };
        if let Err(error) = done.await {
            log::wallet(name, &format!("was not read for the books: {error}"));
        }
    }
    let before_unix = now_unix().saturating_sub(policy.ledger_retention_s);
    books::ask(env, "forget", &format!("{{\"before_unix\":{before_unix}}}")).await;
}

/// Who reads one wallet.
struct Clerk<'a> {
    env: &'a Env,
    settings: &'a Settings,
    policy: &'a Policy,
    name: Name,
    lnbits: &'a Lnbits,
}

impl Clerk<'_> {
    /// Writes down what is paid, from where it was read to last. Where that is too much for one run, the next goes on.
    async fn read_paid(&self, cursor_unix: u64) -> Result<(), Stopped> {
        let began_unix = now_unix();
        let mut until = None;
        for page in 0..MAX_PAGES {
            let call = self.lnbits.list(Listed::Paid { since_unix: cursor_unix }, page.saturating_mul(PAGE));
            let page = self.lnbits.read_paid(&self.ask(&call).await?)?;
            let is_news = |receipt: &Receipt| !books::is_settled(&receipt.payment_hash);
            let news: Vec<Receipt> = page.ours.into_iter().filter(is_news).collect();
            books::settle(self.env, self.settings, self.name, &news).await?;
            if !page.is_full {
                let done_unix = began_unix.saturating_sub(self.policy.longest_invoice_expiry_s());
                return self.note(&format!("\"unix\":{}", done_unix.saturating_sub(LATE_S))).await;
            }
            until = page.until;
        }
        let until = serde_json::to_string(&until).unwrap_or_default();
        self.note(&format!("\"time\":{until}")).await
    }

    async fn note(&self, until: &str) -> Result<(), Stopped> {
        let listed = format!("{{\"wallet\":\"{}\",{until}}}", self.name.as_str());
        let written = books::ask(self.env, "listed", &listed).await;
        Ok(written.map(drop).ok_or(Problem::LedgerUnavailable)?)
    }

    /// Asks about those that expire soonest, of each length of life that invoices have.
    async fn look_at_pending(&self) -> Result<(), Stopped> {
        let mut looks: usize = MAX_LOOKS;
        for expiry_s in self.policy.invoice_expiries_s() {
            let now_unix = now_unix();
            let listed = Listed::Pending {
                since_unix: now_unix.saturating_sub(expiry_s).saturating_sub(MAX_CLOCK_SKEW_S),
                until_unix: now_unix.saturating_sub(expiry_s).saturating_add(SOON_S),
            };
            for page in 0..MAX_PENDING_PAGES {
                let call = self.lnbits.list(listed, page.saturating_mul(PAGE));
                let page = self.lnbits.read_pending(&self.ask(&call).await?, now_unix)?;
                for hash in page.ours.iter().take(looks) {
                    books::learn(self.env, self.settings, self.name, hash).await?;
                    looks = looks.saturating_sub(1);
                }
                if looks == 0 {
                    return Ok(());
                }
                if !page.is_full {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn ask(&self, call: &Call) -> Result<Answer, WalletError> {
        wallet::ask_for_books(self.name, call).await
    }
}

/// Why a run ends early.
enum Stopped {
    Wallet(WalletError),
    Books(Problem),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(error) => error.fmt(f),
            Self::Books(problem) => problem.fmt(f),
        }
    }
}

impl From<WalletError> for Stopped {
    fn from(error: WalletError) -> Self {
        Self::Wallet(error)
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Books(problem)
    }
}

/// A thousand payments for each wallet in a run.
const MAX_PAGES: usize = 10;
const MAX_PENDING_PAGES: usize = 4;
/// Each is a question to LNbits, and one of its own to its node.
const MAX_LOOKS: usize = 50;
/// What lives longer is looked at when it has so long left.
const SOON_S: u64 = 600;
/// How long after its end an invoice may still turn out to be paid: clocks differ, and LNbits may hear of it late.
const LATE_S: u64 = 1_200;
