//! Runs `edgetoll secret`.

use std::process::ExitCode;

use crate::hex;

/// Prints a new secret.
pub fn run() -> ExitCode {
    match new_secret() {
        Ok(secret) => super::print_result(secret),
        Err(message) => super::could_not_run(&message),
    }
}

/// Returns 32 random bytes as hexadecimal digits.
///
/// # Errors
/// Returns a message if the system gives no random bytes.
pub(super) fn new_secret() -> Result<String, String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(hex::encode(&bytes))
}
