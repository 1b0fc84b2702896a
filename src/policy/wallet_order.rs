//! The setting `wallets`: which of several wallets creates an invoice.

/// The value of the setting. In each order, a wallet whose circuit is open gets no request, and after a failure the next
/// wallet is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WalletOrder {
    /// The wallet in the lowest slot creates all invoices. The others take over while it fails.
    #[default]
    Failover,
    /// The wallet in the highest slot creates all invoices. The others take over while it fails. So payments can move to
    /// another wallet, while the payments of sold credentials are still looked up at the earlier one.
    Last,
    /// The wallets create invoices by turns.
    Spread,
}
