//! Every minute: what no client and no webhook has told is read from the wallets' own lists; and what may still be paid is
//! looked at before it expires, since an LNbits that was away while its node was paid calls it failed afterwards.

use worker::Env;

use super::books::{self, Unlearned};
use super::time::{now_ms, now_unix};
use super::{environment, log, wallet};
use crate::l402::caveat::Wallet as Name;
use crate::l402::preimage::PaymentHash;
use crate::ledger::ToAsk;
use crate::ledger::reading::{Piece, Place};
use crate::ledger::step::Step;
use crate::policy::Policy;
use crate::settings::Settings;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::receipt::{Listed, PAGE, Page, Pending, Receipt, ending_first};
use crate::wallet::{Answer, Call, WalletError};

/// Brings the books up to date. What fails is tried again in the next run.
pub async fn keep_books(env: &Env) {
    let settings = environment::settings(env);
    let (Some(policy), Some(wallets), Some(keys)) = (settings.policy(), settings.wallets(), settings.keys())
    else {
        return;
    };
    let before_unix = now_unix().saturating_sub(policy.books_memory_s(LATE_S));
    books::ask(env, &Step::Forget { before_unix }).await;
    let asked = books::ask(env, &Step::Ask { now_ms: now_ms() }).await;
    let Some(to_ask) = asked.and_then(|answer| ToAsk::read(&answer)) else { return };
    let clerk = |name| Some(Clerk { env, settings, policy, name, lnbits: wallets.get(name)? });
    for clerk in Name::ALL.into_iter().filter_map(clerk) {
        // Another URL or another key is another wallet, with a list of its own.
        let wallet_key = keys.current().wallet_key(clerk.lnbits.identity());
        clerk.report(clerk.read_paid(&wallet_key, to_ask.place(&wallet_key)).await);
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
    /// Writes down what is paid. Where that is too much for one run, the next goes on.
    async fn read_paid(&self, wallet_key: &str, mut place: Place) -> Result<(), Unlearned> {
        for _ in 0..MAX_PAGES {
            let (page, limit) = self.read_page(place.offset).await?;
            let is_news = |receipt: &Receipt| !books::is_settled(&receipt.payment_hash);
            let news: Vec<Receipt> = page.ours.into_iter().filter(is_news).collect();
            books::settle(self.env, self.settings, self.name, &news).await?;
            let (first, last) = (page.first.as_deref(), page.last.as_deref());
            let is_full = page.rows >= limit;
            let (next, is_done) = place.after(Piece { first, last, rows: page.rows, is_full });
            let noted = books::ask(self.env, &Step::listed(wallet_key, &next)).await;
            noted.ok_or(Unlearned::Unwritten)?;
            if is_done {
                break;
            }
            place = next;
        }
        Ok(())
    }

    /// A page from there on, and how many rows it may have had. One that cannot be read is asked for in smaller pieces, and
    /// a payment that cannot be read even alone counts as none of ours.
    async fn read_page(&self, offset: usize) -> Result<(Page<Receipt>, usize), Unlearned> {
        for limit in PAGES {
            let answer = self.ask(&self.lnbits.list(Listed::Paid, offset, limit)).await;
            match answer.and_then(|answer| self.lnbits.read_paid(&answer)) {
                Err(WalletError::TooLarge | WalletError::NotJson) => {}
                page => return Ok((page?, limit)),
            }
        }
        log::wallet(self.name, "has a payment that cannot be read: the books go on behind it");
        Ok((Page { ours: Vec::new(), rows: 1, first: None, last: None }, 1))
    }

    /// Asks about those that end soon.
    async fn look_at_pending(&self) -> Result<(), Unlearned> {
        let now_unix = now_unix();
        let oldest_unix = now_unix.saturating_sub(self.policy.longest_invoice_expiry_s());
        let mut pending: Vec<Pending> = Vec::new();
        for page in 0..MAX_PENDING_PAGES {
            let call = self.lnbits.list(Listed::Pending, page.saturating_mul(PAGE), PAGE);
            let page = self.lnbits.read_pending(&self.ask(&call).await?)?;
            let is_last = page.rows < PAGE || page.ours.iter().any(|one| one.made_unix < oldest_unix);
            pending.extend(page.ours);
            if is_last {
                break;
            }
        }
        let first = ending_first(pending, now_unix, SOON_S, MAX_LOOKS);
        self.look_at(first.into_iter()).await
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
/// All that `invoices_per_minute` allows in more than five minutes.
const MAX_PENDING_PAGES: usize = 14;
/// How many rows are asked for at once, and how many where these cannot be read.
const PAGES: [usize; 3] = [PAGE, 7, 1];
/// Each is a question to LNbits, and one of its own to its node.
const MAX_LOOKS: usize = 50;
/// What has so long left is looked at in every run.
const SOON_S: u64 = 600;
/// How long after its end an invoice may still turn out to be paid: clocks differ, and LNbits may hear of it late.
const LATE_S: u64 = 86_400;
