//! Whose word counts when it is asked whether a payment has arrived.

/// The setting `settlement`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SettlementMode {
    /// The preimage's, while the invoice could still be paid and LNbits is known to keep preimages; LNbits' after that.
    #[default]
    Auto,
    /// LNbits', at first sight.
    Lnbits,
    /// The preimage's.
    Preimage,
}
