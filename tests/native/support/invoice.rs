//! The terms that an invoice adds to a credential.

use edgetoll::payment::WalletSlot;
use edgetoll::protocols::l402::caveat::{InvoiceTerms, Terms};

/// Returns the terms of an invoice of 5 sats from the wallet in slot 1. `terms` says until when the invoice can be
/// paid.
pub fn invoice_terms(terms: &Terms) -> InvoiceTerms {
    InvoiceTerms { amount_sats: 5, wallet: WalletSlot::FIRST, payable_until_unix: terms.payable_until_unix }
}
