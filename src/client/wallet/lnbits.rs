//! An LNbits wallet, with its admin key.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use super::{Paid, PayError, PaymentState, Wallet, WalletError};
use crate::bolt11::Bolt11;
use crate::client::{Proxy, http_client};
use crate::payment::{PaymentHash, Preimage};
use crate::{crypto, hex};

/// A wallet of an LNbits server. Its key must be the admin key: the invoice key cannot pay.
pub struct LnbitsWallet {
    /// Ends without `/`.
    url: String,
    admin_key: String,
    http: reqwest::Client,
}

impl LnbitsWallet {
    /// `url` is the address of LNbits, such as `https://lnbits.example.com`.
    pub fn new(url: &str, admin_key: &str) -> Self {
        // A redirect would send the key to another host.
        let proxy = Url::parse(url).map_or(Proxy::None, |url| Proxy::of(&url));
        let http = http_client(Policy::none(), proxy);
        Self { url: url.trim_end_matches('/').to_owned(), admin_key: admin_key.to_owned(), http }
    }

    /// Sends a request. Returns the status and the JSON of the response.
    async fn call(&self, request: reqwest::RequestBuilder) -> Result<(u16, Value), CallError> {
        let request = request.header("X-Api-Key", &self.admin_key).timeout(TIMEOUT);
        let response = request.send().await.map_err(|error| CallError { was_sent: !error.is_connect() })?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|_| CallError { was_sent: true })?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    async fn get(&self, path: &str) -> Result<(u16, Value), WalletError> {
        let answer = self.call(self.http.get(format!("{}{path}", self.url))).await;
        answer.map_err(|_| WalletError::Unreachable)
    }
}

/// A request that got no response.
struct CallError {
    was_sent: bool,
}

#[async_trait]
impl Wallet for LnbitsWallet {
    fn name(&self) -> String {
        // The first digits of the hash tell the wallets of a server apart. A key has 128 random bits.
        let digest = hex::encode(&crypto::sha256(self.admin_key.as_bytes()));
        let wallet: String = digest.chars().take(8).collect();
        format!("LNbits wallet {wallet} at {}", self.url)
    }

    /// Waits half a minute if the payment is on its way. LNbits has no limit for the fee of one payment: its setting
    /// `LNBITS_RESERVE_FEE_PERCENT` limits the fees of all.
    async fn pay_invoice(&self, invoice: &str, _max_fee_msat: u64) -> Result<Paid, PayError> {
        let body = json!({ "out": true, "bolt11": invoice }).to_string();
        let request = self.http.post(format!("{}/api/v1/payments", self.url));
        let request = request.header("Content-Type", "application/json").body(body);
        let (status, payment) =
            self.call(request).await.map_err(|CallError { was_sent }| match was_sent {
                true => PayError::Unknown(WalletError::Unreachable),
                false => PayError::NotPaid(WalletError::Unreachable),
            })?;
        let state = payment.get("status").and_then(Value::as_str).unwrap_or_default();
        match (status, state) {
            (201, "success") => Ok(Paid { preimage: preimage(&payment), fee_msat: fee_msat(&payment) }),
            (201, "pending") => self.wait(invoice).await,
            // LNbits answers so to an invoice that has expired. Nothing is paid then.
            (201, "failed") => Err(PayError::NotPaid(WalletError::Failed)),
            // The payment failed, or this wallet has paid the invoice before.
            (520, _) => match self.wait(invoice).await {
                Err(PayError::NotPaid(_)) if state != "failed" => {
                    Err(PayError::Unknown(WalletError::Status(status)))
                }
                waited => waited,
            },
            (400..=499, _) => Err(PayError::NotPaid(WalletError::Status(status))),
            _ => Err(PayError::Unknown(WalletError::Status(status))),
        }
    }

    async fn create_invoice(&self, amount_sats: u64, memo: &str) -> Result<String, WalletError> {
        let body = json!({ "out": false, "amount": amount_sats, "unit": "sat", "memo": memo }).to_string();
        let request = self.http.post(format!("{}/api/v1/payments", self.url));
        let request = request.header("Content-Type", "application/json").body(body);
        let (status, invoice) = self.call(request).await.map_err(|_| WalletError::Unreachable)?;
        let text = invoice.get("bolt11").and_then(Value::as_str).filter(|_| status == 201);
        text.map(str::to_owned).ok_or(WalletError::Status(status))
    }

    async fn lookup_invoice(&self, payment_hash: &PaymentHash) -> Result<PaymentState, WalletError> {
        let (status, found) = self.get(&format!("/api/v1/payments/{}", payment_hash.to_hex())).await?;
        let is_paid = found.get("paid").and_then(Value::as_bool);
        // Only the wallet of a payment gets its details. Without them, someone else has paid.
        let is_own = found.get("details").is_some_and(Value::is_object);
        match (status, is_paid) {
            (200, Some(true)) if is_own => Ok(PaymentState::Settled(preimage(&found))),
            (200, Some(true)) | (404, _) => Ok(PaymentState::Unpaid),
            (200, Some(false)) => match found.get("status").and_then(Value::as_str) {
                Some("failed") => Ok(PaymentState::Unpaid),
                _ => Ok(PaymentState::Pending),
            },
            _ => Err(WalletError::Status(status)),
        }
    }

    async fn balance_msat(&self) -> Result<u64, WalletError> {
        let (status, wallet) = self.get("/api/v1/wallet").await?;
        wallet.get("balance").and_then(Value::as_u64).ok_or(WalletError::Status(status))
    }
}

impl LnbitsWallet {
    /// Waits for a payment that may be on its way.
    async fn wait(&self, invoice: &str) -> Result<Paid, PayError> {
        let invoice = Bolt11::parse(invoice).map_err(|_| PayError::Unknown(WalletError::Unreadable))?;
        match self.wait_for_payment(&invoice.payment_hash(), PENDING_LIMIT).await {
            Ok(PaymentState::Settled(preimage)) => Ok(Paid { preimage, fee_msat: None }),
            Ok(PaymentState::Unpaid) => Err(PayError::NotPaid(WalletError::Failed)),
            Ok(PaymentState::Pending) => Err(PayError::Unknown(WalletError::Pending)),
            Err(error) => Err(PayError::Unknown(error)),
        }
    }
}

fn preimage(payment: &Value) -> Option<Preimage> {
    Preimage::from_hex(payment.get("preimage")?.as_str()?)
}

/// Returns the fee. LNbits writes the fee of an outgoing payment as a negative number.
fn fee_msat(payment: &Value) -> Option<u64> {
    payment.get("fee")?.as_i64().map(i64::unsigned_abs)
}

const TIMEOUT: Duration = Duration::from_secs(60);
const PENDING_LIMIT: Duration = Duration::from_secs(30);
