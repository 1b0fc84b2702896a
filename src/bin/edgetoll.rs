//! The command `edgetoll`. It only parses its arguments; the commands are in `edgetoll::cli`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use edgetoll::cli::deploy::command::{self as deploy, DeployArguments};
use edgetoll::cli::init::command::{self as init, InitArguments};
#[cfg(feature = "fetch")]
use edgetoll::cli::pay::{self, fetch::FetchArguments};
use edgetoll::cli::{check, doctor, invoice, macaroon, secret};

/// Tools for a Lightning paywall on Cloudflare Workers, and a client that pays
#[derive(Parser)]
#[command(name = "edgetoll", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the files of a new deployment in the current folder
    ///
    /// Asks what to protect, for which price, which wallet is paid, and where the origin is. Each question has an option and a
    /// default. The secrets are new random values in .dev.vars, which git ignores. No existing file is overwritten: what is
    /// missing is added to package.json and .gitignore.
    ///
    /// The address of a wallet with Nostr Wallet Connect is read from the environment variable NWC_URL, or asked for. It is no
    /// option, because other users of this machine can see the options of a command.
    ///
    /// Exit codes: 0 if the files were written, 2 otherwise.
    #[command(verbatim_doc_comment)]
    Init(InitArguments),
    /// Find mistakes in a Wrangler file that would cost money or open the paywall
    ///
    /// Each mistake is printed with its line and column. Nothing is sent over the network.
    ///
    /// Exit codes: 0 without errors (warnings are allowed), 1 with errors, 2 if the file cannot be read.
    #[command(verbatim_doc_comment)]
    Check {
        /// The Wrangler file [default: wrangler.toml, wrangler.json or wrangler.jsonc in the current folder]
        file: Option<PathBuf>,
        /// As the build command of Wrangler: under `wrangler dev`, exit with 0 despite errors, because Wrangler would end
        #[arg(long)]
        build: bool,
    },
    /// Test whether a deployment can sell and be paid
    ///
    /// Checks the secrets that are on this machine, the bindings, the origin and the public URL. Then sends the
    /// Worker's requests to LNbits from this machine, and checks the clock and the version of LNbits, the wallet key, a
    /// new invoice, whether the preimages of unpaid invoices are hidden, the exchange rates, and the rate limit. Each
    /// run creates one invoice of 1 sat in each wallet, which is never paid. No secret is printed.
    ///
    /// Each setting is read from environment variables, then from .dev.vars beside the Wrangler file, then from the
    /// vars of the Wrangler file. If LNBITS_KEY is an environment variable, the Wrangler file is read before .dev.vars.
    ///
    /// Exit codes: 0 without failures (warnings are allowed), 1 with failures, 2 if a file cannot be
    /// read, or a setting is missing or not valid.
    #[command(verbatim_doc_comment)]
    Doctor {
        /// The Wrangler file [default: wrangler.toml, wrangler.json or wrangler.jsonc in the current folder]
        file: Option<PathBuf>,
        /// The environment of the Wrangler file whose vars are read [default: the top level]
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Deploy, and try the deployment
    ///
    /// Checks the Wrangler file as `check` does, sets the secrets that Cloudflare does not have, runs the doctor, and deploys with
    /// Wrangler. Then requests the health of the deployment and the price of a path, and looks for ways around the paywall: at
    /// workers.dev, at the origin, and, with CLOUDFLARE_API_TOKEN, in routes that fail open.
    ///
    /// Exit codes: 0 without failures (warnings are allowed), 1 if a step failed, 2 if a file cannot be read.
    #[command(verbatim_doc_comment)]
    Deploy(DeployArguments),
    /// Send a request as curl does, and pay if the server asks for it
    ///
    /// Each payment is written to a journal before the wallet gets the invoice. If the command is stopped at any time, the
    /// same command gets what was paid for, without paying again.
    ///
    /// Exit codes: 0 the server responded; 2 wrong arguments; 3 the configuration or the journal cannot be used;
    /// 4 the server cannot be reached; 5 not paid: the price or the budget is exceeded; 6 not paid: the server's
    /// challenge is wrong or not allowed; 7 not paid: the wallet is missing or failed; 8 paid, but not served; 9 it is not
    /// known whether it was paid; 22 the status is 400 or higher, with --fail.
    #[cfg(feature = "fetch")]
    #[command(verbatim_doc_comment)]
    Fetch(FetchArguments),
    /// Show the wallet that pays, its balance, and the limits
    #[cfg(feature = "fetch")]
    Wallet {
        /// The wallet: lnbits, nwc or command
        #[arg(long, value_name = "NAME")]
        wallet: Option<String>,
    },
    /// Show the journal: what was paid to whom, and what can be resumed
    #[cfg(feature = "fetch")]
    Payments {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show the credentials that were bought and can be used again
    #[cfg(feature = "fetch")]
    Credentials {
        /// Print the headers, which are secret
        #[arg(long)]
        show_secrets: bool,
    },
    /// Show the dashboard of a deployment: revenue, requests and the newest payments
    ///
    /// The environment variable ADMIN_TOKEN must be the ADMIN_TOKEN of the deployment.
    #[cfg(feature = "fetch")]
    #[command(verbatim_doc_comment)]
    Stats {
        /// The URL of the deployment, such as https://api.example.com
        url: String,
        /// The prefix of edgetoll's own endpoints
        #[arg(long, default_value = "/_toll")]
        prefix: String,
        /// Print the JSON of the deployment
        #[arg(long)]
        json: bool,
    },
    /// Serve an agent over standard input and output (Model Context Protocol)
    ///
    /// The tools are fetch_paid, price, budget and payments. They pay within the limits of the configuration. With
    /// confirm_above_sats, the person confirms each higher price.
    #[cfg(feature = "mcp")]
    #[command(verbatim_doc_comment)]
    Mcp,
    /// Mint, show, verify and narrow macaroons
    #[command(subcommand)]
    Macaroon(macaroon::MacaroonCommand),
    /// Read Lightning invoices
    #[command(subcommand)]
    Invoice(InvoiceCommand),
    /// Print a new secret for TOLL_SECRET
    Secret,
    /// Print completions for a shell
    Completions { shell: Shell },
    /// Print the manual page
    Man,
}

#[derive(Subcommand)]
enum InvoiceCommand {
    /// Print what an invoice (BOLT 11) says, as JSON; its signature is not checked
    Decode { invoice: String },
}

fn main() -> ExitCode {
    #[cfg(target_os = "wasi")]
    edgetoll::cli::enter_current_folder();
    match Arguments::parse().command {
        Command::Init(arguments) => init::run(arguments),
        Command::Deploy(arguments) => deploy::run(arguments),
        Command::Check { file, build } => check::command::run(file, build),
        Command::Doctor { file, env } => doctor::command::run(file, env.as_deref()),
        #[cfg(feature = "fetch")]
        Command::Fetch(arguments) => pay::fetch::run(&arguments),
        #[cfg(feature = "fetch")]
        Command::Wallet { wallet } => pay::wallet::run(wallet.as_deref()),
        #[cfg(feature = "fetch")]
        Command::Payments { json } => pay::payments::run(json),
        #[cfg(feature = "fetch")]
        Command::Credentials { show_secrets } => pay::credentials::run(show_secrets),
        #[cfg(feature = "fetch")]
        Command::Stats { url, prefix, json } => pay::stats::run(&url, &prefix, json),
        #[cfg(feature = "mcp")]
        Command::Mcp => pay::mcp::run(),
        Command::Macaroon(command) => macaroon::run(&command),
        Command::Invoice(InvoiceCommand::Decode { invoice }) => invoice::decode(&invoice),
        Command::Secret => secret::run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "edgetoll", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Command::Man => match clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
    }
}
