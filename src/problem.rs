//! Every refusal that a client can meet: its status, the word that programs read, and the sentence that people read. What
//! stands here is all that the client may know; the detail goes to the log.

use serde::Serialize;
use thiserror::Error;

use crate::l402::refusal::Refusal;
use crate::policy::facts::Unpriced;

/// Why a request got neither the origin's answer nor a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's sentence says what it is")]
pub enum Problem {
    #[error("{0}")]
    Credential(Refusal),
    #[error("This path can be read in two ways that cost differently; spell it as the price list does")]
    AmbiguousPath,
    #[error("{0}")]
    Unpriced(Unpriced),
    #[error("An upgrade to a WebSocket is a GET")]
    UpgradeWithoutGet,
    #[error("This path is too long to be sold")]
    PathTooLong,
    #[error("This path has a price only for other methods, or the method is never forwarded")]
    MethodNotAllowed { allow: String },
    #[error("This path has a price only on another host")]
    OtherHost,
    #[error("Paid requests need https")]
    PlainHttp,
    #[error("This path is sold for one address, and yours is not known")]
    UnknownClient,
    #[error("There is nothing here")]
    NotFound,
    #[error("This is the operator's: send the admin token as Authorization: Bearer")]
    Unauthorized,
    #[error("Only a page of this site may ask this")]
    OtherPage,
    #[error("Too many tries; come back later")]
    TooManyTries { retry_after_s: u64 },
    #[error("The books cannot be reached at the moment")]
    LedgerUnavailable,
    #[error("The paywall is not configured; its owner finds the reason in the log")]
    NotConfigured,
    #[error("No invoice can be made at the moment; nothing was charged")]
    InvoiceUnavailable { retry_after_s: u64 },
    #[error("Whether this was paid cannot be learned at the moment; the credential stays good")]
    SettlementUnavailable { retry_after_s: u64 },
    #[error("You ask too often; nothing was charged, and a credential stays good")]
    TooManyChallenges { retry_after_s: u64 },
    #[error("Too many invoices are asked for at the moment; nothing was charged")]
    TooManyInvoices { retry_after_s: u64 },
    #[error("Every use that was bought is on its way; one may come back")]
    UsesInFlight,
    #[error("Uses cannot be counted at the moment; nothing was taken")]
    UsesUnavailable,
    #[error("The paywall failed; nothing was served")]
    Internal,
    #[error("The origin leads back to this paywall; its owner has to set ORIGIN_URL")]
    OriginLoop,
    #[error("The origin cannot be reached; a credential stays good")]
    OriginUnreachable,
    #[error("The origin did not answer in time; a credential stays good")]
    OriginTimeout,
}

impl Problem {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::AmbiguousPath | Self::UpgradeWithoutGet => 400,
            Self::Unpriced(Unpriced::AmbiguousQuery(_) | Unpriced::AmbiguousHeader(_)) => 400,
            Self::Credential(_) | Self::Unauthorized => 401,
            Self::PlainHttp | Self::UnknownClient | Self::OtherPage => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::Unpriced(Unpriced::LengthRequired) => 411,
            Self::Unpriced(Unpriced::TooLong) => 413,
            Self::Unpriced(Unpriced::Encoded) => 415,
            Self::UsesInFlight => 409,
            Self::PathTooLong => 414,
            Self::OtherHost => 421,
            Self::TooManyChallenges { .. } | Self::TooManyInvoices { .. } | Self::TooManyTries { .. } => 429,
            Self::Internal => 500,
            Self::OriginUnreachable => 502,
            Self::NotConfigured
            | Self::InvoiceUnavailable { .. }
            | Self::SettlementUnavailable { .. }
            | Self::UsesUnavailable
            | Self::LedgerUnavailable => 503,
            Self::OriginTimeout => 504,
            Self::OriginLoop => 508,
        }
    }

    /// The word that programs read.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Credential(refusal) => refusal.code(),
            Self::AmbiguousPath => "ambiguous_path",
            Self::Unpriced(Unpriced::AmbiguousQuery(_)) => "ambiguous_query",
            Self::Unpriced(Unpriced::AmbiguousHeader(_)) => "ambiguous_header",
            Self::Unpriced(Unpriced::LengthRequired) => "length_required",
            Self::Unpriced(Unpriced::TooLong) => "body_too_long",
            Self::Unpriced(Unpriced::Encoded) => "body_encoded",
            Self::UpgradeWithoutGet => "upgrade_without_get",
            Self::PathTooLong => "path_too_long",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::OtherHost => "other_host",
            Self::PlainHttp => "plain_http",
            Self::UnknownClient => "unknown_client",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::OtherPage => "other_page",
            Self::TooManyTries { .. } => "too_many_tries",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::NotConfigured => "not_configured",
            Self::InvoiceUnavailable { .. } => "invoice_unavailable",
            Self::SettlementUnavailable { .. } => "settlement_unavailable",
            Self::TooManyChallenges { .. } => "too_many_challenges",
            Self::TooManyInvoices { .. } => "too_many_invoices",
            Self::UsesInFlight => "uses_in_flight",
            Self::UsesUnavailable => "uses_unavailable",
            Self::Internal => "internal",
            Self::OriginLoop => "origin_loop",
            Self::OriginUnreachable => "origin_unreachable",
            Self::OriginTimeout => "origin_timeout",
        }
    }

    /// The header that goes with it, beyond `Cache-Control: no-store`.
    pub fn header(&self) -> Option<(&'static str, String)> {
        let retry_after = |seconds: u64| Some(("Retry-After", seconds.to_string()));
        match self {
            Self::Credential(_) => Some(("WWW-Authenticate", crate::l402::challenge::SCHEME.to_owned())),
            Self::Unauthorized => Some(("WWW-Authenticate", "Bearer".to_owned())),
            Self::MethodNotAllowed { allow } => Some(("Allow", allow.clone())),
            Self::InvoiceUnavailable { retry_after_s }
            | Self::SettlementUnavailable { retry_after_s }
            | Self::TooManyChallenges { retry_after_s }
            | Self::TooManyInvoices { retry_after_s }
            | Self::TooManyTries { retry_after_s } => retry_after(*retry_after_s),
            Self::UsesUnavailable | Self::LedgerUnavailable => retry_after(5),
            Self::UsesInFlight => retry_after(1),
            _ => None,
        }
    }

    /// The JSON body: `{"error": sentence, "code": word}`.
    pub fn body(&self) -> String {
        let body = Body { error: self.to_string(), code: self.code() };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body {
    error: String,
    code: &'static str,
}
