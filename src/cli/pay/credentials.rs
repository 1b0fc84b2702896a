//! Runs `edgetoll credentials`: what was bought and can be used again.

use std::process::ExitCode;

use super::config::Config;
use super::exit::Failure;
use super::print;
use crate::cli::printable;
use crate::client::journal::{Payment, State};

pub fn run(shows_secrets: bool) -> ExitCode {
    super::run(async |config| show(&config, shows_secrets))
}

fn show(config: &Config, shows_secrets: bool) -> Result<ExitCode, Failure> {
    let client = config.client()?.build();
    for payment in client.payments()?.iter().filter(|payment| payment.state == State::Paid) {
        let Payment { origin, scope, .. } = payment;
        let any = "*".to_owned();
        let path =
            scope.endpoint.as_ref().or(scope.realm.as_ref()).or(scope.services.as_ref()).unwrap_or(&any);
        let method = scope.method.as_ref().unwrap_or(&any);
        // A macaroon can have any text.
        print(printable(&format!("{origin}  {method} {path}")))?;
        if shows_secrets {
            print(printable(&format!("  {}", header(payment))))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the header that proves a payment.
fn header(payment: &Payment) -> String {
    let preimage = payment.preimage.as_deref().unwrap_or_default();
    match (&payment.scheme, &payment.macaroon) {
        (Some(scheme), Some(macaroon)) => format!("Authorization: {scheme} {macaroon}:{preimage}"),
        _ => format!("X-Preimage: {preimage}"),
    }
}
