//! Who makes invoices. Requests and answer checks are pure; the shell sends them.

pub mod lnbits;
