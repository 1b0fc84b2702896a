//! Runs `edgetoll stats`: shows the dashboard of a deployment in the terminal.

use std::env;
use std::process::ExitCode;

use reqwest::redirect::Policy;
use serde_json::Value;

use super::exit::Failure;
use super::fetch::parse_url;
use super::payments::date;
use super::print;
use crate::cli::printable;
use crate::client::{ClientError, Proxy, http_client};
use crate::http::url::is_safe_base;

pub fn run(url: &str, prefix: &str, as_json: bool) -> ExitCode {
    super::run(async |_| show(url, prefix, as_json).await)
}

async fn show(url: &str, prefix: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let token = env::var("ADMIN_TOKEN")
        .map_err(|_| Failure::config("set the environment variable ADMIN_TOKEN".to_owned()))?;
    let url = format!("{}{prefix}/stats", url.trim_end_matches('/'));
    if !is_safe_base(&url) {
        return Err(Failure::config(
            "the URL must begin with https://, because ADMIN_TOKEN is sent to it; http is allowed on this machine".to_owned(),
        ));
    }
    let url = parse_url(&url)?;
    let lost = |error: reqwest::Error| Failure::from(ClientError::Unreachable(error.into()));
    // A redirect would send the token to another host.
    let response = http_client(Policy::none(), Proxy::of(&url))
        .get(url.clone())
        .bearer_auth(token.trim())
        .send()
        .await
        .map_err(lost)?;
    let status = response.status();
    if !status.is_success() {
        return Err(Failure::config(format!(
            "{url} answered with status {status}: check the URL and ADMIN_TOKEN"
        )));
    }
    let text = response.text().await.map_err(lost)?;
    let stats: Value = serde_json::from_str(&text)
        .map_err(|_| Failure::config(format!("{url} did not answer with JSON")))?;
    if as_json {
        print(text)?;
    } else {
        print_stats(&stats)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_stats(stats: &Value) -> Result<(), Failure> {
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (revenue, payments) = (number(stats, "totalRevenue"), number(stats, "totalPayments"));
    print(format_args!(
        "{revenue} sats from {payments} payments of {} payers",
        number(stats, "uniquePayers")
    ))?;
    print("")?;
    print(format_args!(
        "{:>10}  {:>8}  {:>8}  {:>8}  {:>10}  {:>8}  route",
        "sats", "payments", "paid", "free", "challenged", "refused"
    ))?;
    for (route, counts) in stats.get("endpoints").and_then(Value::as_object).into_iter().flatten() {
        let [sats, payments, paid, free, challenged, refused] =
            ["revenue", "payments", "paid", "free", "challenged", "refused"].map(|key| number(counts, key));
        print(format_args!(
            "{sats:>10}  {payments:>8}  {paid:>8}  {free:>8}  {challenged:>10}  {refused:>8}  {}",
            printable(route)
        ))?;
    }
    print("")?;
    for payment in stats.get("recentPayments").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| printable(payment.get(key).and_then(Value::as_str).unwrap_or_default());
        let at = date(number(payment, "timestamp").checked_div(1000).unwrap_or_default());
        print(format_args!(
            "{at}  {:>7} sats  {}  {}",
            number(payment, "amountSats"),
            text("endpoint"),
            text("paymentHash")
        ))?;
    }
    Ok(())
}
