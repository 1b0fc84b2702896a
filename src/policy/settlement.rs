//! The setting `settlement`: what proves that a payment has settled.

/// What proves a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SettlementMode {
    /// The preimage, while the invoice can still be paid and LNbits is known to hide the preimages of unpaid invoices.
    /// Otherwise the wallet confirms the payment.
    #[default]
    Auto,
    /// The wallet confirms every payment once.
    Lnbits,
    /// The preimage always.
    Preimage,
}
