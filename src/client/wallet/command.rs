//! A wallet that is a program, such as `lncli`, `lightning-cli` or `phoenix-cli`.

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Paid, PayError, PaymentState, Wallet, WalletError};
use crate::bolt11::Bolt11;
use crate::payment::{PaymentHash, Preimage};

/// A command line that pays. The shell runs it with the invoice on its standard input, and with the environment variables
/// `INVOICE` and `MAX_FEE_SATS`. Its output must contain the preimage as 64 hexadecimal digits; the rest of the output does not
/// matter.
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
        // A shell also reads `PASSWORD=... program`.
        let is_path = program.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        if is_path { format!("the command {program}") } else { "the wallet command".to_owned() }
    }

    async fn pay_invoice(&self, invoice: &str, max_fee_msat: u64) -> Result<Paid, PayError> {
        let payment_hash =
            Bolt11::parse(invoice).map_err(|_| PayError::NotPaid(WalletError::Unreadable))?.payment_hash();
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
        let output = String::from_utf8_lossy(&output.stdout);
        Ok(Paid { preimage: find_preimage(&output, &payment_hash), fee_msat: None })
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

/// Finds the preimage of a payment in the output of a program.
fn find_preimage(output: &str, payment_hash: &PaymentHash) -> Option<Preimage> {
    let words = output.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter_map(Preimage::from_hex).find(|preimage| preimage.proves(payment_hash))
}

const TIMEOUT: Duration = Duration::from_secs(120);
