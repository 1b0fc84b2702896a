//! Runs `edgetoll secret`.

use std::process::ExitCode;

use crate::hex;

/// Prints 32 random bytes as hexadecimal digits.
pub fn run() -> ExitCode {
    let mut bytes = [0; 32];
    if let Err(error) = getrandom::fill(&mut bytes) {
        return super::could_not_run(&format!("the system gives no random bytes: {error}"));
    }
    super::print_result(hex::encode(&bytes))
}
