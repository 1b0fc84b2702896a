//! `edgetoll doctor`: tests whether a deployment can sell: its settings and bindings, its origin, its public URL, and its
//! LNbits.
//!
//! It sends the same requests to LNbits as the Worker, judges the settings and the responses by the Worker's rules, and
//! says how to correct each fault. It does not look for each mistake of the price list: `edgetoll check` does that.
//!
//! A response may contain a preimage or a key. So nothing of a response is printed, except numbers and the version of
//! LNbits.

pub mod command;
pub mod deployment;
pub mod dev_vars;
pub mod judge;
#[cfg(all(feature = "nwc", any(feature = "client", target_os = "wasi")))]
mod nwc;
pub mod origin;
pub mod rate_limit;
pub mod report;
pub mod settings;

use crate::bolt11::Bolt11;
use crate::cli::http::{Http, MAX_OPENAPI_BYTES, TimedResult};
use crate::policy::Policy;
use crate::policy::normalization::fold_case;
use crate::protocols::price::Price;
use crate::protocols::record::InvoiceRecord;
use crate::strict_json::Json;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::{HttpRequest, Invoice, InvoiceRequest, Payment, WalletError, WalletResponse, probe};
use report::{Check, CheckResult, Level};

/// Examines one LNbits for a deployment with this price list, and passes each finding to `report` at once.
pub fn examine(lnbits: &Lnbits, price_list: &Policy, report: &mut dyn FnMut(CheckResult)) {
    let [base_url, _] = lnbits.identity();
    Examination { lnbits, price_list, http: Http::new(base_url), report }.run();
}

/// Returns a price list with all defaults and no routes, for a deployment whose price list is missing or cannot be
/// read.
pub fn default_price_list() -> Option<Policy> {
    Policy::parse(&Json::Object(Vec::new()), fold_case).policy
}

struct Examination<'a> {
    lnbits: &'a Lnbits,
    price_list: &'a Policy,
    http: Http,
    report: &'a mut dyn FnMut(CheckResult),
}

impl Examination<'_> {
    fn run(&mut self) {
        let health = self.http.send(&self.lnbits.get("/api/v1/health", false));
        if self.report(judge::reachable(&health.result, health.ms)) == Level::Fail {
            return self.skip(&Check::AFTER_REACHABLE, "not checked, because LNbits is not reachable");
        }
        if let Ok(response) = &health.result {
            self.report(judge::clock(response, health.at_unix));
        }
        let openapi =
            HttpRequest { max_response_bytes: MAX_OPENAPI_BYTES, ..self.lnbits.get("/openapi.json", false) };
        let openapi = self.http.send(&openapi);
        self.report(judge::version(&openapi.result));
        self.check_wallet();
        self.check_price_source();
        // The rate limit is checked last: a proxy in front of LNbits may count the requests to all paths together and
        // then refuse the requests of later checks.
        let burst = rate_limit::measure(&self.http, self.lnbits, self.price_list.invoices_per_minute);
        self.report(judge::rate_limit(&burst, self.price_list.invoices_per_minute));
    }

    /// Checks the key, then a new invoice, then whether LNbits hides the preimage of this invoice.
    fn check_wallet(&mut self) {
        let wallet = self.http.send(&probe::key_request(self.lnbits));
        if self.report(judge::key(&wallet.result)) == Level::Fail {
            return self
                .skip(&[Check::Invoice, Check::Leak], "not checked, because the check of the key failed");
        }
        let Some(unpaid) = self.check_invoice() else {
            return self.skip(&[Check::Leak], "not checked, because there is no unpaid invoice");
        };
        let preimage = probe::look_up_without_key(self.lnbits, &unpaid.payment_hash());
        self.report(judge::leak(&self.http.send(&preimage).result));
    }

    /// Creates an invoice and looks it up. Returns the invoice; `None` if it was not created.
    fn check_invoice(&mut self) -> Option<Bolt11> {
        let invoice_request = invoice_request(self.price_list, None);
        let created = self.http.send(&self.lnbits.create(&invoice_request));
        let invoice =
            read(&created, |response| self.lnbits.read_created(&invoice_request, response, created.at_unix));
        let Invoice { bolt11, amount_sats } = match invoice {
            Ok(invoice) => invoice,
            Err(error) => {
                self.report(judge::invoice_not_created(&error));
                return None;
            }
        };
        let payment = Payment { hash: bolt11.payment_hash(), amount_sats };
        let looked_up = self.http.send(&self.lnbits.look_up(&payment.hash));
        let status =
            read(&looked_up, |response| self.lnbits.read_looked_up(&payment, response, looked_up.at_unix));
        self.report(judge::invoice_created(&status, created.ms, looked_up.ms));
        Some(bolt11)
    }

    /// Checks the exchange rates that the price list needs, or the rate of USD if the price list needs no rate.
    fn check_price_source(&mut self) {
        let listed = judge::currencies(self.price_list);
        let is_needed = !listed.is_empty();
        let currencies = if is_needed { listed } else { vec!["USD".to_owned()] };
        let rates: Vec<_> = currencies
            .into_iter()
            .map(|currency| {
                let request = self.lnbits.get(&format!("/api/v1/rate/{currency}"), false);
                (currency, self.http.send(&request).result)
            })
            .collect();
        self.report(judge::price_source(&rates, is_needed));
    }

    fn report(&mut self, finding: CheckResult) -> Level {
        let level = finding.level;
        (self.report)(finding);
        level
    }

    fn skip(&mut self, checks: &[Check], reason: &str) {
        for check in checks {
            self.report(CheckResult::new(Level::Skip, *check, reason));
        }
    }
}

/// Returns the request for the invoice that is created to examine a wallet.
fn invoice_request<'a>(price_list: &'a Policy, record: Option<&'a InvoiceRecord>) -> InvoiceRequest<'a> {
    InvoiceRequest {
        price: PRICE,
        description: "edgetoll doctor",
        expiry_s: EXPIRY_S,
        network: &price_list.network,
        route: "edgetoll doctor",
        client: None,
        webhook: None,
        uses: None,
        record,
    }
}

fn read<T>(
    sent: &TimedResult,
    read_response: impl FnOnce(&WalletResponse) -> Result<T, WalletError>,
) -> Result<T, WalletError> {
    match &sent.result {
        Ok(response) => read_response(response),
        Err(error) => Err(WalletError::from(*error)),
    }
}

const PRICE: &Price = &Price::Sats(1);
/// The same as the default of `invoice_expiry`. If the clocks differ by minutes, an invoice with a shorter expiry would
/// seem to expire too soon.
const EXPIRY_S: u64 = 300;
