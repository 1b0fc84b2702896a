//! The slots of wallets.

use edgetoll::payment::WalletSlot;

pub const SECOND: WalletSlot = WalletSlot::ALL[1];
