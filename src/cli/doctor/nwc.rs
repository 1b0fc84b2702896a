//! Examines a wallet with Nostr Wallet Connect.

#[cfg(not(target_os = "wasi"))]
mod native;
#[cfg(target_os = "wasi")]
mod node;

use std::time::Duration;

use super::report::{Check, CheckResult, Level};
use super::{EXPIRY_S, invoice_request, judge};
use crate::cli::http;
use crate::policy::Policy;
use crate::protocols::record::InvoiceRecord;
use crate::wallet::nwc::{NwcWallet, keeps_record, may_spend, reports_state};
use crate::wallet::{Invoice, Payment};
#[cfg(not(target_os = "wasi"))]
use native::Relay;
#[cfg(target_os = "wasi")]
use node::Relay;

/// Examines the wallet at an address, and passes each finding to `report` at once.
pub fn examine(url: &str, price_list: &Policy, report: &mut dyn FnMut(CheckResult)) {
    let unusable = |sentence: String| CheckResult::new(Level::Fail, Check::Reachable, sentence);
    let wallet = match NwcWallet::new(url.trim()) {
        Ok(wallet) => wallet,
        Err(error) => return report(unusable(format!("the address {error}"))),
    };
    let Some(relay) = Relay::new(url.trim()) else {
        return report(unusable("the address cannot be used: copy it from the wallet again".to_owned()));
    };
    Examination { wallet, relay, price_list, report }.run();
}

struct Examination<'a> {
    wallet: NwcWallet,
    relay: Relay,
    price_list: &'a Policy,
    report: &'a mut dyn FnMut(CheckResult),
}

impl Examination<'_> {
    fn run(&mut self) {
        let started = http::Clock::start();
        let info = self.relay.send(&self.wallet.info());
        let ms = started.ms();
        if let Err(error) = info {
            let sentence = format!("{error}: is the wallet online, and is the connection still there?");
            return self.report(Level::Fail, Check::Reachable, &sentence);
        }
        self.report(
            Level::Ok,
            Check::Reachable,
            &format!("the wallet answered through its relay in {ms} ms"),
        );
        match info.ok().as_ref().and_then(may_spend) {
            Some(false) => self.report(Level::Ok, Check::Key, "the connection may not spend"),
            Some(true) => self.report(
                Level::Fail,
                Check::Key,
                "the connection may spend what you earn, so nothing is sold: create a connection that may only receive",
            ),
            None => self.report(
                Level::Fail,
                Check::Key,
                "the wallet does not say what the connection may do (get_info), so it may spend and nothing is sold: \
                 create a connection that may only receive",
            ),
        }
        self.check_invoice();
        let currencies = judge::currencies(self.price_list);
        if !currencies.is_empty() {
            let sentence = format!(
                "the price list has prices in {}, which only LNbits can convert: add an LNbits in another slot, or \
                 write the prices in sats",
                currencies.join(", ")
            );
            self.report(Level::Warn, Check::PriceSource, &sentence);
        }
    }

    /// Creates an invoice and looks it up.
    fn check_invoice(&mut self) {
        let now_unix = http::now_unix();
        let record = InvoiceRecord {
            expires_at_unix: now_unix.saturating_add(EXPIRY_S),
            host: "doctor".to_owned(),
            method: "GET".to_owned(),
            client: None,
            fiat: None,
            sold_as: None,
            mac: String::new(),
        };
        let request = invoice_request(self.price_list, Some(&record));
        let started = http::Clock::start();
        let created = self.wallet.create(&request).and_then(|create| self.relay.send(&create));
        let created_ms = started.ms();
        let invoice =
            created.and_then(|response| self.wallet.read_created(&request, &response, http::now_unix()));
        let Invoice { bolt11, amount_sats } = match invoice {
            Ok(invoice) => invoice,
            Err(error) => return (self.report)(judge::invoice_not_created(&error)),
        };
        let payment = Payment { hash: bolt11.payment_hash(), amount_sats };
        let started = http::Clock::start();
        let looked_up = self.relay.send(&self.wallet.look_up(&payment.hash));
        let looked_up_ms = started.ms();
        let keeps_record = looked_up.as_ref().ok().and_then(keeps_record);
        let reports_state = looked_up.as_ref().ok().and_then(reports_state);
        let status =
            looked_up.and_then(|response| self.wallet.read_looked_up(&payment, &response, http::now_unix()));
        (self.report)(judge::invoice_created(&status, created_ms, looked_up_ms));
        if reports_state == Some(false) {
            self.check_list(now_unix);
        }
        match keeps_record {
            Some(true) => self.report(Level::Ok, Check::Record, "the wallet keeps the metadata of invoices"),
            Some(false) => self.report(
                Level::Warn,
                Check::Record,
                "the wallet drops the metadata of invoices: with it, no route offers x-preimage, and a payment is recorded only \
                 when its credential is used",
            ),
            None => {}
        }
    }

    /// Requests the wallet's list of paid payments, which decides if the wallet reports no state of a payment.
    fn check_list(&mut self, now_unix: u64) {
        let list = self.relay.send(&self.wallet.list_paid(now_unix, 0));
        if let Err(error) = list.and_then(|list| self.wallet.read_paid(&list)) {
            let sentence = format!(
                "the wallet reports no state of a payment, and its list of payments cannot be read (list_transactions), so \
                 each paid request gets 503; {error}"
            );
            self.report(Level::Fail, Check::Invoice, &sentence);
        }
    }

    fn report(&mut self, level: Level, check: Check, sentence: &str) {
        (self.report)(CheckResult::new(level, check, sentence));
    }
}

/// How long the wallet may take to answer a request. The Worker waits half as long.
const LIMIT: Duration = Duration::from_secs(10);
