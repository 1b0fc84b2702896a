//! L402: macaroons, caveats, credentials and challenges. No I/O and no clock.
//!
//! A macaroon can be minted, narrowed, decoded and verified without a Worker:
//!
//! ```
//! use edgetoll::l402::macaroon::{Identifier, Macaroon, Signature};
//! use edgetoll::l402::{Keys, PaymentHash, Preimage, TollSecret};
//!
//! let secret = "b1946ac92492d2347c6235b4d2611184"; // openssl rand -hex 32
//! let keys = Keys::new(TollSecret::new(secret)?, None);
//! let preimage = Preimage::from_hex(&"42".repeat(32)).ok_or("not a preimage")?;
//!
//! // Mint: the identifier binds the macaroon to a payment. The nonce must be random.
//! let identifier = Identifier::new(keys.current(), preimage.payment_hash(), &[7; 28]);
//! let key = identifier.signing_key(keys.current());
//! let macaroon = Macaroon::standard(&key, "api.example.com", &identifier);
//!
//! // Attenuate: every holder can add a caveat, and no holder can remove one.
//! let narrowed = macaroon.attenuate("endpoint=/api/joke")?;
//!
//! // Decode what a client sends, verify its signature, and check the preimage.
//! let received = Macaroon::parse(&narrowed.encode())?;
//! assert_eq!(received.signature(&keys), Signature::Valid);
//! assert!(preimage.proves(&received.payment_hash()));
//! assert!(!preimage.proves(&PaymentHash::from_bytes([0; 32])));
//! assert_eq!(received.caveats().next(), Some(b"endpoint=/api/joke".as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod caveat;
pub mod challenge;
pub mod cookie;
pub mod credential;
pub mod macaroon;
pub mod refusal;
pub mod verify;
#[cfg(test)]
mod worked_example;

pub use crate::keys::{Keys, TollSecret};
pub use crate::payment::{PaymentHash, Preimage};
