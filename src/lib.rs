//! edgetoll: a Lightning paywall that lives at the edge. A functional core that decides, and a thin shell that acts.
//!
//! ```text
//! request ─► edge ─► gate::decide ─┬─► Open, Waived, Sold, FreeTier, Preflight ─► forward ─► the origin's answer
//!             │        │           ├─► Unsettled ─► wallet: was it paid? ─► Sold, or Offer
//!             │        │           ├─► Offer ─► flood ─► wallet: an invoice ─► l402::challenge ─► 402
//!             │        │           └─► Refuse ─► problem ─► 400, 401, 405, 503, …
//!             │        ├─ policy   what a request costs: canonical path, routes, prices
//!             │        └─ l402     the protocol: macaroons, caveats, credentials, invoices
//!             ├─ wallet            who makes invoices, LNbits; which of two is asked, and whether it is believed
//!             ├─ flood             how often one may ask
//!             ├─ uses              how many requests a payment bought, and had
//!             ├─ ledger            the books: every payment once, and whom to tell of it
//!             ├─ operator          who may see them
//!             ├─ pay_page          what people see, and ask
//!             └─ settings          the environment, read once per isolate
//! ```
//!
//! A room never reaches up: `l402` knows nothing of `policy`, `policy` nothing of `gate`, `gate` nothing of `edge`. Only
//! `edge` touches JavaScript; all else runs in native tests. `check` and `doctor` are native only: they judge a Wrangler
//! file before it is deployed, and the LNbits that it names, with the same readers.
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(not(target_arch = "wasm32"))]
pub mod check;
#[cfg(not(target_arch = "wasm32"))]
pub mod doctor;
pub mod flood;
pub mod forward;
pub mod gate;
pub mod json;
pub mod l402;
pub mod ledger;
pub mod operator;
pub mod pay_page;
pub mod policy;
pub mod problem;
pub mod settings;
pub mod uses;
pub mod wallet;

#[cfg(target_arch = "wasm32")]
pub mod edge;
