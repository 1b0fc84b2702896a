//! Nostr Wallet Connect (NIP-47) without I/O: requests to a wallet behind a relay, its responses and its notifications.
//!
//! The caller holds the connection to the relay, and provides the time and random bytes. [`session`] is the protocol of
//! one connection. The other modules are what it needs: the address of a wallet, events (NIP-01), their signatures
//! (BIP-340), both encryptions (NIP-44 and NIP-04), and the messages of a relay.

mod cipher_error;
pub mod event;
pub mod info;
pub mod keys;
pub mod nip04;
pub mod nip44;
pub mod relay;
pub mod session;
pub mod uri;

pub use cipher_error::CipherError;
