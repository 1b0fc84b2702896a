//! The exit codes of the commands that pay. Scripts can tell them apart; the help of `edgetoll fetch` lists them.

use std::io;
use std::process::ExitCode;

use crate::cli::printable;
use crate::client::ClientError;
use crate::client::journal::{JournalError, Payment};
use crate::client::wallet::WalletError;

/// An error of a command: its message, and the exit code.
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The configuration, the journal or a file cannot be used. Nothing was paid.
    pub fn config(message: String) -> Self {
        Self { message, code: CONFIG }
    }

    /// The output cannot be written. Nothing was paid.
    pub fn output(error: &io::Error) -> Self {
        Self::config(format!("the output cannot be written: {error}"))
    }

    /// The output cannot be written, and this command has paid for it.
    pub fn paid_output(error: &io::Error, payment: &Payment) -> Self {
        let Payment { amount_sats, payment_hash, .. } = payment;
        let paid = format!("{amount_sats} sats were paid (payment hash {payment_hash})");
        Self { message: format!("{paid}, but the output cannot be written: {error}"), code: PAID_NOT_SERVED }
    }

    /// The server asks for a payment that is not made.
    pub fn challenge(message: String) -> Self {
        Self { message, code: BAD_CHALLENGE }
    }

    /// The wallet did not do its work.
    pub fn wallet(error: &WalletError) -> Self {
        Self { message: error.to_string(), code: WALLET }
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// Prints the message as one line, and returns the exit code.
    pub fn print(&self) -> ExitCode {
        eprintln!("edgetoll: {}", printable(&self.message.replace(['\n', '\r'], " ")));
        ExitCode::from(self.code)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::Url(_) | ClientError::UnrepeatableBody | ClientError::Journal(_) => CONFIG,
            ClientError::Unreachable(_) | ClientError::NoPrice(_) => UNREACHABLE,
            ClientError::TooExpensive { .. } | ClientError::OverBudget { .. } => TOO_EXPENSIVE,
            ClientError::Insecure(_)
            | ClientError::HostNotAllowed(_)
            | ClientError::ChallengeTooLarge
            | ClientError::ChallengeTooSlow
            | ClientError::BadOffer(_)
            | ClientError::NotHonoured { .. } => BAD_CHALLENGE,
            ClientError::NoWallet { .. } | ClientError::NotPaid(_) => WALLET,
            ClientError::PaidNotServed { .. } | ClientError::AnswerLost { .. } => PAID_NOT_SERVED,
            ClientError::MayBePaid { .. } => MAY_BE_PAID,
        };
        Self { message: error.to_string(), code }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::config(error.to_string())
    }
}

const CONFIG: u8 = 3;
const UNREACHABLE: u8 = 4;
const TOO_EXPENSIVE: u8 = 5;
const BAD_CHALLENGE: u8 = 6;
const WALLET: u8 = 7;
const PAID_NOT_SERVED: u8 = 8;
const MAY_BE_PAID: u8 = 9;
/// The exit code of `--fail` for a status from 400 on, as of curl.
pub const HTTP_ERROR: u8 = 22;
