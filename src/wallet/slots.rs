//! Values kept for each wallet slot, and the wallets themselves.

use super::Wallet;
use crate::payment::WalletSlot;

/// One value for each wallet slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct BySlot<T>([T; 8]);

impl<T> BySlot<T> {
    /// Returns the same value for each slot.
    pub const fn all(value: T) -> Self
    where
        T: Copy,
    {
        Self([value; 8])
    }

    pub fn get(&self, slot: WalletSlot) -> &T {
        let [first, others @ ..] = &self.0;
        others.get(index_after_first(slot)).unwrap_or(first)
    }

    pub fn get_mut(&mut self, slot: WalletSlot) -> &mut T {
        let [first, others @ ..] = &mut self.0;
        others.get_mut(index_after_first(slot)).unwrap_or(first)
    }
}

/// Returns the index of a slot among the slots 2 to 8; `usize::MAX` for slot 1.
fn index_after_first(slot: WalletSlot) -> usize {
    usize::from(slot.number()).wrapping_sub(2)
}

/// The configured wallets.
#[derive(Default)]
pub struct Wallets(BySlot<Option<Wallet>>);

impl Wallets {
    pub fn set(&mut self, slot: WalletSlot, wallet: Wallet) {
        *self.0.get_mut(slot) = Some(wallet);
    }

    pub fn get(&self, slot: WalletSlot) -> Option<&Wallet> {
        self.0.get(slot).as_ref()
    }

    /// Returns the slots that have a wallet, in the order of their numbers.
    pub fn slots(&self) -> impl Iterator<Item = WalletSlot> {
        WalletSlot::ALL.into_iter().filter(|slot| self.get(*slot).is_some())
    }
}
