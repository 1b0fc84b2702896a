//! The terms that an invoice adds to a credential.

use edgetoll::payment::WalletSlot;
use edgetoll::protocols::l402::caveat::{InvoiceTerms, Terms};

/// An invoice of 5 sats from the first wallet, which lasts as long as it was asked to.
pub fn invoice_terms(terms: &Terms) -> InvoiceTerms {
    InvoiceTerms { amount_sats: 5, wallet: WalletSlot::One, payable_until_unix: terms.payable_until_unix }
}
