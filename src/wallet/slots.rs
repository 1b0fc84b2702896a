//! Values kept for each wallet slot, and the wallets themselves.

use super::lnbits::Lnbits;
use crate::payment::WalletSlot;

/// One value for each wallet slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct BySlot<T> {
    one: T,
    two: T,
}

impl<T> BySlot<T> {
    pub const fn new(one: T, two: T) -> Self {
        Self { one, two }
    }

    pub fn get(&self, slot: WalletSlot) -> &T {
        match slot {
            WalletSlot::One => &self.one,
            WalletSlot::Two => &self.two,
        }
    }

    pub fn get_mut(&mut self, slot: WalletSlot) -> &mut T {
        match slot {
            WalletSlot::One => &mut self.one,
            WalletSlot::Two => &mut self.two,
        }
    }
}

/// The configured wallets: slot 1 always, slot 2 optionally.
pub struct Wallets(BySlot<Option<Lnbits>>);

impl Wallets {
    pub fn new(one: Lnbits, two: Option<Lnbits>) -> Self {
        Self(BySlot::new(Some(one), two))
    }

    pub fn get(&self, slot: WalletSlot) -> Option<&Lnbits> {
        self.0.get(slot).as_ref()
    }

    /// Returns the configured slots, slot 1 first.
    pub fn slots(&self) -> impl Iterator<Item = WalletSlot> {
        WalletSlot::ALL.into_iter().filter(|slot| self.get(*slot).is_some())
    }
}
