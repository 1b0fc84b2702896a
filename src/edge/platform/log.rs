//! The log: one JSON object per line. No line contains a secret, a preimage, a key, an address, a requested path or a
//! credential.
//!
//! docs/operations.md lists the possible values of `event`, `decision` and `free`.

use serde::Serialize;

use crate::payment::WalletSlot;

/// The log record of a request.
#[derive(Serialize)]
pub struct RequestLog<'a> {
    pub event: &'static str,
    pub method: &'a str,
    pub decision: &'static str,
    pub route: Option<&'a str>,
    /// Why the free tier of the route did not serve the client.
    pub free: Option<&'static str>,
    pub code: Option<&'static str>,
    pub detail: Option<&'a str>,
    /// The first 8 hexadecimal digits of the payment hash.
    pub payment_hash: Option<String>,
    /// The status that an observed request would have got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<u16>,
    /// The sats of the invoice that an observed request would have got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sats: Option<u64>,
}

impl RequestLog<'_> {
    /// Writes the record with the status of the response and the time until it began.
    pub fn write(&self, status: u16, ms: u64) {
        write_line(&format!("{}{status},\"ms\":{ms}}}", self.beginning()));
    }

    /// Returns the line up to the status. `entry.js` completes and writes the lines of forwarded requests.
    pub fn beginning(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.pop();
        line.push_str(",\"status\":");
        line
    }
}

/// Logs what the owner should know about a wallet.
pub fn wallet(slot: WalletSlot, detail: &str) {
    write(&WalletRecord { event: "wallet", wallet: slot.as_str(), detail });
}

/// Logs what the owner should know about the ledger.
pub fn ledger(detail: &str) {
    write(&Record { event: "ledger", detail });
}

/// Logs what is wrong with the settings.
pub fn config_fault(fault: &str) {
    write(&Record { event: "not_configured", detail: fault });
}

fn write(record: &impl Serialize) {
    write_line(&serde_json::to_string(record).unwrap_or_default());
}

fn write_line(line: &str) {
    web_sys::console::log_1(&line.into());
}

#[derive(Serialize)]
struct WalletRecord<'a> {
    event: &'static str,
    wallet: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct Record<'a> {
    event: &'static str,
    detail: &'a str,
}
