//! The report of `edgetoll doctor`: one line for each check.

use std::fmt;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    pub level: Level,
    pub check: Check,
    /// What was found, and what to do about it.
    pub sentence: String,
}

impl CheckResult {
    pub fn new(level: Level, check: Check, sentence: impl Into<String>) -> Self {
        Self { level, check, sentence: sentence.into() }
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4}  {:<12}  {}", self.level.word(), self.check.word(), self.sentence)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Ok,
    /// Selling may be slow, or may fail at times. Or the check could not be completed.
    Warn,
    /// The deployment cannot sell, or selling is not safe.
    Fail,
    /// Not checked, because an earlier check failed, or because the setting is not on this machine.
    Skip,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Whether Wrangler uses the file in the current folder.
    ConfigFile,
    /// Whether the price list can be read.
    PriceList,
    /// Whether `.dev.vars` can be read, and has only known names.
    DevVars,
    /// Whether `TOLL_SECRET` is strong.
    Secret,
    /// Whether `ADMIN_TOKEN` is strong.
    AdminToken,
    /// Whether `ORIGIN_TOKEN` can be sent in a header and is hard to guess.
    OriginToken,
    /// Whether `ORIGIN_SECRET` is strong.
    OriginSecret,
    /// Whether `ON_PAYMENT_URL` and `ON_PAYMENT_SECRET` can be used.
    Callbacks,
    /// Whether the Wrangler file has the bindings.
    Bindings,
    /// Whether there is an origin, and whether it answers.
    Origin,
    /// Whether the Worker answers at `PUBLIC_URL`.
    PublicUrl,
    /// Whether LNbits answers, and how fast.
    Reachable,
    /// Whether the clock of LNbits is right.
    Clock,
    /// Whether LNbits has a version that hides the preimages of unpaid invoices.
    Version,
    /// Whether the key is an invoice key.
    Key,
    /// Whether LNbits creates an invoice and finds it again.
    Invoice,
    /// Whether the preimage of an unpaid invoice is hidden.
    Leak,
    /// Whether an NWC wallet keeps what edgetoll records with an invoice.
    Record,
    /// Whether LNbits has the exchange rates that the price list needs.
    PriceSource,
    /// Whether LNbits allows as many requests per minute as the price list allows invoices.
    RateLimit,
    /// Whether Cloudflare has the secrets.
    Secrets,
    /// Whether Wrangler has deployed the Worker.
    Deployed,
    /// Whether an unpaid request gets a challenge.
    Challenge,
    /// Whether there is a way around the paywall.
    Bypass,
    /// Whether the routes fail closed.
    FailClosed,
}

impl Check {
    /// The checks that need a reachable LNbits, in the order of the report.
    pub const AFTER_REACHABLE: [Self; 7] = [
        Self::Clock,
        Self::Version,
        Self::Key,
        Self::Invoice,
        Self::Leak,
        Self::PriceSource,
        Self::RateLimit,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::ConfigFile => "config file",
            Self::PriceList => "price list",
            Self::DevVars => ".dev.vars",
            Self::Secret => "secret",
            Self::AdminToken => "admin token",
            Self::OriginToken => "origin token",
            Self::OriginSecret => "signature",
            Self::Callbacks => "callbacks",
            Self::Bindings => "bindings",
            Self::Origin => "origin",
            Self::PublicUrl => "public URL",
            Self::Reachable => "reachable",
            Self::Clock => "clock",
            Self::Version => "version",
            Self::Key => "key",
            Self::Invoice => "invoice",
            Self::Leak => "leak",
            Self::Record => "record",
            Self::PriceSource => "price source",
            Self::RateLimit => "rate limit",
            Self::Secrets => "secrets",
            Self::Deployed => "deployed",
            Self::Challenge => "challenge",
            Self::Bypass => "bypass",
            Self::FailClosed => "fail closed",
        }
    }
}

/// The numbers of failures and warnings in the report. `Display` writes the last line of the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    fails: usize,
    warns: usize,
}

impl Tally {
    pub fn count(&mut self, level: Level) {
        match level {
            Level::Fail => self.fails = self.fails.saturating_add(1),
            Level::Warn => self.warns = self.warns.saturating_add(1),
            Level::Ok | Level::Skip => {}
        }
    }

    pub fn has_failed(&self) -> bool {
        self.fails > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} FAIL, {} WARN", self.fails, self.warns)
    }
}
