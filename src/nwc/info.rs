//! What a wallet announces about itself.

use super::event::Event;
use super::keys::PublicKey;

/// How requests, responses and notifications are encrypted. The weaker is less than the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encryption {
    Nip04,
    Nip44,
}

/// The content of a wallet's info event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletInfo {
    /// The strongest encryption that the wallet reads; `None` if it reads none that edgetoll knows.
    pub encryption: Option<Encryption>,
    /// Whether the wallet reports incoming payments.
    pub notifies: bool,
}

impl WalletInfo {
    /// Reads an info event. Returns `None` if the event is another one, or is not signed by the wallet.
    pub fn read(event: &Event, wallet: &PublicKey) -> Option<Self> {
        if event.kind != INFO || !event.is_by(wallet) {
            return None;
        }
        let encryption = match event.values("encryption").next() {
            // Wallets without the tag are older than NIP-44.
            None => Some(Encryption::Nip04),
            Some(words) if has_word(words, "nip44_v2") => Some(Encryption::Nip44),
            Some(words) if has_word(words, "nip04") => Some(Encryption::Nip04),
            Some(_) => None,
        };
        let notifies = event.values("notifications").any(|words| has_word(words, "payment_received"));
        Some(Self { encryption, notifies })
    }
}

fn has_word(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|known| known == word)
}

/// The kind of an info event.
pub const INFO: u16 = 13194;
