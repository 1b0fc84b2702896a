//! A wallet of the Worker that is reached over Nostr Wallet Connect. The requests and responses have the form of NIP-47: the
//! crate `nostr` reads the requests, and the responses before a test changes them. The crate `lightning-invoice` makes the
//! invoices.

mod connection;
mod invoices;
mod look_ups;
mod own_invoices;
mod receipts;
mod settings;
mod spending;

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use edgetoll::payment::PaymentHash;
use edgetoll::wallet::WalletResponse;
use edgetoll::wallet::nwc::NwcWallet;
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use nostr::nips::nip47::{Request, Response};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const HASH: [u8; 32] = [7; 32];
const OTHER_HASH: [u8; 32] = [8; 32];
/// The wallet may show the preimage, but no error does.
const PREIMAGE: &str = "5555555555555555555555555555555555555555555555555555555555555555";

fn wallet() -> NwcWallet {
    let url = format!(
        "nostr+walletconnect://{}?relay=wss://relay.example.com&secret={}",
        "4f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa",
        "02".repeat(32)
    );
    NwcWallet::new(&url).unwrap_or_else(|error| panic!("{error}"))
}

fn hex(hash: [u8; 32]) -> String {
    PaymentHash::from_bytes(hash).to_hex()
}

/// An invoice that a wallet makes.
#[derive(Clone)]
struct Made {
    hash: [u8; 32],
    amount_msat: Option<u64>,
    timestamp_unix: u64,
    expiry_s: u64,
    network: Currency,
}

/// The invoice that the tests request.
const MADE: Made = Made {
    hash: HASH,
    amount_msat: Some(5_000),
    timestamp_unix: NOW,
    expiry_s: 300,
    network: Currency::Bitcoin,
};

impl Made {
    fn text(self) -> String {
        let builder = InvoiceBuilder::new(self.network)
            .description("Random joke".to_owned())
            .payment_hash(sha256::Hash::from_byte_array(self.hash))
            .payment_secret(PaymentSecret([1; 32]))
            .duration_since_epoch(Duration::from_secs(self.timestamp_unix))
            .expiry_time(Duration::from_secs(self.expiry_s))
            .min_final_cltv_expiry_delta(18);
        let builder = match self.amount_msat {
            Some(amount_msat) => builder.amount_milli_satoshis(amount_msat),
            None => builder,
        };
        let key = SecretKey::from_slice(&[3; 32]).unwrap();
        let sign = |hash: &_| Secp256k1::new().sign_ecdsa_recoverable(hash, &key);
        builder.build_signed(sign).unwrap().to_string()
    }
}

/// Returns a transaction of NIP-47: an incoming payment for [`MADE`], in this state.
fn transaction(state: &str) -> Value {
    json!({
        "type": "incoming",
        "state": state,
        "invoice": MADE.text(),
        "description": "Random joke",
        "description_hash": "",
        "preimage": PREIMAGE,
        "payment_hash": hex(HASH),
        "amount": 5_000,
        "fees_paid": 0,
        "created_at": NOW,
        "expires_at": NOW + 300,
        "settled_at": if state == "settled" { json!(NOW + 20) } else { Value::Null },
        "metadata": { "tag": "edgetoll", "route": "/api/joke", "c": "aa" }
    })
}

/// Returns a response that the crate `nostr` reads.
fn answer(method: &str, result: Value) -> Value {
    let answer = json!({ "result_type": method, "error": null, "result": result });
    assert!(Response::from_value(answer.clone()).is_ok(), "{answer}");
    answer
}

fn response(body: impl ToString) -> WalletResponse {
    WalletResponse { status: 200, retry_after_s: None, body: body.to_string(), is_listed: None }
}

/// Returns a value after a change at a JSON pointer (RFC 6901). `None` removes what is there.
fn changed(base: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut changed = base.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
    match value {
        Some(value) => drop(parent.insert(key.to_owned(), value)),
        None => assert!(parent.remove(key).is_some(), "no {pointer}"),
    }
    changed
}

/// Reads a request as a wallet does.
fn as_wallet_reads(method: &str, params: &str) -> Request {
    Request::from_json(format!("{{\"method\":\"{method}\",\"params\":{params}}}")).unwrap()
}
