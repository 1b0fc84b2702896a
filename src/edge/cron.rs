//! Every minute: what no client and no webhook has told is read from the wallets' own lists; and what may still be paid is
//! looked at before it expires, since an LNbits that was away while its node was paid calls it failed afterwards.

use worker::Env;

use super::books::{self, Unlearned};
use super::time::{now_ms, now_unix};
use super::{environment, log, wallet};
use crate::l402::caveat::Wallet as Name;
use crate::l402::preimage::PaymentHash;
use crate::ledger::ToAsk;
use crate::ledger::step::Step;
use crate::policy::Policy;
use crate::settings::Settings;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::receipt::{Listed, PAGE, Page, Receipt, ending_first};
use crate::wallet::{Answer, Call, WalletError};

/// Brings the books up to date. What fails is tried again in the next run.
pub async fn keep_books(env: &Env) {
    let settings = environment::settings(env);
    let (Some(policy), Some(wallets)) = (settings.policy(), settings.wallets()) else { return };
    let before_unix = now_unix().saturating_sub(policy.books_memory_s(LATE_S));
    books::ask(env, &Step::Forget { before_unix }).await;
    let asked = books::ask(env, &Step::Ask { now_ms: now_ms() }).await;
    let Some(to_ask) = asked.and_then(|answer| ToAsk::read(&answer)) else { return };
    let clerk = |name| Some(Clerk { env, settings, policy, name, lnbits: wallets.get(name)? });
    for clerk in Name::ALL.into_iter().filter_map(clerk) {
        clerk.report(clerk.read_paid(to_ask.cursor(clerk.name)).await);
    }
    for clerk in Name::ALL.into_iter().filter_map(clerk) {
        let seen = to_ask.unsettled.iter().filter(|(name, _)| *name == clerk.name).map(|(_, hash)| *hash);
        clerk.report(clerk.look_at(seen).await);
        clerk.report(clerk.look_at_pending().await);
    }
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
    /// Writes down what is paid: the news, and all that was made since it was read to the end. Where that is too much for one
    /// run, the next goes on.
    async fn read_paid(&self, cursor_unix: u64) -> Result<(), Unlearned> {
        let began_unix = now_unix();
        self.write_down(Listed::News, 0).await?;
        for page in 0..MAX_PAGES {
            let listed = Listed::Paid { since_unix: cursor_unix };
            let page = self.write_down(listed, page.saturating_mul(PAGE)).await?;
            if !page.is_full {
                let life_s = self.policy.longest_invoice_expiry_s().saturating_add(LATE_S);
                return self.note(None, Some(began_unix.saturating_sub(life_s))).await;
            }
            self.note(Some(&page.until.ok_or(WalletError::Missing("time"))?), None).await?;
        }
        Ok(())
    }

    async fn write_down(&self, listed: Listed, offset: usize) -> Result<Page<()>, Unlearned> {
        let page = self.lnbits.read_paid(&self.ask(&self.lnbits.list(listed, offset)).await?)?;
        let is_news = |receipt: &Receipt| !books::is_settled(&receipt.payment_hash);
        let news: Vec<Receipt> = page.ours.into_iter().filter(is_news).collect();
        books::settle(self.env, self.settings, self.name, &news).await?;
        Ok(Page { ours: Vec::new(), is_full: page.is_full, until: page.until })
    }

    async fn note(&self, time: Option<&str>, unix: Option<u64>) -> Result<(), Unlearned> {
        let listed = Step::Listed { wallet: self.name.as_str(), time, unix };
        books::ask(self.env, &listed).await.map(drop).ok_or(Unlearned::Unwritten)
    }

    /// Asks about those that end soon, of each length of life that invoices have.
    async fn look_at_pending(&self) -> Result<(), Unlearned> {
        let now_unix = now_unix();
        let mut pending = Vec::new();
        for expiry_s in self.policy.invoice_expiries_s() {
            let oldest_unix = now_unix.saturating_sub(expiry_s);
            let listed = Listed::Pending {
                since_unix: oldest_unix.saturating_sub(CLOCK_S),
                until_unix: oldest_unix.saturating_add(SOON_S).saturating_add(CLOCK_S),
            };
            for page in 0..MAX_PENDING_PAGES {
                let call = self.lnbits.list(listed, page.saturating_mul(PAGE));
                let page = self.lnbits.read_pending(&self.ask(&call).await?)?;
                for one in page.ours {
                    if !pending.contains(&one) {
                        pending.push(one);
                    }
                }
                if !page.is_full {
                    break;
                }
            }
        }
        let first = ending_first(pending, now_unix, SOON_S, MAX_LOOKS);
        self.look_at(first.into_iter().map(|(_, hash)| hash)).await
    }

    /// Asks about each. What LNbits does not say of one, it may say of the next, unless it does not answer.
    async fn look_at(&self, hashes: impl Iterator<Item = PaymentHash>) -> Result<(), Unlearned> {
        let mut result = Ok(());
        for hash in hashes {
            match books::learn(self.env, self.settings, self.name, &hash).await {
                Ok(_) => {}
                Err(error) if error.is_of_one_payment() => result = Err(error),
                Err(error) => return Err(error),
            }
        }
        result
    }

    async fn ask(&self, call: &Call) -> Result<Answer, WalletError> {
        wallet::ask_for_books(self.name, call).await
    }

    fn report(&self, done: Result<(), Unlearned>) {
        if let Err(error) = done {
            log::wallet(self.name, &format!("was not read for the books: {error}"));
        }
    }
}

/// Five hundred payments for each wallet in a run.
const MAX_PAGES: usize = 10;
const MAX_PENDING_PAGES: usize = 10;
/// Each is a question to LNbits, and one of its own to its node.
const MAX_LOOKS: usize = 50;
/// What has so long left is looked at in every run.
const SOON_S: u64 = 600;
/// Clocks differ.
const CLOCK_S: u64 = 60;
/// How long after its end an invoice may still turn out to be paid: clocks differ, and LNbits may hear of it late.
const LATE_S: u64 = 1_200;
