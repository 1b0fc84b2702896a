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
    pub status: u16,
    pub ms: u64,
}

impl RequestLog<'_> {
    pub fn write(&self) {
        write(self);
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
    let line = serde_json::to_string(record).unwrap_or_default();
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
