//! Runs `edgetoll invoice decode`.

use std::process::ExitCode;

use serde_json::json;

use crate::bolt11::Bolt11;

/// Prints what an invoice says, as JSON.
pub fn decode(text: &str) -> ExitCode {
    let text = text.trim();
    // The URI scheme of BOLT 11.
    let without_scheme =
        text.get(..10).filter(|start| start.eq_ignore_ascii_case("lightning:")).and(text.get(10..));
    let invoice = match Bolt11::parse(without_scheme.unwrap_or(text)) {
        Ok(invoice) => invoice,
        Err(error) => return super::could_not_run(&format!("the invoice cannot be read: {error}")),
    };
    let decoded = json!({
        "network": invoice.network(),
        "amount_msat": invoice.amount_msat(),
        "payment_hash": invoice.payment_hash().to_hex(),
        "created_unix": invoice.timestamp_unix(),
        "expires_at_unix": invoice.expires_at_unix(),
    });
    super::print_result(format_args!("{decoded:#}"))
}
