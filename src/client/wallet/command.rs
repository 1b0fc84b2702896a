//! A wallet that is a program, such as `lncli`, `lightning-cli` or `phoenix-cli`.

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Paid, PayError, PaymentState, Wallet, WalletError};
use crate::payment::{PaymentHash, Preimage};

/// A command line that pays. The shell runs it with the invoice on its standard input, and with the environment variables
/// `INVOICE` and `MAX_FEE_SATS`. Its output must contain the preimage as 64 hexadecimal digits, alone or as the value of
/// `preimage` or `payment_preimage` in JSON.
///
/// If the command cannot be started, nothing was paid. If it fails later, the payment may have been made.
pub struct CommandWallet {
    command_line: String,
}

impl CommandWallet {
    pub fn new(command_line: &str) -> Self {
        Self { command_line: command_line.to_owned() }
    }
}

#[async_trait]
impl Wallet for CommandWallet {
    fn name(&self) -> String {
        let program = self.command_line.split_whitespace().next().unwrap_or_default();
        format!("the command {program}")
    }

    async fn pay_invoice(&self, invoice: &str, max_fee_msat: u64) -> Result<Paid, PayError> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command_line).env("INVOICE", invoice);
        command.env("MAX_FEE_SATS", max_fee_msat.div_ceil(1000).to_string());
        let stdio = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let started =
            stdio.spawn().map_err(|error| WalletError::Program(format!("cannot be started: {error}")));
        let mut child = started.map_err(PayError::NotPaid)?;
        let unknown = |what: &str| PayError::Unknown(WalletError::Program(what.to_owned()));
        if let Some(mut stdin) = child.stdin.take() {
            // A program that reads the variable INVOICE may close its input.
            let _ = stdin.write_all(format!("{invoice}\n").as_bytes()).await;
        }
        let output = tokio::time::timeout(TIMEOUT, child.wait_with_output()).await;
        let output = output.map_err(|_| unknown("did not end in two minutes"))?;
        let output = output.map_err(|_| unknown("failed"))?;
        if !output.status.success() {
            return Err(unknown(&format!("ended with {}", output.status)));
        }
        Ok(Paid { preimage: find_preimage(&String::from_utf8_lossy(&output.stdout)), fee_msat: None })
    }

    async fn create_invoice(&self, _amount_sats: u64, _memo: &str) -> Result<String, WalletError> {
        Err(WalletError::Unsupported)
    }

    async fn lookup_invoice(&self, _payment_hash: &PaymentHash) -> Result<PaymentState, WalletError> {
        Err(WalletError::Unsupported)
    }

    async fn balance_msat(&self) -> Result<u64, WalletError> {
        Err(WalletError::Unsupported)
    }
}

/// Finds the preimage in the output of a program: in a field of JSON, or as the only word of 64 hexadecimal digits.
fn find_preimage(output: &str) -> Option<Preimage> {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(output) {
        let fields = PREIMAGE_FIELDS.iter().filter_map(|name| json.get(name)?.as_str());
        return fields.filter_map(Preimage::from_hex).find(|preimage| !preimage.is_zero());
    }
    let words = output.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut found = words.filter_map(Preimage::from_hex);
    let preimage = found.next()?;
    found.next().is_none().then_some(preimage)
}

/// The field of `lightning-cli` and `lncli`, and that of `phoenix-cli`.
const PREIMAGE_FIELDS: [&str; 3] = ["payment_preimage", "preimage", "paymentPreimage"];
const TIMEOUT: Duration = Duration::from_secs(120);
