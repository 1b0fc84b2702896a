//! The command `edgetoll`. It only parses its arguments; the commands are in `edgetoll::cli`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use edgetoll::cli::{check, doctor};

/// Tools for a Lightning paywall on Cloudflare Workers
#[derive(Parser)]
#[command(name = "edgetoll", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find mistakes in a Wrangler file that would cost money or open the paywall
    ///
    /// Each mistake is printed with its line and column. Nothing is sent over the network.
    ///
    /// Exit codes: 0 without errors (warnings are allowed), 1 with errors, 2 if the file cannot be read.
    #[command(verbatim_doc_comment)]
    Check {
        /// The Wrangler file [default: wrangler.toml, wrangler.json or wrangler.jsonc in the current folder]
        file: Option<PathBuf>,
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
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Check { file } => check::command::run(file),
        Command::Doctor { file, env } => doctor::command::run(file, env.as_deref()),
    }
}
