//! The setting `wallets`: which of several wallets creates an invoice.

/// The value of the setting. In both orders, a wallet whose circuit is open gets no request, and after a failure the next
/// wallet is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WalletOrder {
    /// The wallet in the lowest slot creates all invoices. The others take over while it fails.
    #[default]
    Failover,
    /// The wallets create invoices by turns.
    Spread,
}
