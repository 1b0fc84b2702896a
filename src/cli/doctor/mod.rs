//! `edgetoll doctor`: is this LNbits fit to be paid through? It asks what the Worker asks, judges with the Worker's own
//! rules, and says what to do about each fault.
//!
//! No answer is shown: it may hold a preimage or a key. What is shown of one is numbers, and the version.

pub mod dev_vars;
mod http;
pub mod judge;
pub mod rate_limit;
pub mod report;
pub mod settings;

use crate::bolt11::Bolt11;
use crate::policy::Policy;
use crate::policy::normalization::fold_case;
use crate::protocols::price::Price;
use crate::strict_json::Json;
use crate::wallet::lnbits::Lnbits;
use crate::wallet::{
    Invoice, InvoiceRequest, Payment, PaymentStatus, Wallet, WalletError, WalletRequest, WalletResponse,
    probe,
};
use http::{Http, MAX_OPENAPI_BYTES, Sent};
use report::{Check, Finding, Level};

/// Examines one LNbits as the deployment with this price list would use it, and tells each finding as it is made.
pub fn examine(lnbits: &Lnbits, price_list: &Policy, tell: &mut dyn FnMut(Finding)) {
    let [base_url, _] = lnbits.identity();
    Examination { lnbits, price_list, http: Http::new(base_url), tell }.run();
}

/// The price list of a deployment that has none, or one that cannot be read.
pub fn default_price_list() -> Option<Policy> {
    Policy::parse(&Json::Object(Vec::new()), fold_case).policy
}

struct Examination<'a> {
    lnbits: &'a Lnbits,
    price_list: &'a Policy,
    http: Http,
    tell: &'a mut dyn FnMut(Finding),
}

impl Examination<'_> {
    fn run(&mut self) {
        let health = self.http.send(&self.lnbits.get("/api/v1/health", false));
        if self.tell(judge::reachable(&health.answer, health.ms)) == Level::Fail {
            return self.skip(&Check::ONCE_REACHABLE, "LNbits cannot be asked");
        }
        if let Ok(answer) = &health.answer {
            self.tell(judge::clock(answer, health.at_unix));
        }
        let openapi = WalletRequest {
            max_response_bytes: MAX_OPENAPI_BYTES,
            ..self.lnbits.get("/openapi.json", false)
        };
        let openapi = self.http.send(&openapi);
        self.tell(judge::version(&openapi.answer));
        self.sell();
        self.convert();
        // The last: whatever stands in front of LNbits may count all paths together.
        let burst = rate_limit::measure(&self.http, self.lnbits, self.price_list.invoices_per_minute);
        self.tell(judge::rate_limit(&burst, self.price_list.invoices_per_minute));
    }

    /// What a sale needs: the right key, an invoice, and that nobody learns its preimage without paying.
    fn sell(&mut self) {
        let wallet = self.http.send(&probe::key_request(self.lnbits));
        if self.tell(judge::key(&wallet.answer)) == Level::Fail {
            return self.skip(&[Check::Invoice, Check::Leak], "nothing is asked for with this key");
        }
        let Some(unpaid) = self.make_invoice() else {
            return self.skip(&[Check::Leak], "there is no unpaid invoice to try it on");
        };
        let preimage = probe::preimage_request(self.lnbits, &unpaid.payment_hash());
        self.tell(judge::leak(&self.http.send(&preimage).answer));
    }

    /// Has an invoice made and looks it up.
    fn make_invoice(&mut self) -> Option<Bolt11> {
        let wanted = InvoiceRequest {
            price: &Price::Sats(AMOUNT_SATS),
            description: "edgetoll doctor",
            expiry_s: EXPIRY_S,
            network: &self.price_list.network,
            route: "edgetoll doctor",
            client: None,
            webhook: None,
        };
        let made = self.http.send(&self.lnbits.create(&wanted));
        let invoice = read(&made, |answer| self.lnbits.read_created(&wanted, answer, made.at_unix));
        let Invoice { bolt11, amount_sats } = match invoice {
            Ok(invoice) => invoice,
            Err(error) => {
                self.tell(judge::not_made(&error));
                return None;
            }
        };
        let payment = Payment { hash: bolt11.payment_hash(), amount_sats };
        let found = self.http.send(&self.lnbits.look_up(&payment.hash));
        let standing: Result<PaymentStatus, WalletError> =
            read(&found, |answer| self.lnbits.read_looked_up(&payment, answer, found.at_unix));
        self.tell(judge::looked_up(&standing, made.ms, found.ms));
        Some(bolt11)
    }

    /// What a price in a currency needs.
    fn convert(&mut self) {
        let listed = judge::currencies(self.price_list);
        let is_needed = !listed.is_empty();
        let currencies = if is_needed { listed } else { vec!["USD".to_owned()] };
        let rates: Vec<_> = currencies
            .into_iter()
            .map(|currency| {
                let call = self.lnbits.get(&format!("/api/v1/rate/{currency}"), false);
                (currency, self.http.send(&call).answer)
            })
            .collect();
        self.tell(judge::price_source(&rates, is_needed));
    }

    /// Tells a finding, and how bad it is.
    fn tell(&mut self, finding: Finding) -> Level {
        let level = finding.level;
        (self.tell)(finding);
        level
    }

    fn skip(&mut self, checks: &[Check], reason: &str) {
        for check in checks {
            self.tell(Finding::new(Level::Skip, *check, reason));
        }
    }
}

fn read<T>(
    sent: &Sent,
    judge: impl FnOnce(&WalletResponse) -> Result<T, WalletError>,
) -> Result<T, WalletError> {
    match &sent.answer {
        Ok(answer) => judge(answer),
        Err(unreached) => Err(WalletError::from(*unreached)),
    }
}

const AMOUNT_SATS: u64 = 1;
/// As long as the Worker's own, so that a clock that is some minutes off is not taken for an invoice that ends too soon.
const EXPIRY_S: u64 = 300;
