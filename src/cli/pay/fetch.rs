//! Runs `edgetoll fetch`: sends a request as curl does, and pays if the server asks for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response, Url};
use serde_json::json;

use super::config::Config;
use super::exit::{Failure, HTTP_ERROR};
use super::print;
use crate::cli::print_line;
use crate::client::journal::Payment;
use crate::client::{Bill, ClientError, TollClient, TollResponse};

/// The arguments of `fetch`. The letters are those of curl.
#[derive(Args)]
pub struct FetchArguments {
    /// The URL; https:// is assumed if the scheme is missing
    url: String,
    /// The method [default: GET, or POST with -d]
    #[arg(short = 'X', long, value_name = "METHOD")]
    request: Option<String>,
    /// A header, such as 'Accept: application/json'; may be repeated
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The body; @FILE reads a file, and @- reads standard input
    #[arg(short = 'd', long, value_name = "DATA")]
    data: Option<String>,
    /// Write the body of the response to a file
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the status and the headers of the response too
    #[arg(short = 'i', long)]
    include: bool,
    /// Print no progress and nothing about payments
    #[arg(short = 's', long)]
    silent: bool,
    /// Exit with code 22 if the status is 400 or higher
    #[arg(short = 'f', long)]
    fail: bool,
    /// The highest price of this request, in satoshis
    #[arg(long, value_name = "SATS")]
    max_sats: Option<u64>,
    /// The wallet: lnbits, nwc or command
    #[arg(long, value_name = "NAME")]
    wallet: Option<String>,
    /// Pay only this host; may be repeated
    #[arg(long, value_name = "HOST")]
    pay_only_to: Vec<String>,
    /// Pay also over http without encryption
    #[arg(long)]
    allow_http: bool,
    /// Pay a host that gave no access for a payment, and content whose earlier payment has expired with an unknown outcome
    #[arg(long)]
    pay_again: bool,
    /// Show the price, and pay nothing. The request is sent, and a server executes it if it is free
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object: status, headers, body and payment, or the price with --dry-run
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &FetchArguments) -> ExitCode {
    super::run(async |config| fetch(&config, arguments).await)
}

async fn fetch(config: &Config, arguments: &FetchArguments) -> Result<ExitCode, Failure> {
    let request = request(arguments)?;
    let client = client(config, arguments)?;
    if arguments.dry_run {
        return show_price(&client, request, arguments).await;
    }
    // If the file cannot be written, nothing is paid.
    let file = arguments.output.as_ref().map(open_output).transpose()?;
    let origin = request.url().origin();
    let response = client.execute(request).await?;
    if response.status() == 402 && response.payment().is_none() {
        let asking = response.url().origin();
        return Err(Failure::challenge(match asking == origin {
            true => "the server asks for a payment in a form that this client does not know".to_owned(),
            false => format!(
                "the server redirects to {}, which is not paid after a redirect; request it directly",
                asking.ascii_serialization()
            ),
        }));
    }
    if let Some(payment) =
        response.payment().filter(|_| response.paid_now() && !arguments.silent && !arguments.json)
    {
        eprintln!(
            "edgetoll: paid {} to {} (payment hash {})",
            sats(payment.amount_sats),
            payment.host,
            payment.payment_hash
        );
    }
    let status = response.status();
    if arguments.json {
        print_json(response).await?;
    } else {
        print_body(response, file, arguments).await?;
    }
    let has_failed = arguments.fail && status.as_u16() >= 400;
    Ok(if has_failed { ExitCode::from(HTTP_ERROR) } else { ExitCode::SUCCESS })
}

fn client(config: &Config, arguments: &FetchArguments) -> Result<TollClient, Failure> {
    let mut limits = config.limits()?;
    limits.max_sats = arguments.max_sats.unwrap_or(limits.max_sats);
    limits.allows_http = arguments.allow_http;
    limits.pays_again = arguments.pay_again;
    if !arguments.pay_only_to.is_empty() {
        limits.hosts = Some(arguments.pay_only_to.iter().map(|host| host.to_ascii_lowercase()).collect());
    }
    let mut builder = config.client()?.limits(limits);
    if let Some(wallet) = config.wallet(arguments.wallet.as_deref())? {
        builder = builder.shared_wallet(wallet);
    }
    Ok(builder.build())
}

fn request(arguments: &FetchArguments) -> Result<Request, Failure> {
    let text = if arguments.url.contains("://") {
        arguments.url.clone()
    } else {
        format!("https://{}", arguments.url)
    };
    let url = parse_url(&text)?;
    let default = if arguments.data.is_some() { "POST" } else { "GET" };
    let method = arguments.request.as_deref().unwrap_or(default);
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Failure::config(format!("{method} is not a method")))?;
    let mut request = Request::new(method, url);
    *request.headers_mut() = headers(&arguments.header)?;
    if let Some(data) = &arguments.data {
        *request.body_mut() = Some(body(data)?.into());
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().entry(CONTENT_TYPE).or_insert(form);
    }
    Ok(request)
}

/// Parses a URL. The message of the error does not contain it, because it may have a password.
pub fn parse_url(text: &str) -> Result<Url, Failure> {
    text.parse().map_err(|error| Failure::config(format!("the URL cannot be read: {error}")))
}

fn headers(lines: &[String]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let parsed = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) = parsed
            .ok_or_else(|| Failure::config(format!("`{line}` is not a header: write 'Name: value'")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Reads a body: the text itself, a file, or standard input.
fn body(data: &str) -> Result<Vec<u8>, Failure> {
    let Some(file) = data.strip_prefix('@') else { return Ok(data.as_bytes().to_vec()) };
    let mut bytes = Vec::new();
    let read = if file == "-" { io::stdin().read_to_end(&mut bytes).map(|_| bytes) } else { fs::read(file) };
    read.map_err(|error| Failure::config(format!("{file} cannot be read: {error}")))
}

async fn show_price(
    client: &TollClient,
    request: Request,
    arguments: &FetchArguments,
) -> Result<ExitCode, Failure> {
    let price = client.price(request).await?.map(|(_, bill)| bill);
    if arguments.json {
        print(price_json(price.as_ref()))?;
    } else {
        print(price.map_or("nothing to pay".to_owned(), |bill| sats(bill.amount_sats)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a price as JSON. Without a bill, nothing has to be paid.
pub fn price_json(bill: Option<&Bill>) -> serde_json::Value {
    match bill {
        None => json!({ "amount_sats": 0 }),
        Some(bill) => json!({
            "amount_sats": bill.amount_sats,
            "payment_hash": bill.payment_hash.to_hex(),
            "expires_at_unix": bill.expires_at_unix,
        }),
    }
}

async fn print_json(response: TollResponse) -> Result<(), Failure> {
    let payment = response.payment().map(|payment| payment_json(payment, response.paid_now()));
    let paid = new_payment(&response);
    let response = response.into_inner();
    let status = response.status().as_u16();
    let texts = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into()));
    let headers: serde_json::Map<String, serde_json::Value> = texts.collect();
    let body = response.text().await.map_err(|error| lost(error, paid.as_ref()))?;
    let shown = json!({ "status": status, "headers": headers, "body": body, "payment": payment });
    print_line(shown).map_err(|error| cannot_write(&error, paid.as_ref()))
}

/// Returns a payment as JSON, without its secrets.
pub fn payment_json(payment: &Payment, paid_now: bool) -> serde_json::Value {
    json!({ "amount_sats": payment.amount_sats, "payment_hash": payment.payment_hash, "host": payment.host, "paid_now": paid_now })
}

/// Returns the payment that this command has made for a response.
pub fn new_payment(response: &TollResponse) -> Option<Payment> {
    response.payment().filter(|_| response.paid_now()).cloned()
}

/// Returns why a response cannot be written. `paid` is the payment that this command has made for it.
fn cannot_write(error: &io::Error, paid: Option<&Payment>) -> Failure {
    paid.map_or_else(|| Failure::output(error), |payment| Failure::paid_output(error, payment))
}

/// Opens the file for the body. A file that exists keeps its content until the response arrives.
fn open_output(path: &PathBuf) -> Result<File, Failure> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| Failure::output(&error))
}

async fn print_body(
    response: TollResponse,
    file: Option<File>,
    arguments: &FetchArguments,
) -> Result<(), Failure> {
    let paid = new_payment(&response);
    let cannot_write = |error: io::Error| cannot_write(&error, paid.as_ref());
    let mut response = response.into_inner();
    let mut out: Box<dyn Write> = match file {
        Some(file) => Box::new(emptied(file).map_err(cannot_write)?),
        None => Box::new(io::stdout().lock()),
    };
    if arguments.include {
        write_head(&mut out, &response).map_err(cannot_write)?;
    }
    let shows_progress = !arguments.silent && arguments.output.is_some() && io::stderr().is_terminal();
    let progress = Progress::new(response.content_length(), shows_progress);
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(error, paid.as_ref()))? {
        out.write_all(&chunk).map_err(cannot_write)?;
        progress.add(chunk.len());
    }
    progress.end();
    out.flush().map_err(cannot_write)
}

/// Removes the content of a file. A device such as `/dev/null` has none.
fn emptied(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(file)
}

fn write_head(out: &mut dyn Write, response: &Response) -> io::Result<()> {
    writeln!(out, "{:?} {}\r", response.version(), response.status())?;
    for (name, value) in response.headers() {
        writeln!(out, "{name}: {}\r", String::from_utf8_lossy(value.as_bytes()))?;
    }
    writeln!(out, "\r")
}

/// Returns why a response broke off. If this command has paid for it, the payment is named: it is in the journal, and the
/// same command gets the response without paying again.
pub fn lost(error: reqwest::Error, paid: Option<&Payment>) -> Failure {
    let source = error.into();
    match paid {
        Some(payment) => ClientError::AnswerLost { payment: Box::new(payment.clone()), source }.into(),
        None => ClientError::Unreachable(source).into(),
    }
}

/// A progress bar on standard error.
struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    fn new(length: Option<u64>, is_shown: bool) -> Self {
        let bar = || match length {
            Some(length) => indicatif::ProgressBar::new(length),
            None => indicatif::ProgressBar::no_length(),
        };
        let style =
            indicatif::ProgressStyle::with_template("{bytes} of {total_bytes} {wide_bar} {bytes_per_sec}");
        Self(is_shown.then(|| style.map_or_else(|_| bar(), |style| bar().with_style(style))))
    }

    fn add(&self, bytes: usize) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes as u64);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn sats(amount: u64) -> String {
    if amount == 1 { "1 sat".to_owned() } else { format!("{amount} sats") }
}
