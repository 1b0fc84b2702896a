//! Native tests, in one binary so that they are linked once.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod admin;
mod architecture;
mod bolt11;
mod check;
mod check_and_worker;
mod client_liars;
mod client_nwc;
mod client_offers;
mod client_payments;
mod config;
mod configuration_document;
mod cookie;
mod credentials;
mod deploy;
mod doctor;
mod documents;
mod endpoints;
mod errors;
mod forward;
mod free_tier;
mod gate;
mod header_names;
mod headers;
mod honor_paid;
mod http;
mod init;
mod isolate_uses;
mod keys;
mod ledger;
mod lightning_toll_package;
mod lnbits;
mod macaroon;
mod message_signature;
mod mistakes;
mod nwc;
mod nwc_wallet;
mod observe;
mod pay_page;
mod paying_document;
mod plain_paths;
mod policy;
mod prices;
mod rate_limit;
mod receipt;
mod refusals;
mod route_index;
mod routes;
mod security_document;
mod strict_json;
mod support;
mod uses;
mod vectors;
mod verified;
mod wallets;
mod x_preimage;
