//! Runs `edgetoll macaroon`: mints, shows, verifies and narrows macaroons. The secret is the environment variable
//! `TOLL_SECRET`, and is never an argument.

use std::env;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::hex;
use crate::keys::{Keys, TollSecret};
use crate::payment::PaymentHash;
use crate::protocols::l402::macaroon::{Encoding, Identifier, Macaroon, Signature};

#[derive(Subcommand)]
pub enum MacaroonCommand {
    /// Mint a macaroon for a payment hash, signed with TOLL_SECRET
    Mint {
        /// The payment hash: 64 hexadecimal digits
        payment_hash: String,
        /// A caveat, such as endpoint=/api/joke; may be repeated
        #[arg(long, value_name = "NAME=VALUE")]
        caveat: Vec<String>,
        /// The location: the host of the service
        #[arg(long, default_value = "")]
        location: String,
    },
    /// Show what a macaroon says; its signature is not checked
    Inspect { macaroon: String },
    /// Check the signature of a macaroon with TOLL_SECRET and TOLL_SECRET_PREVIOUS
    ///
    /// Exit codes: 0 if the signature is valid, 1 if it is not, 2 if the macaroon or the secret cannot be read.
    #[command(verbatim_doc_comment)]
    Verify { macaroon: String },
    /// Add caveats to a macaroon, which needs no secret
    Attenuate {
        macaroon: String,
        /// A caveat, such as endpoint=/api/joke; may be repeated
        #[arg(long, value_name = "NAME=VALUE", required = true)]
        caveat: Vec<String>,
    },
}

pub fn run(command: &MacaroonCommand) -> ExitCode {
    let result = match command {
        MacaroonCommand::Mint { payment_hash, caveat, location } => mint(payment_hash, caveat, location),
        MacaroonCommand::Inspect { macaroon } => inspect(macaroon),
        MacaroonCommand::Verify { macaroon } => verify(macaroon),
        MacaroonCommand::Attenuate { macaroon, caveat } => attenuate(macaroon, caveat),
    };
    result.unwrap_or_else(|message| super::could_not_run(&message))
}

fn mint(payment_hash: &str, caveats: &[String], location: &str) -> Result<ExitCode, String> {
    let keys = keys()?;
    let hash = PaymentHash::from_hex(payment_hash).ok_or("the payment hash must be 64 hexadecimal digits")?;
    let mut nonce = [0; 28];
    getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
    let identifier = Identifier::new(keys.current(), hash, &nonce);
    let macaroon = Macaroon::standard(&identifier.signing_key(keys.current()), location, &identifier);
    let macaroon = macaroon.with_caveats(caveats).map_err(|error| error.to_string())?;
    Ok(super::print_result(macaroon.encode()))
}

fn inspect(text: &str) -> Result<ExitCode, String> {
    let macaroon = parse(text)?;
    let caveats = macaroon.caveats().map(|caveat| match std::str::from_utf8(caveat) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("0x{}", hex::encode(caveat)),
    });
    let encoding = match macaroon.encoding() {
        Encoding::Standard => "libmacaroons v2",
        Encoding::LightningToll => "lightning-toll",
    };
    let shown = json!({
        "encoding": encoding,
        "payment_hash": macaroon.payment_hash().to_hex(),
        "caveats": caveats.collect::<Vec<_>>(),
    });
    Ok(super::print_result(format_args!("{shown:#}")))
}

fn verify(text: &str) -> Result<ExitCode, String> {
    let (word, code) = match parse(text)?.signature(&keys()?) {
        Signature::Valid => ("valid", ExitCode::SUCCESS),
        Signature::UnknownKey => ("not valid: signed with another secret", ExitCode::FAILURE),
        Signature::Forged => ("not valid: the macaroon was changed", ExitCode::FAILURE),
    };
    super::print_line(format_args!("The signature is {word}.")).map_err(|error| error.to_string())?;
    Ok(code)
}

fn attenuate(text: &str, caveats: &[String]) -> Result<ExitCode, String> {
    let narrowed = parse(text)?.with_caveats(caveats).map_err(|error| error.to_string())?;
    Ok(super::print_result(narrowed.encode()))
}

/// Parses a macaroon, or the one in a credential (`L402 <macaroon>:<preimage>`).
fn parse(text: &str) -> Result<Macaroon, String> {
    let text = text.trim();
    let text = text.split_once(' ').map_or(text, |(_, rest)| rest);
    let text = text.split_once(':').map_or(text, |(macaroon, _)| macaroon);
    Macaroon::parse(text.trim()).map_err(|error| format!("the macaroon cannot be read: {error}"))
}

fn keys() -> Result<Keys, String> {
    let secret = |name: &str| env::var(name).ok().map(|text| TollSecret::new(&text)).transpose();
    let current = secret("TOLL_SECRET").map_err(|error| format!("TOLL_SECRET {error}"))?;
    let previous = secret("TOLL_SECRET_PREVIOUS").map_err(|error| format!("TOLL_SECRET_PREVIOUS {error}"))?;
    Ok(Keys::new(current.ok_or("set the environment variable TOLL_SECRET")?, previous))
}
