//! Runs `edgetoll wallet`: says which wallet pays, and what it has.

use std::process::ExitCode;

use super::config::Config;
use super::exit::Failure;
use super::print;
use crate::client::wallet::WalletError;

pub fn run(name: Option<&str>) -> ExitCode {
    super::run(async |config| show(&config, name).await)
}

async fn show(config: &Config, name: Option<&str>) -> Result<ExitCode, Failure> {
    let Some(wallet) = config.wallet(name)? else {
        let file = config.file().display();
        return Err(Failure::config(format!(
            "there is no wallet: write lnbits_url and lnbits_admin_key, or nwc_url, or wallet_command, into {file}"
        )));
    };
    let limits = config.limits()?;
    print(format_args!("wallet   {}", wallet.name()))?;
    match wallet.balance_msat().await {
        Ok(msat) => print(format_args!("balance  {} sats", msat.checked_div(1000).unwrap_or_default()))?,
        Err(WalletError::Unsupported) => print("balance  not known: this wallet does not tell it")?,
        Err(error) => return Err(Failure::wallet(&error)),
    }
    print(format_args!(
        "limits   {} sats a request, {} sats a day and host, {} sats a day",
        limits.max_sats, limits.budget_sats_per_host, limits.budget_sats
    ))?;
    Ok(ExitCode::SUCCESS)
}
