//! What was found, one line each.

use std::fmt;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub check: Check,
    /// What was seen there, and what to do about it.
    pub sentence: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It sells, but not as well as it could.
    Warn,
    /// It does not sell, or not safely.
    Fail,
    /// Not looked at, because of what was found before.
    Skip,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant's word says what it is")]
pub enum Check {
    PriceList,
    Reachable,
    Clock,
    Version,
    Key,
    Invoice,
    Leak,
    PriceSource,
    RateLimit,
}

/// How often each level was found, wallets together. Displayed, it is the closing line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    fails: usize,
    warns: usize,
}

impl Finding {
    /// A line.
    pub fn new(level: Level, check: Check, sentence: impl Into<String>) -> Self {
        Self { level, check, sentence: sentence.into() }
    }
}

impl Check {
    /// What is looked at once LNbits is reachable, in this order.
    pub const ONCE_REACHABLE: [Self; 7] = [
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
            Self::PriceList => "price list",
            Self::Reachable => "reachable",
            Self::Clock => "clock",
            Self::Version => "version",
            Self::Key => "key",
            Self::Invoice => "invoice",
            Self::Leak => "leak",
            Self::PriceSource => "price source",
            Self::RateLimit => "rate limit",
        }
    }
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

impl Tally {
    /// Counts a finding.
    pub fn count(&mut self, level: Level) {
        match level {
            Level::Fail => self.fails = self.fails.saturating_add(1),
            Level::Warn => self.warns = self.warns.saturating_add(1),
            Level::Ok | Level::Skip => {}
        }
    }

    /// Whether something must be changed.
    pub fn has_failed(&self) -> bool {
        self.fails > 0
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4}  {:<12}  {}", self.level.word(), self.check.word(), self.sentence)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} FAIL, {} WARN", self.fails, self.warns)
    }
}
