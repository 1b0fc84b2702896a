//! The setting `settlement`: what proves that a payment has settled.

/// The value of the setting. For a macaroon of another issuer, the preimage is always a proof, because the wallets of
/// this deployment do not know the invoice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SettlementMode {
    /// The preimage is a proof if the invoice can still be paid, and if LNbits is known to hide the preimages of unpaid
    /// invoices. Otherwise the wallet must confirm the payment.
    #[default]
    Auto,
    /// The preimage is never a proof. The wallet must confirm every payment once.
    Lnbits,
    /// The preimage is always a proof.
    Preimage,
}
